//! Events and requests that wait to be pushed, in the store.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::Value;

use super::config::WebhookKind;
use super::payload;

/// The most events in a request.
pub(super) const MAX_EVENTS: u32 = 100;

/// A request with events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WebhookRequest {
    /// The row ID.
    pub(super) id: i64,
    pub(super) kind: WebhookKind,
    pub(super) request_id: String,
    pub(super) body: Vec<u8>,
    /// How many attempts have failed.
    pub(super) failures: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PushResult {
    Delivered,
    /// It is tried again at this time.
    Failed(Timestamp),
    GivenUp,
}

/// From now on, events are queued.
pub(super) fn enable(connection: &Connection, kind: WebhookKind) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM webhook", [])?;
    connection.execute("INSERT INTO webhook (kind) VALUES (?)", [kind.as_str()])?;
    Ok(())
}

pub(super) fn disable(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "DELETE FROM webhook; DELETE FROM webhook_event; DELETE FROM webhook_request;",
    )
}

/// The number of queued events, at most [`MAX_EVENTS`].
pub(super) fn waiting_events(connection: &Connection) -> rusqlite::Result<u32> {
    let mut select =
        connection.prepare_cached("SELECT count(*) FROM (SELECT 1 FROM webhook_event LIMIT ?)")?;
    select.query_row([MAX_EVENTS], |row| row.get(0))
}

/// The request that is due first, and when.
pub(super) fn first_due(
    connection: &Connection,
) -> rusqlite::Result<Option<(Timestamp, WebhookRequest)>> {
    let mut select = connection.prepare_cached(
        "SELECT id, kind, request_id, body, failures, due_at FROM webhook_request
         ORDER BY due_at, id LIMIT 1",
    )?;
    let request = |row: &Row<'_>| {
        let request = WebhookRequest {
            id: row.get(0)?,
            kind: WebhookKind::parse(&row.get::<_, String>(1)?),
            request_id: row.get(2)?,
            body: row.get(3)?,
            failures: row.get::<_, i64>(4)?.unsigned_abs() as usize,
        };
        // No time out of range is ever written.
        let due_at = Timestamp::from_millisecond(row.get(5)?).unwrap_or_default();
        Ok((due_at, request))
    };
    select.query_row([], request).optional()
}

/// Puts the oldest queued events into a request, which is due at once. `None` if none of them is pushed.
pub(super) fn create_request(
    connection: &Connection,
    kind: WebhookKind,
    request_id: &str,
    now: Timestamp,
) -> rusqlite::Result<Option<WebhookRequest>> {
    let queued = payload::events(connection, kind, MAX_EVENTS)?;
    let mut delete = connection.prepare_cached("DELETE FROM webhook_event WHERE event = ?")?;
    for (event, _) in &queued {
        delete.execute([event])?;
    }
    let events: Vec<Value> = queued.into_iter().filter_map(|(_, event)| event).collect();
    if events.is_empty() {
        return Ok(None);
    }
    let body = payload::body(kind, &events);
    let mut insert = connection.prepare_cached(
        "INSERT INTO webhook_request (kind, request_id, body, due_at) VALUES (?, ?, ?, ?)",
    )?;
    let due_at = now.as_millisecond();
    let id = insert.insert(params![kind.as_str(), request_id, body, due_at])?;
    Ok(Some(WebhookRequest {
        id,
        kind,
        request_id: request_id.to_owned(),
        body,
        failures: 0,
    }))
}

/// Records the result of an attempt.
pub(super) fn record(connection: &Connection, id: i64, result: PushResult) -> rusqlite::Result<()> {
    let name = match result {
        PushResult::Delivered => "delivered",
        PushResult::Failed(_) => "failed",
        PushResult::GivenUp => "given_up",
    };
    if let PushResult::Failed(due_at) = result {
        let mut update = connection.prepare_cached(
            "UPDATE webhook_request SET failures = failures + 1, due_at = ? WHERE id = ?",
        )?;
        update.execute(params![due_at.as_millisecond(), id])?;
    } else {
        let mut delete = connection.prepare_cached("DELETE FROM webhook_request WHERE id = ?")?;
        delete.execute([id])?;
    }
    let mut count = connection.prepare_cached(
        "INSERT INTO webhook_total (result, requests) VALUES (?, 1)
         ON CONFLICT (result) DO UPDATE SET requests = requests + 1",
    )?;
    count.execute([name])?;
    Ok(())
}

/// How many attempts had each result.
pub(in crate::gateway) fn totals(connection: &Connection) -> rusqlite::Result<Vec<(String, u64)>> {
    let mut select = connection.prepare_cached("SELECT result, requests FROM webhook_total")?;
    let total = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned()));
    select.query_map([], total)?.collect()
}
