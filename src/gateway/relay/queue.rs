//! The queue of messages for SMTP servers: one entry for each recipient of each message.
//!
//! An entry is deleted once the server has accepted or rejected it; the outcome becomes an event of the message.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::gateway::store::{EventKind, NewEvent, Status, insert_event, set_status};

const MINUTE_MILLIS: i64 = 60_000;
const DAY_MINUTES: i64 = 24 * 60;

// These run all the time, so they must use an index; a test checks their query plans.
const CLAIM: &str = "UPDATE queue SET state = 'sending' WHERE id IN (
       SELECT id FROM queue
       WHERE account = ? AND state <> 'sending' AND due_at <= ? ORDER BY due_at LIMIT ?
     ) RETURNING id, message, account, recipient, is_copy, attempts, doubts, first_at, error";
const NEXT_DUE: &str =
    "SELECT due_at FROM queue WHERE account = ? AND state <> 'sending' ORDER BY due_at LIMIT 1";
const OLDER: &str =
    "SELECT id, message, account, recipient, is_copy, attempts, doubts, first_at, error FROM queue
     WHERE account = ? AND first_at <= ? AND state <> 'sending' ORDER BY first_at LIMIT ?";

/// A message for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct QueueEntry {
    pub(super) id: i64,
    pub(super) message: i64,
    pub(super) account: String,
    pub(super) recipient: String,
    /// A copy (`cc`, `bcc`) does not affect the status of the message.
    pub(super) is_copy: bool,
    pub(super) attempts: u32,
    /// How many of the attempts the server may have accepted.
    pub(super) doubts: u32,
    /// When the entry was queued.
    pub(super) first_at: Timestamp,
    /// Why the last attempt failed; empty before the first.
    pub(super) error: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum QueueUpdate {
    /// The entry leaves the queue, with an event.
    Finished { status: Status, reason: String },
    Waiting {
        due_at: Timestamp,
        /// Whether it was an attempt: the wait grows with their number.
        counted: bool,
        /// Whether the server may have accepted the message.
        doubtful: bool,
        reason: String,
    },
}

#[derive(Debug, Clone)]
pub(super) struct OutgoingMessage {
    /// Whether it was received by SMTP, and not by the API.
    pub(super) is_from_smtp: bool,
    pub(super) uid: String,
    pub(super) envelope_from: String,
    pub(super) created_at: Timestamp,
    pub(super) head: Vec<u8>,
    pub(super) body: Vec<u8>,
}

/// Queues a message for its recipient and the copies, each address once.
///
/// # Errors
/// SQLite fails.
pub fn enqueue<'a>(
    connection: &Connection,
    message: i64,
    account: &str,
    to: &'a str,
    copies: impl IntoIterator<Item = &'a str>,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO queue (message, account, recipient, is_copy, due_at, first_at, state)
         VALUES (?, ?, ?, ?, ?, ?, 'waiting')",
    )?;
    let now = now.as_millisecond();
    let mut queued: Vec<&str> = Vec::new();
    for recipient in std::iter::once(to).chain(copies) {
        if queued
            .iter()
            .any(|other| other.eq_ignore_ascii_case(recipient))
        {
            continue;
        }
        let is_copy = !queued.is_empty();
        insert.execute(params![message, account, recipient, is_copy, now, now])?;
        queued.push(recipient);
    }
    Ok(())
}

/// Marks up to `limit` due entries of an account as `sending`.
pub(super) fn claim(
    connection: &Connection,
    account: &str,
    now: Timestamp,
    limit: usize,
) -> rusqlite::Result<Vec<QueueEntry>> {
    let mut claim = connection.prepare_cached(CLAIM)?;
    let values = params![account, now.as_millisecond(), limit as i64];
    claim.query_map(values, entry)?.collect()
}

pub(super) fn next_due(
    connection: &Connection,
    account: &str,
) -> rusqlite::Result<Option<Timestamp>> {
    let mut select = connection.prepare_cached(NEXT_DUE)?;
    select.query_row([account], |row| time(row, 0)).optional()
}

/// Up to `limit` entries of an account that were queued at `before` or earlier.
pub(super) fn older(
    connection: &Connection,
    account: &str,
    before: Timestamp,
    limit: usize,
) -> rusqlite::Result<Vec<QueueEntry>> {
    let mut select = connection.prepare_cached(OLDER)?;
    let values = params![account, before.as_millisecond(), limit as i64];
    select.query_map(values, entry)?.collect()
}

fn entry(row: &Row<'_>) -> rusqlite::Result<QueueEntry> {
    Ok(QueueEntry {
        id: row.get(0)?,
        message: row.get(1)?,
        account: row.get(2)?,
        recipient: row.get(3)?,
        is_copy: row.get(4)?,
        attempts: row.get(5)?,
        doubts: row.get(6)?,
        first_at: time(row, 7)?,
        error: row.get(8)?,
    })
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    let milliseconds = row.get(column)?;
    // No time out of range is ever written.
    Ok(Timestamp::from_millisecond(milliseconds).unwrap_or_default())
}

/// The message of an entry; `None` if it has been deleted.
pub(super) fn message(
    connection: &Connection,
    message: i64,
) -> rusqlite::Result<Option<OutgoingMessage>> {
    let mut select = connection.prepare_cached(
        "SELECT uid, envelope_from, created_at, head, body.bytes, coalesce(endpoint = 'smtp', FALSE)
         FROM message LEFT JOIN body ON body.id = message.body
         LEFT JOIN request ON request.id = message.request WHERE message.id = ?",
    )?;
    let read = |row: &Row<'_>| {
        Ok(OutgoingMessage {
            uid: row.get(0)?,
            envelope_from: row.get(1)?,
            created_at: time(row, 2)?,
            head: row.get(3)?,
            body: row.get::<_, Option<Vec<u8>>>(4)?.unwrap_or_default(),
            is_from_smtp: row.get(5)?,
        })
    };
    select.query_row([message], read).optional()
}

/// Records the outcome of an attempt. An entry that was deleted with its message stays deleted, even if
/// another message's entry has reused its ID.
pub(super) fn update(
    connection: &Connection,
    entry: &QueueEntry,
    update: &QueueUpdate,
    now: Timestamp,
) -> rusqlite::Result<()> {
    match update {
        QueueUpdate::Finished { status, reason } => {
            let mut delete =
                connection.prepare_cached("DELETE FROM queue WHERE id = ? AND message = ?")?;
            if delete.execute([entry.id, entry.message])? == 0 {
                return Ok(());
            }
            let event = NewEvent {
                message: entry.message,
                account: &entry.account,
                copy: entry.is_copy.then_some(&entry.recipient),
                kind: EventKind::Status(*status),
                at: now,
                description: reason,
            };
            insert_event(connection, &event)?;
            if entry.is_copy {
                return Ok(());
            }
            set_status(connection, entry.message, *status, now)
        }
        QueueUpdate::Waiting {
            due_at,
            counted,
            doubtful,
            reason,
        } => {
            let mut update = connection.prepare_cached(
                "UPDATE queue SET state = iif(doubts + ?1 > 0, 'doubtful', 'waiting'), doubts = doubts + ?1,
                   attempts = attempts + ?2, due_at = ?3, error = ?4 WHERE id = ?5 AND message = ?6",
            )?;
            let due_at = due_at.as_millisecond();
            update.execute(params![
                doubtful,
                counted,
                due_at,
                reason,
                entry.id,
                entry.message
            ])?;
            Ok(())
        }
    }
}

/// Marks entries that a previous process left `sending` as doubtful: they may have been accepted.
/// Returns the UIDs of their messages, and their recipients.
pub(super) fn recover(connection: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    let mut update = connection.prepare(
        "UPDATE queue SET state = 'doubtful', doubts = doubts + 1, attempts = attempts + 1,
           error = 'the gateway stopped before the server replied; the message may have been accepted'
         WHERE state = 'sending'
         RETURNING (SELECT uid FROM message WHERE id = queue.message), recipient",
    )?;
    update
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// The number of entries of each account.
///
/// # Errors
/// SQLite fails.
pub fn waiting(connection: &Connection) -> rusqlite::Result<Vec<(String, u64)>> {
    let mut select =
        connection.prepare_cached("SELECT account, count(*) FROM queue GROUP BY account")?;
    select
        .query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?
        .collect()
}

/// Adds to the counts behind a daily limit.
pub(super) fn add_claimed(
    connection: &Connection,
    account: &str,
    entries: usize,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let mut upsert = connection.prepare_cached(
        "INSERT INTO relayed (account, minute, entries) VALUES (?, ?, ?)
         ON CONFLICT (account, minute) DO UPDATE SET entries = entries + excluded.entries",
    )?;
    let minute = now.as_millisecond().div_euclid(MINUTE_MILLIS);
    upsert.execute(params![account, minute, entries as i64])?;
    Ok(())
}

/// The number of entries claimed in each minute of the last 24 hours, oldest first. Deletes older counts.
pub(super) fn claimed_by_minute(
    connection: &Connection,
    account: &str,
    now: Timestamp,
) -> rusqlite::Result<Vec<(i64, u64)>> {
    let since = now.as_millisecond().div_euclid(MINUTE_MILLIS) - DAY_MINUTES;
    connection.execute("DELETE FROM relayed WHERE minute < ?", [since])?;
    let mut select = connection
        .prepare("SELECT minute, entries FROM relayed WHERE account = ? ORDER BY minute")?;
    select
        .query_map([account], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)? as u64))
        })?
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    /// A store with messages 1, 2, … for the addresses `to`, queued one second apart.
    fn store(to: &[&str]) -> Connection {
        let store = Connection::open_in_memory().expect("a database");
        let schema = concat!(
            include_str!("../store/schema.sql"),
            include_str!("../store/simulation.sql"),
            include_str!("../store/webhooks.sql")
        );
        store.execute_batch(schema).expect("a schema");
        for (index, to) in to.iter().enumerate() {
            let insert = "INSERT INTO message (head, uid, message_id, account, envelope_from, from_address, to_address,
                            subject, created_at, updated_at, size, status)
                          VALUES (x'', ?1, '', 'a', 'b@acme.example', 'b@acme.example', ?2, '', 0, 0, 0, 'injected')";
            store
                .execute(insert, params![index.to_string(), to])
                .expect("a message");
            let message = store.last_insert_rowid();
            enqueue(&store, message, "a", to, [], at(message)).expect("queued");
        }
        store
    }

    fn claimed(store: &Connection, now: i64, limit: usize) -> Vec<QueueEntry> {
        claim(store, "a", at(now), limit).expect("a claim")
    }

    #[test]
    fn due_entries_are_claimed_once_oldest_first() {
        let store = store(&["a@x.example", "b@x.example", "c@x.example"]);
        assert_eq!(claimed(&store, 0, 9), []);
        let first = claimed(&store, 2, 1);
        assert_eq!(first[0].recipient, "a@x.example");
        assert_eq!(next_due(&store, "a").expect("a time"), Some(at(2)));
        assert_eq!(claimed(&store, 2, 9).len(), 1);
        assert_eq!(next_due(&store, "a").expect("a time"), Some(at(3)));
        assert_eq!(next_due(&store, "b").expect("a time"), None);
        assert_eq!(waiting(&store).expect("counts"), [("a".to_owned(), 3)]);
    }

    #[test]
    fn an_entry_waits_or_finishes_with_an_event() {
        let store = store(&["a@x.example"]);
        let entry = claimed(&store, 1, 1).remove(0);
        let lost = QueueUpdate::Waiting {
            due_at: at(60),
            counted: true,
            doubtful: true,
            reason: "lost".to_owned(),
        };
        update(&store, &entry, &lost, at(2)).expect("an update");
        assert_eq!(claimed(&store, 59, 1), []);
        let entry = claimed(&store, 60, 1).remove(0);
        assert_eq!(
            (entry.attempts, entry.doubts, &*entry.error),
            (1, 1, "lost")
        );
        let finished = QueueUpdate::Finished {
            status: Status::Ok,
            reason: "250".to_owned(),
        };
        // The second update changes nothing.
        for _ in 0..2 {
            update(&store, &entry, &finished, at(61)).expect("an update");
        }
        assert_eq!(waiting(&store).expect("counts"), []);
        let events = "SELECT group_concat(kind || ' ' || description) FROM event";
        let events: String = store
            .query_row(events, [], |row| row.get(0))
            .expect("events");
        assert_eq!(events, "ok 250");
    }

    #[test]
    fn entries_in_flight_are_doubtful_after_a_restart() {
        let store = store(&["a@x.example", "b@x.example"]);
        claimed(&store, 1, 1);
        let left = recover(&store).expect("entries");
        assert_eq!(left, [("0".to_owned(), "a@x.example".to_owned())]);
        assert_eq!(recover(&store).expect("entries"), []);
        let again = claimed(&store, 1, 1);
        assert_eq!((again[0].attempts, again[0].doubts), (1, 1));
    }

    #[test]
    fn no_frequent_query_scans_the_whole_queue() {
        let store = store(&[]);
        for query in [CLAIM, NEXT_DUE, OLDER] {
            let mut explain = store
                .prepare(&format!("EXPLAIN QUERY PLAN {query}"))
                .expect("a plan");
            let nulls = vec![rusqlite::types::Null; explain.parameter_count()];
            let steps = explain.query_map(rusqlite::params_from_iter(nulls), |row| {
                row.get::<_, String>(3)
            });
            for step in steps.expect("steps") {
                let step = step.expect("a step");
                assert!(!step.contains("SCAN"), "{query}\n{step}");
                assert!(!step.contains("TEMP B-TREE"), "{query}\n{step}");
            }
        }
    }
}
