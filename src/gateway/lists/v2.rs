//! The lists of the API v2.1.

use rusqlite::{Connection, Row};
use serde_json::{Value, json};

use super::messages::{events_column, events_of_kind, message_fields};
use super::{FieldKind, ListField, ListStatement, ListTable, time_from_millis};
use crate::api::{ListError, ListQuery, MAX_SIZE, after_second, decode_time};
use crate::gateway::store::EventKind;

/// The columns of a message, and its events as a JSON array.
fn columns() -> String {
    format!(
        "message.subject, message.account, message.to_address, message.to_name, message.message_id,
         message.from_address, message.from_name, message.tags, message.status, {}",
        events_column()
    )
}

/// The columns of an event and of its message.
pub(in crate::gateway) fn event_columns() -> String {
    format!(
        "{}, event.kind, event.at, event.description, event.copy",
        columns()
    )
}

/// `email`: a row for each message, newest first, with its last status.
pub(in crate::gateway) fn statuses(query: &ListQuery) -> Result<ListStatement, ListError> {
    let table = ListTable {
        columns: columns(),
        id: "message.id",
        from: "message WHERE true".to_owned(),
        read: "message ON message.id = chosen.id",
        fields: message_fields(),
        sort: (&["message.created_at", "message.id"], true),
        row: status,
    };
    ListStatement::new(&table, query)
}

/// `email/open` and `email/click`: a row for each event, newest first. The filters `dateFrom` and `dateTo` are about its
/// time.
pub(in crate::gateway) fn events(
    kind: EventKind,
    query: &ListQuery,
) -> Result<ListStatement, ListError> {
    let (mut query, mut conditions) = (query.clone(), String::new());
    for (name, comparison) in [("dateFrom", ">="), ("dateTo", "<")] {
        let Some(place) = query.filters.iter().position(|(field, _)| field == name) else {
            continue;
        };
        let (_, text) = query.filters.remove(place);
        let mut time = decode_time(name, &text)?;
        if name == "dateTo" {
            time = after_second(time);
        }
        let millis = time.as_millisecond();
        conditions.push_str(&format!(" AND event.at {comparison} {millis}"));
    }
    let mut fields = message_fields();
    for field in &mut fields {
        if field.name == "account" {
            field.column = "event.account";
        }
    }
    let from = events_of_kind(kind, &fields, &query);
    let table = ListTable {
        columns: event_columns(),
        id: "event.id",
        from: format!("{from}{conditions}"),
        read: "event ON event.id = chosen.id CROSS JOIN message ON message.id = event.message",
        fields,
        sort: (&["event.at", "event.id"], true),
        row: event,
    };
    ListStatement::new(&table, &query)
}

/// A message with its last status.
fn status(row: &Row<'_>) -> rusqlite::Result<Value> {
    let mut message = message(row)?;
    let mut events = statuses_of(row)?;
    let statuses: Vec<&str> = events.iter().map(|(kind, ..)| kind.as_str()).collect();
    message["allStatuses"] = json!(statuses);
    message["status"] = match statuses.last() {
        Some(status) => json!(status),
        None => row.get::<_, String>(8)?.into(),
    };
    let (at, description) = events.pop().map(|(_, at, text)| (at, text)).unzip();
    message["statusTime"] = json!(at.map(seconds));
    message["statusDesc"] = json!(description);
    Ok(message)
}

/// A message with one of its events as its status. The event of a copy is about the copy's recipient.
pub(in crate::gateway) fn event(row: &Row<'_>) -> rusqlite::Result<Value> {
    let mut message = message(row)?;
    let (status, at): (String, i64) = (row.get(10)?, row.get(11)?);
    message["allStatuses"] = match row.get::<_, Option<String>>(13)? {
        Some(copy) => {
            message["to"]["email"] = copy.into();
            message["to"]["name"] = "".into();
            json!([status])
        }
        None => {
            let mut events = statuses_of(row)?;
            events.retain(|(_, before, _)| *before <= at);
            events.into_iter().map(|(kind, ..)| kind).collect()
        }
    };
    message["status"] = status.into();
    message["statusTime"] = seconds(at).into();
    message["statusDesc"] = row.get::<_, String>(12)?.into();
    Ok(message)
}

/// The events of a message in their order: kind, time and description. Complaints are not among them, because the API does
/// not report them here.
fn statuses_of(row: &Row<'_>) -> rusqlite::Result<Vec<(String, i64, String)>> {
    let json: String = row.get(9)?;
    let mut events: Vec<(String, i64, String)> = serde_json::from_str(&json).unwrap_or_default();
    events.retain(|(kind, ..)| kind != EventKind::Feedback.as_str());
    // Events at the same time are in the order in which they were stored.
    events.sort_by_key(|(_, at, _)| *at);
    Ok(events)
}

fn message(row: &Row<'_>) -> rusqlite::Result<Value> {
    let text = |column| row.get::<_, String>(column);
    let tags: Value = serde_json::from_str(&text(7)?).unwrap_or_default();
    Ok(json!({
        "subject": text(0)?,
        "smtpAccount": text(1)?,
        "to": {"email": text(2)?, "name": text(3)?, "messageId": text(4)?},
        "from": {"email": text(5)?, "name": text(6)?},
        "tags": tags,
    }))
}

/// Seconds since 1970.
fn seconds(millis: i64) -> i64 {
    millis.div_euclid(1000)
}

/// `email/domain/blacklist/ACCOUNT`: a row for each blocked domain, newest first.
pub(in crate::gateway) fn domains(query: &ListQuery) -> Result<ListStatement, ListError> {
    let table = ListTable {
        columns: "domain, account, created_at".to_owned(),
        id: "rowid",
        from: "domain_blacklist WHERE true".to_owned(),
        read: "domain_blacklist ON domain_blacklist.rowid = chosen.id",
        fields: vec![ListField {
            name: "account",
            column: "account",
            kind: FieldKind::Text,
            selectivity: 0,
            sort: None,
        }],
        sort: (&["created_at", "domain"], true),
        row: domain,
    };
    ListStatement::new(&table, query)
}

fn domain(row: &Row<'_>) -> rusqlite::Result<Value> {
    Ok(json!({
        "domain": row.get::<_, String>(0)?,
        "smtpAccount": row.get::<_, String>(1)?,
        "createdAt": time_from_millis(row.get(2)?),
    }))
}

/// `email/template`: a row for each template, newest first. Because templates are large, a page ends after
/// [`MAX_SIZE`] bytes.
pub(in crate::gateway) fn templates(
    connection: &Connection,
    query: &ListQuery,
) -> rusqlite::Result<Vec<Value>> {
    let filter = |name: &str| {
        let mut filters = query.filters.iter();
        let filter = filters.find(|(field, _)| field == name);
        filter.map(|(_, value)| value.as_str())
    };
    let mut select = connection.prepare_cached(
        "SELECT account, external_id, name, html, text, created_at FROM account_template
         WHERE (?1 IS NULL OR account = ?1) AND (?2 IS NULL OR external_id = ?2)
         ORDER BY created_at DESC, account, external_id LIMIT ?3 OFFSET ?4",
    )?;
    let values = (
        filter("account"),
        filter("external_id"),
        query.limit,
        query.offset,
    );
    let mut rows = select.query(values)?;
    let (mut templates, mut size) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let text = |column| row.get::<_, String>(column);
        let (html, plain) = (text(3)?, text(4)?);
        size += html.len() + plain.len();
        if size > MAX_SIZE && !templates.is_empty() {
            break;
        }
        templates.push(json!({
            "createdAt": time_from_millis(row.get(5)?),
            "html": html,
            "text": plain,
            "name": text(2)?,
            "externalId": text(1)?,
            "smtpAccount": text(0)?,
        }));
    }
    Ok(templates)
}
