//! Brings the events of a run to the kept list of its campaign.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use super::event::StoredEvent;
use super::store::{EventStore, EventsError};
use crate::address::Mailbox;
use crate::ledger::{Ledger, Run, Target};
use crate::suppression::{DeliveryEvent, KeptList, ListError};

/// How many rows are read at once.
const PAGE: u32 = 2048;

#[derive(Debug, thiserror::Error)]
pub(crate) enum FeedError {
    #[error(transparent)]
    Events(#[from] EventsError),
    #[error(transparent)]
    List(#[from] ListError),
}

/// Feeds a list with what became of messages. A process may die after events were stored and before the list has them, so
/// whoever begins to store events of a run first calls [`ListFeed::all`], or applies the same events again. Nothing is
/// counted twice.
pub(crate) struct ListFeed {
    pub(crate) list: KeptList,
    pub(crate) soft_bounces: NonZeroU32,
}

impl ListFeed {
    /// Records the stored events of all rows of a run, and returns how many addresses are suppressed that were not.
    /// `source` says where the events come from.
    ///
    /// # Errors
    /// The run can't be read, or the list can't be written.
    pub(crate) fn all(
        &mut self,
        run: &Run,
        ledger: &dyn Ledger,
        events: &dyn EventStore,
        source: &str,
    ) -> Result<u64, FeedError> {
        let last = ledger.last_row().map_err(EventsError::from)?;
        let pages = (0..last.div_ceil(PAGE)).map(|page| page * PAGE);
        self.pages(pages, None, run, ledger, events, source)
    }

    /// The same for some rows.
    ///
    /// # Errors
    /// As [`ListFeed::all`].
    pub(crate) fn rows(
        &mut self,
        rows: &BTreeSet<u32>,
        run: &Run,
        ledger: &dyn Ledger,
        events: &dyn EventStore,
        source: &str,
    ) -> Result<u64, FeedError> {
        let pages = rows.iter().map(|row| row.saturating_sub(1) / PAGE * PAGE);
        let pages: BTreeSet<u32> = pages.collect();
        self.pages(pages.into_iter(), Some(rows), run, ledger, events, source)
    }

    /// Records the events of the pages that begin after these rows: those of all their rows, or of `only` some.
    fn pages(
        &mut self,
        pages: impl Iterator<Item = u32>,
        only: Option<&BTreeSet<u32>>,
        run: &Run,
        ledger: &dyn Ledger,
        events: &dyn EventStore,
        source: &str,
    ) -> Result<u64, FeedError> {
        let mut suppressed = 0;
        // The messages of other runs are rehearsals and tests.
        if run.target != Target::Real {
            return Ok(0);
        }
        for after in pages {
            let (after, last) = match only {
                Some(rows) => bounds(rows, after),
                None => (after, after.saturating_add(PAGE)),
            };
            let mut stored = events.events(after, last)?;
            if let Some(rows) = only {
                stored.retain(|event| rows.contains(&event.row));
            }
            if stored.is_empty() {
                continue;
            }
            let recorded = of_rows(&stored, run, ledger, after, last)?;
            let limit = self.soft_bounces.get();
            suppressed += self.list.record(&recorded, source, limit)?;
        }
        Ok(suppressed)
    }
}

/// Before the first of the rows in the page that begins after `after`, and the last of them.
fn bounds(rows: &BTreeSet<u32>, after: u32) -> (u32, u32) {
    let end = after.saturating_add(PAGE);
    let mut of_page = rows.range(after.saturating_add(1)..=end);
    let first = of_page.next().copied().unwrap_or(end);
    let last = of_page.next_back().copied().unwrap_or(first);
    (first.saturating_sub(1), last)
}

fn of_rows(
    stored: &[StoredEvent],
    run: &Run,
    ledger: &dyn Ledger,
    after: u32,
    last: u32,
) -> Result<Vec<DeliveryEvent>, FeedError> {
    let rows = ledger.rows(after, last).map_err(EventsError::from)?;
    let mut recorded = Vec::with_capacity(stored.len());
    for event in stored {
        let row = rows
            .binary_search_by_key(&event.row, |row| row.number)
            .ok()
            .map(|index| &rows[index]);
        let mailbox = row.and_then(|row| Mailbox::parse(&row.email).ok());
        recorded.extend(mailbox.map(|mailbox| DeliveryEvent {
            address: mailbox.address,
            kind: event.kind,
            at: event.at,
            message: format!("{}-{}", run.id_prefix, event.row),
            description: event.description.clone(),
        }));
    }
    Ok(recorded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_part_of_a_page_that_has_the_rows_is_read() {
        let rows = BTreeSet::from([5, 9, PAGE, PAGE + 3]);
        assert_eq!(bounds(&rows, 0), (4, PAGE));
        assert_eq!(bounds(&rows, PAGE), (PAGE + 2, PAGE + 3));
    }
}
