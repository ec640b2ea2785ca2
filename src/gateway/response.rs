//! The API's responses: JSON, and refused requests.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::relay::NotPermitted;
use super::store::StoreError;
use crate::api::{Answer, DecodeError, ListError, MAX_SIZE, Violation};

/// Why a whole request is refused.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    message: String,
    /// Whether the response has `Retry-After: 1`.
    retry: bool,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            retry: false,
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
    pub(super) fn into_response(self, req_id: &str) -> Response {
        tracing::debug!(req_id, reason = self.message, "refused");
        let answer = Answer::error(self.status.as_u16(), self.message, req_id.to_owned());
        let mut response = json_response(self.status, answer.encode());
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
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }
}

impl From<NotPermitted> for Refusal {
    fn from(error: NotPermitted) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

pub(super) fn json_response(status: StatusCode, json: Vec<u8>) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], json).into_response()
}

/// The response after a failed write.
pub(super) fn write_failed(error: &StoreError, req_id: &str) -> Response {
    if error.is_nothing_stored() {
        let message = format!("The message could not be stored: {error}");
        return Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message).into_response(req_id);
    }
    tracing::error!(req_id, %error, "a request may or may not have been stored");
    unknown_result()
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
