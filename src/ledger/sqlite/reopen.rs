//! Changes to rows that have ended, as the user decides. The caller holds the run's lock.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::commit::{leave_out, one_row};
use super::connection::open_for_writing;
use super::forget::{is_hash, skip_forgotten_in};
use crate::ledger::{ForgetKeys, LEFT_IN_FLIGHT, LedgerError, LeftOut, Status, to_millis};

pub(super) fn retry(path: &Path, rejected: bool) -> Result<u64, LedgerError> {
    let connection = open_for_writing(path)?;
    let changed = connection.execute(
        &format!(
            "UPDATE delivery SET alone = (status = 'rejected'), status = 'pending', attempts = 0, code = NULL, error = NULL
             WHERE (status = 'failed' OR (?1 AND status = 'rejected')) AND NOT {}",
            of_forgotten()
        ),
        [rejected],
    )?;
    Ok(changed as u64)
}

/// Skips the pending rows whose address got the message in another run, or may have got it, but not
/// those that the user wants to send again. Returns their number.
pub(crate) fn skip_sent_later(
    path: &Path,
    other: &Path,
    keys: &ForgetKeys,
    reason: &str,
    now: Timestamp,
) -> Result<usize, LedgerError> {
    let connection = open_for_writing(path)?;
    skip_sent_in(&connection, other, keys, reason, to_millis(now))
}

/// Whether two rows of an address count as the same: yes, unless both have keys and these differ.
pub(super) fn same_key(one: &str, other: &str) -> String {
    format!("ifnull({one}.key = {other}.key, 1)")
}

/// Whether a delivery is that of a forgotten person, to whom nothing can be sent.
fn of_forgotten() -> String {
    format!(
        "EXISTS (SELECT 1 FROM recipient WHERE recipient.row = delivery.row AND {})",
        is_hash("address")
    )
}

pub(super) fn skip_sent_in(
    connection: &Connection,
    other: &Path,
    keys: &ForgetKeys,
    reason: &str,
    now: i64,
) -> Result<usize, LedgerError> {
    connection.execute("ATTACH ? AS other", [other.to_string_lossy()])?;
    let skip = format!(
        "UPDATE delivery SET status = 'skipped', code = 'already-sent', error = ?1, at = ?2
         WHERE status = 'pending' AND resends = 0 AND row IN (
           SELECT mine.row FROM recipient AS mine
           JOIN other.recipient AS theirs ON theirs.address = mine.address AND {}
           JOIN other.delivery AS sent ON sent.row = theirs.row
           WHERE sent.status IN ('accepted', 'unknown', 'sending'))",
        same_key("mine", "theirs")
    );
    let skipped = connection.execute(&skip, params![reason, now]);
    let forgotten = skip_forgotten_in(connection, keys, reason, now);
    connection.execute_batch("DETACH other")?;
    Ok(skipped? + forgotten?)
}

pub(super) fn resolve_accepted(path: &Path, now: Timestamp) -> Result<u64, LedgerError> {
    let connection = open_for_writing(path)?;
    let changed = connection.execute(
        "UPDATE delivery SET status = 'accepted', error = 'accepted according to the user; ' || ifnull(error, ?), at = ?
         WHERE status IN ('unknown', 'sending')",
        params![LEFT_IN_FLIGHT, to_millis(now)],
    )?;
    Ok(changed as u64)
}

pub(super) fn accept(
    path: &Path,
    rows: &[(u32, String)],
    now: Timestamp,
) -> Result<(), LedgerError> {
    let mut connection = open_for_writing(path)?;
    let transaction = connection.transaction()?;
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

pub(super) fn skip(path: &Path, rows: &[LeftOut], now: Timestamp) -> Result<(), LedgerError> {
    let mut connection = open_for_writing(path)?;
    let transaction = connection.transaction()?;
    for left_out in rows {
        let LeftOut { row, code, reason } = left_out;
        leave_out(&transaction, *row, Status::Skipped, code, reason, now)?;
    }
    Ok(transaction.commit()?)
}

pub(super) fn resolve_resend(path: &Path) -> Result<u64, LedgerError> {
    let connection = open_for_writing(path)?;
    let changed = connection.execute(
        &format!(
            "UPDATE delivery SET status = 'pending', resends = resends + 1, attempts = 0, code = NULL, error = NULL
             WHERE status IN ('unknown', 'sending') AND NOT {}",
            of_forgotten()
        ),
        [],
    )?;
    Ok(changed as u64)
}
