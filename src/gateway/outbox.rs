//! Writes messages into the outbox of a local run, one file each.

use std::io;

use axum::http::StatusCode;

use super::compose::{ComposedRequest, Composer, OutgoingMessage};
use super::maildir::Maildir;
use super::message_endpoint::{DecodedRequest, MessageEndpoint, RecipientResults, RequestOutline};
use super::response::Refusal;

/// Decodes a request and writes its messages.
///
/// # Errors
/// If the whole request is refused. Nothing of it was stored then.
pub(super) fn store(
    composer: &Composer,
    outbox: &Maildir,
    endpoint: MessageEndpoint,
    body: &[u8],
) -> Result<(RequestOutline, RecipientResults), Refusal> {
    let DecodedRequest::Message(request, _) = endpoint.decode(body)? else {
        let message = "The gateway of a local run has no templates and values";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, message));
    };
    let outline = RequestOutline::of(&request);
    let mut composed = composer.compose(endpoint, *request)?;
    let messages = std::mem::take(&mut composed.messages);
    let (mut stored, mut failure) = (false, None);
    let mut results = Vec::with_capacity(messages.len());
    for (recipient, message) in composed.request.to.iter().zip(messages) {
        let result = match message {
            Ok(message) => match write(outbox, &composed, &message) {
                Ok(()) => {
                    stored = true;
                    Ok(message.message_id)
                }
                Err(error) => {
                    let reason = format!("The message could not be stored: {error}");
                    Err(failure.get_or_insert(reason).clone())
                }
            },
            Err(reason) => Err(reason),
        };
        results.push((recipient.address.to_string(), result));
    }
    match failure {
        // The client may send all of it again.
        Some(reason) if !stored => Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason)),
        _ => Ok((outline, results)),
    }
}

fn write(
    outbox: &Maildir,
    composed: &ComposedRequest<'_>,
    message: &OutgoingMessage,
) -> io::Result<()> {
    let ComposedRequest { draft, now, .. } = composed;
    let headers = draft.envelope_headers(&message.to);
    let mime = draft.message(&message.to, &message.message_id, *now);
    outbox.store(&[&headers, &mime], *now)
}
