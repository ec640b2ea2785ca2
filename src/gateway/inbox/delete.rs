//! Deleting messages.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use rusqlite::{Connection, params_from_iter};
use serde_json::json;

use super::Inbox;
use super::condition::Condition;
use super::params::PathParams;
use super::select::Selection;
use crate::gateway::store::delete_request_if_empty;
use crate::web::{HttpError, QueryParams, json};

/// How many messages are deleted in one commit. New messages wait for the commit.
const BATCH: i64 = 500;

/// The message is still queued for an SMTP server.
const IS_QUEUED: &str = "EXISTS (SELECT 1 FROM queue WHERE queue.message = message.id)";

impl Inbox {
    fn check_writable(&self) -> Result<(), HttpError> {
        if self.writable {
            return Ok(());
        }
        let message = "The messages of a run can't be deleted here.".to_owned();
        Err(HttpError(StatusCode::FORBIDDEN, message))
    }
}

pub(super) async fn one(
    State(inbox): State<Arc<Inbox>>,
    PathParams(uid): PathParams<String>,
) -> Result<Response, HttpError> {
    inbox.check_writable()?;
    let find = move |connection: &Connection| {
        let select = format!("SELECT id, {IS_QUEUED} FROM message WHERE uid = ?");
        let mut select = connection.prepare_cached(&select)?;
        let mut rows = select.query([uid])?;
        let row = rows.next()?;
        row.map(|row| Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?)))
            .transpose()
    };
    match inbox.store.read_async(find).await? {
        None => Err(HttpError::no_message()),
        Some((_, true)) => {
            let message = "This message is still queued for an SMTP server.".to_owned();
            Err(HttpError(StatusCode::CONFLICT, message))
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

/// Deletes all matches, except messages that are queued and those that arrive meanwhile.
pub(super) async fn all(
    State(inbox): State<Arc<Inbox>>,
    params: QueryParams,
) -> Result<Response, HttpError> {
    inbox.check_writable()?;
    let condition = params.complete_condition(&inbox.clock)?;
    let (mut before, mut deleted, mut kept) = (*inbox.store.newest().borrow() + 1, 0, 0);
    loop {
        let condition = condition.clone();
        let read = move |connection: &Connection| next_matches(connection, &condition, before);
        let matches = inbox.store.read_async(read).await?;
        let Some((last, _)) = matches.last() else {
            return Ok(json(&json!({ "deleted": deleted, "kept": kept })));
        };
        before = *last;
        let count = matches.len();
        let deletable = matches.into_iter().filter(|(_, is_queued)| !is_queued);
        let ids: Vec<i64> = deletable.map(|(id, _)| id).collect();
        deleted += ids.len();
        kept += count - ids.len();
        inbox
            .store
            .write(move |connection| delete(connection, &ids))
            .await?;
    }
}

/// The IDs of the next matches, newest first, and whether each is queued.
fn next_matches(
    connection: &Connection,
    condition: &Condition,
    before: i64,
) -> rusqlite::Result<Vec<(i64, bool)>> {
    let Some(selection) = Selection::new(connection, condition, before)? else {
        return Ok(Vec::new());
    };
    let columns = format!("message.id, {IS_QUEUED}");
    let (select, values) = selection.columns(&columns, BATCH);
    let mut select = connection.prepare_cached(&select)?;
    let rows = select.query_map(params_from_iter(values), |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    rows.collect()
}

/// Deletes messages, and the requests and bodies that no other message uses. A message that has been
/// queued meanwhile is kept.
fn delete(connection: &Connection, ids: &[i64]) -> rusqlite::Result<()> {
    let mut requests = Vec::new();
    let mut select = connection.prepare_cached("SELECT request FROM message WHERE id = ?")?;
    let mut delete = connection.prepare_cached(&format!(
        "DELETE FROM message WHERE id = ? AND NOT {IS_QUEUED}"
    ))?;
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

    /// Inserts a message with its own request and body.
    fn insert(connection: &Connection, uid: usize) -> rusqlite::Result<()> {
        let request = NewRequest {
            req_id: String::new(),
            endpoint: "sendmail",
            at: Timestamp::UNIX_EPOCH,
            remote: None,
            fields: "[]".to_owned(),
        };
        let request = insert_request(connection, &request)?;
        // The IDs of bodies and requests differ.
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
    async fn deleting_a_message_deletes_its_request_without_a_scan() {
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
