//! The list, its counts, its groups.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, Row, params_from_iter};
use serde_json::{Value, json};

use super::Inbox;
use super::answers::{Failed, Fields, json};
use super::condition::Condition;
use super::query::quoted;

/// The most messages of one answer.
const MAX_LIMIT: i64 = 500;
/// So many matches are counted; more are “more”.
const MAX_COUNT: i64 = 10_000;
/// The most groups.
const MAX_GROUPS: i64 = 200;

/// What the list shows of a message.
const COLUMNS: &str = "message.id, message.uid, message.from_name, message.from_address, message.to_name, \
                       message.to_address, message.subject, message.snippet, message.tags, message.created_at, \
                       message.unread, message.has_attachment, message.status";

pub(super) async fn about(State(inbox): State<Arc<Inbox>>) -> Response {
    json(&json!({ "title": inbox.title, "writable": inbox.writable }))
}

pub(super) async fn messages(
    State(inbox): State<Arc<Inbox>>,
    fields: Fields,
) -> Result<Response, Failed> {
    let condition = fields.condition(&inbox.clock)?;
    let before = fields.number("before").unwrap_or(i64::MAX);
    let limit = fields.number("limit").unwrap_or(100).clamp(1, MAX_LIMIT);
    let read = move |connection: &Connection| {
        let mut messages = page(connection, &condition, before, limit + 1)?;
        let more = messages.len() as i64 > limit;
        messages.truncate(limit as usize);
        Ok(json!({ "messages": messages, "more": more }))
    };
    Ok(json(&inbox.store.read_async(read).await?))
}

/// The newest messages with an ID under `before`.
fn page(
    connection: &Connection,
    condition: &Condition,
    before: i64,
    limit: i64,
) -> rusqlite::Result<Vec<Value>> {
    let Some(from) = from(connection, condition, before)? else {
        return Ok(Vec::new());
    };
    let (select, values) = from.select(COLUMNS, limit);
    let mut select = connection.prepare_cached(&select)?;
    let rows = select.query_map(params_from_iter(values), in_list)?;
    rows.collect()
}

/// `FROM … WHERE …` of the messages that a condition holds for, with an ID under `before`, newest
/// first, and the values in it; none where no message can be one.
///
/// The index gives the IDs of what has the words in falling order, so that no more is looked at than
/// is shown.
pub(super) fn from(
    connection: &Connection,
    condition: &Condition,
    before: i64,
) -> rusqlite::Result<Option<From>> {
    let Some((least, greatest)) = ids(connection, condition)? else {
        return Ok(None);
    };
    let greatest = greatest.min(before.saturating_sub(1));
    let (tables, id) = match condition.words {
        None => ("message WHERE", "message.id"),
        Some(_) => (
            "idx.words CROSS JOIN message ON message.id = words.rowid WHERE words MATCH ? AND",
            "words.rowid",
        ),
    };
    let after = condition
        .after
        .map(|at| (" AND message.created_at >= ?", at));
    let before = condition
        .before
        .map(|at| (" AND message.created_at < ?", at));
    let times = [after, before].into_iter().flatten();
    let words = condition.words.iter().map(|words| words.clone().into());
    let values = words
        .chain([least.into(), greatest.into()])
        .chain(condition.values.iter().cloned())
        .chain(times.clone().map(|(_, at)| at.into()));
    Ok(Some(From {
        sql: format!(
            "FROM {tables} {id} BETWEEN ? AND ?{}{} ORDER BY {id} DESC LIMIT ?",
            condition.and,
            times.map(|(and, _)| and).collect::<String>()
        ),
        values: values.collect(),
    }))
}

/// What follows `SELECT …`.
pub(super) struct From {
    /// Its last `?` is for how many there are at most.
    sql: String,
    values: Vec<Sql>,
}

impl From {
    /// The statement that selects `what`, and the values in it.
    pub(super) fn select(self, what: &str, limit: i64) -> (String, Vec<Sql>) {
        let Self { sql, mut values } = self;
        values.push(limit.into());
        (format!("SELECT {what} {sql}"), values)
    }
}

/// The least and the greatest ID of the messages of a condition's time; none if it has none.
fn ids(connection: &Connection, condition: &Condition) -> rusqlite::Result<Option<(i64, i64)>> {
    if condition.after.is_none() && condition.before.is_none() {
        return Ok(Some((i64::MIN, i64::MAX)));
    }
    let mut select = connection.prepare_cached(
        "SELECT min(id), max(id) FROM message INDEXED BY message_created
         WHERE created_at >= ? AND created_at < ?",
    )?;
    let after = condition.after.unwrap_or(i64::MIN);
    let before = condition.before.unwrap_or(i64::MAX);
    select.query_row([after, before], |row| {
        let ids: (Option<i64>, Option<i64>) = (row.get(0)?, row.get(1)?);
        Ok(ids.0.zip(ids.1))
    })
}

/// A row of [`COLUMNS`] as JSON.
fn in_list(row: &Row<'_>) -> rusqlite::Result<Value> {
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
        "tags": array(&row.get::<_, String>(8)?),
        "at": row.get::<_, i64>(9)?,
        "unread": row.get::<_, bool>(10)?,
        "attachment": row.get::<_, bool>(11)?,
        "status": row.get::<_, String>(12)?,
    }))
}

/// A list that is kept as JSON.
pub(super) fn array(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| json!([]))
}

pub(super) async fn count(
    State(inbox): State<Arc<Inbox>>,
    fields: Fields,
) -> Result<Response, Failed> {
    let condition = fields.condition(&inbox.clock)?;
    let read = move |connection: &Connection| {
        let number = |select: &str| connection.query_row(select, [], |row| row.get::<_, i64>(0));
        let total = number("SELECT count(*) FROM message")?;
        let unread = number("SELECT count(*) FROM message WHERE unread = 1")?;
        let all = condition == Condition::default();
        let matches = if all {
            total
        } else {
            matches(connection, &condition)?
        };
        let capped = !all && matches > MAX_COUNT;
        let matches = if capped { MAX_COUNT } else { matches };
        Ok(json!({ "total": total, "unread": unread, "matches": matches, "capped": capped }))
    };
    Ok(json(&inbox.store.read_async(read).await?))
}

fn matches(connection: &Connection, condition: &Condition) -> rusqlite::Result<i64> {
    let Some(from) = from(connection, condition, i64::MAX)? else {
        return Ok(0);
    };
    let (select, values) = from.select("1", MAX_COUNT + 1);
    let select = format!("SELECT count(*) FROM ({select})");
    let mut select = connection.prepare_cached(&select)?;
    select.query_row(params_from_iter(values), |row| row.get(0))
}

pub(super) async fn groups(
    State(inbox): State<Arc<Inbox>>,
    fields: Fields,
) -> Result<Response, Failed> {
    let (key, select) = match fields.get("by") {
        "tag" => (
            "tag",
            // Few sets of tags have many messages.
            "WITH sets AS MATERIALIZED
               (SELECT tags, count(*) AS messages, max(created_at) AS newest FROM message GROUP BY tags)
             SELECT value, value, sum(messages), max(newest) FROM sets, json_each(sets.tags)
             GROUP BY value ORDER BY sum(messages) DESC, value LIMIT ?",
        ),
        // Message IDs of a run begin with its 20 digits and a dot.
        "run" => (
            "run",
            "WITH runs AS MATERIALIZED
               (SELECT substr(message_id, 1, 20) AS run, count(*) AS messages, max(id) AS newest FROM message
                WHERE substr(message_id, 21, 1) = '.' AND NOT substr(message_id, 1, 20) GLOB '*[^0-9a-f]*'
                GROUP BY run ORDER BY newest DESC LIMIT ?)
             SELECT run, run, messages, created_at FROM runs JOIN message ON id = newest ORDER BY newest DESC",
        ),
        "request" => (
            "request",
            "SELECT req_id, coalesce((SELECT subject FROM message WHERE request = newest.id LIMIT 1), req_id),
                    (SELECT count(*) FROM message WHERE request = newest.id), at
             FROM (SELECT id, req_id, at FROM request ORDER BY id DESC LIMIT ?) AS newest",
        ),
        _ => {
            let words = "by is one of tag, run, request".to_owned();
            return Err(Failed(StatusCode::BAD_REQUEST, words));
        }
    };
    let read = move |connection: &Connection| {
        let mut select = connection.prepare_cached(select)?;
        let group = |row: &Row<'_>| {
            let value: String = row.get(0)?;
            Ok(json!({
                "query": quoted(key, &value),
                "name": row.get::<_, String>(1)?,
                "count": row.get::<_, i64>(2)?,
                "at": row.get::<_, i64>(3)?,
            }))
        };
        let rows = select.query_map([MAX_GROUPS], group)?;
        rows.collect::<rusqlite::Result<Vec<Value>>>()
    };
    Ok(json(&inbox.store.read_async(read).await?))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use super::super::query::Query;
    use super::*;
    use crate::gateway::store::Store;

    #[test]
    fn what_an_account_has_is_in_the_order_of_the_list() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path()).expect("a store");
        let query = Query::parse("account:a", Timestamp::UNIX_EPOCH, &TimeZone::UTC);
        let condition = Condition::from(&query.expect("a query"));
        let plan = |connection: &Connection| {
            let from = from(connection, &condition, i64::MAX)?.expect("messages");
            let (select, values) = from.select(COLUMNS, 100);
            let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {select}"))?;
            let steps = explain.query_map(params_from_iter(values), |row| row.get(3))?;
            steps.collect::<rusqlite::Result<Vec<String>>>()
        };
        let plan = store.read(plan).expect("a plan").join("\n");
        assert!(
            plan.contains("message_of_account (account=? AND rowid>?"),
            "{plan}"
        );
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
    }
}
