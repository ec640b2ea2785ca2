//! Messages from templates: `sendmail_templates` fills placeholders for each recipient, and v2.1's `email` fills
//! [Twig's templates](twig). `add_template` and `email/template` store templates.

pub(super) mod stored;
mod twig;

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use axum::http::StatusCode;

use self::twig::{Deadline, FillError, Template, Values};
use super::Gateway;
use super::capture::{CapturedRequest, capture};
use super::message_endpoint::{MessageEndpoint, RecipientResults, RequestOutline};
use super::request::RequestContext;
use super::request_fields::form_to_json;
use super::response::{Refusal, read_failed};
use super::store::Store;
use crate::api::{
    DecodeError, FormDialect, MAX_SIZE, Request, SENDMAIL_TEMPLATES, TemplateRequest, V2Request,
    fill, form,
};

/// The maximum size in bytes of HTML, text and attachments of all different messages of a request
/// together. All of them are in memory before they are stored.
const MAX_TOTAL: usize = 8 * MAX_SIZE;

/// Decodes a form and composes its messages.
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
        let stored = store.read(|connection| stored::find(connection, id));
        let stored = stored.map_err(|error| read_failed(&error))?;
        let stored = stored.ok_or_else(|| {
            Refusal::new(
                StatusCode::NOT_FOUND,
                format!("the template_id is unknown: {id}"),
            )
        })?;
        stored.replace_bodies(&mut template.request);
    }
    let request = TemplatedRequest {
        endpoint: MessageEndpoint::Form(FormDialect::NewSendmail),
        path: SENDMAIL_TEMPLATES,
        request: &template.request,
        own: &template.own,
        fields,
    };
    request.capture(gateway, context, |part, vars, max| {
        let text = part.of(&template.request).unwrap_or_default();
        fill(text, [vars, &template.global], max).ok_or_else(Refusal::too_large)
    })
}

/// Composes the messages of a JSON request.
///
/// # Errors
/// If the whole request is refused.
pub(super) fn prepare_v2(
    gateway: &Gateway,
    store: &Store,
    context: &RequestContext,
    mut posted: V2Request,
    fields: String,
) -> Result<(Vec<CapturedRequest>, RequestOutline, RecipientResults), Refusal> {
    if let Some(id) = &posted.template_id {
        let account = &posted.request.smtp_account;
        let stored = store.read(|connection| stored::find_for_account(connection, account, id));
        let stored = stored.map_err(|error| read_failed(&error))?;
        let stored =
            stored.ok_or_else(|| Refusal::invalid(format!("the templateId is unknown: {id}")))?;
        stored.replace_bodies(&mut posted.request);
    }
    let parse = |part: Part| {
        let text = part.of(&posted.request).unwrap_or_default();
        Template::parse(text).map_err(|error| Refusal::invalid(format!("{}, {error}", part.name())))
    };
    let [subject, html, text] = [
        parse(Part::Subject)?,
        parse(Part::Html)?,
        parse(Part::Text)?,
    ];
    let deadline = Deadline::new();
    let request = TemplatedRequest {
        endpoint: MessageEndpoint::V2,
        path: MessageEndpoint::V2.path(),
        request: &posted.request,
        own: &posted.own,
        fields,
    };
    let (captured, results) = request.capture(gateway, context, |part, vars, max| {
        let template = match part {
            Part::Subject => &subject,
            Part::Html => &html,
            Part::Text => &text,
        };
        let values = Values {
            global: &posted.global,
            own: vars,
        };
        let filled = template.fill(&values, max, &deadline);
        filled.map_err(|error| match error {
            FillError::TooLong => Refusal::too_large(),
            FillError::Invalid(message) => Refusal::invalid(message),
            FillError::TooSlow => {
                let message =
                    "Filling the templates takes too long. Send the messages in several requests";
                Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message)
            }
        })
    })?;
    Ok((captured, RequestOutline::of(&posted.request), results))
}

/// A part of a request that is a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Subject,
    Html,
    Text,
}

impl Part {
    /// Its name in JSON.
    fn name(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Html => "content.html",
            Self::Text => "content.text",
        }
    }

    fn of<'a>(self, request: &'a Request<'_>) -> Option<&'a str> {
        match self {
            Self::Subject => Some(&request.subject),
            Self::Html => request.html.as_deref(),
            Self::Text => request.text.as_deref(),
        }
    }
}

/// A request with templates. `V` are the values for one recipient.
struct TemplatedRequest<'a, V> {
    endpoint: MessageEndpoint,
    /// The path of the endpoint.
    path: &'static str,
    request: &'a Request<'static>,
    /// The values for each recipient.
    own: &'a [Arc<V>],
    /// The request's fields in JSON.
    fields: String,
}

impl<'a, V: Eq + Hash> TemplatedRequest<'a, V> {
    /// Composes the messages. Recipients with equal messages share one body. `fill` returns a part of the message with
    /// these values, of at most so many bytes.
    ///
    /// # Errors
    /// If the whole request is refused.
    fn capture(
        self,
        gateway: &Gateway,
        context: &RequestContext,
        mut fill: impl FnMut(Part, &V, usize) -> Result<Cow<'a, str>, Refusal>,
    ) -> Result<(Vec<CapturedRequest>, RecipientResults), Refusal> {
        // The request may have too many recipients, though each group below has few enough.
        if let Some(violation) = self.endpoint.faults(self.request).first() {
            return Err(violation.into());
        }
        let mut all: Vec<CapturedRequest> = Vec::new();
        let mut results = Vec::new();
        let groups = groups(self.own);
        let mut left = MAX_TOTAL;
        // Filling is fast and composing is slow, so a request that is too large is refused before that.
        for (vars, indexes) in &groups {
            let request = self.filled(indexes, |part, max| fill(part, vars, max))?;
            left = left.checked_sub(request.size()).ok_or_else(too_large)?;
        }
        for (vars, indexes) in groups {
            let request = self.filled(&indexes, |part, max| fill(part, vars, max))?;
            let composed = gateway.composer.compose(self.endpoint, request)?;
            // Only the first group stores the request and its form.
            let fields = if all.is_empty() {
                self.fields.clone()
            } else {
                String::new()
            };
            let (captured, group_results) = capture(composed, gateway, context, self.path, fields)?;
            if captured.message_count() > 0 {
                all.push(captured);
            }
            results.extend(indexes.into_iter().zip(group_results));
        }
        results.sort_by_key(|(index, _)| *index);
        let results = results.into_iter().map(|(_, result)| result).collect();
        Ok((all, results))
    }

    /// The request to the recipients at these indexes, with its templates filled.
    ///
    /// # Errors
    /// If a message is too large.
    fn filled(
        &self,
        indexes: &[usize],
        mut fill: impl FnMut(Part, usize) -> Result<Cow<'a, str>, Refusal>,
    ) -> Result<Request<'a>, Refusal> {
        let request = self.request;
        let mut left = MAX_SIZE;
        let mut body = |part: Part| -> Result<Cow<'a, str>, Refusal> {
            let filled = fill(part, left)?;
            left -= filled.len();
            Ok(filled)
        };
        let to = indexes.iter().filter_map(|index| request.to.get(*index));
        Ok(Request {
            to: to.cloned().collect(),
            subject: body(Part::Subject)?,
            html: match request.html {
                Some(_) => Some(body(Part::Html)?),
                None => None,
            },
            text: match request.text {
                Some(_) => Some(body(Part::Text)?),
                None => None,
            },
            ..request.clone()
        })
    }
}

fn too_large() -> Refusal {
    let message = format!(
        "With their placeholders filled, the messages have more than {MAX_TOTAL} bytes of html, text and \
         attachments in base64 together. Send them in several requests"
    );
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message)
}

/// Groups the recipients with equal values. Each group has the indexes of its recipients.
fn groups<V: Eq + Hash>(vars: &[Arc<V>]) -> Vec<(&V, Vec<usize>)> {
    let mut groups: Vec<(&V, Vec<usize>)> = Vec::new();
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
