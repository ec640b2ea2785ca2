//! One message: its view, its frame and its downloads.

use std::fs;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::params::PathParams;
use super::{Inbox, json_list};
use crate::frame;
use crate::gateway::relay::waits;
use crate::gateway::store::EVENT_DESCRIPTION;
use crate::web::{HttpError, Mail, QueryParams, attachment, file_name, json, plain, truncate};

/// The most bytes of a text or a source in a response.
const MAX_TEXT: usize = 1_000_000;

impl Inbox {
    /// Runs `work` on a message's bytes, on a thread where blocking is allowed.
    async fn with_bytes<T: Send + 'static>(
        self: &Arc<Self>,
        uid: String,
        work: impl FnOnce(&Self, Vec<u8>) -> Result<T, HttpError> + Send + 'static,
    ) -> Result<T, HttpError> {
        let inbox = Arc::clone(self);
        let task = spawn_blocking(move || {
            let bytes = inbox.bytes(&uid)?;
            work(&inbox, bytes)
        });
        task.await.unwrap_or_else(|error| {
            tracing::error!(%error, "can't show a message");
            let message = "This message can't be shown.".to_owned();
            Err(HttpError(StatusCode::INTERNAL_SERVER_ERROR, message))
        })
    }

    fn bytes(&self, uid: &str) -> Result<Vec<u8>, HttpError> {
        let stored = self.store.read(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT head, bytes, path FROM message LEFT JOIN body ON body.id = message.body WHERE uid = ?",
            )?;
            let stored = select.query_row([uid], |row| {
                let mut bytes: Vec<u8> = row.get(0)?;
                bytes.extend(row.get::<_, Option<Vec<u8>>>(1)?.unwrap_or_default());
                Ok((bytes, row.get::<_, Option<String>>(2)?))
            });
            stored.optional()
        })?;
        match stored.ok_or_else(HttpError::no_message)? {
            (bytes, None) => Ok(bytes),
            (_, Some(path)) => fs::read(&path)
                .map_err(|error| HttpError(StatusCode::NOT_FOUND, format!("{path}: {error}"))),
        }
    }
}

fn parse(bytes: &[u8]) -> Result<Mail<'_>, HttpError> {
    Mail::parse(bytes).ok_or_else(|| {
        let message = "This message can't be parsed. The Source tab shows it.".to_owned();
        HttpError(StatusCode::UNPROCESSABLE_ENTITY, message)
    })
}

fn not_found(message: &str) -> HttpError {
    HttpError(StatusCode::NOT_FOUND, message.to_owned())
}

pub(super) async fn view(
    State(inbox): State<Arc<Inbox>>,
    PathParams(uid): PathParams<String>,
) -> Result<Response, HttpError> {
    let row = {
        let uid = uid.clone();
        move |connection: &Connection| stored_fields(connection, &uid)
    };
    let view = inbox.store.read_async(row).await?;
    let mut view = view.ok_or_else(HttpError::no_message)?;
    let parts = inbox.with_bytes(uid, |_, bytes| {
        let mail = parse(&bytes)?;
        Ok(json!({
            "html": mail.html().is_some(),
            "text": mail.text().map(|text| truncate(text, MAX_TEXT)),
            "headers": mail.headers(),
            "files": mail.files(),
        }))
    });
    // The source of an invalid message can still be shown.
    let parts = match parts.await {
        Err(HttpError(StatusCode::UNPROCESSABLE_ENTITY, _)) => {
            json!({ "html": false, "text": null, "headers": [], "files": [] })
        }
        parts => parts?,
    };
    if let (Value::Object(view), Value::Object(parts)) = (&mut view, parts) {
        view.extend(parts);
    }
    Ok(json(&view))
}

fn stored_fields(connection: &Connection, uid: &str) -> rusqlite::Result<Option<Value>> {
    let mut select = connection.prepare_cached(
        "SELECT id, message_id, account, envelope_from, from_name, from_address, to_name, to_address, copies,
                subject, tags, created_at, updated_at, size, unread, status, request
         FROM message WHERE uid = ?",
    )?;
    let fields = select.query_row([uid], |row| {
        Ok(json!({
            "id": row.get::<_, i64>(0)?,
            "uid": uid,
            "message_id": row.get::<_, String>(1)?,
            "account": row.get::<_, String>(2)?,
            "envelope_from": row.get::<_, String>(3)?,
            "from": { "name": row.get::<_, String>(4)?, "address": row.get::<_, String>(5)? },
            "to": { "name": row.get::<_, String>(6)?, "address": row.get::<_, String>(7)? },
            "copies": json_list(&row.get::<_, String>(8)?),
            "subject": row.get::<_, String>(9)?,
            "tags": json_list(&row.get::<_, String>(10)?),
            "at": row.get::<_, i64>(11)?,
            "updated": row.get::<_, i64>(12)?,
            "size": row.get::<_, i64>(13)?,
            "unread": row.get::<_, bool>(14)?,
            "status": row.get::<_, String>(15)?,
            "request": row.get::<_, Option<i64>>(16)?.is_some(),
        }))
    });
    let Some(mut fields) = fields.optional()? else {
        return Ok(None);
    };
    let id = fields["id"].as_i64().unwrap_or_default();
    fields["events"] = events(connection, id)?;
    fields["waiting"] = waits(connection, id)?;
    Ok(Some(fields))
}

fn events(connection: &Connection, message: i64) -> rusqlite::Result<Value> {
    let mut select = connection.prepare_cached(&format!(
        "SELECT kind, at, {EVENT_DESCRIPTION} FROM event WHERE message = ? ORDER BY id"
    ))?;
    let event = |row: &rusqlite::Row<'_>| {
        Ok(json!({
            "kind": row.get::<_, String>(0)?,
            "at": row.get::<_, i64>(1)?,
            "description": row.get::<_, String>(2)?,
        }))
    };
    select.query_map([message], event)?.collect()
}

pub(super) async fn html(
    State(inbox): State<Arc<Inbox>>,
    PathParams(uid): PathParams<String>,
    params: QueryParams,
) -> Result<Response, HttpError> {
    let page = inbox.with_bytes(uid, |inbox, bytes| {
        let page = parse(&bytes)?.page(&inbox.clock);
        page.ok_or_else(|| not_found("This message has no HTML."))
    });
    let headers = frame::headers(params.get("images") == "1");
    Ok((headers, [(CACHE_CONTROL, "no-store")], page.await?).into_response())
}

pub(super) async fn source(
    State(inbox): State<Arc<Inbox>>,
    PathParams(uid): PathParams<String>,
) -> Result<Response, HttpError> {
    let source = inbox.with_bytes(uid, |_, mut bytes| {
        bytes.truncate(MAX_TEXT);
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    });
    Ok(plain(source.await?))
}

pub(super) async fn eml(
    State(inbox): State<Arc<Inbox>>,
    PathParams(uid): PathParams<String>,
) -> Result<Response, HttpError> {
    let name = format!("{}.eml", file_name(Some(&uid), "message"));
    let bytes = inbox.with_bytes(uid, |_, bytes| Ok(bytes)).await?;
    Ok(attachment(&name, bytes))
}

pub(super) async fn part(
    State(inbox): State<Arc<Inbox>>,
    PathParams((uid, number)): PathParams<(String, u32)>,
) -> Result<Response, HttpError> {
    let file = inbox.with_bytes(uid, move |_, bytes| {
        let mail = parse(&bytes)?;
        let file = mail.file(number);
        let (name, content) =
            file.ok_or_else(|| not_found("This message has no such attachment."))?;
        let name = file_name(name, &format!("part-{}", number.saturating_add(1)));
        Ok((name, content.to_vec()))
    });
    let (name, content) = file.await?;
    Ok(attachment(&name, content))
}

/// The API request that created the message. A field without a value is stored in the message only.
pub(super) async fn request(
    State(inbox): State<Arc<Inbox>>,
    PathParams(uid): PathParams<String>,
) -> Result<Response, HttpError> {
    let message = uid.clone();
    let read = move |connection: &Connection| {
        let mut select = connection.prepare_cached(
            "SELECT req_id, endpoint, at, remote, fields FROM request
             WHERE id = (SELECT request FROM message WHERE uid = ?)",
        )?;
        let request = select.query_row([message], |row| {
            Ok(json!({
                "req_id": row.get::<_, String>(0)?,
                "endpoint": row.get::<_, String>(1)?,
                "at": row.get::<_, i64>(2)?,
                "remote": row.get::<_, Option<String>>(3)?,
                "fields": json_list(&row.get::<_, String>(4)?),
            }))
        });
        request.optional()
    };
    let request = inbox.store.read_async(read).await?;
    let mut request = request.ok_or_else(HttpError::no_message)?;
    let fields = request["fields"].as_array_mut().into_iter().flatten();
    let empty: Vec<&mut Value> = fields
        .filter(|field| field.get(1).is_some_and(Value::is_null))
        .collect();
    if !empty.is_empty() {
        let bodies = inbox.with_bytes(uid, |_, bytes| {
            let mail = parse(&bytes)?;
            let (html, text) = (mail.html(), mail.text());
            Ok((html.map(str::to_owned), text.map(str::to_owned)))
        });
        let (html, text) = bodies.await?;
        for field in empty {
            let is_html = field[0] == "html" || field[0] == "content.html";
            let body = if is_html { &html } else { &text };
            field[1] = json!(body.as_deref().unwrap_or_default());
        }
    }
    Ok(json(&request))
}

pub(super) async fn read(
    state: State<Arc<Inbox>>,
    uid: PathParams<String>,
) -> Result<Response, HttpError> {
    set_unread(state, uid, false).await
}

pub(super) async fn unread(
    state: State<Arc<Inbox>>,
    uid: PathParams<String>,
) -> Result<Response, HttpError> {
    set_unread(state, uid, true).await
}

async fn set_unread(
    State(inbox): State<Arc<Inbox>>,
    PathParams(uid): PathParams<String>,
    unread: bool,
) -> Result<Response, HttpError> {
    let update = move |connection: &Connection| {
        let mut update =
            connection.prepare_cached("UPDATE message SET unread = ? WHERE uid = ?")?;
        update.execute(params![unread, uid])
    };
    match inbox.store.write(update).await? {
        0 => Err(HttpError::no_message()),
        _ => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}
