//! What an answer means for the rows of its request: one pure function.

use jiff::Timestamp;
use std::time::Duration;

use crate::address::Address;
use crate::api::Answer;
use crate::ledger::Settlement;
use crate::transport::{PostError, Reply, http_date};

/// The longest `Retry-After` that is waited for.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(15 * 60);
/// How much of a server's words is kept.
const WORDS: usize = 300;

/// What an attempt came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Each recipient's own, in the order of the request.
    Settled(Vec<Settlement>),
    /// Certainly not taken: it can be tried again.
    NotTaken {
        /// Who is to blame.
        blame: Blame,
        /// What was said.
        reason: String,
        /// When the server wants it again.
        wait: Option<Duration>,
    },
    /// The run can't go on.
    Stop {
        /// Why.
        reason: String,
        /// Whether the request was certainly not taken, so that its rows are pending again.
        not_taken: bool,
    },
}

/// Whose state it is that a request was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The request's own: the attempt counts.
    Request,
    /// The server's: all wait, and the attempt does not count.
    Server,
}

/// What came of posting a request for `recipients`.
pub fn classify(
    result: &Result<Reply, PostError>,
    recipients: &[&Address],
    now: Timestamp,
) -> Outcome {
    match result {
        Err(PostError::NotConnected(_)) => not_taken(Blame::Server, reason(result), None),
        Err(PostError::Broken(_)) => unknown(recipients, &reason(result)),
        Ok(reply) => classify_reply(reply, recipients, now),
    }
}

fn classify_reply(reply: &Reply, recipients: &[&Address], now: Timestamp) -> Outcome {
    let answer = Answer::decode(&reply.body);
    let words = || words(reply, answer.as_ref());
    // Where the API puts its code into the body of a 200, the code means what the status would.
    let code = match (&answer, reply.status) {
        (Some(answer), 200) if matches!(answer.code, 401 | 403 | 429) => answer.code,
        _ => reply.status,
    };
    match code {
        401 | 403 | 404 | 301 | 307 | 308 => Outcome::Stop {
            reason: stop_reason(code, reply, &words()),
            not_taken: true,
        },
        408 => not_taken(Blame::Request, words(), None),
        429 => pause(reply, words(), now),
        503 if answer.is_some() || reply.retry_after.is_some() => pause(reply, words(), now),
        302 | 303 => Outcome::Stop {
            reason: stop_reason(code, reply, &words()),
            not_taken: false,
        },
        _ => match &answer {
            Some(answer) if answer.is_success() => {
                Outcome::Settled(recipients.iter().map(|to| recipient(answer, to)).collect())
            }
            Some(answer) if answer.is_refusal() => refused(recipients, answer.code, &words()),
            Some(_) => {
                let words = format!("the answer contradicts itself: {}", words());
                unknown(recipients, &words)
            }
            None if (400..500).contains(&code) => refused(recipients, code, &words()),
            None => unknown(recipients, &words()),
        },
    }
}

/// One recipient's part of a success.
fn recipient(answer: &Answer, to: &Address) -> Settlement {
    match answer.value_for(to).map(str::trim) {
        None | Some("") => Settlement::Unknown {
            error: "the answer says nothing of this address".to_owned(),
        },
        Some(id) if !id.contains(char::is_whitespace) => Settlement::Accepted {
            message_id: id.to_owned(),
        },
        Some(refusal) => Settlement::Rejected {
            code: answer.code,
            error: one_line(refusal),
        },
    }
}

fn pause(reply: &Reply, words: String, now: Timestamp) -> Outcome {
    let wait = reply
        .retry_after
        .as_deref()
        .and_then(|value| retry_after(value, now));
    match wait {
        Some(wait) if wait > MAX_RETRY_AFTER => {
            let until = now
                .saturating_add(
                    jiff::SignedDuration::try_from(wait).unwrap_or(jiff::SignedDuration::MAX),
                )
                .unwrap_or(Timestamp::MAX);
            let reason = format!(
                "{words}; it wants no request before {}",
                until.strftime("%Y-%m-%d %H:%M UTC")
            );
            Outcome::Stop {
                reason,
                not_taken: true,
            }
        }
        wait => not_taken(Blame::Server, words, wait),
    }
}

/// RFC 9110 10.2.3: seconds, or a date.
pub(super) fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let until = http_date(value)?;
    Some(Duration::try_from(until.duration_since(now)).unwrap_or_default())
}

fn not_taken(blame: Blame, reason: String, wait: Option<Duration>) -> Outcome {
    Outcome::NotTaken {
        blame,
        reason,
        wait,
    }
}

fn refused(recipients: &[&Address], code: u16, words: &str) -> Outcome {
    all(recipients, || Settlement::Rejected {
        code,
        error: words.to_owned(),
    })
}

fn unknown(recipients: &[&Address], error: &str) -> Outcome {
    all(recipients, || Settlement::Unknown {
        error: error.to_owned(),
    })
}

fn all(recipients: &[&Address], settlement: impl Fn() -> Settlement) -> Outcome {
    Outcome::Settled(recipients.iter().map(|_| settlement()).collect())
}

pub(super) fn reason(result: &Result<Reply, PostError>) -> String {
    result
        .as_ref()
        .err()
        .map(|error| one_line(&error.to_string()))
        .unwrap_or_default()
}

/// What the server says, in a line: the API's own words if there are any.
pub(super) fn words(reply: &Reply, answer: Option<&Answer>) -> String {
    match answer {
        Some(answer) => {
            let data = answer.error_text();
            let message = if data.is_empty() || data == answer.message {
                answer.message.clone()
            } else {
                format!("{} ({data})", answer.message)
            };
            one_line(&message)
        }
        None => format!("HTTP {}{}", reply.status, http_meaning(reply)),
    }
}

fn http_meaning(reply: &Reply) -> &'static str {
    match reply.status {
        200..300 if reply.body.is_empty() => " with an empty answer",
        200..300 => " with an answer that is not the API's",
        _ => " without the API's own answer",
    }
}

pub(super) fn stop_reason(code: u16, reply: &Reply, words: &str) -> String {
    match code {
        401 => format!("the API refuses the login: {words}"),
        403 => format!("the API refuses access: {words}"),
        404 => format!("the API does not know the address that was asked: {words}"),
        _ => match &reply.location {
            Some(location) => format!(
                "the API sends us elsewhere, to {} (HTTP {code})",
                one_line(location)
            ),
            None => format!("the API sends us elsewhere (HTTP {code})"),
        },
    }
}

/// Without line breaks and control characters, and not too long.
fn one_line(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(WORDS)
        .collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
