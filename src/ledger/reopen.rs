//! Rows that are settled otherwise, because the user says so. The caller holds the run's lock.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, params};

use super::check::check_version;
use super::posted;
use super::read::LEFT_IN_FLIGHT;
use super::writer::one_row;
use super::{LedgerError, to_millis};

/// Makes `failed` rows pending, with all their attempts, and `rejected` ones too if wanted: those
/// each in a request of its own. Gives their number.
///
/// # Errors
/// When the ledger can't be written.
pub fn retry(path: &Path, rejected: bool) -> Result<usize, LedgerError> {
    let connection = open(path)?;
    let changed = connection.execute(
        "UPDATE delivery SET alone = (status = 'rejected'), status = 'pending', attempts = 0, code = NULL, error = NULL
         WHERE status = 'failed' OR (?1 AND status = 'rejected')",
        [rejected],
    )?;
    Ok(changed)
}

/// Skips the pending rows whose address has been sent to, or may have been, in another run; but not
/// those that the user wants sent again. Gives their number.
///
/// # Errors
/// When one of the ledgers can't be read or written.
pub fn skip_sent_later(
    path: &Path,
    other: &Path,
    reason: &str,
    now: Timestamp,
) -> Result<usize, LedgerError> {
    skip_sent_in(&open(path)?, other, reason, to_millis(now))
}

pub(super) fn skip_sent_in(
    connection: &Connection,
    other: &Path,
    reason: &str,
    now: i64,
) -> Result<usize, LedgerError> {
    connection.execute("ATTACH ? AS other", [other.to_string_lossy()])?;
    let skipped = connection.execute(
        "UPDATE delivery SET status = 'skipped', code = 'already-sent', error = ?1, at = ?2
         WHERE status = 'pending' AND resends = 0 AND row IN (
           SELECT mine.row FROM recipient AS mine
           JOIN other.recipient AS theirs ON theirs.address = mine.address
           JOIN other.delivery AS sent ON sent.row = theirs.row
           WHERE sent.status IN ('accepted', 'unknown', 'sending'))",
        params![reason, now],
    );
    connection.execute_batch("DETACH other")?;
    Ok(skipped?)
}

/// Says that the `unknown` rows were taken. Gives their number.
///
/// # Errors
/// When the ledger can't be written.
pub fn resolve_accepted(path: &Path, now: Timestamp) -> Result<usize, LedgerError> {
    let connection = open(path)?;
    let changed = connection.execute(
        "UPDATE delivery SET status = 'accepted', error = 'taken, says the user; ' || ifnull(error, ?), at = ?
         WHERE status IN ('unknown', 'sending')",
        params![LEFT_IN_FLIGHT, to_millis(now)],
    )?;
    Ok(changed)
}

/// Unknown rows that are found to have been taken, one after the other.
pub struct Found(Connection);

impl Found {
    /// Opens a ledger to mark rows in it.
    ///
    /// # Errors
    /// When the ledger can't be opened.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        open(path).map(Self)
    }

    /// Makes unknown rows accepted under these message IDs; durable when it returns.
    ///
    /// # Errors
    /// When the ledger can't be written, or one of the rows is not unknown.
    pub fn accept(&mut self, rows: &[(u32, String)], now: Timestamp) -> Result<(), LedgerError> {
        let transaction = self.0.transaction()?;
        for (row, message_id) in rows {
            let mut update = transaction.prepare_cached(
                "UPDATE delivery SET status = 'accepted', message_id = ?, code = '200', error = NULL, at = ?
                 WHERE row = ? AND status IN ('unknown', 'sending')",
            )?;
            one_row(
                update.execute(params![message_id, to_millis(now), row])?,
                *row,
            )?;
        }
        Ok(transaction.commit()?)
    }
}

/// Makes the `unknown` rows pending again, marked as possible duplicates. Gives their number.
///
/// # Errors
/// When the ledger can't be written.
pub fn resolve_resend(path: &Path) -> Result<usize, LedgerError> {
    let connection = open(path)?;
    let changed = connection.execute(
        "UPDATE delivery SET status = 'pending', resends = resends + 1, attempts = 0, code = NULL, error = NULL
         WHERE status IN ('unknown', 'sending')",
        [],
    )?;
    Ok(changed)
}

fn open(path: &Path) -> Result<Connection, LedgerError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    check_version(&connection, path)?;
    posted::check(&connection, path)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "fullfsync", "ON")?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    Ok(connection)
}
