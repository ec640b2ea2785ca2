//! An HTTP answer, and the meaning of its status that all dialects share.

use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use crate::outcome::{Blame, LookupOutcome, MAX_RETRY_AFTER, PostOutcome, one_line};

/// The longest message ID in an answer, in bytes: a line of a header (RFC 5322 2.1.1).
pub(super) const MAX_ID: usize = 998;

/// An answer, not interpreted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpReply {
    pub status: u16,
    /// The header `Retry-After`; in seconds if the answer has the server's time.
    pub retry_after: Option<String>,
    pub location: Option<String>,
    pub body: Bytes,
}

impl HttpReply {
    /// `Retry-After` (RFC 9110 10.2.3): seconds, or a date.
    fn wait(&self, now: Timestamp) -> Option<Duration> {
        let value = self.retry_after.as_deref()?.trim();
        if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
        }
        let until = http_date(value)?;
        Some(Duration::try_from(until.duration_since(now)).unwrap_or_default())
    }

    /// The status in words, for an answer without the API's JSON.
    pub(super) fn status_words(&self) -> String {
        let meaning = match self.status {
            200..300 if self.body.is_empty() => " with an empty answer",
            200..300 => " with an answer that is not the API's",
            _ => " without an answer from the API",
        };
        format!("HTTP {}{meaning}", self.status)
    }

    /// The body without a byte order mark.
    pub(super) fn json(&self) -> &[u8] {
        self.body
            .strip_prefix(b"\xef\xbb\xbf")
            .unwrap_or(&self.body)
    }

    /// The outcomes that follow from the status alone. `code` is the status, or the API's code if it puts the
    /// code into the body of a 200. `words` are the server's. `from_api` says whether the body has the API's
    /// JSON: a 503 of a proxy does not say whether the API took the request.
    pub(super) fn outcome_by_status(
        &self,
        code: u16,
        words: impl Fn() -> String,
        from_api: bool,
        now: Timestamp,
    ) -> Option<PostOutcome> {
        Some(match code {
            401 | 403 | 404 | 301 | 307 | 308 => PostOutcome::Stop {
                reason: self.stop_reason(code, &words()),
                not_taken: true,
            },
            408 => PostOutcome::not_taken(Blame::Request, words(), None),
            429 => self.pause(words(), now),
            503 if from_api || self.retry_after.is_some() => self.pause(words(), now),
            302 | 303 => PostOutcome::Stop {
                reason: self.stop_reason(code, &words()),
                not_taken: false,
            },
            _ => return None,
        })
    }

    fn pause(&self, words: String, now: Timestamp) -> PostOutcome {
        match self.wait(now) {
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
            wait => PostOutcome::not_taken(Blame::Server, words, wait),
        }
    }

    pub(super) fn stop_reason(&self, code: u16, words: &str) -> String {
        match code {
            401 => format!("the API refuses the login: {words}"),
            403 => format!("the API refuses access: {words}"),
            404 => format!("the API does not know this URL: {words}"),
            _ => match &self.location {
                Some(location) => {
                    let location = one_line(location);
                    format!("the API redirects to {location} (HTTP {code})")
                }
                None => format!("the API redirects elsewhere (HTTP {code})"),
            },
        }
    }

    /// The outcome of a lookup that follows from the status alone; `None` for a success.
    pub(super) fn lookup_by_status(
        &self,
        code: u16,
        words: String,
        now: Timestamp,
    ) -> Option<LookupOutcome> {
        match code {
            200 => None,
            401 | 403 | 301 | 302 | 303 | 307 | 308 => Some(LookupOutcome::Stop {
                reason: self.stop_reason(code, &words),
            }),
            404 => Some(LookupOutcome::NotListed),
            _ => Some(self.unanswered(words, now)),
        }
    }

    pub(super) fn unanswered(&self, reason: String, now: Timestamp) -> LookupOutcome {
        match self.wait(now) {
            Some(wait) if wait > MAX_RETRY_AFTER => LookupOutcome::Stop {
                reason: format!(
                    "{reason}; the server wants no request for {} minutes",
                    wait.as_secs().div_ceil(60)
                ),
            },
            wait => LookupOutcome::Unanswered { reason, wait },
        }
    }
}

/// A date in a header (RFC 9110 5.6.7).
pub(crate) fn http_date(text: &str) -> Option<Timestamp> {
    let date = httpdate::parse_http_date(text.trim()).ok()?;
    Timestamp::try_from(date).ok()
}
