//! Whether a file is a ledger that this version reads, and whether it is whole.
//!
//! SQLite keeps no checksums of a database's pages: a changed letter in a cell, an error or a message
//! ID is not noticed. What decides who gets a message is: the statuses, the numbers of the rows, how
//! many there are, and the address, which is kept twice.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{APPLICATION_ID, Ledger, LedgerError, SCHEMA_VERSION, Status, Target};

/// Whether the file is a ledger, and of this version.
pub(super) fn check_version(connection: &Connection, path: &Path) -> Result<(), LedgerError> {
    let pragma = |name: &str| {
        connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0))
    };
    let not_a_ledger = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => LedgerError::NotALedger(path.to_owned()),
        _ => error.into(),
    };
    if pragma("application_id").map_err(not_a_ledger)? != APPLICATION_ID {
        return Err(LedgerError::NotALedger(path.to_owned()));
    }
    match pragma("user_version")? {
        SCHEMA_VERSION => Ok(()),
        found => Err(LedgerError::Version {
            path: path.to_owned(),
            found,
            older: found < SCHEMA_VERSION,
        }),
    }
}

/// What can be read of a ledger that may be damaged or of another version: the campaign's name, and
/// what the run sends to.
pub fn whose(path: &Path) -> Option<(String, Target)> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    let (name, target): (String, String) = connection
        .query_row("SELECT name, target FROM run", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .ok()?;
    Some((name, Target::parse(&target).ok()?))
}

impl Ledger {
    /// Looks at all of it: SQLite's structure, the tables' rules, and that no row is missing. It is
    /// done before a run is gone on with; it takes about a second for a million rows.
    ///
    /// # Errors
    /// What is damaged.
    pub fn check(&self) -> Result<(), LedgerError> {
        let said: String = self
            .connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if said != "ok" {
            let said = said.lines().last().unwrap_or_default();
            return Err(LedgerError::Damaged(said.to_owned()));
        }
        let (planned, given, left): (i64, i64, i64) = self.connection.query_row(
            "SELECT (SELECT rows FROM run), (SELECT count(*) FROM recipient),
                    (SELECT count(*) FROM delivery JOIN recipient USING (row))",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        for found in [given, left] {
            self.all_rows(found as u64, planned as u64)?;
        }
        Ok(())
    }

    /// That a reader has seen as many rows as were planned.
    pub(super) fn all_rows(&self, found: u64, planned: u64) -> Result<(), LedgerError> {
        if found == planned {
            return Ok(());
        }
        Err(LedgerError::Damaged(format!(
            "{planned} rows were planned, and there are {found}"
        )))
    }

    /// Whether the plan was never completed, so that nothing was sent.
    ///
    /// # Errors
    /// When it can't be read, or when rows were sent for all that.
    pub fn is_unplanned(&self) -> Result<bool, LedgerError> {
        match self.run() {
            Ok(_) => Ok(false),
            Err(LedgerError::NotPlanned) => self.nothing_sent().map(|()| true),
            Err(error) => Err(error),
        }
    }

    fn nothing_sent(&self) -> Result<(), LedgerError> {
        let counts = self.statuses()?;
        let planned = [Status::Pending, Status::Invalid, Status::Skipped];
        let planned: u64 = planned.map(|status| counts.of(status)).iter().sum();
        if planned == counts.total() {
            return Ok(());
        }
        Err(LedgerError::Damaged(
            "the plan is not complete, and yet rows were sent".to_owned(),
        ))
    }
}
