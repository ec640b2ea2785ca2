//! Messages from templates: `sendmail_templates` fills placeholders for each recipient, and `add_template`
//! stores a template.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use axum::http::StatusCode;
use rusqlite::{Connection, OptionalExtension, params};

use super::Gateway;
use super::capture::{CapturedRequest, capture};
use super::message_endpoint::{MessageEndpoint, RecipientResults};
use super::request::RequestContext;
use super::request_fields::form_to_json;
use super::response::{Refusal, read_failed};
use super::store::{Store, StoreError};
use crate::api::{
    DecodeError, FormDialect, MAX_SIZE, Request, SENDMAIL_TEMPLATES, Template, TemplateRequest,
    Vars, fill, form,
};

/// The maximum size in bytes of HTML, text and attachments of all different messages of a request
/// together. All of them are in memory before they are stored.
const MAX_TOTAL: usize = 8 * MAX_SIZE;

/// Decodes a form and composes its messages. Recipients with equal messages share one body.
///
/// # Errors
/// If the whole request is refused.
pub(super) fn prepare(
    gateway: &Gateway,
    store: &Store,
    context: &RequestContext,
    body: &[u8],
) -> Result<(Vec<CapturedRequest>, RecipientResults), Refusal> {
    let form = form::pairs(body).map_err(DecodeError::from)?;
    let fields = form_to_json(&form);
    let mut template = TemplateRequest::from_pairs(form)?;
    if let Some(id) = &template.template_id {
        let stored = store.read(|connection| find(connection, id));
        let stored = stored.map_err(|error| read_failed(&error))?;
        let stored = stored.ok_or_else(|| {
            Refusal::new(
                StatusCode::NOT_FOUND,
                format!("the template_id is unknown: {id}"),
            )
        })?;
        template.request.html = non_empty(stored.html).or(template.request.html);
        template.request.text = non_empty(stored.text).or(template.request.text);
    }
    // The request may have too many recipients, though each group below has few enough.
    if let Some(violation) = template.request.faults(FormDialect::NewSendmail).first() {
        return Err(violation.into());
    }
    let mut all: Vec<CapturedRequest> = Vec::new();
    let mut results = Vec::new();
    let groups = groups(&template.own);
    let mut left = MAX_TOTAL;
    // Filling is fast and composing is slow, so a request that is too large is refused before that.
    for (vars, indexes) in &groups {
        let request = fill_request(&template.request, [vars, &template.global], indexes)?;
        left = left.checked_sub(request.size()).ok_or_else(too_large)?;
    }
    for (vars, indexes) in groups {
        let request = fill_request(&template.request, [vars, &template.global], &indexes)?;
        let composed = gateway
            .composer
            .compose(MessageEndpoint::Form(FormDialect::NewSendmail), request)?;
        // Only the first group stores the request and its form.
        let fields = if all.is_empty() {
            fields.clone()
        } else {
            String::new()
        };
        let (captured, group_results) =
            capture(composed, gateway, context, SENDMAIL_TEMPLATES, fields)?;
        if captured.message_count() > 0 {
            all.push(captured);
        }
        results.extend(indexes.into_iter().zip(group_results));
    }
    results.sort_by_key(|(index, _)| *index);
    let results = results.into_iter().map(|(_, result)| result).collect();
    Ok((all, results))
}

fn non_empty(text: String) -> Option<Cow<'static, str>> {
    (!text.is_empty()).then(|| text.into())
}

fn too_large() -> Refusal {
    let message = format!(
        "With their placeholders filled, the messages have more than {MAX_TOTAL} bytes of html, text and \
         attachments in base64 together. Send them in several requests"
    );
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message)
}

/// Groups the recipients with equal values. Each group has the indexes of its recipients.
fn groups(vars: &[Arc<Vars>]) -> Vec<(&Vars, Vec<usize>)> {
    let mut groups: Vec<(&Vars, Vec<usize>)> = Vec::new();
    let mut group_of = HashMap::new();
    for (index, vars) in vars.iter().map(Arc::as_ref).enumerate() {
        let at = *group_of.entry(vars).or_insert(groups.len());
        match groups.get_mut(at) {
            Some((_, indexes)) => indexes.push(index),
            None => groups.push((vars, vec![index])),
        }
    }
    groups
}

/// The request to the recipients at these indexes, with its placeholders filled.
///
/// # Errors
/// If a message is too large.
fn fill_request<'a>(
    request: &'a Request<'_>,
    vars: [&Vars; 2],
    indexes: &[usize],
) -> Result<Request<'a>, Refusal> {
    let mut left = MAX_SIZE;
    let mut body = |text: &'a str| -> Result<Cow<'a, str>, Refusal> {
        let filled = fill(text, vars, left).ok_or_else(Refusal::too_large)?;
        left -= filled.len();
        Ok(filled)
    };
    let to = indexes.iter().filter_map(|index| request.to.get(*index));
    Ok(Request {
        to: to.cloned().collect(),
        subject: body(&request.subject)?,
        html: request.html.as_deref().map(&mut body).transpose()?,
        text: request.text.as_deref().map(&mut body).transpose()?,
        ..request.clone()
    })
}

fn find(connection: &Connection, id: &str) -> rusqlite::Result<Option<Template>> {
    let mut select = connection.prepare_cached("SELECT html, text FROM template WHERE id = ?")?;
    let template = select.query_row([id], |row| {
        Ok(Template {
            html: row.get(0)?,
            text: row.get(1)?,
        })
    });
    template.optional()
}

/// Stores a template.
///
/// # Errors
/// If it could not be stored.
pub(super) async fn insert(
    store: &Store,
    id: String,
    template: Template,
    now: jiff::Timestamp,
) -> Result<(), StoreError> {
    let insert_row = move |connection: &Connection| {
        connection.execute(
            "INSERT INTO template (id, html, text, created_at) VALUES (?, ?, ?, ?)",
            params![id, template.html, template.text, now.as_millisecond()],
        )
    };
    store.write(insert_row).await.map(drop)
}
