//! `sendmail_templates` and `add_template`: bodies with placeholders, filled for each recipient.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use axum::http::StatusCode;
use rusqlite::{Connection, OptionalExtension, params};

use super::Gateway;
use super::answers::{Refusal, unreadable};
use super::capture::{Captured, Values, capture, fields};
use super::routes::Asked;
use super::store::{Store, StoreError};
use crate::api::{
    DecodeError, Dialect, MAX_SIZE, Request, SENDMAIL_TEMPLATES, Template, TemplateRequest, Vars,
    fill, form,
};

/// The most bytes of the html, the text and the attachments of all messages of a request together, but
/// what is the same in some counts once. They are all in memory before they are stored.
const MAX_TOTAL: usize = 8 * MAX_SIZE;

/// Makes a form's body into rows. Recipients whose messages come out the same share one body.
///
/// # Errors
/// A refusal of the whole request.
pub(super) fn prepare(
    gateway: &Gateway,
    store: &Store,
    asked: &Asked,
    body: &[u8],
) -> Result<(Vec<Captured>, Values), Refusal> {
    let form = form::pairs(body).map_err(DecodeError::from)?;
    let fields = fields(&form);
    let mut template = TemplateRequest::from_pairs(form)?;
    if let Some(id) = &template.template_id {
        let kept = store.read(|connection| find(connection, id));
        let kept = kept.map_err(|error| unreadable(&error))?;
        let kept = kept.ok_or_else(|| {
            Refusal::new(
                StatusCode::NOT_FOUND,
                format!("the template_id is unknown: {id}"),
            )
        })?;
        template.request.html = some(kept.html).or(template.request.html);
        template.request.text = some(kept.text).or(template.request.text);
    }
    // The whole may be wrong where no part is: in the number of its recipients.
    if let Some(violation) = template.request.faults(Dialect::NewSendmail).first() {
        return Err(violation.into());
    }
    let mut all: Vec<Captured> = Vec::new();
    let mut values: Vec<(usize, (String, String))> = Vec::new();
    let whole = template.request.borrowed();
    let mut left = MAX_TOTAL;
    for (own, places) in groups(&template.own) {
        let request = filled(&template.request, &whole, [own, &template.global], &places)?;
        left = left
            .checked_sub(request.size())
            .ok_or_else(too_large_together)?;
        let prepared = gateway.post.prepare(Dialect::NewSendmail, request)?;
        // The request is stored with the first of its messages; no other copy of the form is needed.
        let fields = if all.is_empty() {
            fields.clone()
        } else {
            String::new()
        };
        let (captured, own) = capture(prepared, gateway, asked, SENDMAIL_TEMPLATES, fields)?;
        let (_, messages) = captured.told();
        if messages > 0 {
            all.push(captured);
        }
        values.extend(places.into_iter().zip(own));
    }
    values.sort_by_key(|(place, _)| *place);
    let values = values.into_iter().map(|(_, value)| value).collect();
    Ok((all, values))
}

fn some(text: String) -> Option<Cow<'static, str>> {
    (!text.is_empty()).then(|| text.into())
}

fn too_large_together() -> Refusal {
    let message = format!(
        "With their placeholders filled, the messages are more than {MAX_TOTAL} bytes of html, text and \
         attachments in base64 together. Send them in several requests"
    );
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message)
}

/// The places of the recipients that have the same values, by the first of them.
fn groups(vars: &[Arc<Vars>]) -> Vec<(&Vars, Vec<usize>)> {
    let mut groups: Vec<(&Vars, Vec<usize>)> = Vec::new();
    let mut known = HashMap::new();
    for (place, vars) in vars.iter().map(Arc::as_ref).enumerate() {
        let at = *known.entry(vars).or_insert(groups.len());
        match groups.get_mut(at) {
            Some((_, places)) => places.push(place),
            None => groups.push((vars, vec![place])),
        }
    }
    groups
}

/// The request to the recipients at these places, with its placeholders filled; `borrowed` is the same
/// as `request`.
///
/// # Errors
/// Bodies that come out too large for one message.
fn filled<'a>(
    request: &'a Request<'_>,
    borrowed: &Request<'a>,
    vars: [&Vars; 2],
    places: &[usize],
) -> Result<Request<'a>, Refusal> {
    let mut left = MAX_SIZE;
    let mut body = |text: &'a str| -> Result<Cow<'a, str>, Refusal> {
        let filled = fill(text, vars, left).ok_or_else(Refusal::too_large)?;
        left -= filled.len();
        Ok(filled)
    };
    let to = places.iter().filter_map(|place| borrowed.to.get(*place));
    Ok(Request {
        to: to.cloned().collect(),
        subject: body(&request.subject)?,
        html: request.html.as_deref().map(&mut body).transpose()?,
        text: request.text.as_deref().map(&mut body).transpose()?,
        ..borrowed.clone()
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

/// Keeps a template under an ID.
///
/// # Errors
/// Why it could not be stored.
pub(super) async fn keep(
    store: &Store,
    id: String,
    template: Template,
    now: jiff::Timestamp,
) -> Result<(), StoreError> {
    let insert = move |connection: &Connection| {
        connection.execute(
            "INSERT INTO template (id, html, text, created_at) VALUES (?, ?, ?, ?)",
            params![id, template.html, template.text, now.as_millisecond()],
        )
    };
    store.write(insert).await.map(drop)
}
