//! One message: what is shown of it, and what is saved.

use std::fs;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::Inbox;
use super::answers::{Failed, Fields, Named, json};
use super::list::array;
use crate::frame;
use crate::gateway::store::EVENT_DESCRIPTION;
use crate::web::cut;
use crate::web::{Mail, attachment, file_name, plain};

/// The most bytes of a text, or of a source, that are shown.
const MAX_SHOWN: usize = 1_000_000;

/// The bytes of a message, or the file that has them.
struct Kept {
    bytes: Vec<u8>,
    path: Option<String>,
}

impl Inbox {
    /// Works on a message's bytes, where that holds nobody up.
    async fn with<T: Send + 'static>(
        self: &Arc<Self>,
        uid: String,
        work: impl FnOnce(&Self, Vec<u8>) -> Result<T, Failed> + Send + 'static,
    ) -> Result<T, Failed> {
        let inbox = Arc::clone(self);
        let done = spawn_blocking(move || {
            let bytes = inbox.bytes(&uid)?;
            work(&inbox, bytes)
        });
        done.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a message can't be shown");
            let words = "This message can't be shown.".to_owned();
            Err(Failed(StatusCode::INTERNAL_SERVER_ERROR, words))
        })
    }

    fn bytes(&self, uid: &str) -> Result<Vec<u8>, Failed> {
        let uid = uid.to_owned();
        let kept = self.store.read(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT head, bytes, path FROM message LEFT JOIN body ON body.id = message.body WHERE uid = ?",
            )?;
            let kept = select.query_row([&uid], |row| {
                let mut bytes: Vec<u8> = row.get(0)?;
                bytes.extend(row.get::<_, Option<Vec<u8>>>(1)?.unwrap_or_default());
                Ok(Kept { bytes, path: row.get(2)? })
            });
            kept.optional()
        })?;
        let Kept { bytes, path } = kept.ok_or_else(Failed::gone)?;
        match path {
            Some(path) => fs::read(&path)
                .map_err(|error| Failed(StatusCode::NOT_FOUND, format!("{path}: {error}"))),
            None => Ok(bytes),
        }
    }
}

fn parse(bytes: &[u8]) -> Result<Mail<'_>, Failed> {
    Mail::read(bytes).ok_or_else(|| {
        let words = "This is no message that can be read; its source can be looked at.";
        Failed(StatusCode::UNPROCESSABLE_ENTITY, words.to_owned())
    })
}

pub(super) async fn view(
    State(inbox): State<Arc<Inbox>>,
    Named(uid): Named<String>,
) -> Result<Response, Failed> {
    let known = uid.clone();
    let known = inbox
        .store
        .read_async(move |connection| known_of(connection, &known));
    let Some(mut view) = known.await? else {
        return Err(Failed::gone());
    };
    let parts = inbox.with(uid, |_, bytes| {
        let mail = parse(&bytes)?;
        Ok(json!({
            "html": mail.html().is_some(),
            "text": mail.text().map(|text| cut(text, MAX_SHOWN)),
            "headers": mail.headers(),
            "files": mail.files(),
        }))
    });
    // What can't be read can still be looked at as it stands.
    let parts = match parts.await {
        Err(Failed(StatusCode::UNPROCESSABLE_ENTITY, _)) => {
            json!({ "html": false, "text": null, "headers": [], "files": [] })
        }
        parts => parts?,
    };
    if let (Value::Object(view), Value::Object(parts)) = (&mut view, parts) {
        view.extend(parts);
    }
    Ok(json(&view))
}

/// What the store knows of a message.
fn known_of(connection: &Connection, uid: &str) -> rusqlite::Result<Option<Value>> {
    let mut select = connection.prepare_cached(
        "SELECT id, message_id, account, envelope_from, from_name, from_address, to_name, to_address, copies,
                subject, tags, created_at, updated_at, size, unread, status, request
         FROM message WHERE uid = ?",
    )?;
    let known = select.query_row([uid], |row| {
        Ok(json!({
            "id": row.get::<_, i64>(0)?,
            "uid": uid,
            "message_id": row.get::<_, String>(1)?,
            "account": row.get::<_, String>(2)?,
            "envelope_from": row.get::<_, String>(3)?,
            "from": { "name": row.get::<_, String>(4)?, "address": row.get::<_, String>(5)? },
            "to": { "name": row.get::<_, String>(6)?, "address": row.get::<_, String>(7)? },
            "copies": array(&row.get::<_, String>(8)?),
            "subject": row.get::<_, String>(9)?,
            "tags": array(&row.get::<_, String>(10)?),
            "at": row.get::<_, i64>(11)?,
            "updated": row.get::<_, i64>(12)?,
            "size": row.get::<_, i64>(13)?,
            "unread": row.get::<_, bool>(14)?,
            "status": row.get::<_, String>(15)?,
            "request": row.get::<_, Option<i64>>(16)?.is_some(),
        }))
    });
    let Some(mut known) = known.optional()? else {
        return Ok(None);
    };
    known["events"] = events(connection, known["id"].as_i64().unwrap_or_default())?;
    Ok(Some(known))
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
    Named(uid): Named<String>,
    fields: Fields,
) -> Result<Response, Failed> {
    let page = inbox.with(uid, |inbox, bytes| {
        let none = || {
            Failed(
                StatusCode::NOT_FOUND,
                "This message has no HTML.".to_owned(),
            )
        };
        parse(&bytes)?.page(&inbox.clock).ok_or_else(none)
    });
    let headers = frame::headers(fields.get("images") == "1");
    Ok((headers, [(CACHE_CONTROL, "no-store")], page.await?).into_response())
}

pub(super) async fn source(
    State(inbox): State<Arc<Inbox>>,
    Named(uid): Named<String>,
) -> Result<Response, Failed> {
    let source = inbox.with(uid, |_, mut bytes| {
        bytes.truncate(MAX_SHOWN);
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    });
    Ok(plain(source.await?))
}

pub(super) async fn eml(
    State(inbox): State<Arc<Inbox>>,
    Named(uid): Named<String>,
) -> Result<Response, Failed> {
    let name = format!("{}.eml", file_name(Some(&uid), "message"));
    let bytes = inbox.with(uid, |_, bytes| Ok(bytes)).await?;
    Ok(attachment(&name, bytes))
}

pub(super) async fn part(
    State(inbox): State<Arc<Inbox>>,
    Named((uid, number)): Named<(String, u32)>,
) -> Result<Response, Failed> {
    let file = inbox.with(uid, move |_, bytes| {
        let mail = parse(&bytes)?;
        let file = mail.file(number);
        let none = || {
            Failed(
                StatusCode::NOT_FOUND,
                "This message has no such part.".to_owned(),
            )
        };
        let (name, content) = file.ok_or_else(none)?;
        let name = file_name(name, &format!("part-{}", number.saturating_add(1)));
        Ok((name, content.to_vec()))
    });
    let (name, content) = file.await?;
    Ok(attachment(&name, content))
}

/// The request as it is kept: it may be no JSON that this program wrote. What the message itself holds
/// of it is put in.
pub(super) async fn request(
    State(inbox): State<Arc<Inbox>>,
    Named(uid): Named<String>,
) -> Result<Response, Failed> {
    let of = uid.clone();
    let read = move |connection: &Connection| {
        let mut select = connection.prepare_cached(
            "SELECT req_id, endpoint, at, remote, fields FROM request
             WHERE id = (SELECT request FROM message WHERE uid = ?)",
        )?;
        let request = select.query_row([of], |row| {
            Ok(json!({
                "req_id": row.get::<_, String>(0)?,
                "endpoint": row.get::<_, String>(1)?,
                "at": row.get::<_, i64>(2)?,
                "remote": row.get::<_, Option<String>>(3)?,
                "fields": array(&row.get::<_, String>(4)?),
            }))
        });
        request.optional()
    };
    let request = inbox.store.read_async(read).await?;
    let mut request = request.ok_or_else(Failed::gone)?;
    let fields = request["fields"].as_array_mut();
    let fields = fields.into_iter().flatten();
    let in_message: Vec<&mut Value> = fields.filter(|field| field[1].is_null()).collect();
    if !in_message.is_empty() {
        let bodies = inbox.with(uid, |_, bytes| {
            let mail = parse(&bytes)?;
            Ok((
                mail.html().map(str::to_owned),
                mail.text().map(str::to_owned),
            ))
        });
        let (html, text) = bodies.await?;
        for field in in_message {
            let body = if field[0] == "html" { &html } else { &text };
            field[1] = json!(body.as_deref().unwrap_or_default());
        }
    }
    Ok(json(&request))
}

pub(super) async fn read(state: State<Arc<Inbox>>, uid: Named<String>) -> Result<Response, Failed> {
    set_unread(state, uid, false).await
}

pub(super) async fn unread(
    state: State<Arc<Inbox>>,
    uid: Named<String>,
) -> Result<Response, Failed> {
    set_unread(state, uid, true).await
}

async fn set_unread(
    State(inbox): State<Arc<Inbox>>,
    Named(uid): Named<String>,
    unread: bool,
) -> Result<Response, Failed> {
    let update = move |connection: &Connection| {
        let mut update =
            connection.prepare_cached("UPDATE message SET unread = ? WHERE uid = ?")?;
        update.execute(params![unread, uid])
    };
    match inbox.store.write(update).await? {
        0 => Err(Failed::gone()),
        _ => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}
