//! Webhooks of the API: who may send them, and what they say.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use md5::{Digest as _, Md5};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use sha1::Sha1;
use subtle::ConstantTimeEq;

use axum::http::HeaderMap;

use super::entries::WebhookBatch;
use crate::api::{WebhookItem, webhook_item};

/// How old the date of a request may be. The vendor repeats a request for a day or two, and doesn't say whether with a new
/// date. IDs of requests are kept for longer, so that an older one can't come again.
const MAX_AGE: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How far the clocks may differ.
const MAX_AHEAD: SignedDuration = SignedDuration::from_hours(48);
/// The longest part of an unreadable item that is kept, in characters.
const MAX_ITEM: usize = 2_000;

/// What the checksums of the webhooks are made with.
pub(crate) struct WebhookSecrets {
    pub(crate) secret: SecretString,
    /// The name of the panel, for webhooks of the old one.
    pub(crate) panel: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum WebhookError {
    #[error("the checksum is missing or wrong")]
    Checksum,
    #[error("the request is too old")]
    TooOld,
    #[error("the body is not what the webhook sends")]
    Body,
}

/// The ID of a request of the new panel.
///
/// # Errors
/// Its headers are not signed with the secret, or it is too old.
pub(super) fn check_v2(
    headers: &HeaderMap,
    secrets: &WebhookSecrets,
    now: Timestamp,
) -> Result<String, WebhookError> {
    let date = header(headers, "x-webhook-date")?;
    let id = header(headers, "request-id")?;
    let signed = format!("{}|{date}|{id}", secrets.secret.expose_secret());
    let expected = hex(&Sha1::digest(signed.as_bytes()));
    check(&expected, header(headers, "x-webhook-checksum")?)?;
    check_age(date, now)?;
    Ok(format!("v2 {id}"))
}

/// The ID of a request of the old panel.
///
/// # Errors
/// As [`check_v2`].
pub(super) fn check_old(
    headers: &HeaderMap,
    secrets: &WebhookSecrets,
    now: Timestamp,
) -> Result<String, WebhookError> {
    let panel = secrets.panel.as_deref().ok_or(WebhookError::Checksum)?;
    let (ts, mt) = (
        header(headers, "x-emaillabs-ts")?,
        header(headers, "x-emaillabs-mt")?,
    );
    let id = header(headers, "x-emaillabs-id")?;
    let signed = format!("{ts}|{mt}|{panel}|{}", secrets.secret.expose_secret());
    check(&hex(&Md5::digest(signed.as_bytes())), id)?;
    check_age(ts, now)?;
    Ok(format!("events {}", id.to_ascii_lowercase()))
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, WebhookError> {
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(WebhookError::Checksum);
    };
    let value = value.to_str().map_err(|_| WebhookError::Checksum)?.trim();
    match value.is_empty() || value.len() > 256 {
        true => Err(WebhookError::Checksum),
        false => Ok(value),
    }
}

fn check(expected: &str, found: &str) -> Result<(), WebhookError> {
    let found = found.to_ascii_lowercase();
    match expected.as_bytes().ct_eq(found.as_bytes()).into() {
        true => Ok(()),
        false => Err(WebhookError::Checksum),
    }
}

/// Nobody says how the date is written, so one that can't be read is accepted.
fn check_age(date: &str, now: Timestamp) -> Result<(), WebhookError> {
    let Some(date) = crate::api::webhook_time(date) else {
        return Ok(());
    };
    let age = now.duration_since(date);
    match age > MAX_AGE || age < -MAX_AHEAD {
        true => Err(WebhookError::TooOld),
        false => Ok(()),
    }
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The events in the body of a request of the new panel: a JSON array.
///
/// # Errors
/// It is not JSON.
pub(super) fn batch_v2(request: String, body: &[u8]) -> Result<WebhookBatch, WebhookError> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let value = serde_json::from_slice(body).map_err(|_| WebhookError::Body)?;
    Ok(batch(request, value))
}

/// The events in the body of a request of the old panel: a form whose field `p` is JSON in base64.
///
/// # Errors
/// There is no such field, or it is not JSON.
pub(super) fn batch_old(request: String, body: &[u8]) -> Result<WebhookBatch, WebhookError> {
    let mut fields = url::form_urlencoded::parse(body);
    let field = fields.find(|(name, _)| name == "p");
    let (_, field) = field.ok_or(WebhookError::Body)?;
    // A `+` that was not encoded arrives as a space.
    let base64: String = field
        .chars()
        .filter(|c| !matches!(c, '\r' | '\n'))
        .map(|c| if c == ' ' { '+' } else { c })
        .collect();
    let json = STANDARD
        .decode(base64.trim())
        .map_err(|_| WebhookError::Body)?;
    let value = serde_json::from_slice(&json).map_err(|_| WebhookError::Body)?;
    Ok(batch(request, value))
}

/// Items that are no events are kept as they are: a refusal would bring them again and again.
fn batch(request: String, value: Value) -> WebhookBatch {
    let mut batch = WebhookBatch {
        request,
        events: Vec::new(),
        unreadable: Vec::new(),
    };
    let items = match value {
        Value::Array(items) => items,
        // PHP encodes a list with gaps as an object.
        Value::Object(items) if !items.is_empty() && items.values().all(Value::is_object) => {
            let has_fields = items.contains_key("to");
            match has_fields {
                true => vec![Value::Object(items)],
                false => items.into_iter().map(|(_, item)| item).collect(),
            }
        }
        item => vec![item],
    };
    for item in items {
        match webhook_item(&item) {
            WebhookItem::Events(events) => batch.events.extend(events),
            WebhookItem::Unneeded => {}
            WebhookItem::UnknownStatus => batch.keep("unknown statuses", &item),
            WebhookItem::Unreadable => batch.keep("unreadable items", &item),
        }
    }
    batch
}

impl WebhookBatch {
    fn keep(&mut self, why: &'static str, item: &Value) {
        let item = item.to_string().chars().take(MAX_ITEM).collect();
        self.unreadable.push((why, item));
    }
}
