//! What became of a request: the meaning of an answer, for every way of sending.

use std::time::Duration;

/// The longest `Retry-After` that a run waits for.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(15 * 60);
/// How many characters of a server's words are kept.
const MAX_WORDS: usize = 300;

/// The result of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PostOutcome {
    /// One for each recipient, in the order of the request.
    Settled(Vec<RecipientOutcome>),
    /// Certainly not taken; can be tried again.
    NotTaken {
        blame: Blame,
        reason: String,
        /// How long the server wants to be left alone.
        wait: Option<Duration>,
    },
    /// Certainly not taken because of a recipient or a value, but the answer does not say which: each recipient
    /// can be tried in a request of its own.
    TryAlone { reason: String },
    /// The run can't continue.
    Stop {
        reason: String,
        /// The request was certainly not taken: its rows are pending again.
        not_taken: bool,
    },
}

/// What became of one recipient of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecipientOutcome {
    Accepted {
        message_id: String,
    },
    Rejected {
        /// The server's code, or the HTTP status.
        code: u16,
        error: String,
    },
    /// The message may or may not have been taken.
    Unknown {
        error: String,
    },
}

/// Why a request was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The request itself: the attempt counts.
    Request,
    /// The state of the server, which asks for less: all requests wait, and the attempt does not count.
    Server,
    /// There is no connection: the same.
    Network,
}

impl PostOutcome {
    pub(crate) fn not_taken(blame: Blame, reason: String, wait: Option<Duration>) -> Self {
        Self::NotTaken {
            blame,
            reason,
            wait,
        }
    }

    pub(crate) fn rejected(recipients: usize, code: u16, error: String) -> Self {
        Self::Settled(vec![RecipientOutcome::Rejected { code, error }; recipients])
    }

    pub(crate) fn unknown(recipients: usize, error: String) -> Self {
        Self::Settled(vec![RecipientOutcome::Unknown { error }; recipients])
    }
}

/// What the answer to a lookup says about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookupOutcome {
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

/// A server's words without line breaks and control characters, and shortened.
pub(crate) fn one_line(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MAX_WORDS)
        .collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
