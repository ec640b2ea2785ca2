//! A second count of the posted recipients, in a file beside the ledger. SQLite does not notice that
//! its write-ahead log is missing or cut short, and rows that were sent would be pending again.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::ledger::LedgerError;

/// The file, written to after every claim.
pub(super) struct PostedFile {
    /// `None` if the file can't be made: the ledger works without it.
    file: Option<File>,
    posted: u64,
}

impl PostedFile {
    pub(super) fn open(connection: &Connection, ledger: &Path) -> Result<Self, LedgerError> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        Ok(Self {
            file: options.open(beside(ledger)).ok(),
            posted: in_ledger(connection)?,
        })
    }

    /// Adds recipients whose commit is durable. The file itself need not be durable: it must only
    /// never be ahead of the ledger.
    pub(super) fn add(&mut self, recipients: u64) {
        self.posted += recipients;
        if let (Some(file), 1..) = (&self.file, recipients) {
            // If the write fails, the file keeps the number from before, which is still correct.
            let _ = file.write_all_at(format!("{:020}\n", self.posted).as_bytes(), 0);
        }
    }
}

/// Checks that the ledger has all posted recipients.
pub(super) fn check(connection: &Connection, ledger: &Path) -> Result<(), LedgerError> {
    // Read before the ledger, which may be ahead but never behind.
    let posted = fs::read_to_string(beside(ledger)).unwrap_or_default();
    let Ok(posted) = posted.trim().parse::<u64>() else {
        return Ok(());
    };
    let recorded = in_ledger(connection)?;
    if posted <= recorded {
        return Ok(());
    }
    Err(LedgerError::Damaged(format!(
        "{posted} recipients were posted, but it has {recorded}. Its write-ahead log (ledger.db-wal) is missing or cut short"
    )))
}

fn in_ledger(connection: &Connection) -> Result<u64, LedgerError> {
    let sum = "SELECT ifnull(sum(recipients), 0) FROM posted";
    let posted: i64 = connection.query_row(sum, [], |row| row.get(0))?;
    Ok(posted as u64)
}

fn beside(ledger: &Path) -> PathBuf {
    ledger.with_file_name("posted")
}
