//! The API's responses: JSON, and refused requests.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::protocol::Protocol;
use super::relay::NotPermitted;
use super::store::StoreError;
use crate::api::{DecodeError, ListError, MAX_SIZE, V2DecodeError, Violation};

/// Why a whole request is refused.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    message: String,
    /// Whether the request can never be accepted as it is; the status depends on the protocol.
    is_invalid: bool,
    /// Whether the response has `Retry-After: 1`.
    retry: bool,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            is_invalid: false,
            retry: false,
        }
    }

    /// A request that can never be accepted as it is. The vendor answers 500 to forms and 400 to JSON.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self {
            is_invalid: true,
            ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
        }
    }

    /// Adds `Retry-After: 1` to the response.
    pub(super) fn retry(self) -> Self {
        Self {
            retry: true,
            ..self
        }
    }

    pub(super) fn unknown_action() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Unknown action")
    }

    /// The vendor's response when a list is empty.
    pub(super) fn no_items() -> Self {
        Self::new(StatusCode::NOT_FOUND, "No items")
    }

    pub(super) fn too_large() -> Self {
        let message = format!(
            "Email size exceeds outgoing message size limit. The limit is {MAX_SIZE} bytes of html, \
             text and attachments in base64"
        );
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    }

    pub(super) fn no_memory() -> Self {
        let message = "Too many large requests at a time";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message).retry()
    }

    /// Makes the response, and logs the reason at the debug level: it may quote the request.
    pub(super) fn into_response(self, protocol: Protocol, req_id: &str) -> Response {
        tracing::debug!(req_id, reason = self.message, "refused");
        let status = match protocol {
            Protocol::V2 if self.is_invalid => StatusCode::BAD_REQUEST,
            _ => self.status,
        };
        let message = match protocol {
            Protocol::V2 if self.is_invalid => with_json_names(&self.message),
            _ => self.message,
        };
        let mut response = json_response(status, protocol.refusal(status, message, req_id));
        if self.retry {
            let headers = response.headers_mut();
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<DecodeError> for Refusal {
    fn from(error: DecodeError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error.to_string())
    }
}

impl From<V2DecodeError> for Refusal {
    fn from(error: V2DecodeError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error.to_string())
    }
}

impl From<ListError> for Refusal {
    fn from(error: ListError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error.to_string())
    }
}

impl From<&Violation> for Refusal {
    /// Uses the vendor's status codes: 413 for a message that is too large, 500 for anything else that
    /// can never be sent.
    fn from(violation: &Violation) -> Self {
        let message = match violation {
            Violation::TooLarge(_) => return Self::too_large(),
            Violation::HeaderName(_)
            | Violation::ReservedHeader(_)
            | Violation::RepeatedHeader(_) => {
                format!("headers[…]: {violation}")
            }
            other => other.to_string(),
        };
        Self::invalid(message)
    }
}

impl From<NotPermitted> for Refusal {
    fn from(error: NotPermitted) -> Self {
        Self::invalid(error.to_string())
    }
}

/// A message with the fields of a form as they are called in JSON.
fn with_json_names(message: &str) -> String {
    const NAMES: [(&str, &str); 11] = [
        ("smtp_account", "smtpAccount"),
        ("from_name", "from.name"),
        ("bcc_name", "bcc name"),
        ("cc_name", "cc name"),
        ("reply_to", "replyTo"),
        ("[message_id]", ".messageId"),
        ("[reciver_name]", ".name"),
        ("files[", "attachments["),
        ("][name]", "].fileName"),
        ("][mime]", "].fileMime"),
        ("headers[…]", "headers"),
    ];
    let names = NAMES.into_iter();
    names.fold(message.to_owned(), |message, (form, json)| {
        message.replace(form, json)
    })
}

pub(super) fn json_response(status: StatusCode, json: Vec<u8>) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], json).into_response()
}

/// The refusal after a failed read.
pub(super) fn read_failed(error: &StoreError) -> Refusal {
    tracing::error!(%error, "the stored messages cannot be read");
    let message = format!("The stored messages cannot be read: {error}");
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message)
}

/// The response when a request may or may not have been stored. It is not the API's JSON, so that
/// clients do not take it for a refusal.
pub(super) fn unknown_result() -> Response {
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}
