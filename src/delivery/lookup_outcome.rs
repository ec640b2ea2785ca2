//! What the answer to `GET emails` says about a message: one pure function.

use std::time::Duration;

use jiff::Timestamp;

use super::outcome::{MAX_RETRY_AFTER, api_words, post_error, retry_after, stop_reason};
use crate::api::{Answer, emails_in};
use crate::transport::{HttpReply, PostError};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LookupOutcome {
    /// The API has the message.
    Taken,
    /// The API does not list the message, perhaps not yet. This proves nothing.
    NotListed,
    /// There was no usable answer; ask again.
    Unanswered {
        reason: String,
        /// How long the server wants to be left alone.
        wait: Option<Duration>,
    },
    /// Asking again is useless.
    Stop { reason: String },
}

/// What the answer says about the message with this ID.
pub(super) fn classify_lookup(
    result: &Result<HttpReply, PostError>,
    message_id: &str,
    now: Timestamp,
) -> LookupOutcome {
    let reply = match result {
        Ok(reply) => reply,
        Err(error) => {
            let reason = post_error(error);
            return LookupOutcome::Unanswered { reason, wait: None };
        }
    };
    let answer = Answer::decode(&reply.body);
    let words = api_words(reply, answer.as_ref());
    // As for a message: if the API puts its code into the body of a 200, that code counts.
    let code = match (&answer, reply.status) {
        (Some(answer), 200) => answer.code,
        _ => reply.status,
    };
    match (code, answer) {
        (401 | 403 | 301 | 302 | 303 | 307 | 308, _) => LookupOutcome::Stop {
            reason: stop_reason(code, reply, &words),
        },
        (404, _) => LookupOutcome::NotListed,
        (200, Some(answer)) if answer.is_success() => {
            // Only the exact ID counts: an API that ignores the filter lists other messages.
            let ids = emails_in(&answer, &reply.body);
            if ids.iter().any(|id| id == message_id) {
                LookupOutcome::Taken
            } else {
                LookupOutcome::NotListed
            }
        }
        _ => unanswered(reply, words, now),
    }
}

fn unanswered(reply: &HttpReply, reason: String, now: Timestamp) -> LookupOutcome {
    match retry_after(reply, now) {
        Some(wait) if wait > MAX_RETRY_AFTER => LookupOutcome::Stop {
            reason: format!(
                "{reason}; the server wants no request for {} minutes",
                wait.as_secs().div_ceil(60)
            ),
        },
        wait => LookupOutcome::Unanswered { reason, wait },
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn ask(status: u16, body: &str, retry_after: Option<&str>) -> LookupOutcome {
        let reply = HttpReply {
            status,
            retry_after: retry_after.map(str::to_owned),
            location: None,
            body: Bytes::copy_from_slice(body.as_bytes()),
        };
        classify_lookup(&Ok(reply), "a@x", Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn only_the_exact_id_in_a_success_is_proof() {
        let with = |id: &str| {
            format!(r#"{{"code":200,"status":"success","data":[{{"message_id":"{id}"}}]}}"#)
        };
        assert_eq!(ask(200, &with("a@x"), None), LookupOutcome::Taken);
        for other in ["b@x", "A@x", "aa@x", "a@x ", ""] {
            assert_eq!(
                ask(200, &with(other), None),
                LookupOutcome::NotListed,
                "{other:?}"
            );
        }
        for status in [404, 500] {
            assert_ne!(ask(status, &with("a@x"), None), LookupOutcome::Taken);
        }
    }

    #[test]
    fn an_empty_answer_proves_nothing() {
        for (status, body) in [
            (200, r#"{"code":200,"status":"success","data":[]}"#),
            (200, r#"{"code":404,"status":"error","message":"No items"}"#),
            (404, r#"{"code":404,"status":"error","message":"No items"}"#),
            (404, ""),
        ] {
            assert_eq!(
                ask(status, body, None),
                LookupOutcome::NotListed,
                "{status} {body}"
            );
        }
    }

    #[test]
    fn a_server_in_trouble_is_asked_again() {
        let waits = |outcome| match outcome {
            LookupOutcome::Unanswered { wait, .. } => wait,
            outcome => panic!("{outcome:?}"),
        };
        for status in [200, 400, 408, 429, 500, 502, 503] {
            assert_eq!(waits(ask(status, "<p>no</p>", None)), None, "{status}");
        }
        let second = Some(Duration::from_secs(1));
        assert_eq!(waits(ask(429, "", Some("1"))), second);
        let broken = Err(PostError::Broken("reset".to_owned()));
        assert_eq!(
            waits(classify_lookup(&broken, "a@x", Timestamp::UNIX_EPOCH)),
            None
        );
    }

    #[test]
    fn a_refused_login_a_redirect_and_a_long_wait_stop_the_lookups() {
        let json = r#"{"code":401,"status":"error","message":"App Key is invalid"}"#;
        for (status, body, wait) in [
            (401, json, None),
            (200, json, None),
            (403, "", None),
            (302, "", None),
            (429, "", Some("901")),
        ] {
            let outcome = ask(status, body, wait);
            let stops = matches!(outcome, LookupOutcome::Stop { .. });
            assert!(stops, "{status}: {outcome:?}");
        }
    }
}
