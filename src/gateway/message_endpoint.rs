//! The endpoints that take messages as they are, and what differs between them.

use std::borrow::Cow;

use axum::http::StatusCode;

use super::request_fields::{form_to_json_without_bodies, json_to_fields};
use super::response::Refusal;
use crate::api::{
    Answer, DecodeError, Dialect, FormDialect, Request, V2, V2Answer, V2Error, V2Request,
    Violation, form, v2_faults,
};
use crate::message::is_content_id;

/// Each recipient's address, with its message ID or the reason why there is no message.
pub(super) type RecipientResults = Vec<(String, Result<String, String>)>;

/// An endpoint that takes messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MessageEndpoint {
    Form(FormDialect),
    V2,
}

impl MessageEndpoint {
    /// The path below the base URL.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Form(dialect) => dialect.path(),
            Self::V2 => V2.path(),
        }
    }

    /// Decodes a body.
    ///
    /// # Errors
    /// If it does not have the shape of the API.
    pub(super) fn decode(self, body: &[u8]) -> Result<DecodedRequest, Refusal> {
        match self {
            Self::Form(dialect) => {
                let form = form::pairs(body).map_err(DecodeError::from)?;
                let fields = form_to_json_without_bodies(&form);
                let request = Request::from_pairs(form, dialect)?;
                Ok(DecodedRequest::Message(Box::new(request), fields))
            }
            Self::V2 => {
                let posted = V2Request::decode(body)?;
                if posted.is_template() {
                    let fields = json_to_fields(body, &[]);
                    return Ok(DecodedRequest::Template(Box::new(posted), fields));
                }
                // The message shows files with other names by another ID.
                let has_other_ids =
                    (posted.request.files.iter()).any(|file| !is_content_id(&file.name));
                let omitted: &[&str] = match has_other_ids {
                    true => &["content.text"],
                    false => &["content.html", "content.text"],
                };
                let fields = json_to_fields(body, omitted);
                Ok(DecodedRequest::Message(Box::new(posted.request), fields))
            }
        }
    }

    /// Everything for which a whole request is refused.
    pub(super) fn faults(self, request: &Request<'_>) -> Vec<Violation> {
        match self {
            Self::Form(dialect) => request.faults(dialect),
            Self::V2 => v2_faults(request),
        }
    }

    /// The answer to a request, as its status and body.
    pub(super) fn answer(
        self,
        request: &RequestOutline,
        results: RecipientResults,
        req_id: String,
    ) -> (StatusCode, Vec<u8>) {
        match self {
            Self::Form(_) => {
                let values = results
                    .into_iter()
                    .map(|(address, result)| (address, result.unwrap_or_else(|reason| reason)));
                (StatusCode::OK, Answer::success(values, req_id).encode())
            }
            Self::V2 => {
                let mut answer = V2Answer::default();
                for (index, (address, result)) in results.into_iter().enumerate() {
                    match result {
                        Ok(id) => answer.data.push(request.v2_entry(index, &address, &id)),
                        Err(reason) => answer.errors.push(V2Error {
                            title: "Recipient is not valid".to_owned(),
                            message: reason,
                            code: "E-1-002".to_owned(),
                            value: address,
                        }),
                    }
                }
                let status = match (answer.data.is_empty(), answer.errors.is_empty()) {
                    (_, true) => StatusCode::OK,
                    (false, false) => StatusCode::MULTI_STATUS,
                    (true, false) => StatusCode::BAD_REQUEST,
                };
                (status, answer.encode(status.as_u16(), &req_id))
            }
        }
    }
}

/// A decoded request, with its fields in JSON, as they are stored for people to read.
pub(super) enum DecodedRequest {
    Message(Box<Request<'static>>, String),
    /// Subject and bodies are templates.
    Template(Box<V2Request>, String),
}

/// What an answer repeats of its request.
#[derive(Debug, Clone, Default)]
pub(super) struct RequestOutline {
    /// The display name of each recipient.
    names: Vec<String>,
    subject: String,
    account: String,
    from: (String, String),
    tags: Vec<String>,
}

impl RequestOutline {
    pub(super) fn of(request: &Request<'_>) -> Self {
        let text = |text: &Option<Cow<'_, str>>| text.as_deref().unwrap_or_default().to_owned();
        Self {
            names: request.to.iter().map(|to| text(&to.name)).collect(),
            subject: request.subject.to_string(),
            account: request.smtp_account.to_string(),
            from: (request.from.to_string(), text(&request.from_name)),
            tags: request.tags.iter().map(ToString::to_string).collect(),
        }
    }

    fn v2_entry(&self, index: usize, address: &str, message_id: &str) -> serde_json::Value {
        let name = self.names.get(index).map_or("", String::as_str);
        serde_json::json!({
            "subject": self.subject,
            "smtpAccount": self.account,
            "to": {"email": address, "name": name, "messageId": message_id},
            "from": {"email": self.from.0, "name": self.from.1},
            "tags": self.tags,
            "status": "injected",
        })
    }
}
