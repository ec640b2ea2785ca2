//! Deletes the oldest messages beyond the limits. Messages that wait for the relay are never deleted, and
//! do not count toward the limits.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension};
use tokio::time::sleep;

use super::{Store, StoreError};
use crate::clock::Clock;

const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// The maximum number of messages that are deleted in a commit. Clients' writes wait for it.
const BATCH: i64 = 200;

/// The limits of the store. `None` means no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct RetentionLimits {
    /// The maximum number of messages.
    pub(crate) messages: Option<u64>,
    /// The maximum age of a message.
    pub(crate) age: Option<Duration>,
    /// The maximum size of the database in bytes.
    pub(crate) size: Option<u64>,
}

/// Deletes messages beyond the limits. It never ends unless there are no limits.
pub(crate) async fn enforce_limits(store: Store, limits: RetentionLimits, clock: Clock) {
    if limits == RetentionLimits::default() {
        return;
    }
    loop {
        match prune(&store, limits, clock.now()).await {
            // There may be more.
            Ok(1..) => {}
            Ok(0) => sleep(CHECK_INTERVAL).await,
            Err(error) => {
                tracing::error!(%error, "old messages could not be deleted");
                sleep(CHECK_INTERVAL).await;
            }
        }
    }
}

/// Deletes some of the messages beyond the limits, and returns how many.
async fn prune(
    store: &Store,
    limits: RetentionLimits,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let deletion = store.read_async(move |connection| next_deletion(connection, limits, now));
    match deletion.await? {
        Some(deletion) => {
            let delete = move |connection: &Connection| delete(connection, deletion);
            store.write(delete).await
        }
        None => Ok(0),
    }
}

#[derive(Clone, Copy)]
struct Deletion {
    /// The maximum number of messages to delete, the oldest first.
    max: i64,
    /// Only messages created before this time, in milliseconds.
    before: i64,
}

fn next_deletion(
    connection: &Connection,
    limits: RetentionLimits,
    now: Timestamp,
) -> rusqlite::Result<Option<Deletion>> {
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let mut excess = 0;
    if let Some(max) = limits.messages {
        let messages = count(
            "SELECT (SELECT count(*) FROM message) - (SELECT count(DISTINCT message) FROM queue)",
        )?;
        excess = messages - signed(max);
    }
    if let Some(max) = limits.size {
        let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let used = (number("page_count")? - number("freelist_count")?) * number("page_size")?;
        // Summing up the waiting bytes is slow, so it comes last.
        if used > signed(max) && used - count(WAITING_BYTES)? > signed(max) {
            // The freed bytes are unknown before. Few messages at a time keep it from deleting too many.
            excess = excess.max(BATCH / 10);
        }
    }
    if excess > 0 {
        return Ok(Some(Deletion {
            max: excess.min(BATCH),
            before: i64::MAX,
        }));
    }
    if let Some(age) = limits.age {
        let age = SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX);
        let oldest = now.checked_sub(age).unwrap_or(Timestamp::MIN);
        let before = oldest.as_millisecond();
        let mut select = connection.prepare_cached(
            "SELECT EXISTS (
               SELECT 1 FROM message WHERE created_at < ?
               AND NOT EXISTS (SELECT 1 FROM queue WHERE queue.message = message.id)
             )",
        )?;
        let is_old: bool = select.query_row([before], |row| row.get(0))?;
        return Ok(is_old.then_some(Deletion { max: BATCH, before }));
    }
    Ok(None)
}

/// The bytes of the messages that wait for the relay, and of their requests.
const WAITING_BYTES: &str = "WITH waiting AS MATERIALIZED (
       SELECT id, request, octet_length(head) AS bytes FROM message
       WHERE id IN (SELECT message FROM queue)
     )
     SELECT (SELECT coalesce(sum(bytes), 0) FROM waiting)
       + (SELECT coalesce(sum(octet_length(bytes)), 0) FROM body
          WHERE request IN (SELECT request FROM waiting))
       + (SELECT coalesce(sum(octet_length(fields)), 0) FROM request
          WHERE id IN (SELECT request FROM waiting))";

/// Deletes messages, and requests whose last message is deleted.
fn delete(connection: &Connection, deletion: Deletion) -> rusqlite::Result<usize> {
    let mut delete = connection.prepare_cached(
        "DELETE FROM message WHERE id IN (
           SELECT id FROM message AS old WHERE created_at < ?
           AND NOT EXISTS (SELECT 1 FROM queue WHERE queue.message = old.id)
           ORDER BY created_at, id LIMIT ?
         ) RETURNING request",
    )?;
    let requests: Vec<Option<i64>> = delete
        .query_map([deletion.before, deletion.max], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut last = None;
    for request in requests.iter().flatten() {
        if last.replace(request) != Some(request) {
            delete_request_if_empty(connection, *request)?;
        }
    }
    Ok(requests.len())
}

/// Deletes a request and its bodies, unless it still has messages.
pub(crate) fn delete_request_if_empty(
    connection: &Connection,
    request: i64,
) -> rusqlite::Result<()> {
    let mut select =
        connection.prepare_cached("SELECT 1 FROM message WHERE request = ? LIMIT 1")?;
    let has_messages = select
        .query_row([request], |_| Ok(()))
        .optional()?
        .is_some();
    if !has_messages {
        let mut delete = connection.prepare_cached("DELETE FROM request WHERE id = ?")?;
        delete.execute([request])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::store::{
        NewMessage, NewRequest, insert_body, insert_message, insert_request,
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    /// A store with two requests of two messages each, created at the seconds 1 to 4.
    async fn store(dir: &std::path::Path) -> Store {
        let store = Store::open(dir).expect("a store");
        let insert = |connection: &Connection| {
            for request in [1, 2] {
                let new = NewRequest {
                    req_id: String::new(),
                    endpoint: "sendmail",
                    at: at(0),
                    remote: None,
                    fields: "[]".to_owned(),
                };
                let id = insert_request(connection, &new)?;
                let body = insert_body(connection, id, &[b'x'; 100_000])?;
                for second in [2 * request - 1, 2 * request] {
                    let message = NewMessage {
                        request: Some(id),
                        body: Some(body),
                        uid: second.to_string(),
                        created_at: at(second),
                        ..NewMessage::default()
                    };
                    insert_message(connection, &message)?;
                }
            }
            Ok(())
        };
        store.write(insert).await.expect("written");
        store
    }

    fn ids(store: &Store, table: &str) -> Vec<i64> {
        let sql = format!("SELECT id FROM {table} ORDER BY id");
        let all = |connection: &Connection| {
            let mut select = connection.prepare(&sql)?;
            select.query_map([], |row| row.get(0))?.collect()
        };
        store.read(all).expect("read")
    }

    /// Limits of messages, of their age in seconds, and of bytes.
    fn limits(messages: Option<u64>, age: Option<u64>, size: Option<u64>) -> RetentionLimits {
        RetentionLimits {
            messages,
            age: age.map(Duration::from_secs),
            size,
        }
    }

    /// The IDs of the messages that are left at second 9.
    async fn pruned(store: &Store, limits: RetentionLimits) -> Vec<i64> {
        while prune(store, limits, at(9)).await.expect("pruned") > 0 {}
        ids(store, "message")
    }

    #[tokio::test]
    async fn the_oldest_messages_and_unused_bodies_are_deleted() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = store(dir.path()).await;
        let deleted = prune(&store, limits(None, None, None), at(9_999)).await;
        assert_eq!(deleted.expect("pruned"), 0);
        assert_eq!(ids(&store, "message"), [1, 2, 3, 4]);
        assert_eq!(pruned(&store, limits(Some(3), None, None)).await, [2, 3, 4]);
        assert_eq!(ids(&store, "body"), [1, 2]);
        assert_eq!(pruned(&store, limits(None, Some(6), None)).await, [3, 4]);
        assert_eq!(ids(&store, "body"), [2]);
        assert_eq!(ids(&store, "request"), [2]);
    }

    /// Makes messages wait for the relay, with two recipients each.
    async fn queue(store: &Store, ids: &'static [i64]) {
        let insert = move |connection: &Connection| {
            ids.iter().chain(ids).try_for_each(|id| {
                let sql = "INSERT INTO queue
                             (message, account, recipient, is_copy, state, due_at, first_at)
                           VALUES (?, '', '', 0, 'waiting', 0, 0)";
                connection.execute(sql, [id]).map(drop)
            })
        };
        store.write(insert).await.expect("written");
    }

    #[tokio::test]
    async fn waiting_messages_are_kept() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = store(dir.path()).await;
        queue(&store, &[1]).await;
        assert_eq!(pruned(&store, limits(Some(1), None, None)).await, [1, 4]);
        assert_eq!(ids(&store, "body"), [1, 2]);
    }

    #[tokio::test]
    async fn waiting_messages_do_not_count() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = store(dir.path()).await;
        queue(&store, &[1, 2, 3]).await;
        // Without the waiting messages, the database is small enough.
        let used = |connection: &Connection| {
            let sql = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
            connection.query_row(sql, [], |row| row.get::<_, i64>(0))
        };
        let used = store.read(used).expect("read").cast_unsigned();
        for limits in [
            // The first three are too old.
            limits(None, Some(5), None),
            limits(Some(1), None, None),
            limits(None, None, Some(used - 100_000)),
        ] {
            assert_eq!(pruned(&store, limits).await, [1, 2, 3, 4], "{limits:?}");
        }
        assert_eq!(pruned(&store, limits(Some(0), None, None)).await, [1, 2, 3]);
    }

    #[tokio::test]
    async fn deletion_frees_space() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = store(dir.path()).await;
        let small = limits(None, None, Some(300_000));
        assert_eq!(pruned(&store, small).await, [0; 0]);
    }
}
