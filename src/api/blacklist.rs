//! The blacklist: the addresses to which the API sends nothing for an account.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::decode::{Fields, refuse};
use super::tracking::{text, time};
use super::{DecodeError, HttpReply, form};
use crate::address::Address;
use crate::outcome::{LookupOutcome, one_line};

/// Why an address is on the blacklist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlacklistReason {
    Unsubscribe,
    Hardbounce,
    SpamComplaint,
    Other,
}

impl BlacklistReason {
    pub const ALL: [Self; 4] = [
        Self::Unsubscribe,
        Self::Hardbounce,
        Self::SpamComplaint,
        Self::Other,
    ];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unsubscribe => "unsubscribe",
            Self::Hardbounce => "hardbounce",
            Self::SpamComplaint => "spam_complaint",
            Self::Other => "other",
        }
    }
}

/// An address to be blocked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlacklistEntry {
    /// The SMTP account that may not send to it.
    pub account: String,
    pub email: Address,
    pub reason: BlacklistReason,
    /// May be empty.
    pub comment: String,
    /// Who reported it. May be empty.
    pub source: String,
}

impl BlacklistEntry {
    /// Decodes the variables of a form.
    ///
    /// # Errors
    /// If PHP would not read the whole form, or a field is missing or invalid.
    pub fn from_pairs(pairs: Vec<(String, String)>) -> Result<Self, DecodeError> {
        let mut fields = Fields(form::nest(pairs)?);
        let account = fields.required("account")?.into_owned();
        if account.is_empty() {
            return refuse("account", "is missing");
        }
        let email = fields.required("email")?;
        if email.is_empty() {
            return refuse("email", "is missing");
        }
        let Ok(email) = Address::parse(&email) else {
            return refuse("email", "is not an address");
        };
        let name = fields.required("reason")?;
        let mut reasons = BlacklistReason::ALL.into_iter();
        let Some(reason) = reasons.find(|reason| reason.as_str() == name) else {
            let problem = "must be unsubscribe, hardbounce, spam_complaint or other";
            return refuse("reason", problem);
        };
        Ok(Self {
            account,
            email,
            reason,
            comment: fields.required("comment")?.into_owned(),
            source: fields.required("source")?.into_owned(),
        })
    }
}

/// An address on the blacklist, as the API lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockedAddress {
    pub email: Address,
    /// A reason that is not known is [`BlacklistReason::Other`].
    pub reason: BlacklistReason,
    /// One line.
    pub comment: String,
    /// `None` if the API does not say when.
    pub at: Option<Timestamp>,
}

/// The decoded answer to a request for a page of the blacklist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlacklistOutcome {
    Page {
        /// The rows of the page, with and without a valid address.
        rows: u64,
        /// The first row as JSON: it differs from page to page.
        first: String,
        addresses: Vec<BlockedAddress>,
    },
    /// There was no usable answer; ask again.
    Unanswered {
        reason: String,
        /// How long the server wants to be left alone.
        wait: Option<Duration>,
    },
    /// Asking again is useless.
    Stop { reason: String },
}

/// A request, below the API's base URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockRequest {
    pub path: &'static str,
    pub content_type: &'static str,
    pub body: Vec<u8>,
}

/// What became of a request to block an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockOutcome {
    Blocked,
    /// The API does not take this address.
    Refused {
        reason: String,
    },
    /// There was no usable answer; post it again.
    Unanswered {
        reason: String,
        wait: Option<Duration>,
    },
    /// Posting anything is useless.
    Stop {
        reason: String,
    },
}

impl BlacklistOutcome {
    pub(super) fn page(rows: &[Value]) -> Self {
        Self::Page {
            rows: rows.len() as u64,
            first: rows.first().map(ToString::to_string).unwrap_or_default(),
            addresses: rows.iter().filter_map(blocked_address).collect(),
        }
    }

    /// The meaning of an answer without rows.
    pub(super) fn of_lookup(outcome: LookupOutcome) -> Self {
        match outcome {
            LookupOutcome::Taken | LookupOutcome::NotListed => Self::page(&[]),
            LookupOutcome::Unanswered { reason, wait } => Self::Unanswered { reason, wait },
            LookupOutcome::Stop { reason } => Self::Stop { reason },
        }
    }
}

impl BlockOutcome {
    /// The meaning of an answer. `is_success` and `refuses` say what its body says, `words` are the server's.
    pub(super) fn of(
        reply: &HttpReply,
        code: u16,
        (is_success, refuses): (bool, bool),
        words: String,
        now: Timestamp,
    ) -> Self {
        match code {
            200..=299 if is_success => Self::Blocked,
            401 | 403 | 404 | 301 | 302 | 303 | 307 | 308 => Self::Stop {
                reason: reply.stop_reason(code, &words),
            },
            400..=499 if refuses && code != 408 && code != 429 => Self::Refused { reason: words },
            _ => match reply.unanswered(words, now) {
                LookupOutcome::Stop { reason } => Self::Stop { reason },
                LookupOutcome::Unanswered { reason, wait } => Self::Unanswered { reason, wait },
                LookupOutcome::Taken | LookupOutcome::NotListed => Self::Blocked,
            },
        }
    }
}

fn blocked_address(row: &Value) -> Option<BlockedAddress> {
    let row = row.as_object()?;
    let email = Address::parse(&text(row, "email")).ok()?;
    let name = text(row, "reason");
    let mut reasons = BlacklistReason::ALL.into_iter();
    let reason = reasons.find(|reason| reason.as_str() == name);
    let at = ["created_at", "createdAt"].iter();
    Some(BlockedAddress {
        email,
        reason: reason.unwrap_or(BlacklistReason::Other),
        comment: one_line(&text(row, "comment")),
        at: at.filter_map(|name| row.get(*name)).find_map(time),
    })
}
