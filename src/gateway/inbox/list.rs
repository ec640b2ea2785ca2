//! The list of messages, and their counts.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use rusqlite::{Connection, Row, params_from_iter};
use serde_json::{Value, json};

use super::condition::Condition;
use super::select::Selection;
use super::{Inbox, json_list};
use crate::web::{HttpError, QueryParams, json};

/// The most messages of one response.
const MAX_LIMIT: i64 = 500;
/// The highest count of matches; if there are more, the response is `capped`.
const MAX_COUNT: i64 = 10_000;

const COLUMNS: &str = "message.id, message.uid, message.from_name, message.from_address, message.to_name, \
                       message.to_address, message.subject, message.snippet, message.tags, message.created_at, \
                       message.unread, message.has_attachment, message.status";

pub(super) async fn about(State(inbox): State<Arc<Inbox>>) -> Response {
    json(&json!({ "title": inbox.title, "writable": inbox.writable }))
}

pub(super) async fn messages(
    State(inbox): State<Arc<Inbox>>,
    params: QueryParams,
) -> Result<Response, HttpError> {
    let condition = params.condition(&inbox.clock)?;
    let before = params.number("before").unwrap_or(i64::MAX);
    let limit = params.number("limit").unwrap_or(100).clamp(1, MAX_LIMIT);
    let read = move |connection: &Connection| {
        let Some(selection) = Selection::new(connection, &condition, before)? else {
            return Ok(json!({ "messages": [], "more": false }));
        };
        let (select, values) = selection.columns(COLUMNS, limit + 1);
        let mut select = connection.prepare_cached(&select)?;
        let rows = select.query_map(params_from_iter(values), list_entry)?;
        let mut messages = rows.collect::<rusqlite::Result<Vec<Value>>>()?;
        let more = messages.len() as i64 > limit;
        messages.truncate(limit as usize);
        Ok(json!({ "messages": messages, "more": more }))
    };
    Ok(json(&inbox.store.read_async(read).await?))
}

/// A row of [`COLUMNS`] as JSON.
fn list_entry(row: &Row<'_>) -> rusqlite::Result<Value> {
    let mailbox = |name: usize| -> rusqlite::Result<Value> {
        let (name, address): (String, String) = (row.get(name)?, row.get(name + 1)?);
        Ok(json!({ "name": name, "address": address }))
    };
    Ok(json!({
        "id": row.get::<_, i64>(0)?,
        "uid": row.get::<_, String>(1)?,
        "from": mailbox(2)?,
        "to": mailbox(4)?,
        "subject": row.get::<_, String>(6)?,
        "snippet": row.get::<_, String>(7)?,
        "tags": json_list(&row.get::<_, String>(8)?),
        "at": row.get::<_, i64>(9)?,
        "unread": row.get::<_, bool>(10)?,
        "attachment": row.get::<_, bool>(11)?,
        "status": row.get::<_, String>(12)?,
    }))
}

pub(super) async fn count(
    State(inbox): State<Arc<Inbox>>,
    params: QueryParams,
) -> Result<Response, HttpError> {
    let condition = params.condition(&inbox.clock)?;
    let read = move |connection: &Connection| {
        let number = |select: &str| connection.query_row(select, [], |row| row.get::<_, i64>(0));
        let total = number("SELECT count(*) FROM message")?;
        let unread = number("SELECT count(*) FROM message WHERE unread = 1")?;
        let (matches, capped) = if condition == Condition::default() {
            (total, false)
        } else {
            let matches = count_matches(connection, &condition)?;
            (matches.min(MAX_COUNT), matches > MAX_COUNT)
        };
        Ok(json!({ "total": total, "unread": unread, "matches": matches, "capped": capped }))
    };
    Ok(json(&inbox.store.read_async(read).await?))
}

/// Stops after one more than [`MAX_COUNT`].
fn count_matches(connection: &Connection, condition: &Condition) -> rusqlite::Result<i64> {
    let Some(selection) = Selection::new(connection, condition, i64::MAX)? else {
        return Ok(0);
    };
    let (select, values) = selection.columns("1", MAX_COUNT + 1);
    let mut select = connection.prepare_cached(&format!("SELECT count(*) FROM ({select})"))?;
    select.query_row(params_from_iter(values), |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::TimeZone;
    use rusqlite::params_from_iter;

    use super::super::query::Query;
    use super::*;
    use crate::gateway::store::Store;

    #[test]
    fn messages_of_an_account_come_sorted_from_an_index() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path()).expect("a store");
        let query = Query::parse("account:a", Timestamp::UNIX_EPOCH, &TimeZone::UTC);
        let condition = Condition::from(&query.expect("a query"));
        let plan = |connection: &Connection| {
            let selection = Selection::new(connection, &condition, i64::MAX)?.expect("messages");
            let (select, values) = selection.columns(COLUMNS, 100);
            let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {select}"))?;
            let steps = explain.query_map(params_from_iter(values), |row| row.get(3))?;
            steps.collect::<rusqlite::Result<Vec<String>>>()
        };
        let plan = store.read(plan).expect("a plan").join("\n");
        let index = "message_of_account (account=? AND rowid>?";
        assert!(plan.contains(index), "{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
    }
}
