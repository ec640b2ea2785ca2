//! The lists of the API v2.1.

use rusqlite::{Connection, Row};
use serde_json::{Value, json};

use super::messages::message_fields;
use super::{FieldKind, ListField, ListStatement, ListTable, time_from_millis};
use crate::api::{ListError, ListQuery, MAX_SIZE};

/// `email`: a row for each message, newest first, with its last status.
pub(in crate::gateway) fn statuses(query: &ListQuery) -> Result<ListStatement, ListError> {
    let table = ListTable {
        columns:
            "message.id, message.subject, message.account, message.to_address, message.to_name,
                  message.message_id, message.from_address, message.from_name, message.tags,
                  message.status, message.created_at"
                .to_owned(),
        id: "message.id",
        from: "message WHERE true".to_owned(),
        read: "message ON message.id = chosen.id",
        fields: message_fields(),
        sort: (&["message.created_at", "message.id"], true),
        row: status,
    };
    ListStatement::new(&table, query)
}

fn status(row: &Row<'_>) -> rusqlite::Result<Value> {
    let text = |column| row.get::<_, String>(column);
    let tags: Value = serde_json::from_str(&text(8)?).unwrap_or_default();
    Ok(json!({
        "subject": text(1)?,
        "smtpAccount": text(2)?,
        "to": {"email": text(3)?, "name": text(4)?, "messageId": text(5)?},
        "from": {"email": text(6)?, "name": text(7)?},
        "tags": tags,
        "status": text(9)?,
    }))
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
