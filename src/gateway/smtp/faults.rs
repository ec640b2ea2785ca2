//! Faults on demand (`--chaos`) in the words of SMTP.

use std::time::Duration;

use axum::http::StatusCode;

use super::reply::Reply;
use crate::gateway::chaos::{Chaos, InjectedFault, ScriptedOutcome, scripted_outcome};

/// What a fault does with a message whose final dot has arrived.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum MessageFault {
    /// Nothing is stored.
    Refuse(Reply),
    /// As `Refuse`, and the connection is closed.
    Close(Reply),
    /// Nothing is stored, and the connection is reset.
    Reset,
    /// Nothing is stored, and there is no reply.
    Hang,
    /// The message is stored, and the connection is closed without a reply.
    Drop,
    /// The message is stored after this time.
    Slow(Duration),
}

/// The reply to a recipient whose name asks to be refused.
pub(super) fn recipient_refusal(chaos: &Chaos, address: &str) -> Option<Reply> {
    match scripted_outcome(address)? {
        ScriptedOutcome::RejectRecipient(reason) => Some(Reply::new(550, "5.1.1", reason)),
        ScriptedOutcome::FailRequestOnce(status) => {
            let fails = chaos.fails_now(address.to_owned());
            fails.then(|| refusal(status))
        }
        ScriptedOutcome::FailRequest(_) => None,
    }
}

/// The fault of a message: that of the first recipient whose name asks for one, or a random one.
pub(super) fn message_fault<'a>(
    chaos: &Chaos,
    recipients: impl IntoIterator<Item = &'a str>,
) -> Option<MessageFault> {
    let random = chaos.random_fault();
    let mut recipients = recipients.into_iter();
    let scripted = recipients.find_map(|address| match scripted_outcome(address)? {
        ScriptedOutcome::FailRequest(fault) => Some(fault),
        _ => None,
    });
    scripted.or(random).map(|fault| match fault {
        InjectedFault::Status(StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT) => {
            MessageFault::Close(Reply::new(421, "4.3.0", "Closed because of --chaos"))
        }
        InjectedFault::Status(status) => MessageFault::Refuse(refusal(status)),
        InjectedFault::Reset => MessageFault::Reset,
        InjectedFault::Hang => MessageFault::Hang,
        InjectedFault::Drop => MessageFault::Drop,
        InjectedFault::Slow => MessageFault::Slow(Chaos::SLOW),
    })
}

/// The reply that means the same as an HTTP status of the API.
fn refusal(status: StatusCode) -> Reply {
    let (code, enhanced) = match status {
        StatusCode::TOO_MANY_REQUESTS => (450, "4.7.1"),
        StatusCode::SERVICE_UNAVAILABLE => (451, "4.3.0"),
        StatusCode::REQUEST_TIMEOUT => (451, "4.4.2"),
        StatusCode::PAYLOAD_TOO_LARGE => (552, "5.3.4"),
        _ => (554, "5.3.0"),
    };
    Reply::new(code, enhanced, "Refused because of --chaos")
}
