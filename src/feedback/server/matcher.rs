//! Finds the rows that events of webhooks are about.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::apply_error::ApplyError;
use super::entries::{AppliedMark, EventEntry};
use super::journal::Journal;
use super::served::{ServedList, ServedRun};
use crate::api::EventKind;
use crate::feedback::event::RowEvent;
use crate::feedback::index::MessageIndex;
use crate::feedback::store::EventsError;
use crate::ledger::{Ledger, Status};
use crate::list_name::ListName;

/// The source of entries in lists.
const SOURCE: &str = "webhook";
/// How many runs are kept open. Others are read again when an event comes that may be theirs.
const MAX_OPEN: usize = 32;
/// The shortest time before a run is asked again whether more rows were accepted.
const RECHECK: Duration = Duration::from_secs(2);
/// The shortest time before events of unknown messages are tried again.
const RETRY: Duration = Duration::from_secs(10);
/// After slow work, the pause is this many times as long as the work took.
const PAUSE_FACTOR: u32 = 10;

#[derive(Default)]
pub(super) struct Matcher {
    /// By the start of the message IDs.
    open: HashMap<String, OpenRun>,
    /// When the parked events were tried last.
    retried: Option<Instant>,
    /// How long to wait before they are tried again.
    pause: Duration,
}

/// Events of one run, and their numbers in the journal.
#[derive(Default)]
struct RunEvents {
    seqs: Vec<i64>,
    events: Vec<RowEvent>,
}

struct OpenRun {
    ledger: Box<dyn Ledger>,
    index: MessageIndex,
    /// The accepted rows when the index was built.
    accepted: u64,
    checked: Instant,
    /// How long to wait before the run is asked again.
    pause: Duration,
    used: Instant,
}

impl Matcher {
    /// Whether it is time to try the events of unknown messages again.
    pub(super) fn is_retry_due(&self) -> bool {
        self.retried.is_none_or(|at| at.elapsed() >= self.pause)
    }

    /// Says that the events of unknown messages were tried again, beginning at `started`.
    pub(super) fn retried(&mut self, started: Instant) {
        self.retried = Some(Instant::now());
        self.pause = RETRY.max(started.elapsed() * PAUSE_FACTOR);
    }

    /// Applies one page of the journal's events: new ones, or those of unknown messages.
    pub(super) fn apply_page(
        &mut self,
        journal: &Journal,
        page: &[EventEntry],
        runs: &[ServedRun],
        lists: &mut [ServedList],
        now: Timestamp,
        parked: bool,
    ) -> Result<BTreeSet<ListName>, ApplyError> {
        let mut changed = BTreeSet::new();
        let mut marks = Vec::new();
        let (by_run, unknown) = self.find(runs, page)?;
        if !parked {
            marks.extend(unknown.into_iter().map(AppliedMark::Parked));
        }
        for (run, found) in by_run {
            match add(&runs[run], &found.events, lists, now) {
                Ok(list) => {
                    changed.extend(list);
                    marks.extend(found.seqs.into_iter().map(AppliedMark::Matched));
                }
                Err(error) => tracing::warn!(%error, "events wait for their run"),
            }
        }
        if !marks.is_empty() {
            journal.applied(marks)?;
        }
        Ok(changed)
    }

    /// The rows of events, by the place of their run, and the numbers of the events that are of no run. mailrun's own
    /// message IDs name the run; others may be of any. Each run is opened once for all events, because more runs may be
    /// served than are kept open.
    fn find(
        &mut self,
        runs: &[ServedRun],
        page: &[EventEntry],
    ) -> Result<(BTreeMap<usize, RunEvents>, Vec<i64>), EventsError> {
        let mut by_run: BTreeMap<usize, RunEvents> = BTreeMap::new();
        let mut unknown: Vec<(&EventEntry, Option<usize>)> = page
            .iter()
            .map(|entry| (entry, named_run(runs, entry)))
            .collect();
        for (place, run) in runs.iter().enumerate() {
            let may_have = |named: Option<usize>| named.is_none_or(|named| named == place);
            if !unknown.iter().any(|(_, named)| may_have(*named)) {
                continue;
            }
            // Events of a run that can't be read wait, and those of others don't.
            let index = match self.index(run) {
                Ok(index) => index,
                Err(error) => {
                    tracing::warn!(%error, "a run can't be read");
                    continue;
                }
            };
            let mut left = Vec::new();
            for (entry, named) in unknown {
                let event = match may_have(named) {
                    true => event_in(index, entry)?,
                    false => None,
                };
                match event {
                    Some(event) => {
                        let found = by_run.entry(place).or_default();
                        found.seqs.push(entry.seq);
                        found.events.push(event);
                    }
                    None => left.push((entry, named)),
                }
            }
            unknown = left;
        }
        let unknown = unknown.into_iter().map(|(entry, _)| entry.seq).collect();
        Ok((by_run, unknown))
    }

    fn index(&mut self, run: &ServedRun) -> Result<&MessageIndex, EventsError> {
        let now = Instant::now();
        let stale = match self.open.get_mut(&run.run.id_prefix) {
            None => true,
            Some(open) if now.duration_since(open.checked) < open.pause => false,
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
                pause: RECHECK.max(now.elapsed() * PAUSE_FACTOR),
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

/// The place of the run that the message ID of an event names.
fn named_run(runs: &[ServedRun], entry: &EventEntry) -> Option<usize> {
    let prefix = entry.message_id.split('.').next().unwrap_or_default();
    runs.iter().position(|run| run.run.id_prefix == prefix)
}

/// The event with its row; `None` if the run does not have its message.
fn event_in(index: &MessageIndex, entry: &EventEntry) -> Result<Option<RowEvent>, EventsError> {
    let Some(kind) = EventKind::parse(&entry.kind) else {
        return Ok(None);
    };
    let row = index.row_of(&entry.message_id, &entry.address)?;
    Ok(row.map(|row| RowEvent {
        row,
        kind,
        at: entry.at.and_then(|at| Timestamp::from_millisecond(at).ok()),
        description: entry.description.clone(),
    }))
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
