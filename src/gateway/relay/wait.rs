//! Why a message is still in the queue, for the API and for the inbox.

use rusqlite::Connection;
use serde_json::{Value, json};

/// An SQL expression for the server's last words about a queue entry, or what happened. An entry that was
/// not tried yet may wait because the account's server can't be used: then, another entry has the reason.
const REASON: &str = "coalesce(nullif(queue.error, ''),
      (SELECT error FROM (SELECT error, attempts FROM queue AS first WHERE first.account = queue.account
         ORDER BY first_at LIMIT 10) WHERE attempts = 0 AND error <> '' LIMIT 1))";

/// An SQL expression for why the message of a row of `event` waits, in UTC. NULL if it does not wait, or
/// for no known reason.
pub(in crate::gateway) fn wait_description() -> String {
    format!(
        "(SELECT {REASON} || ' (waiting since ' || datetime(first_at / 1000, 'unixepoch')
             || ', attempts: ' || attempts || ', next attempt: '
             || iif(due_at > unixepoch('subsec') * 1000, datetime(due_at / 1000, 'unixepoch'), 'as soon as possible') || ')'
          FROM queue WHERE queue.message = any_event.message AND NOT is_copy)"
    )
}

/// The queue entries of a message as JSON: the message's own recipient first.
///
/// # Errors
/// SQLite fails.
pub(in crate::gateway) fn waits(connection: &Connection, message: i64) -> rusqlite::Result<Value> {
    let mut select = connection.prepare_cached(&format!(
        "SELECT iif(is_copy, recipient, NULL), attempts, first_at, due_at, {REASON}
         FROM queue WHERE message = ? ORDER BY is_copy, id"
    ))?;
    let wait = |row: &rusqlite::Row<'_>| {
        Ok(json!({
            "copy": row.get::<_, Option<String>>(0)?,
            "attempts": row.get::<_, i64>(1)?,
            "since": row.get::<_, i64>(2)?,
            "next": row.get::<_, i64>(3)?,
            "reason": row.get::<_, Option<String>>(4)?,
        }))
    };
    select.query_map([message], wait)?.collect()
}
