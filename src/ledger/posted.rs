//! A second witness of how many recipients were posted, beside the ledger: SQLite takes a
//! write-ahead log that is gone, or cut short, for one that never was longer, and rows that were sent
//! would be pending again.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::LedgerError;

/// The witness, written to after every claim.
pub(super) struct Witness {
    /// None where the file can't be made: the ledger does without.
    file: Option<File>,
    posted: u64,
}

impl Witness {
    /// The witness of a ledger that is written from now on.
    pub(super) fn of(connection: &Connection, ledger: &Path) -> Result<Self, LedgerError> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        Ok(Self {
            file: options.open(beside(ledger)).ok(),
            posted: in_ledger(connection)?,
        })
    }

    /// So many more were posted, says a commit that is durable. The witness need not be: it must
    /// never be ahead of the ledger.
    pub(super) fn add(&mut self, recipients: u64) {
        self.posted += recipients;
        if let (Some(file), 1..) = (&self.file, recipients) {
            // A write that fails leaves the number of before, which is true as well.
            let _ = file.write_all_at(format!("{:020}\n", self.posted).as_bytes(), 0);
        }
    }
}

/// That the ledger knows of all that was posted.
pub(super) fn check(connection: &Connection, ledger: &Path) -> Result<(), LedgerError> {
    // Before the ledger, which may be ahead but never behind.
    let witnessed = fs::read_to_string(beside(ledger)).unwrap_or_default();
    let Ok(witnessed) = witnessed.trim().parse::<u64>() else {
        return Ok(());
    };
    let known = in_ledger(connection)?;
    if witnessed <= known {
        return Ok(());
    }
    Err(LedgerError::Damaged(format!(
        "{witnessed} recipients were posted, and it knows of {known}; its write-ahead log (ledger.db-wal) is missing or cut"
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
