//! Writing the plan: all rows, once, in one transaction, and whatever is found out about them
//! before the first request.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::reopen::skip_sent_in;
use super::{LedgerError, Run, Status, to_millis, write_ahead};
use crate::durable::sync_dir;
use crate::render::Recorded;

/// A row as the plan has it.
#[derive(Debug)]
pub struct NewRow<'a> {
    /// Its number, from 1.
    pub number: u32,
    /// Its line in the file.
    pub line: u64,
    /// The address cell as written.
    pub email: &'a str,
    /// The normalized address, if the cell holds one.
    pub address: Option<&'a str>,
    /// All cells, a JSON array.
    pub cells: &'a str,
    /// The lane that it is sent in; 0 is the one without a limit of its own.
    pub lane: u32,
    /// Why it is not sent, if it is not: the status, a code, and a reason.
    pub left_out: Option<(Status, &'a str, &'a str)>,
}

/// A ledger that is being planned. Nothing of it counts before [`Planner::finish`].
pub struct Planner {
    connection: Connection,
    now: i64,
    has_lanes: bool,
}

impl Planner {
    /// Makes the ledger's file.
    ///
    /// # Errors
    /// When the file can't be made.
    pub fn create(path: &Path, run: &Run) -> Result<Self, LedgerError> {
        create(path)?;
        let connection = Connection::open(path)?;
        write_ahead(&connection, path)?;
        // Only the finished plan has to be durable: `finish` sees to that. Until then all of it stays
        // in the log: what is moved into the database unsynced may be lost behind a log that is not.
        connection.pragma_update(None, "synchronous", "OFF")?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        // Each row is written after the recipient that it refers to.
        connection.pragma_update(None, "foreign_keys", "OFF")?;
        connection.execute_batch("BEGIN")?;
        let header = serde_json::to_string(&run.header).unwrap_or_default();
        connection.execute(
            "INSERT INTO run (id, name, target, test_to, campaign, started_at, id_prefix, header) VALUES (1, ?, ?, ?, ?, ?, ?, ?)",
            params![
                run.name,
                run.target.as_str(),
                run.test_to,
                run.campaign.to_string_lossy(),
                to_millis(run.started),
                run.id_prefix,
                header
            ],
        )?;
        connection.execute_batch("COMMIT; BEGIN")?;
        Ok(Self {
            connection,
            now: to_millis(run.started),
            has_lanes: false,
        })
    }

    /// Writes a row.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub fn add(&mut self, row: &NewRow<'_>) -> Result<(), LedgerError> {
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO recipient (row, line, email, address, cells) VALUES (?, ?, ?, ?, ?)",
        )?;
        insert.execute(params![
            row.number,
            row.line as i64,
            row.email,
            row.address,
            row.cells
        ])?;
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO delivery (row, status, code, error, at, lane) VALUES (?, ?, ?, ?, ?, ?)",
        )?;
        self.has_lanes |= row.lane > 0;
        match row.left_out {
            None => insert.execute(params![
                row.number,
                Status::Pending.as_str(),
                None::<&str>,
                None::<&str>,
                None::<i64>,
                row.lane
            ])?,
            Some((status, code, error)) => insert.execute(params![
                row.number,
                status.as_str(),
                code,
                error,
                self.now,
                row.lane
            ])?,
        };
        Ok(())
    }

    /// The normalized address of a row that was added.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub fn address(&self, row: u32) -> Result<Option<String>, LedgerError> {
        let mut select = self
            .connection
            .prepare_cached("SELECT address FROM recipient WHERE row = ?")?;
        Ok(select
            .query_row([row], |row| row.get(0))
            .optional()?
            .flatten())
    }

    /// Leaves a pending row out.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub fn leave_out(
        &mut self,
        row: u32,
        status: Status,
        code: &str,
        error: &str,
    ) -> Result<(), LedgerError> {
        let mut update = self.connection.prepare_cached(
            "UPDATE delivery SET status = ?, code = ?, error = ?, at = ? WHERE row = ? AND status = 'pending'",
        )?;
        update.execute(params![status.as_str(), code, error, self.now, row])?;
        Ok(())
    }

    /// Records an attachment of a row's own.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub fn record(&mut self, row: u32, attachment: &Recorded) -> Result<(), LedgerError> {
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO attachment (row, position, path, size, sha256) VALUES (?, ?, ?, ?, ?)",
        )?;
        let path = attachment.path.to_string_lossy();
        insert.execute(params![
            row,
            attachment.position,
            path,
            attachment.size as i64,
            attachment.sha256
        ])?;
        Ok(())
    }

    /// Skips the pending rows whose address has been sent to, or may have been, in another run.
    ///
    /// # Errors
    /// When one of the ledgers can't be read or written.
    pub fn skip_sent_in(&mut self, other: &Path, reason: &str) -> Result<usize, LedgerError> {
        self.connection.execute_batch("COMMIT")?;
        let skipped = skip_sent_in(&self.connection, other, reason, self.now)?;
        self.connection.execute_batch("BEGIN")?;
        Ok(skipped)
    }

    /// Makes what was planned so far readable for others; the plan is still not complete.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub fn publish(&mut self) -> Result<(), LedgerError> {
        Ok(self.connection.execute_batch("COMMIT; BEGIN")?)
    }

    /// Completes the plan, durably.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub fn finish(self, blank_rows: u64, started: Timestamp) -> Result<(), LedgerError> {
        if self.has_lanes {
            // So that a lane's rows are found without a look at all others.
            self.connection
                .execute_batch("CREATE INDEX delivery_lane ON delivery (lane)")?;
        }
        self.connection.execute_batch("COMMIT")?;
        self.connection.pragma_update(None, "synchronous", "FULL")?;
        self.connection.pragma_update(None, "fullfsync", "ON")?;
        self.connection.execute(
            "UPDATE run SET planned = 1, rows = (SELECT count(*) FROM delivery), blank_rows = ?, started_at = ?",
            params![blank_rows as i64, to_millis(started)],
        )?;
        self.connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        self.connection.close().map_err(|(_, error)| error)?;
        Ok(())
    }
}

/// Makes a ledger without a row, durably. Under another name first, so that a ledger without its
/// tables is never one whose process or machine died, but one that is damaged.
fn create(path: &Path) -> Result<(), LedgerError> {
    let new = unborn(path);
    let connection = Connection::open(&new)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "fullfsync", "ON")?;
    connection.execute_batch(concat!("BEGIN;", include_str!("schema.sql"), "COMMIT;"))?;
    // Last, so that nothing is in the log, which would not come along.
    write_ahead(&connection, path)?;
    connection.close().map_err(|(_, error)| error)?;
    std::fs::rename(&new, path)
        .and_then(|()| path.parent().map_or(Ok(()), sync_dir))
        .map_err(|error| LedgerError::Io(path.to_owned(), error))
}

/// What a ledger is called while it is made.
pub(super) fn unborn(path: &Path) -> PathBuf {
    path.with_extension("new")
}
