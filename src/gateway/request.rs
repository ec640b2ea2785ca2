//! What every endpoint needs from a request: its context and its body.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;

use axum::extract::{FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use http_body::Body;

use super::body_memory::{BodyMemory, RequestBody};
use super::protocol::Protocol;
use super::response::{Refusal, unknown_result};
use super::store::StoreError;
use crate::api::{DecodeError, MAX_SIZE, form};
use crate::web::TooSlow;

/// The maximum size of a body in bytes: a message of the maximum size with every byte percent-encoded,
/// and a million bytes for the other fields.
const MAX_BODY: usize = 3 * MAX_SIZE + 1_000_000;

/// The maximum size of a JSON body in bytes: the vendor's 15 MB for the whole request, counted generously.
const MAX_JSON_BODY: usize = MAX_SIZE + 1_000_000;

/// The ID and the client of a request, as an extension of it.
#[derive(Clone)]
pub(super) struct RequestContext {
    /// The request's ID, in the response and in the log.
    pub(super) req_id: String,
    /// The client's address.
    pub(super) remote: Option<SocketAddr>,
    pub(super) protocol: Protocol,
}

impl<S: Sync> FromRequestParts<S> for RequestContext {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let context = parts.extensions.get().cloned();
        context.ok_or_else(|| StatusCode::INTERNAL_SERVER_ERROR.into_response())
    }
}

impl RequestContext {
    pub(super) fn refuse(&self, refusal: impl Into<Refusal>) -> Response {
        refusal.into().into_response(self.protocol, &self.req_id)
    }

    /// The response after a failed write.
    pub(super) fn write_failed(&self, error: &StoreError) -> Response {
        if error.is_nothing_stored() {
            let message = format!("The message could not be stored: {error}");
            return self.refuse(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message));
        }
        tracing::error!(req_id = self.req_id, %error, "a request may or may not have been stored");
        unknown_result()
    }
}

/// Reads the body of a request.
///
/// # Errors
/// If the body has another type, is too large, exceeds the memory for bodies, or arrives too slowly.
pub(super) async fn read_body(request: Request) -> Result<RequestBody, Refusal> {
    let max = match Protocol::of_path(request.uri().path()) {
        Protocol::Forms => MAX_BODY,
        Protocol::V2 => MAX_JSON_BODY,
    };
    check_headers(&request, max)?;
    let memory = request.extensions().get::<BodyMemory>().cloned();
    let memory = memory.unwrap_or_default();
    let mut body = request.into_body();
    let mut length = 0;
    let mut received = Some(RequestBody::default());
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let Ok(data) = frame.map_err(|error| read_failed(&error))?.into_data() else {
            continue;
        };
        length += data.len();
        if length > max {
            return Err(Refusal::too_large());
        }
        // Without memory, the body is still read to its end: a client that is sending may not read
        // a response.
        received = received.and_then(|received| received.with(&data, &memory));
    }
    received.ok_or_else(Refusal::no_memory)
}

/// Reads the body of a form as names and values.
///
/// # Errors
/// As [`read_body`], and if the form is malformed.
pub(super) async fn read_form(request: Request) -> Result<Vec<(String, String)>, Refusal> {
    let body = read_body(request).await?;
    Ok(form::pairs(&body).map_err(DecodeError::from)?)
}

fn read_failed(error: &axum::Error) -> Refusal {
    if TooSlow::is_cause_of(error) {
        return Refusal::new(StatusCode::REQUEST_TIMEOUT, TooSlow.to_string());
    }
    let message = format!("The body cannot be read: {error}");
    Refusal::new(StatusCode::BAD_REQUEST, message)
}

fn check_headers(request: &Request, max: usize) -> Result<(), Refusal> {
    let headers = request.headers();
    let expected = Protocol::of_path(request.uri().path()).media_type();
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let media_type = text(CONTENT_TYPE)
        .and_then(|value| value.split(';').next())
        .map(str::trim);
    if media_type.is_some_and(|media_type| !media_type.eq_ignore_ascii_case(expected)) {
        let message = format!("The body must be {expected}");
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let length = text(CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
    if length.is_some_and(|length| length > max) {
        return Err(Refusal::too_large());
    }
    Ok(())
}
