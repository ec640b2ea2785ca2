//! Finds the rows that events of webhooks are about.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::apply_error::ApplyError;
use super::entries::{AppliedMark, EventEntry};
use super::journal::{Journal, JournalReader};
use super::served::{ServedList, ServedRun};
use crate::api::EventKind;
use crate::feedback::event::RowEvent;
use crate::feedback::index::MessageIndex;
use crate::feedback::store::EventsError;
use crate::ledger::{Ledger, Status};
use crate::list_name::ListName;

const PAGE: u32 = 1_000;
/// The source of entries in lists.
const SOURCE: &str = "webhook";
/// How many runs are kept open. Others are read again when an event comes that may be theirs.
const MAX_OPEN: usize = 32;
/// How often a run is asked whether more rows were accepted,
const RECHECK: Duration = Duration::from_secs(2);
/// and how often events of unknown messages are tried again.
const RETRY: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(super) struct Matcher {
    /// By the start of the message IDs.
    open: HashMap<String, OpenRun>,
    /// When the parked events were tried last.
    retried: Option<Instant>,
}

struct OpenRun {
    ledger: Box<dyn Ledger>,
    index: MessageIndex,
    /// The accepted rows when the index was built.
    accepted: u64,
    checked: Instant,
    used: Instant,
}

impl Matcher {
    /// Applies the events of the journal. Returns the lists that may have changed.
    pub(super) fn apply(
        &mut self,
        journal: &Journal,
        reader: &JournalReader,
        runs: &[ServedRun],
        lists: &mut [ServedList],
        now: Timestamp,
    ) -> Result<BTreeSet<ListName>, ApplyError> {
        let mut changed = self.apply_all(journal, reader, runs, lists, now, false)?;
        if self.retried.is_none_or(|at| at.elapsed() >= RETRY) {
            changed.extend(self.apply_all(journal, reader, runs, lists, now, true)?);
            self.retried = Some(Instant::now());
        }
        Ok(changed)
    }

    fn apply_all(
        &mut self,
        journal: &Journal,
        reader: &JournalReader,
        runs: &[ServedRun],
        lists: &mut [ServedList],
        now: Timestamp,
        parked: bool,
    ) -> Result<BTreeSet<ListName>, ApplyError> {
        let mut after = 0;
        let mut changed = BTreeSet::new();
        loop {
            let page = reader.events(parked, after, PAGE)?;
            let Some(last) = page.last() else {
                return Ok(changed);
            };
            after = last.seq;
            let mut marks = Vec::new();
            let mut by_run: BTreeMap<usize, (Vec<i64>, Vec<RowEvent>)> = BTreeMap::new();
            for entry in &page {
                match self.find(runs, entry)? {
                    Some((run, event)) => {
                        let (seqs, events) = by_run.entry(run).or_default();
                        seqs.push(entry.seq);
                        events.push(event);
                    }
                    None if !parked => marks.push(AppliedMark::Parked(entry.seq)),
                    None => {}
                }
            }
            for (run, (seqs, events)) in by_run {
                let run = &runs[run];
                match add(run, &events, lists, now) {
                    Ok(list) => {
                        changed.extend(list);
                        marks.extend(seqs.into_iter().map(AppliedMark::Matched));
                    }
                    Err(error) => tracing::warn!(%error, "events wait for their run"),
                }
            }
            if !marks.is_empty() {
                journal.applied(marks)?;
            }
        }
    }

    /// The run and the row of an event. mailrun's own message IDs name the run; others may be of any.
    fn find(
        &mut self,
        runs: &[ServedRun],
        entry: &EventEntry,
    ) -> Result<Option<(usize, RowEvent)>, EventsError> {
        let Some(kind) = EventKind::parse(&entry.kind) else {
            return Ok(None);
        };
        let prefix = entry.message_id.split('.').next().unwrap_or_default();
        let named = runs.iter().position(|run| run.run.id_prefix == prefix);
        let candidates = named.map_or(0..runs.len(), |run| run..run + 1);
        for run in candidates {
            // Events of a run that can't be read wait, and those of others don't.
            let index = match self.index(&runs[run]) {
                Ok(index) => index,
                Err(error) => {
                    tracing::warn!(%error, "a run can't be read");
                    continue;
                }
            };
            if let Some(row) = index.row_of(&entry.message_id, &entry.address)? {
                let at = entry.at.and_then(|at| Timestamp::from_millisecond(at).ok());
                let event = RowEvent {
                    row,
                    kind,
                    at,
                    description: entry.description.clone(),
                };
                return Ok(Some((run, event)));
            }
        }
        Ok(None)
    }

    fn index(&mut self, run: &ServedRun) -> Result<&MessageIndex, EventsError> {
        let now = Instant::now();
        let stale = match self.open.get_mut(&run.run.id_prefix) {
            None => true,
            Some(open) if now.duration_since(open.checked) < RECHECK => false,
            Some(open) => {
                open.checked = now;
                open.ledger.counts()?.of(Status::Accepted) != open.accepted
            }
        };
        if stale {
            let ledger = match self.open.remove(&run.run.id_prefix) {
                Some(open) => open.ledger,
                None => run.access.ledger()?,
            };
            self.make_room();
            // Before the rows are read, so that rows accepted meanwhile are not missed.
            let accepted = ledger.counts()?.of(Status::Accepted);
            let index = MessageIndex::build(&*ledger, run.test_to.as_ref())?;
            let open = OpenRun {
                ledger,
                index,
                accepted,
                checked: now,
                used: now,
            };
            self.open.insert(run.run.id_prefix.clone(), open);
        }
        let open = self.open.get_mut(&run.run.id_prefix);
        let open = open.ok_or_else(|| EventsError::Damaged("a run was closed".to_owned()))?;
        open.used = now;
        Ok(&open.index)
    }

    fn make_room(&mut self) {
        while self.open.len() >= MAX_OPEN {
            let oldest = self.open.iter().min_by_key(|(_, open)| open.used);
            let Some(oldest) = oldest.map(|(prefix, _)| prefix.clone()) else {
                return;
            };
            self.open.remove(&oldest);
        }
    }
}

/// Adds events to their run, and then to its list.
fn add(
    run: &ServedRun,
    events: &[RowEvent],
    lists: &mut [ServedList],
    now: Timestamp,
) -> Result<Option<ListName>, ApplyError> {
    let mut store = run.access.events()?;
    store.add(events, now)?;
    let Some(served) = lists
        .iter_mut()
        .find(|it| Some(&it.name) == run.list.as_ref())
    else {
        return Ok(None);
    };
    let ledger = run.access.ledger()?;
    let rows: BTreeSet<u32> = events.iter().map(|event| event.row).collect();
    let fed = served
        .feed
        .rows(&rows, &run.run, &*ledger, &*store, SOURCE)?;
    Ok((fed > 0).then(|| served.name.clone()))
}
