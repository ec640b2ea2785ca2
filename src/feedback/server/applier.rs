//! Applies the journal to lists and runs: at the start, as entries come, and again if that failed.
//!
//! An entry may be applied twice if the process dies in between. Neither lists nor events change by that.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::apply_error::ApplyError;
use super::entries::{AppliedMark, Click, ClickEntry};
use super::export::Exports;
use super::journal::{Journal, JournalReader};
use super::matcher::Matcher;
use super::served::{RunCatalog, ServedList, ServedRun};
use crate::address::Address;
use crate::api::EventKind;
use crate::clock::Clock;
use crate::feedback::event::RowEvent;
use crate::feedback::store::EventsError;
use crate::suppression::{NewEntry, Reason};

/// How many entries are applied at once.
const PAGE: u32 = 1_000;
/// How long to wait before entries that could not be applied are tried again.
const RETRY: Duration = Duration::from_secs(5);
/// The source of an entry in a list.
const SOURCE: &str = "one-click";

pub(super) struct Applier {
    pub(super) journal: Journal,
    pub(super) reader: JournalReader,
    pub(super) catalog: Box<dyn RunCatalog>,
    pub(super) lists: Vec<ServedList>,
    pub(super) matcher: Matcher,
    pub(super) exports: Exports,
    pub(super) clock: Clock,
}

impl Applier {
    /// Applies entries whenever `wake` says that there are new ones, until its other end is dropped, and once more then.
    pub(super) fn run(mut self, wake: &Receiver<()>) {
        // A process that was killed may have changed a list and not written its file.
        for served in &self.lists {
            self.exports.changed(&served.name);
        }
        loop {
            if let Err(error) = self.apply() {
                tracing::warn!(%error, "entries of the journal wait");
            }
            self.exports.write(&self.lists);
            let wait = self.exports.next_write().unwrap_or(RETRY).min(RETRY);
            match wake.recv_timeout(wait) {
                Ok(()) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if let Err(error) = self.apply() {
            tracing::warn!(%error, "entries of the journal wait for the next start");
        }
        self.exports.write_now(&self.lists);
    }

    fn apply(&mut self) -> Result<(), ApplyError> {
        // A list that can't be written does not keep the events of others waiting.
        let mut clicks = self.apply_clicks();
        let runs = self.catalog.runs()?;
        self.apply_events(&runs, false, &mut clicks)?;
        if self.matcher.is_retry_due() {
            let started = Instant::now();
            self.apply_events(&runs, true, &mut clicks)?;
            self.matcher.retried(started);
        }
        clicks
    }

    /// Applies events page by page. New clicks do not wait for the last page, unless clicks can't be applied at the moment.
    fn apply_events(
        &mut self,
        runs: &[ServedRun],
        parked: bool,
        clicks: &mut Result<(), ApplyError>,
    ) -> Result<(), ApplyError> {
        let mut after = 0;
        loop {
            let page = self.reader.events(parked, after, PAGE)?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = last.seq;
            let now = self.clock.now();
            let changed = self.matcher.apply_page(
                &self.journal,
                &page,
                runs,
                &mut self.lists,
                now,
                parked,
            )?;
            for list in changed {
                self.exports.changed(&list);
            }
            if clicks.is_ok() {
                *clicks = self.apply_clicks();
            }
            self.exports.write(&self.lists);
        }
    }

    /// Applies all clicks in their order. A list or a run that can't be written keeps its own clicks waiting.
    fn apply_clicks(&mut self) -> Result<(), ApplyError> {
        let mut after = 0;
        let mut failed: BTreeSet<String> = BTreeSet::new();
        let mut first_error = None;
        loop {
            let page = self.reader.clicks(after, PAGE)?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            let runs = self.catalog.runs();
            let mut marks = Vec::new();
            for entry in &page {
                if !entry.listed && !failed.contains(&entry.click.list) {
                    match self.add_to_list(&entry.click) {
                        Ok(()) => marks.push(AppliedMark::Listed(entry.seq)),
                        Err(error) => {
                            failed.insert(entry.click.list.clone());
                            first_error = first_error.or(Some(error));
                        }
                    }
                }
                if !entry.recorded && !failed.contains(&entry.click.run) {
                    let runs = runs.as_deref();
                    let recorded = runs
                        .map_err(ToString::to_string)
                        .and_then(|runs| self.record(runs, entry).map_err(|it| it.to_string()));
                    match recorded {
                        Ok(()) => marks.push(AppliedMark::Recorded(entry.seq)),
                        Err(error) => {
                            tracing::warn!(error, "a click waits for its run");
                            failed.insert(entry.click.run.clone());
                        }
                    }
                }
            }
            self.journal.applied(marks)?;
        }
        first_error.map_or(Ok(()), Err)
    }

    /// Adds the address to the list of the click. The click waits while the server does not serve this list.
    fn add_to_list(&mut self, click: &Click) -> Result<(), ApplyError> {
        let is_it = |list: &&mut ServedList| list.name.to_string() == click.list;
        let Some(served) = self.lists.iter_mut().find(is_it) else {
            return Err(ApplyError::NotServed(click.list.clone()));
        };
        // Only addresses are journaled.
        let Ok(address) = Address::parse(&click.address) else {
            return Ok(());
        };
        let at = Timestamp::from_millisecond(click.at).unwrap_or_default();
        if click.is_undo {
            served.feed.list.undo(&address, Reason::Unsubscribe, at)?;
        } else {
            served.feed.list.add(&[NewEntry {
                address,
                reason: Reason::Unsubscribe,
                source: SOURCE.to_owned(),
                at,
                note: String::new(),
            }])?;
        }
        let name = served.name.clone();
        self.exports.changed(&name);
        Ok(())
    }

    /// A run that was deleted gets nothing.
    fn record(&self, runs: &[ServedRun], entry: &ClickEntry) -> Result<(), EventsError> {
        let click = &entry.click;
        let Some(run) = runs.iter().find(|run| run.run.id_prefix == click.run) else {
            return Ok(());
        };
        let event = RowEvent {
            row: click.row,
            kind: EventKind::Unsubscribed,
            at: Timestamp::from_millisecond(click.at).ok(),
            description: String::new(),
        };
        let mut events = run.access.events()?;
        if click.is_undo {
            events.remove(&event)
        } else {
            events.add(&[event], self.clock.now()).map(drop)
        }
    }
}
