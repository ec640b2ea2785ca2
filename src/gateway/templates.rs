//! `sendmail_templates` and `add_template`: bodies with placeholders, filled for each recipient.

use std::collections::HashMap;

use axum::http::StatusCode;
use rusqlite::{Connection, OptionalExtension, params};

use super::Gateway;
use super::answers::{Refusal, unreadable};
use super::capture::{Captured, Values, capture, fields};
use super::routes::Asked;
use super::store::{Store, StoreError};
use crate::api::{
    DecodeError, Dialect, Request, SENDMAIL_TEMPLATES, Template, TemplateRequest, Vars, fill, form,
};

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
    if let Some(violation) = template.request.violations(Dialect::NewSendmail).first() {
        return Err(violation.into());
    }
    let mut all = Vec::new();
    let mut values: Vec<(usize, (String, String))> = Vec::new();
    for (vars, places) in groups(&template.vars) {
        let request = filled(&template.request, vars, &places);
        let prepared = gateway.post.prepare(Dialect::NewSendmail, request)?;
        let (captured, own) =
            capture(prepared, gateway, asked, SENDMAIL_TEMPLATES, fields.clone())?;
        all.push(captured);
        values.extend(places.into_iter().zip(own));
    }
    values.sort_by_key(|(place, _)| *place);
    let values = values.into_iter().map(|(_, value)| value).collect();
    Ok((all, values))
}

fn some(text: String) -> Option<std::borrow::Cow<'static, str>> {
    (!text.is_empty()).then(|| text.into())
}

/// The places of the recipients that have the same values, by the first of them.
fn groups(vars: &[Vars]) -> Vec<(&Vars, Vec<usize>)> {
    let mut groups: Vec<(&Vars, Vec<usize>)> = Vec::new();
    let mut known = HashMap::new();
    for (place, vars) in vars.iter().enumerate() {
        let at = *known.entry(vars).or_insert(groups.len());
        match groups.get_mut(at) {
            Some((_, places)) => places.push(place),
            None => groups.push((vars, vec![place])),
        }
    }
    groups
}

/// The request to the recipients at these places, with its placeholders filled.
fn filled(request: &Request<'static>, vars: &Vars, places: &[usize]) -> Request<'static> {
    let body = |text: &Option<std::borrow::Cow<'static, str>>| {
        text.as_ref()
            .map(|text| fill(text, vars).into_owned().into())
    };
    Request {
        to: places
            .iter()
            .map(|place| request.to[*place].clone())
            .collect(),
        subject: fill(&request.subject, vars).into_owned().into(),
        html: body(&request.html),
        text: body(&request.text),
        ..request.clone()
    }
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
