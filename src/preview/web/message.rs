//! One recipient's message: what is shown of it.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::super::preheader::preheader;
use super::differences::differences;
use super::list::broken;
use super::loaded::{Loaded, Recipient};
use super::shown;
use super::site::Site;
use crate::frame::{self, ColourScheme};
use crate::message::Message;
use crate::preview::mime;
use crate::render::Prepared;
use crate::web::{Failed, Fields, Mail, attachment, cut, json, plain};

/// The most bytes of a text, or of a source, that are shown.
const MAX_SHOWN: usize = 1_000_000;
/// What stands before a column's name in the field that sets it.
const SET: &str = "set.";

/// The values that are tried in place of the row's own.
fn set(fields: &Fields) -> Vec<(String, String)> {
    let set = fields
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix(SET)?, value)));
    set.map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn recipient(now: &Loaded, row: u32, set: &[(String, String)]) -> Result<Recipient, Failed> {
    now.recipient(row, set)?.ok_or_else(|| {
        let words = format!("There is no row {row} in {}.", now.spool.name);
        Failed(StatusCode::NOT_FOUND, words)
    })
}

fn prepared(now: &Loaded, recipient: &Recipient) -> Result<Prepared, Failed> {
    let prepared = match &recipient.row {
        Ok(row) => now.engine.prepare(row),
        Err(finding) => Err(finding.clone()),
    };
    prepared.map_err(|finding| Failed(StatusCode::UNPROCESSABLE_ENTITY, finding.message.clone()))
}

impl Site {
    /// Works on a row's message.
    async fn message<T: Send + 'static>(
        self: &Arc<Self>,
        row: u32,
        fields: &Fields,
        work: impl FnOnce(&Loaded, Prepared) -> Result<T, Failed> + Send + 'static,
    ) -> Result<T, Failed> {
        let set = set(fields);
        self.with(move |_, now| {
            let recipient = recipient(now, row, &set)?;
            let prepared = prepared(now, &recipient)?;
            work(now, prepared)
        })
        .await
    }
}

pub(super) async fn view(
    State(site): State<Arc<Site>>,
    Path(row): Path<u32>,
    fields: Fields,
) -> Result<Response, Failed> {
    let set = set(&fields);
    let view = site.with(move |_, now| {
        let recipient = recipient(now, row, &set)?;
        let original = now.spool.row(row)?;
        let checker = now.checker().map_err(|_| broken())?;
        let findings = now.findings(&checker, &recipient);
        let original = original.map_or_else(Vec::new, |stored| stored.cells);
        let mut view = json!({
            "row": row,
            "line": recipient.stored.line,
            "file": now.spool.name,
            "cells": cells(now, &recipient, &original),
            "findings": shown::findings(&findings),
            "message": null,
            "error": null,
        });
        let prepared = match &recipient.row {
            Ok(row) => now.engine.prepare(row),
            Err(finding) => Err(finding.clone()),
        };
        match prepared {
            Ok(prepared) => view["message"] = message(&prepared),
            Err(finding) => {
                let line = recipient.stored.line;
                view["error"] = shown::finding(&now.at(*finding, row, line));
            }
        }
        Ok(view)
    });
    Ok(json(&view.await?))
}

/// The cells with their columns; more of them than columns too.
fn cells(now: &Loaded, recipient: &Recipient, original: &[String]) -> Value {
    let header = &now.spool.header;
    let cells = &recipient.stored.cells;
    let used = now.engine.used_columns();
    let all = 0..header.len().max(cells.len());
    let cell = |place: usize| {
        json!({
            "column": header.get(place),
            "value": cells.get(place).map(|cell| cut(cell, MAX_SHOWN)),
            "original": original.get(place).map(|cell| cut(cell, MAX_SHOWN)),
            "used": used.iter().any(|(column, _)| *column == place),
        })
    };
    all.map(cell).collect()
}

fn message(prepared: &Prepared) -> Value {
    let message = &prepared.message;
    let size = |body: &Option<String>| body.as_ref().map(String::len);
    let files = message.attachments.files.iter();
    json!({
        "from": shown::mailbox(&message.from),
        "to": shown::mailbox(&prepared.recipient.mailbox),
        "subject": message.subject,
        "preheader": message.html.as_ref().map(|_| preheader(message)),
        "html": size(&message.html),
        "text": message.text().map(|text| cut(text, MAX_SHOWN)),
        "tags": message.tags,
        "files": files.map(|file| json!({
            "name": file.name,
            "mime": file.mime,
            "size": file.size,
            "inline": file.inline,
        })).collect::<Vec<_>>(),
    })
}

pub(super) async fn html(
    State(site): State<Arc<Site>>,
    Path(row): Path<u32>,
    fields: Fields,
) -> Result<Response, Failed> {
    let look = match fields.get("look") {
        "dark" => ColourScheme::Dark,
        "inverted" => ColourScheme::Inverted,
        _ => ColourScheme::Light,
    };
    let page = site.message(row, &fields, move |now, prepared| {
        let message = &prepared.message;
        let html = message.html.as_deref().ok_or_else(|| {
            let words = "This message has no HTML.".to_owned();
            Failed(StatusCode::NOT_FOUND, words)
        })?;
        let inline = |id: &str| image(message, id);
        Ok(frame::page_as(html, &inline, look, &now.clock))
    });
    let page = page.await?;
    let headers = frame::headers(fields.get("images") == "1");
    Ok((headers, [(CACHE_CONTROL, "no-store")], page).into_response())
}

/// The inline image that `cid:ID` means, as a `data:` URL.
fn image(message: &Message, id: &str) -> Option<String> {
    let wanted = percent_encoding::percent_decode_str(id).decode_utf8_lossy();
    let mut files = message.attachments.files.iter();
    let file = files.find(|file| file.inline && file.name == wanted)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "/+.-".contains(c);
    if !file.mime.starts_with("image/") || !file.mime.chars().all(fits) {
        return None;
    }
    Some(format!("data:{};base64,{}", file.mime, file.base64))
}

pub(super) async fn source(
    State(site): State<Arc<Site>>,
    Path(row): Path<u32>,
    fields: Fields,
) -> Result<Response, Failed> {
    let source = site.message(row, &fields, |_, prepared| {
        Ok(prepared.message.html.unwrap_or_default())
    });
    Ok(plain(source.await?))
}

pub(super) async fn headers(
    State(site): State<Arc<Site>>,
    Path(row): Path<u32>,
    fields: Fields,
) -> Result<Response, Failed> {
    let headers = site.message(row, &fields, |now, mut prepared| {
        // Only the headers are wanted.
        prepared.message.attachments = Arc::default();
        let bytes = mime(&prepared, now.started)?;
        let mail = Mail::read(&bytes);
        let headers = mail.map_or_else(Vec::new, |mail| mail.headers());
        Ok(json!(headers))
    });
    Ok(json(&headers.await?))
}

pub(super) async fn eml(
    State(site): State<Arc<Site>>,
    Path(row): Path<u32>,
    fields: Fields,
) -> Result<Response, Failed> {
    let bytes = site.message(row, &fields, |now, prepared| {
        Ok(mime(&prepared, now.started)?)
    });
    Ok(attachment(&format!("{row:05}.eml"), bytes.await?))
}

/// What of a message differs from that of another recipient, or from what it was before the last
/// save.
pub(super) async fn diff(
    State(site): State<Arc<Site>>,
    Path(row): Path<u32>,
    fields: Fields,
) -> Result<Response, Failed> {
    let set = set(&fields);
    let diff = site.with(move |site, now| {
        let is_text = fields.get("of") == "text";
        let body = |loaded: &Loaded, row, set: &[(String, String)]| {
            let recipient = recipient(loaded, row, set)?;
            let message = prepared(loaded, &recipient)?.message;
            let text = message.text.map(Arc::unwrap_or_clone);
            let body = if is_text { text } else { message.html };
            Ok::<_, Failed>(body.unwrap_or_default())
        };
        let other = match fields
            .number("other")
            .and_then(|row| u32::try_from(row).ok())
        {
            Some(other) => body(now, other, &[])?,
            None => {
                let before = site.state(|state| state.before.clone());
                let before = before.ok_or_else(|| {
                    let words = "Nothing was saved since this page was started.".to_owned();
                    Failed(StatusCode::NOT_FOUND, words)
                })?;
                body(&before, row, &[])?
            }
        };
        let own = body(now, row, &set)?;
        Ok(differences(cut(&other, MAX_SHOWN), cut(&own, MAX_SHOWN)))
    });
    Ok(json(&diff.await?))
}
