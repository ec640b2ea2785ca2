//! Reading a ledger: what it says about its run, and numbers of rows.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::Connection;

use super::connection::open_for_reading;
use super::text;
use crate::ledger::{LedgerError, Status, StatusCounts};

/// A ledger opened for reading. Changes to it use a connection of their own.
pub struct SqliteLedger {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    has_members: OnceCell<bool>,
}

impl SqliteLedger {
    /// # Errors
    /// The ledger does not exist, or is not one that this version reads.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        if !path.is_file() {
            return Err(LedgerError::Missing(path.to_owned()));
        }
        Ok(Self {
            connection: open_for_reading(path)?,
            path: path.to_owned(),
            has_members: OnceCell::new(),
        })
    }

    /// Whether the run was planned with a schedule; false if the ledger is too old to say.
    ///
    /// # Errors
    /// It can't be read.
    pub(crate) fn is_scheduled(&self) -> Result<bool, LedgerError> {
        let known =
            "SELECT EXISTS (SELECT 1 FROM pragma_table_info('run') WHERE name = 'scheduled')";
        let scheduled = "SELECT scheduled FROM run";
        let get = |sql| self.connection.query_row(sql, [], |row| row.get(0));
        Ok(get(known)? && get(scheduled)?)
    }

    /// Whether rows are in the messages of others.
    pub(super) fn has_members(&self) -> Result<bool, LedgerError> {
        if let Some(has_members) = self.has_members.get() {
            return Ok(*has_members);
        }
        let sql = "SELECT EXISTS (SELECT 1 FROM member)";
        let has_members = self.connection.query_row(sql, [], |row| row.get(0))?;
        Ok(*self.has_members.get_or_init(|| has_members))
    }

    pub(super) fn statuses(&self) -> Result<StatusCounts, LedgerError> {
        let mut counts = StatusCounts::default();
        let mut select = self
            .connection
            .prepare("SELECT status, count(*) FROM delivery GROUP BY status")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            counts.set(Status::parse(text(row, 0)?)?, row.get::<_, i64>(1)? as u64);
        }
        Ok(counts)
    }

    /// The number of the `rows`th pending row that is not held back, or of the last one if there are fewer.
    pub(crate) fn nth_pending(&self, rows: u64) -> Result<u32, LedgerError> {
        let last: Option<u32> = self.connection.query_row(
            "SELECT max(row) FROM (SELECT row FROM delivery WHERE status = 'pending' AND +lane >= 0 ORDER BY row LIMIT ?)",
            [i64::try_from(rows).unwrap_or(i64::MAX)],
            |row| row.get(0),
        )?;
        Ok(last.unwrap_or(0))
    }

    /// Why rows are skipped with this code, each reason with their number, the most frequent one first.
    pub(crate) fn skipped(&self, code: &str) -> Result<Vec<(String, u64)>, LedgerError> {
        let mut select = self.connection.prepare(
            "SELECT ifnull(error, ''), count(*) AS rows FROM delivery
             WHERE status = 'skipped' AND code = ? GROUP BY 1 ORDER BY rows DESC, 1",
        )?;
        let reasons = select.query_map([code], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)? as u64))
        })?;
        Ok(reasons.collect::<Result<_, _>>()?)
    }

    /// Makes rows in flight unknown. The caller holds the run's lock, so they were left by a process that
    /// died.
    ///
    /// # Errors
    /// The ledger can't be written.
    pub(crate) fn end_requests_in_flight(&self) -> Result<(), LedgerError> {
        super::open_writer(&self.path, Timestamp::now()).map(drop)
    }

    /// The number of rows with each status.
    ///
    /// # Errors
    /// Rows of a complete plan are missing.
    pub(super) fn checked_counts(&self) -> Result<StatusCounts, LedgerError> {
        let counts = self.statuses()?;
        self.check_row_count(counts.total())?;
        Ok(counts)
    }
}
