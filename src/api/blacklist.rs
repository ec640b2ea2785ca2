//! `POST blacklists`: an address that is to get nothing.

use super::DecodeError;
use super::form::{self, Value};
use crate::address::Address;

/// Why an address is on the blacklist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlacklistReason {
    /// It was asked for.
    Unsubscribe,
    /// There is no such address.
    Hardbounce,
    /// Somebody said that a message was spam.
    SpamComplaint,
    /// Anything else.
    Other,
}

impl BlacklistReason {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Unsubscribe,
        Self::Hardbounce,
        Self::SpamComplaint,
        Self::Other,
    ];

    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unsubscribe => "unsubscribe",
            Self::Hardbounce => "hardbounce",
            Self::SpamComplaint => "spam_complaint",
            Self::Other => "other",
        }
    }
}

/// What is to be put on the blacklist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlacklistEntry {
    /// The SMTP account for which it counts.
    pub account: String,
    /// The address.
    pub email: Address,
    /// Why.
    pub reason: BlacklistReason,
    /// More about it, or nothing.
    pub comment: String,
    /// Who says so, or nothing.
    pub source: String,
}

impl BlacklistEntry {
    /// Reads a form's variables.
    ///
    /// # Errors
    /// A form that PHP would not read whole, or a field that is missing or wrong.
    pub fn from_pairs(pairs: Vec<(String, String)>) -> Result<Self, DecodeError> {
        let mut form = form::nest(pairs)?;
        let mut text = |field: &str| match form.take(field) {
            None => Ok(String::new()),
            Some(Value::Text(text)) => Ok(text),
            Some(Value::Map(_)) => wrong(field, "is an array where it must be one value"),
        };
        let account = text("account")?;
        if account.is_empty() {
            return wrong("account", "is missing");
        }
        let email = text("email")?;
        if email.is_empty() {
            return wrong("email", "is missing");
        }
        let Ok(email) = Address::parse(&email) else {
            return wrong("email", "is not an address");
        };
        let name = text("reason")?;
        let mut reasons = BlacklistReason::ALL.into_iter();
        let Some(reason) = reasons.find(|reason| reason.as_str() == name) else {
            let problem = "must be unsubscribe, hardbounce, spam_complaint or other";
            return wrong("reason", problem);
        };
        Ok(Self {
            account,
            email,
            reason,
            comment: text("comment")?,
            source: text("source")?,
        })
    }
}

fn wrong<T>(field: &str, problem: &'static str) -> Result<T, DecodeError> {
    Err(DecodeError::Field {
        field: field.to_owned(),
        problem,
    })
}
