//! One recipient's message: its parts, its frame, and its diff.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::super::preheader::preheader;
use super::diff::diff as diff_texts;
use super::list::invalid_check;
use super::live_campaign::LiveCampaign;
use super::loaded_campaign::{LoadedCampaign, Recipient};
use super::to_json;
use crate::finding::Finding;
use crate::frame::{self, ColourScheme};
use crate::preview::{inline_image, mime};
use crate::render::Prepared;
use crate::web::{HttpError, Mail, QueryParams, attachment, json, plain, truncate};

/// The most bytes of a text or a source in an answer.
const MAX_TEXT: usize = 1_000_000;
/// The prefix of the fields that replace a cell: `set.COLUMN`.
const SET: &str = "set.";

fn replaced_cells(fields: &QueryParams) -> Vec<(String, String)> {
    let set = fields
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix(SET)?, value)));
    set.map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn recipient(
    current: &LoadedCampaign,
    row: u32,
    set: &[(String, String)],
) -> Result<Recipient, HttpError> {
    current.recipient(row, set)?.ok_or_else(|| {
        let text = format!("{} has no row {row}.", current.rows.name);
        HttpError(StatusCode::NOT_FOUND, text)
    })
}

fn prepare(current: &LoadedCampaign, recipient: &Recipient) -> Result<Prepared, Box<Finding>> {
    match &recipient.row {
        Ok(row) => current.engines.prepare(row),
        Err(finding) => Err(finding.clone()),
    }
}

fn prepare_row(
    campaign: &LoadedCampaign,
    row: u32,
    set: &[(String, String)],
) -> Result<Prepared, HttpError> {
    let recipient = recipient(campaign, row, set)?;
    prepare(campaign, &recipient)
        .map_err(|finding| HttpError(StatusCode::UNPROCESSABLE_ENTITY, finding.message))
}

impl LiveCampaign {
    /// Runs `work` on the message of a row.
    async fn with_message<T: Send + 'static>(
        self: &Arc<Self>,
        row: u32,
        fields: &QueryParams,
        work: impl FnOnce(&LoadedCampaign, Prepared) -> Result<T, HttpError> + Send + 'static,
    ) -> Result<T, HttpError> {
        let set = replaced_cells(fields);
        self.with_current(move |_, current| work(current, prepare_row(current, row, &set)?))
            .await
    }
}

pub(super) async fn view(
    State(live): State<Arc<LiveCampaign>>,
    Path(row): Path<u32>,
    fields: QueryParams,
) -> Result<Response, HttpError> {
    let set = replaced_cells(&fields);
    let view = live.with_current(move |_, current| {
        let recipient = recipient(current, row, &set)?;
        let original = current.rows.row(row)?;
        let checkers = current.checkers().map_err(|_| invalid_check())?;
        let findings = current.findings(&checkers, &recipient);
        let original = original.map_or_else(Vec::new, |stored| stored.cells);
        let mut view = json!({
            "row": row,
            "line": recipient.stored.line,
            "file": current.rows.name,
            "cells": cells(current, &recipient, &original),
            "findings": to_json::findings(&findings),
            "variant": recipient.row.as_ref().ok().and_then(|row| row.variant.as_ref()),
            "message": null,
            "error": null,
        });
        match prepare(current, &recipient) {
            Ok(prepared) => view["message"] = message(&prepared),
            Err(finding) => {
                let finding = current.at_row(*finding, &recipient.stored);
                view["error"] = to_json::finding(&finding);
            }
        }
        Ok(view)
    });
    Ok(json(&view.await?))
}

/// The cells of a row. A row may have more or fewer cells than there are columns.
fn cells(current: &LoadedCampaign, recipient: &Recipient, original: &[String]) -> Value {
    let header = &current.rows.header;
    let cells = &recipient.stored.cells;
    let used = current.engines.used_columns();
    let cell = |index: usize| {
        json!({
            "column": header.get(index),
            "value": cells.get(index).map(|cell| truncate(cell, MAX_TEXT)),
            "original": original.get(index).map(|cell| truncate(cell, MAX_TEXT)),
            "used": used.iter().any(|(column, _)| *column == index),
        })
    };
    (0..header.len().max(cells.len())).map(cell).collect()
}

fn message(prepared: &Prepared) -> Value {
    let message = &prepared.message;
    let files = message.attachments.files.iter();
    json!({
        "from": to_json::mailbox(&message.from),
        "to": to_json::mailbox(&prepared.recipient.mailbox),
        "subject": message.subject,
        "preheader": message.html.as_ref().map(|_| preheader(message)),
        "html": message.html().map(str::len),
        "text": message.text().map(|text| truncate(text, MAX_TEXT)),
        "tags": message.tags,
        "files": files.map(|file| json!({
            "name": file.name,
            "mime": file.mime,
            "size": file.size,
            "inline": file.inline,
        })).collect::<Vec<_>>(),
    })
}

/// The HTML in its frame, the HTML source, the headers, a diff, or the `.eml` of a message.
pub(super) async fn part(
    State(live): State<Arc<LiveCampaign>>,
    Path((row, part)): Path<(u32, String)>,
    fields: QueryParams,
) -> Result<Response, HttpError> {
    match part.as_str() {
        "html" => html(&live, row, &fields).await,
        "source" => source(&live, row, &fields).await,
        "headers" => headers(&live, row, &fields).await,
        "diff" => diff(&live, row, &fields).await,
        "eml" => eml(&live, row, &fields).await,
        _ => Err(HttpError(StatusCode::NOT_FOUND, "Not found.".to_owned())),
    }
}

async fn html(
    live: &Arc<LiveCampaign>,
    row: u32,
    fields: &QueryParams,
) -> Result<Response, HttpError> {
    let scheme = match fields.get("look") {
        "dark" => ColourScheme::Dark,
        "inverted" => ColourScheme::Inverted,
        _ => ColourScheme::Light,
    };
    let page = live.with_message(row, fields, move |current, prepared| {
        let message = &prepared.message;
        let html = message.html().ok_or_else(|| {
            let text = "This message has no HTML.".to_owned();
            HttpError(StatusCode::NOT_FOUND, text)
        })?;
        let image = |id: &str| inline_image(message, id);
        Ok(frame::page_as(html, &image, scheme, &current.clock))
    });
    let page = page.await?;
    let headers = frame::headers(fields.get("images") == "1");
    Ok((headers, [(CACHE_CONTROL, "no-store")], page).into_response())
}

async fn source(
    live: &Arc<LiveCampaign>,
    row: u32,
    fields: &QueryParams,
) -> Result<Response, HttpError> {
    let source = live.with_message(row, fields, |_, prepared| {
        Ok(prepared
            .message
            .html
            .map_or_else(String::new, Arc::unwrap_or_clone))
    });
    Ok(plain(source.await?))
}

async fn headers(
    live: &Arc<LiveCampaign>,
    row: u32,
    fields: &QueryParams,
) -> Result<Response, HttpError> {
    let headers = live.with_message(row, fields, |current, mut prepared| {
        // Encoding the attachments takes time, and the headers don't need them.
        prepared.message.attachments = Arc::default();
        let bytes = mime(&prepared, current.started)?;
        let mail = Mail::parse(&bytes);
        let headers = mail.map_or_else(Vec::new, |mail| mail.headers());
        Ok(json!(headers))
    });
    Ok(json(&headers.await?))
}

async fn eml(
    live: &Arc<LiveCampaign>,
    row: u32,
    fields: &QueryParams,
) -> Result<Response, HttpError> {
    let bytes = live.with_message(row, fields, |current, prepared| {
        Ok(mime(&prepared, current.started)?)
    });
    Ok(attachment(&format!("{row:05}.eml"), bytes.await?))
}

/// Compares a message with that of row `other`, or with its version before the last save.
async fn diff(
    live: &Arc<LiveCampaign>,
    row: u32,
    fields: &QueryParams,
) -> Result<Response, HttpError> {
    let set = replaced_cells(fields);
    let is_text = fields.get("of") == "text";
    let other = fields.number("other");
    let diff = live.with_current(move |live, current| {
        let body = |campaign: &LoadedCampaign, row, set: &[(String, String)]| {
            let message = prepare_row(campaign, row, set)?.message;
            let body = if is_text { message.text } else { message.html };
            Ok::<_, HttpError>(body.map_or_else(String::new, Arc::unwrap_or_clone))
        };
        let old = match other.and_then(|row| u32::try_from(row).ok()) {
            Some(other) => body(current, other, &[])?,
            None => {
                let previous = live.versions(|versions| versions.previous.clone());
                let previous = previous.ok_or_else(|| {
                    let text = "Nothing has been saved since this page was started.".to_owned();
                    HttpError(StatusCode::NOT_FOUND, text)
                })?;
                body(&previous, row, &[])?
            }
        };
        let new = body(current, row, &set)?;
        Ok(diff_texts(
            truncate(&old, MAX_TEXT),
            truncate(&new, MAX_TEXT),
        ))
    });
    Ok(json(&diff.await?))
}
