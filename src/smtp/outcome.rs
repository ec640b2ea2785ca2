//! What a server's reply, or the lack of one, means for a message.

use lettre::transport::smtp::Error;
use lettre::transport::smtp::response::Response;
use tokio::time::error::Elapsed;

/// The longest reply that is kept, in characters.
const MAX_REPLY: usize = 500;

/// How an attempt to send a message to one recipient ended, with the server's reply or the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TransactionOutcome {
    Accepted(String),
    /// Rejected permanently (5xx).
    Rejected(String),
    /// Rejected for now (4xx).
    Deferred(String),
    /// The connection was lost before the final dot: the message was certainly not accepted.
    Interrupted(String),
    /// The connection was lost between the final dot and the reply: the message may have been accepted.
    InDoubt(String),
    /// The transaction did not start, for a reason that has nothing to do with the message.
    NotStarted(String),
    /// The server had closed a connection that was used before. A new connection may work.
    Stale,
}

/// The reply to one command.
pub(super) enum SmtpReply {
    Positive(Response),
    /// A code from 400 to 499, and the reply with it.
    Transient(u16, String),
    /// A code from 500 to 599, and the reply with it.
    Permanent(u16, String),
    /// The connection is lost, or the server's reply makes no sense.
    Lost(String),
}

impl From<Result<Result<Response, Error>, Elapsed>> for SmtpReply {
    fn from(result: Result<Result<Response, Error>, Elapsed>) -> Self {
        match result {
            Ok(Ok(response)) => Self::Positive(response),
            Ok(Err(error)) => match error.status().map(u16::from) {
                Some(code @ 400..500) => Self::Transient(code, describe(&error)),
                Some(code) => Self::Permanent(code, describe(&error)),
                None => Self::Lost(describe(&error)),
            },
            Err(_) => Self::Lost("the server did not reply in time".to_owned()),
        }
    }
}

/// A reply's code and text, in one line.
pub(super) fn reply_line(response: &Response) -> String {
    let lines: Vec<_> = response.message().collect();
    one_line(&format!("{} {}", response.code(), lines.join(" ")))
}

/// The server's reply in an error, or what happened to the connection.
pub(super) fn describe(error: &Error) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string);
    match (error.status(), source) {
        (Some(code), Some(text)) => one_line(&format!("{code} {text}")),
        (Some(code), None) => code.to_string(),
        (None, Some(text)) => one_line(&text),
        (None, None) => error.to_string(),
    }
}

/// Makes a server's text safe to store and show: one line, no control characters, limited length.
fn one_line(text: &str) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let clean: String = clean.take(MAX_REPLY).collect();
    clean.trim().to_owned()
}
