//! What an answer means for the rows of its request: one pure function.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::address::Address;
use crate::api::Answer;
use crate::ledger::Settlement;
use crate::transport::{HttpReply, PostError, http_date};

/// The longest `Retry-After` that the run waits for.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(15 * 60);
/// How many characters of an error message are kept.
const MAX_WORDS: usize = 300;

/// The longest message ID, in bytes: a line of a header (RFC 5322 2.1.1).
const MAX_ID: usize = 998;

/// The result of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PostOutcome {
    /// One for each recipient, in the order of the request.
    Settled(Vec<Settlement>),
    /// Certainly not taken; can be tried again.
    NotTaken {
        blame: Blame,
        reason: String,
        /// How long the server wants to be left alone.
        wait: Option<Duration>,
    },
    /// The run can't continue.
    Stop {
        reason: String,
        /// The request was certainly not taken: its rows are pending again.
        not_taken: bool,
    },
}

/// Why a request was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The request itself: the attempt counts.
    Request,
    /// The state of the server: all requests wait, and the attempt does not count.
    Server,
}

/// Classifies the result of posting a request for `recipients`.
pub fn classify(
    result: &Result<HttpReply, PostError>,
    recipients: &[&Address],
    now: Timestamp,
) -> PostOutcome {
    match result {
        Err(error @ PostError::NotConnected(_)) => {
            not_taken(Blame::Server, post_error(error), None)
        }
        Err(error @ PostError::Untrusted(_)) => PostOutcome::Stop {
            reason: error.to_string(),
            not_taken: true,
        },
        Err(error @ PostError::Broken(_)) => unknown(recipients, post_error(error)),
        Ok(reply) => classify_reply(reply, recipients, now),
    }
}

fn classify_reply(reply: &HttpReply, recipients: &[&Address], now: Timestamp) -> PostOutcome {
    let answer = Answer::decode(&reply.body);
    let words = || api_words(reply, answer.as_ref());
    // If the API puts its code into the body of a 200, the code means what the status would.
    let code = match (&answer, reply.status) {
        (Some(answer), 200) if matches!(answer.code, 401 | 403 | 429) => answer.code,
        _ => reply.status,
    };
    match code {
        401 | 403 | 404 | 301 | 307 | 308 => PostOutcome::Stop {
            reason: stop_reason(code, reply, &words()),
            not_taken: true,
        },
        408 => not_taken(Blame::Request, words(), None),
        429 => pause(reply, words(), now),
        503 if answer.is_some() || reply.retry_after.is_some() => pause(reply, words(), now),
        302 | 303 => PostOutcome::Stop {
            reason: stop_reason(code, reply, &words()),
            not_taken: false,
        },
        _ => match &answer {
            Some(answer) if answer.is_success() => {
                PostOutcome::Settled(recipients.iter().map(|to| recipient(answer, to)).collect())
            }
            Some(answer) if answer.is_refusal() => rejected(recipients, answer.code, words()),
            Some(_) => {
                let words = format!("the answer contradicts itself: {}", words());
                unknown(recipients, words)
            }
            None if (400..500).contains(&code) => rejected(recipients, code, words()),
            None => unknown(recipients, words()),
        },
    }
}

/// One recipient's part of a success.
fn recipient(answer: &Answer, to: &Address) -> Settlement {
    match answer.value_for(to).map(str::trim) {
        None | Some("") => Settlement::Unknown {
            error: "the answer does not mention this address".to_owned(),
        },
        Some(id) if !id.contains(char::is_whitespace) && id.len() > MAX_ID => Settlement::Unknown {
            error: format!(
                "the answer's message ID has {} bytes; the maximum is {MAX_ID}",
                id.len()
            ),
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

fn pause(reply: &HttpReply, words: String, now: Timestamp) -> PostOutcome {
    match retry_after(reply, now) {
        Some(wait) if wait > MAX_RETRY_AFTER => {
            let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
            let until = now.saturating_add(wait).unwrap_or(Timestamp::MAX);
            let reason = format!(
                "{words}; the server wants no request before {}",
                until.strftime("%Y-%m-%d %H:%M UTC")
            );
            PostOutcome::Stop {
                reason,
                not_taken: true,
            }
        }
        wait => not_taken(Blame::Server, words, wait),
    }
}

/// `Retry-After` (RFC 9110 10.2.3): seconds, or a date.
pub(super) fn retry_after(reply: &HttpReply, now: Timestamp) -> Option<Duration> {
    let value = reply.retry_after.as_deref()?.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let until = http_date(value)?;
    Some(Duration::try_from(until.duration_since(now)).unwrap_or_default())
}

fn not_taken(blame: Blame, reason: String, wait: Option<Duration>) -> PostOutcome {
    PostOutcome::NotTaken {
        blame,
        reason,
        wait,
    }
}

fn rejected(recipients: &[&Address], code: u16, error: String) -> PostOutcome {
    let settlement = Settlement::Rejected { code, error };
    PostOutcome::Settled(vec![settlement; recipients.len()])
}

fn unknown(recipients: &[&Address], error: String) -> PostOutcome {
    PostOutcome::Settled(vec![Settlement::Unknown { error }; recipients.len()])
}

pub(super) fn post_error(error: &PostError) -> String {
    one_line(&error.to_string())
}

/// What the server said, in one line: the API's own words if it used any.
pub(super) fn api_words(reply: &HttpReply, answer: Option<&Answer>) -> String {
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

fn http_meaning(reply: &HttpReply) -> &'static str {
    match reply.status {
        200..300 if reply.body.is_empty() => " with an empty answer",
        200..300 => " with an answer that is not the API's",
        _ => " without an answer from the API",
    }
}

pub(super) fn stop_reason(code: u16, reply: &HttpReply, words: &str) -> String {
    match code {
        401 => format!("the API refuses the login: {words}"),
        403 => format!("the API refuses access: {words}"),
        404 => format!("the API does not know this URL: {words}"),
        _ => match &reply.location {
            Some(location) => {
                let location = one_line(location);
                format!("the API redirects to {location} (HTTP {code})")
            }
            None => format!("the API redirects elsewhere (HTTP {code})"),
        },
    }
}

/// Without line breaks and control characters, and shortened.
fn one_line(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MAX_WORDS)
        .collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
