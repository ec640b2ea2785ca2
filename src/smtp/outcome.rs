//! What a server's reply, or the lack of one, means for a message.

use lettre::transport::smtp::Error;
use lettre::transport::smtp::response::Response;
use tokio::time::error::Elapsed;

/// The longest reply that is kept, in characters.
const MAX_REPLY: usize = 500;

/// How an attempt to send a message ended, with the server's reply or the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TransactionOutcome {
    Accepted(String),
    /// Rejected permanently (5xx).
    Rejected(Refusal),
    /// Rejected for now (4xx).
    Deferred(Refusal),
    /// The connection was lost before the final dot: the message was certainly not accepted.
    Interrupted(String),
    /// The connection was lost between the final dot and the reply: the message may have been accepted.
    InDoubt(String),
    /// The transaction did not start, for a reason that has nothing to do with the message.
    NotStarted(ServerProblem),
    /// The server wants no more messages on a connection that was used before. The message was not
    /// accepted; a new connection may work.
    Stale(Refusal),
}

/// A negative reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The command that it answers, such as `RCPT TO`.
    pub(crate) command: &'static str,
    pub(crate) reply: String,
}

/// Why a server can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerProblem {
    /// The server, the command, and the server's reply or what happened.
    pub(crate) reason: String,
    pub(crate) kind: ProblemKind,
}

/// What is wrong with a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProblemKind {
    /// There is no connection, or it was lost.
    Unreachable,
    /// It refused the connection for now (4xx).
    Busy,
    /// It refused the connection for good (5xx).
    Refused,
    /// TLS from the first byte failed.
    ImplicitTls,
    /// Its certificate is invalid or not trusted.
    Certificate,
    /// STARTTLS is required, and is not offered.
    NoStartTls,
    /// It refused STARTTLS.
    StartTlsRefused,
    /// The TLS handshake after STARTTLS failed.
    StartTlsFailed,
    /// It refused the user name or the password.
    Login,
    /// It requires a login or TLS.
    LoginRequired,
    /// This side has a problem, not the server.
    Local,
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

/// Whether a refusal on a connection that was used before is about the connection, not the message. The
/// server closes it (421, RFC 5321 3.8), or it has accepted enough messages. Servers say the latter in
/// their own words, such as `452 4.4.5 Maximum number of messages per session exceeded`.
pub(super) fn is_about_connection(code: u16, reply: &str) -> bool {
    let reply = reply.to_ascii_lowercase();
    let mut words = reply.split(|c: char| !c.is_ascii_alphanumeric());
    code == 421
        || words.any(|word| ["session", "connection"].contains(&word))
            && ["many", "max", "limit", "exceed"]
                .iter()
                .any(|word| reply.contains(word))
        || (400..500).contains(&code) && reply.split(' ').any(|word| word == "4.4.5")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_refusals_are_about_the_connection() {
        for reply in [
            "421 4.4.2 idle for too long",
            "421 4.7.0 too many messages on this connection",
            "452 4.4.5 Maximum number of messages per session exceeded.",
            "452 4.4.5 later",
            "450 Too many transactions in this session",
            "550 Message limit per connection reached",
        ] {
            let code = reply[..3].parse().expect("a code");
            assert!(is_about_connection(code, reply), "{reply}");
        }
        for reply in [
            "450 4.2.0 Greylisted",
            "450 4.7.1 Too many connections from your address",
            "451 4.4.1 connection to the filter lost",
            "452 4.3.1 Insufficient system storage",
            "452 4.5.3 Too many recipients",
            "550 5.1.1 unknown user 4.4.5",
        ] {
            let code = reply[..3].parse().expect("a code");
            assert!(!is_about_connection(code, reply), "{reply}");
        }
    }
}
