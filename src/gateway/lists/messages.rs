//! The lists of messages, of their events, and of accounts: `emails`, `smtp_events`, `smtp`.

use rusqlite::{Connection, Row};
use serde_json::{Map, Value, json};

use super::{
    FieldKind, ListField, ListStatement, ListTable, greatest_selectivity, time_from_millis,
};
use crate::api::{ListError, ListQuery, decode_time};
use crate::gateway::relay::wait_description;
use crate::gateway::store::{EVENT_DESCRIPTION, EventKind};

/// The columns of a message, and its events as a JSON array, without events of copies. While a message waits
/// for its SMTP server, the description of its first event says why.
fn columns() -> String {
    format!(
        "message.id, message.uid, message.account, message.from_address, message.to_address,
         message.subject, message.message_id, message.tags, message.created_at, message.updated_at,
         {}",
        events_column()
    )
}

/// The events of a message as a JSON array, as in [`columns`].
pub(super) fn events_column() -> String {
    let wait = wait_description();
    format!(
        "(SELECT json_group_array(json_array(
            kind, at, iif(kind = 'injected', coalesce({wait}, description), description)
          )) FROM event AS any_event
          WHERE any_event.message = message.id AND any_event.copy IS NULL)"
    )
}

/// The columns of an event and of its message.
pub(in crate::gateway) fn event_columns() -> String {
    format!(
        "{}, event.kind, event.at, {EVENT_DESCRIPTION}, event.copy",
        columns()
    )
}

const BY_TIME: &[&str] = &["message.created_at", "message.id"];
const BY_EVENT_TIME: &[&str] = &["event.at", "event.id"];

pub(super) fn message_fields() -> Vec<ListField> {
    let field = |name, column, kind, selectivity, sort| ListField {
        name,
        column,
        kind,
        selectivity,
        sort: Some(sort),
    };
    let account = &["message.account", "message.created_at", "message.id"];
    let message_id = &["message.message_id", "message.id"];
    let to = &[
        "message.to_address COLLATE NOCASE",
        "message.created_at",
        "message.id",
    ];
    vec![
        field("account", "message.account", FieldKind::Text, 0, account),
        field(
            "message_id",
            "message.message_id",
            FieldKind::Text,
            2,
            message_id,
        ),
        field("to", "message.to_address", FieldKind::Recipient, 1, to),
        field(
            "created_at",
            "message.created_at",
            FieldKind::Time,
            0,
            BY_TIME,
        ),
        field(
            "injected_time",
            "message.created_at",
            FieldKind::Time,
            0,
            BY_TIME,
        ),
    ]
}

/// `emails`: a row for each message.
pub(in crate::gateway) fn emails(query: &ListQuery) -> Result<ListStatement, ListError> {
    let table = ListTable {
        columns: columns(),
        id: "message.id",
        from: "message WHERE true".to_owned(),
        read: "message ON message.id = chosen.id",
        fields: message_fields(),
        sort: (BY_TIME, true),
        row: email,
    };
    ListStatement::new(&table, query)
}

/// `smtp_events/KIND`: a row for each event. `created_at` is the event's time, `injected_time` the
/// message's.
pub(in crate::gateway) fn events(
    kind: EventKind,
    query: &ListQuery,
) -> Result<ListStatement, ListError> {
    let mut fields = message_fields();
    for field in &mut fields {
        // Events can only be sorted by their time.
        field.sort = None;
        match field.name {
            "created_at" => (field.sort, field.column) = (Some(BY_EVENT_TIME), "event.at"),
            "account" => field.column = "event.account",
            _ => {}
        }
    }
    let mut query = query.clone();
    if let Some(from) = query.from_time.take() {
        decode_time("from_time", &from)?;
        query.filters.push(("created_at.from".to_owned(), from));
    }
    let from = events_of_kind(kind, &fields, &query);
    let table = ListTable {
        columns: event_columns(),
        id: "event.id",
        from,
        read: "event ON event.id = chosen.id CROSS JOIN message ON message.id = event.message",
        fields,
        sort: (BY_EVENT_TIME, true),
        row: event,
    };
    ListStatement::new(&table, &query)
}

/// The tables and the condition for all events of a kind.
pub(super) fn events_of_kind(kind: EventKind, fields: &[ListField], query: &ListQuery) -> String {
    // Either the events of few messages, or all events of the kind in the order of an index.
    let from = match greatest_selectivity(fields, query) {
        1.. => "message CROSS JOIN event ON event.message = message.id WHERE +event.kind",
        0 => "event CROSS JOIN message ON message.id = event.message WHERE event.kind",
    };
    format!("{from} = '{}'", kind.as_str())
}

/// A row of `emails`: a message, and for each status its last time and description.
fn email(row: &Row<'_>) -> rusqlite::Result<Value> {
    email_map(row).map(Value::Object)
}

fn event(row: &Row<'_>) -> rusqlite::Result<Value> {
    let mut map = email_map(row)?;
    let kind: String = row.get(11)?;
    let description = match kind.as_str() {
        "injected" => map["injected_desc"].clone(),
        _ => row.get::<_, String>(13)?.into(),
    };
    map.insert("event".to_owned(), kind.into());
    map.insert("event_time".to_owned(), time_from_millis(row.get(12)?));
    map.insert("event_desc".to_owned(), description);
    Ok(Value::Object(map))
}

/// An event in the words of `smtp_events`, without the other events of its message.
pub(in crate::gateway) fn single_event(row: &Row<'_>) -> rusqlite::Result<Value> {
    let text = |column| row.get::<_, String>(column);
    let tags: Value = serde_json::from_str(&text(7)?).unwrap_or_default();
    let copy: Option<String> = row.get(14)?;
    Ok(json!({
        "uid": text(1)?,
        "account": text(2)?,
        "from": text(3)?,
        "to": copy.map_or_else(|| text(4), Ok)?,
        "subject": text(5)?,
        "message_id": text(6)?,
        "tags": tags,
        "event": text(11)?,
        "event_time": time_from_millis(row.get(12)?),
        "event_desc": text(13)?,
    }))
}

fn email_map(row: &Row<'_>) -> rusqlite::Result<Map<String, Value>> {
    let text = |column| row.get::<_, String>(column);
    let tags: Value = serde_json::from_str(&text(7)?).unwrap_or_default();
    let email = json!({
        "id": row.get::<_, i64>(0)?.to_string(),
        "uid": text(1)?,
        "account": text(2)?,
        "from": text(3)?,
        "to": text(4)?,
        "subject": text(5)?,
        "message_id": text(6)?,
        "tags": tags,
        "created_at": time_from_millis(row.get(8)?),
        "updated_at": time_from_millis(row.get(9)?),
    });
    let Value::Object(mut email) = email else {
        return Ok(Map::new());
    };
    for kind in EventKind::ALL {
        email.insert(format!("{}_time", kind.as_str()), Value::Null);
        email.insert(format!("{}_desc", kind.as_str()), Value::Null);
    }
    let events: Vec<(String, i64, String)> = serde_json::from_str(&text(10)?).unwrap_or_default();
    for (kind, at, description) in events {
        email.insert(format!("{kind}_time"), time_from_millis(at));
        email.insert(format!("{kind}_desc"), description.into());
    }
    Ok(email)
}

/// All accounts that have messages.
pub(in crate::gateway) fn accounts(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    // Skips from one account to the next in the index, without reading all messages.
    let mut select = connection.prepare_cached(
        "WITH RECURSIVE account (name) AS (
           SELECT min(account) FROM message
           UNION ALL
           SELECT (SELECT min(account) FROM message WHERE account > name) FROM account
           WHERE name IS NOT NULL
         )
         SELECT name FROM account WHERE name IS NOT NULL",
    )?;
    select.query_map([], |row| row.get(0))?.collect()
}
