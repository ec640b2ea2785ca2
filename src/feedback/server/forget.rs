//! Takes a person out of a journal.

use std::path::Path;

use rusqlite::TransactionBehavior;

use super::schema::{self, JournalError};
use crate::address::Address;
use crate::durable::scrub;
use crate::ledger::Person;

/// Deletes the events of a person whose messages are in no run, and what could not be read and has the address. Returns their
/// number.
///
/// # Errors
/// A server uses the journal, the journal has something of the person that was not applied yet, or it can't be written.
pub(crate) fn forget_in_journal(path: &Path, person: &Person) -> Result<u64, JournalError> {
    if !path.is_file() {
        return Ok(0);
    }
    let (mut connection, _lock) = schema::open(path)?;
    connection.pragma_update(None, "secure_delete", "ON")?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut delete = Vec::new();
    for (sql, table) in [
        ("SELECT seq, address, '', 0 FROM click", "click"),
        (
            "SELECT seq, address, description, parked FROM event",
            "event",
        ),
        ("SELECT seq, '', item, 1 FROM unreadable", "unreadable"),
    ] {
        let mut select = transaction.prepare(sql)?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let (seq, address, text): (i64, String, String) =
                (row.get(0)?, row.get(1)?, row.get(2)?);
            let is_applied: bool = row.get(3)?;
            let is_own = Address::parse(&address)
                .is_ok_and(|address| address.normalized() == person.normalized());
            match is_own || person.is_in(&text) {
                true if is_applied => delete.push((table, seq)),
                // Without it, the list would not have the person.
                true => return Err(JournalError::NotApplied(path.to_owned())),
                false => {}
            }
        }
    }
    for (table, seq) in &delete {
        transaction.execute(&format!("DELETE FROM {table} WHERE seq = ?"), [seq])?;
    }
    transaction.commit()?;
    // What was applied before is deleted already, but may still be in the file.
    scrub(&connection)?;
    Ok(delete.len() as u64)
}
