//! `POST blacklists`: blocks an address.

use super::DecodeError;
use super::decode::{Fields, refuse};
use super::form;
use crate::address::Address;

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
