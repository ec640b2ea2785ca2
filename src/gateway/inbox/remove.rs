//! Deleting messages.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use rusqlite::{Connection, params_from_iter};
use serde_json::json;

use super::Inbox;
use super::answers::{Failed, Fields, Named, json};
use super::condition::Condition;
use super::list::from;
use crate::gateway::store::delete_request_if_empty;

/// How many are deleted in one commit: those who send messages wait for it.
const BATCH: i64 = 500;

/// A message that still has to go to an SMTP server, whatever the state that is in.
const WAITS: &str = "EXISTS (SELECT 1 FROM queue WHERE queue.message = message.id)";

impl Inbox {
    fn check_writable(&self) -> Result<(), Failed> {
        if self.writable {
            return Ok(());
        }
        let words = "Messages of a run's outbox can only be looked at here.".to_owned();
        Err(Failed(StatusCode::FORBIDDEN, words))
    }
}

pub(super) async fn one(
    State(inbox): State<Arc<Inbox>>,
    Named(uid): Named<String>,
) -> Result<Response, Failed> {
    inbox.check_writable()?;
    let find = move |connection: &Connection| {
        let select = format!("SELECT id, {WAITS} FROM message WHERE uid = ?");
        let mut select = connection.prepare_cached(&select)?;
        let mut rows = select.query([uid])?;
        let row = rows.next()?;
        row.map(|row| Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?)))
            .transpose()
    };
    match inbox.store.read_async(find).await? {
        None => Err(Failed::gone()),
        Some((_, true)) => {
            let words = "This message still waits for an SMTP server.".to_owned();
            Err(Failed(StatusCode::CONFLICT, words))
        }
        Some((id, false)) => {
            inbox
                .store
                .write(move |connection| delete(connection, &[id]))
                .await?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
    }
}

/// Deletes all that match, but those that came after it began and those that wait.
pub(super) async fn all(
    State(inbox): State<Arc<Inbox>>,
    fields: Fields,
) -> Result<Response, Failed> {
    inbox.check_writable()?;
    let condition = fields.finished(&inbox.clock)?;
    let (mut before, mut deleted, mut kept) = (*inbox.store.newest().borrow() + 1, 0, 0);
    loop {
        let found = {
            let condition = condition.clone();
            let find = move |connection: &Connection| find(connection, &condition, before);
            inbox.store.read_async(find).await?
        };
        let Some((last, _)) = found.last() else {
            return Ok(json(&json!({ "deleted": deleted, "kept": kept })));
        };
        before = *last;
        let (waiting, ids): (Vec<_>, Vec<_>) = found.into_iter().partition(|(_, waits)| *waits);
        kept += waiting.len();
        deleted += ids.len();
        let ids: Vec<i64> = ids.into_iter().map(|(id, _)| id).collect();
        inbox
            .store
            .write(move |connection| delete(connection, &ids))
            .await?;
    }
}

/// The IDs of the next messages that match, newest first, and whether they wait.
fn find(
    connection: &Connection,
    condition: &Condition,
    before: i64,
) -> rusqlite::Result<Vec<(i64, bool)>> {
    let Some(from) = from(connection, condition, before)? else {
        return Ok(Vec::new());
    };
    let (select, values) = from.select(&format!("message.id, {WAITS}"), BATCH);
    let mut select = connection.prepare_cached(&select)?;
    let rows = select.query_map(params_from_iter(values), |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    rows.collect()
}

/// Deletes messages, with what no other message needs any more. One that waits since it was looked
/// for stays.
fn delete(connection: &Connection, ids: &[i64]) -> rusqlite::Result<()> {
    let mut requests = Vec::new();
    let mut select = connection.prepare_cached("SELECT request FROM message WHERE id = ?")?;
    let mut delete =
        connection.prepare_cached(&format!("DELETE FROM message WHERE id = ? AND NOT {WAITS}"))?;
    for id in ids {
        let request: Option<Option<i64>> = select
            .query_map([id], |row| row.get(0))?
            .next()
            .transpose()?;
        requests.extend(request.flatten());
        delete.execute([id])?;
    }
    requests.sort_unstable();
    requests.dedup();
    requests
        .iter()
        .try_for_each(|request| delete_request_if_empty(connection, *request))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use jiff::Timestamp;

    use super::*;
    use crate::gateway::store::{
        NewMessage, NewRequest, Store, insert_body, insert_message, insert_request,
    };

    /// A message with a request and a body of its own.
    fn insert(connection: &Connection, uid: usize) -> rusqlite::Result<()> {
        let request = NewRequest {
            req_id: String::new(),
            endpoint: "sendmail",
            at: Timestamp::UNIX_EPOCH,
            remote: None,
            fields: "[]".to_owned(),
        };
        let request = insert_request(connection, &request)?;
        // Bodies have other IDs than their requests.
        insert_body(connection, request, b"unused")?;
        let body = insert_body(connection, request, b"body")?;
        let message = NewMessage {
            request: Some(request),
            body: Some(body),
            uid: uid.to_string(),
            tags: "[]".to_owned(),
            ..NewMessage::default()
        };
        insert_message(connection, &message).map(drop)
    }

    #[tokio::test]
    async fn a_message_goes_with_its_request_and_no_other_is_looked_at() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path()).expect("a store");
        let fill = |connection: &Connection| (0..2000).try_for_each(|uid| insert(connection, uid));
        store.write(fill).await.expect("written");
        let mut connection = Connection::open(dir.path().join("gateway.db")).expect("a database");
        connection
            .pragma_update(None, "foreign_keys", "ON")
            .expect("as the store has it");
        let steps = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&steps);
        let count = move || counted.fetch_add(1, Ordering::Relaxed) == u32::MAX;
        connection
            .progress_handler(1, Some(count))
            .expect("a count");
        delete(&connection, &[1]).expect("deleted");
        let steps = steps.load(Ordering::Relaxed);
        assert!(steps < 1000, "{steps} steps");
        let left = |table: &str| {
            let sql = format!("SELECT count(*) FROM {table}");
            let count = |connection: &Connection| connection.query_row(&sql, [], |row| row.get(0));
            store.read(count).expect("read")
        };
        let counts: [i64; 3] = ["message", "body", "request"].map(left);
        assert_eq!(counts, [1999, 2 * 1999, 1999]);
    }
}
