//! What an answer to the question for a message means: one pure function.

use std::time::Duration;

use jiff::Timestamp;

use super::outcome::{MAX_RETRY_AFTER, reason, retry_after, stop_reason, words};
use crate::api::{Answer, emails_in};
use crate::transport::{PostError, Reply};

/// What came of asking for a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Known {
    /// The API has it: it was taken.
    Taken,
    /// The API does not list it, perhaps not yet. That is no proof.
    NotListed,
    /// There was no answer to the question; it can be asked again.
    Unanswered {
        /// Why.
        reason: String,
        /// When the server wants it again.
        wait: Option<Duration>,
    },
    /// There is no use in asking.
    Stop {
        /// Why.
        reason: String,
    },
}

/// What came of asking for the message with this ID.
pub(super) fn known(result: &Result<Reply, PostError>, message_id: &str, now: Timestamp) -> Known {
    let Ok(reply) = result else {
        let reason = reason(result);
        return Known::Unanswered { reason, wait: None };
    };
    let answer = Answer::decode(&reply.body);
    let words = words(reply, answer.as_ref());
    // As for a message: where the API puts its code into the body of a 200, it counts.
    let code = match (&answer, reply.status) {
        (Some(answer), 200) => answer.code,
        _ => reply.status,
    };
    match code {
        401 | 403 | 301 | 302 | 303 | 307 | 308 => Known::Stop {
            reason: stop_reason(code, reply, &words),
        },
        404 => Known::NotListed,
        200 => match answer {
            Some(answer) if answer.is_success() => listed(&answer, reply, message_id),
            _ => unanswered(reply, words, now),
        },
        _ => unanswered(reply, words, now),
    }
}

/// Only the very ID counts: a filter that the server did not understand lists other messages.
fn listed(answer: &Answer, reply: &Reply, message_id: &str) -> Known {
    let ids = emails_in(answer, &reply.body);
    if ids.iter().any(|id| id == message_id) {
        Known::Taken
    } else {
        Known::NotListed
    }
}

fn unanswered(reply: &Reply, reason: String, now: Timestamp) -> Known {
    let wait = reply.retry_after.as_deref();
    let wait = wait.and_then(|value| retry_after(value, now));
    match wait {
        Some(wait) if wait > MAX_RETRY_AFTER => Known::Stop {
            reason: format!(
                "{reason}; it wants no request for {} minutes",
                wait.as_secs().div_ceil(60)
            ),
        },
        wait => Known::Unanswered { reason, wait },
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn ask(status: u16, body: &str, retry_after: Option<&str>) -> Known {
        let reply = Reply {
            status,
            retry_after: retry_after.map(str::to_owned),
            location: None,
            body: Bytes::copy_from_slice(body.as_bytes()),
        };
        known(&Ok(reply), "a@x", Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn only_the_very_id_in_a_success_is_proof() {
        let with = |id: &str| {
            format!(r#"{{"code":200,"status":"success","data":[{{"message_id":"{id}"}}]}}"#)
        };
        assert_eq!(ask(200, &with("a@x"), None), Known::Taken);
        for other in ["b@x", "A@x", "aa@x", "a@x ", ""] {
            assert_eq!(ask(200, &with(other), None), Known::NotListed, "{other:?}");
        }
        for status in [404, 500] {
            assert_ne!(ask(status, &with("a@x"), None), Known::Taken);
        }
    }

    #[test]
    fn an_empty_answer_is_no_proof_and_no_fault() {
        for (status, body) in [
            (200, r#"{"code":200,"status":"success","data":[]}"#),
            (200, r#"{"code":404,"status":"error","message":"No items"}"#),
            (404, r#"{"code":404,"status":"error","message":"No items"}"#),
            (404, ""),
        ] {
            assert_eq!(ask(status, body, None), Known::NotListed, "{status} {body}");
        }
    }

    #[test]
    fn a_server_in_trouble_is_asked_again() {
        let waits = |known| match known {
            Known::Unanswered { wait, .. } => wait,
            known => panic!("{known:?}"),
        };
        for status in [200, 400, 408, 429, 500, 502, 503] {
            assert_eq!(waits(ask(status, "<p>no</p>", None)), None, "{status}");
        }
        let second = Some(Duration::from_secs(1));
        assert_eq!(waits(ask(429, "", Some("1"))), second);
        let broken = Err(PostError::Broken("reset".to_owned()));
        assert_eq!(waits(known(&broken, "a@x", Timestamp::UNIX_EPOCH)), None);
    }

    #[test]
    fn a_refused_login_a_redirect_and_a_long_wait_end_the_asking() {
        let json = r#"{"code":401,"status":"error","message":"App Key is invalid"}"#;
        for (status, body, wait) in [
            (401, json, None),
            (200, json, None),
            (403, "", None),
            (302, "", None),
            (429, "", Some("901")),
        ] {
            let known = ask(status, body, wait);
            assert!(matches!(known, Known::Stop { .. }), "{status}: {known:?}");
        }
    }
}
