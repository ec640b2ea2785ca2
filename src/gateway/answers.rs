//! Answers on the wire: the API's JSON, and what it says of a request that is refused.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::relay::NotPermitted;
use super::store::StoreError;
use crate::api::{Answer, DecodeError, ListError, MAX_SIZE, Violation};

/// Why a whole request is refused.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) message: String,
    /// Whether it may be asked again in a moment.
    soon: bool,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            soon: false,
        }
    }

    pub(super) fn unknown_action() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Unknown action")
    }

    /// What the vendor says of an empty list.
    pub(super) fn no_items() -> Self {
        Self::new(StatusCode::NOT_FOUND, "No items")
    }

    pub(super) fn too_large() -> Self {
        let message = format!(
            "Email size exceeds outgoing message size limit. The most is {MAX_SIZE} bytes of html, \
             text and attachments in base64"
        );
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    }

    pub(super) fn no_room() -> Self {
        let message = "Too many large requests at a time";
        Self {
            soon: true,
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
        }
    }

    /// The refusal as an answer, and a line in the log.
    pub(super) fn answer(self, req_id: &str) -> Response {
        // It may quote what was sent.
        tracing::debug!(req_id, reason = self.message, "refused");
        let answer = Answer::error(self.status.as_u16(), self.message, req_id.to_owned());
        let mut response = respond(self.status, answer.encode());
        if self.soon {
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
    /// As the vendor does it: what can never be sent is HTTP 500, what is too large is 413.
    fn from(violation: &Violation) -> Self {
        match violation {
            Violation::TooLarge(_) => Self::too_large(),
            Violation::HeaderName(_) | Violation::ReservedHeader(_) | Violation::HeaderTwice(_) => {
                let message = format!("the headers[…]: {violation}");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
            }
            other => Self::new(StatusCode::INTERNAL_SERVER_ERROR, other.to_string()),
        }
    }
}

impl From<NotPermitted> for Refusal {
    fn from(error: NotPermitted) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

/// An answer in JSON.
pub(super) fn respond(status: StatusCode, json: Vec<u8>) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], json).into_response()
}

/// What is said when something could not be kept or read.
pub(super) fn store_failed(error: &StoreError, req_id: &str) -> Response {
    if error.is_nothing_stored() {
        let message = format!("The message could not be stored: {error}");
        return Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message).answer(req_id);
    }
    tracing::error!(req_id, %error, "it is not known whether a request was stored");
    in_doubt()
}

/// What is said when what is kept can't be read.
pub(super) fn unreadable(error: &StoreError) -> Refusal {
    tracing::error!(%error, "what is kept can't be read");
    let message = format!("What is kept can't be read: {error}");
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message)
}

/// Nobody knows what was stored, so this is not the API's JSON.
pub(super) fn in_doubt() -> Response {
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}
