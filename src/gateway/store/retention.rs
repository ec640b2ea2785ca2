//! How much is kept: what is more goes, the oldest first, but nothing that the relay still waits for.
//! What waits for it does not count: however much that is, nothing else goes for it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension};
use tokio::time::sleep;

use super::{Store, StoreError};
use crate::clock::Clock;

/// How often it is looked whether something is too much.
const LOOK: Duration = Duration::from_secs(1);
/// How many messages go in one commit at most: those who post wait no longer than for that.
const BATCH: i64 = 200;

/// The most that is kept; nothing of it is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// The most messages, beside those that wait for the relay.
    pub messages: Option<u64>,
    /// How old they get.
    pub age: Option<Duration>,
    /// The most bytes of the database, beside those of what waits for the relay.
    pub size: Option<u64>,
}

/// Removes what is too much, for as long as it is polled.
pub async fn keep(store: Store, limits: Limits, clock: Clock) {
    if limits == Limits::default() {
        return;
    }
    loop {
        match prune(&store, limits, clock.now()).await {
            // There may be more.
            Ok(1..) => {}
            Ok(0) => sleep(LOOK).await,
            Err(error) => {
                tracing::error!(%error, "old messages could not be removed");
                sleep(LOOK).await;
            }
        }
    }
}

/// Removes some of what is too much; gives how many messages.
async fn prune(store: &Store, limits: Limits, now: Timestamp) -> Result<usize, StoreError> {
    let excess = store.read_async(move |connection| excess(connection, limits, now));
    match excess.await? {
        Some(excess) => {
            store
                .write(move |connection| remove(connection, excess))
                .await
        }
        None => Ok(0),
    }
}

/// What is to go next.
#[derive(Clone, Copy)]
struct Excess {
    /// How many messages, the oldest first.
    most: i64,
    /// Only those that came before this time, in milliseconds.
    before: i64,
}

/// What is too much.
fn excess(
    connection: &Connection,
    limits: Limits,
    now: Timestamp,
) -> rusqlite::Result<Option<Excess>> {
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let mut excess = 0;
    if let Some(most) = limits.messages {
        let messages = count(
            "SELECT (SELECT count(*) FROM message) - (SELECT count(DISTINCT message) FROM queue)",
        )?;
        excess = messages - signed(most);
    }
    if let Some(most) = limits.size {
        let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let used = (number("page_count")? - number("freelist_count")?) * number("page_size")?;
        // What waits is added up only where it matters.
        if used > signed(most) && used - count(WAITING)? > signed(most) {
            // How many it takes is seen afterwards. A few at a time, so that not too much goes.
            excess = excess.max(BATCH / 10);
        }
    }
    if excess > 0 {
        return Ok(Some(Excess {
            most: excess.min(BATCH),
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
        let most = BATCH;
        let is_old = select.query_row([before], |row| row.get(0))?;
        return Ok(Some(Excess { most, before }).filter(|_| is_old));
    }
    Ok(None)
}

/// The bytes of what waits for the relay.
const WAITING: &str = "WITH waiting AS MATERIALIZED (
       SELECT id, request, octet_length(head) AS bytes FROM message
       WHERE id IN (SELECT message FROM queue)
     )
     SELECT (SELECT coalesce(sum(bytes), 0) FROM waiting)
       + (SELECT coalesce(sum(octet_length(bytes)), 0) FROM body
          WHERE request IN (SELECT request FROM waiting))
       + (SELECT coalesce(sum(octet_length(fields)), 0) FROM request
          WHERE id IN (SELECT request FROM waiting))";

/// Removes messages, and the requests of which none is left.
fn remove(connection: &Connection, excess: Excess) -> rusqlite::Result<usize> {
    let mut delete = connection.prepare_cached(
        "DELETE FROM message WHERE id IN (
           SELECT id FROM message AS old WHERE created_at < ?
           AND NOT EXISTS (SELECT 1 FROM queue WHERE queue.message = old.id)
           ORDER BY created_at, id LIMIT ?
         ) RETURNING request",
    )?;
    let requests: Vec<Option<i64>> = delete
        .query_map([excess.before, excess.most], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut last = None;
    for request in requests.iter().flatten() {
        if last.replace(request) != Some(request) {
            remove_request(connection, *request)?;
        }
    }
    Ok(requests.len())
}

/// Removes a request of which no message is left, with its bodies.
pub(in crate::gateway) fn remove_request(
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

    /// A store with two requests of two messages each, of the seconds 1 to 4.
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

    async fn pruned(store: &Store, limits: Limits, now: Timestamp) -> Vec<i64> {
        while prune(store, limits, now).await.expect("pruned") > 0 {}
        ids(store, "message")
    }

    #[tokio::test]
    async fn the_oldest_go_and_a_body_with_the_last_of_its_messages() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = store(dir.path()).await;
        let none = Limits::default();
        assert_eq!(pruned(&store, none, at(9_999)).await, [1, 2, 3, 4]);
        let three = Limits {
            messages: Some(3),
            ..none
        };
        assert_eq!(pruned(&store, three, at(9)).await, [2, 3, 4]);
        assert_eq!(ids(&store, "body"), [1, 2]);
        let young = Limits {
            age: Some(Duration::from_secs(6)),
            ..none
        };
        assert_eq!(pruned(&store, young, at(9)).await, [3, 4]);
        assert_eq!(ids(&store, "body"), [2]);
        assert_eq!(ids(&store, "request"), [2]);
    }

    /// Lets messages wait for the relay, with two recipients each.
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
    async fn what_waits_for_the_relay_stays() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = store(dir.path()).await;
        queue(&store, &[1]).await;
        let one = Limits {
            messages: Some(1),
            ..Limits::default()
        };
        assert_eq!(pruned(&store, one, at(9)).await, [1, 4]);
        assert_eq!(ids(&store, "body"), [1, 2]);
    }

    #[tokio::test]
    async fn nothing_else_goes_for_what_waits_for_the_relay() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = store(dir.path()).await;
        queue(&store, &[1, 2, 3]).await;
        let none = Limits::default();
        // The first three are too old.
        let young = Limits {
            age: Some(Duration::from_secs(5)),
            ..none
        };
        assert_eq!(pruned(&store, young, at(9)).await, [1, 2, 3, 4]);
        let one = Limits {
            messages: Some(1),
            ..none
        };
        assert_eq!(pruned(&store, one, at(9)).await, [1, 2, 3, 4]);
        // Without what waits there is room.
        let used = |connection: &Connection| {
            let sql = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
            connection.query_row(sql, [], |row| row.get::<_, i64>(0))
        };
        let used = store.read(used).expect("read").cast_unsigned();
        let small = Limits {
            size: Some(used - 100_000),
            ..none
        };
        assert_eq!(pruned(&store, small, at(9)).await, [1, 2, 3, 4]);
        let nothing = Limits {
            messages: Some(0),
            ..none
        };
        assert_eq!(pruned(&store, nothing, at(9)).await, [1, 2, 3]);
    }

    #[tokio::test]
    async fn what_is_removed_makes_room() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = store(dir.path()).await;
        let small = Limits {
            size: Some(300_000),
            ..Limits::default()
        };
        assert_eq!(pruned(&store, small, at(9)).await, [0; 0]);
    }
}
