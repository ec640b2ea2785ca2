//! The pending rows of a lane, for a delivery.

use std::path::Path;

use super::SqliteLedger;
use crate::ledger::{LedgerError, Page, RowSource};

/// How many rows are read at once.
const PAGE: u32 = 500;

pub(crate) struct PendingRows {
    ledger: SqliteLedger,
    lane: u32,
    /// The number of the row read last.
    after: u32,
    /// The number of the last row to read.
    last: u32,
}

impl PendingRows {
    /// The rows of `lane` up to the row `last`.
    ///
    /// # Errors
    /// The ledger can't be opened.
    pub(crate) fn open(path: &Path, lane: u32, last: u32) -> Result<Self, LedgerError> {
        Ok(Self {
            ledger: SqliteLedger::open(path)?,
            lane,
            after: 0,
            last,
        })
    }
}

impl RowSource for PendingRows {
    fn next_page(&mut self) -> Result<Page, LedgerError> {
        let rows = self
            .ledger
            .pending_in_lane(self.lane, self.after, self.last, PAGE)?;
        Ok(match rows.last() {
            Some(last) => {
                self.after = last.row.number;
                Page::Rows(rows)
            }
            None => Page::End,
        })
    }
}
