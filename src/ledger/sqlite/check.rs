//! Whether a ledger is complete.
//!
//! SQLite keeps no checksums of its pages, so a changed letter in a cell, an error or a message ID is
//! not noticed. What decides who gets a message is checked: the statuses, the numbers of the rows,
//! how many there are, and the address, which is stored twice.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::SqliteLedger;
use crate::ledger::{Ledger, LedgerError, Status, Target};

/// The campaign's name and the target, if they can be read from a ledger that may be damaged or of
/// another version.
pub(crate) fn name_and_target(path: &Path) -> Option<(String, Target)> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    let (name, target): (String, String) = connection
        .query_row("SELECT name, target FROM run", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .ok()?;
    Some((name, Target::parse(&target).ok()?))
}

impl SqliteLedger {
    /// Checks all of the ledger before its run continues: SQLite's structure, the constraints of the
    /// tables, and that no row is missing. Takes about a second for a million rows.
    ///
    /// # Errors
    /// The ledger is damaged.
    pub(crate) fn check(&self) -> Result<(), LedgerError> {
        let report: String = self
            .connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if report != "ok" {
            let error = report.lines().last().unwrap_or_default();
            return Err(LedgerError::Damaged(error.to_owned()));
        }
        let (recipients, deliveries): (i64, i64) = self.connection.query_row(
            "SELECT (SELECT count(*) FROM recipient),
                    (SELECT count(*) FROM delivery JOIN recipient USING (row))",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        self.check_row_count(recipients as u64)?;
        self.check_row_count(deliveries as u64)?;
        let (planned, members): (i64, i64) = self.connection.query_row(
            "SELECT (SELECT members FROM run), (SELECT count(*) FROM member JOIN delivery ON delivery.row = member.first)",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        match planned == members {
            true => Ok(()),
            false => Err(LedgerError::Damaged(format!(
                "{planned} rows were planned in groups, but it has {members}"
            ))),
        }
    }

    /// Checks that `rows` is the number of rows in a complete plan.
    ///
    /// # Errors
    /// It is not.
    pub(crate) fn check_row_count(&self, rows: u64) -> Result<(), LedgerError> {
        let planned: Option<i64> = self
            .connection
            .query_row("SELECT rows FROM run WHERE planned", [], |row| row.get(0))
            .optional()?;
        match planned {
            Some(planned) if planned as u64 != rows => Err(LedgerError::Damaged(format!(
                "{planned} rows were planned, but it has {rows}"
            ))),
            _ => Ok(()),
        }
    }

    /// Whether the plan was never completed, so that nothing was sent.
    ///
    /// # Errors
    /// The ledger can't be read, or has sent rows although its plan is not complete.
    pub(crate) fn is_unplanned(&self) -> Result<bool, LedgerError> {
        match self.run() {
            Ok(_) => return Ok(false),
            Err(LedgerError::NotPlanned) => {}
            Err(error) => return Err(error),
        }
        let counts = self.statuses()?;
        let unsent = [Status::Pending, Status::Invalid, Status::Skipped];
        let unsent: u64 = unsent.map(|status| counts.of(status)).iter().sum();
        if unsent == counts.total() {
            return Ok(true);
        }
        Err(LedgerError::Damaged(
            "the plan is not complete, but rows were sent".to_owned(),
        ))
    }
}
