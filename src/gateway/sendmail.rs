//! `sendmail` and `new_sendmail`: a form in, messages in the outbox, an answer out.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use axum::http::StatusCode;
use jiff::Timestamp;
use rand::{Rng, RngExt};

use super::Refusal;
use super::maildir::Maildir;
use super::mime::Draft;
use crate::address::{Address, Mailbox};
use crate::api::{DecodeError, Dialect, Recipient, Request, Violation};
use crate::clock::Clock;

/// What takes messages.
pub(super) struct Post {
    pub(super) outbox: Maildir,
    pub(super) clock: Clock,
    pub(super) random: Mutex<Box<dyn Rng + Send>>,
}

/// What became of one recipient.
enum Outcome {
    /// Stored; its message ID.
    Taken(String),
    /// The reason why it never can be.
    Refused(String),
    /// The reason why it could not be stored.
    NotStored(String),
}

impl Post {
    /// Takes a form's body. Each recipient's address comes with its message ID, or with the reason
    /// why it gets no message.
    ///
    /// # Errors
    /// A refusal of the whole request: nothing of it was stored.
    pub(super) fn take(
        &self,
        dialect: Dialect,
        body: &[u8],
    ) -> Result<Vec<(String, String)>, Refusal> {
        let request = Request::decode(body, dialect)?;
        if let Some(violation) = request.violations(dialect).first() {
            return Err(violation.into());
        }
        let draft = Draft::new(&request)
            .map_err(|error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
        let now = self.clock.now();
        let outcomes: Vec<_> = request
            .to
            .iter()
            .map(|recipient| self.deliver(&draft, recipient, now))
            .collect();
        if let Some(reason) = nothing_stored(&outcomes) {
            return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason));
        }
        let addresses = request
            .to
            .into_iter()
            .map(|recipient| recipient.address.into_owned());
        Ok(addresses
            .zip(outcomes.into_iter().map(Outcome::into_value))
            .collect())
    }

    fn deliver(&self, draft: &Draft, recipient: &Recipient<'_>, now: Timestamp) -> Outcome {
        let address = match Address::parse(&recipient.address) {
            Ok(address) => address,
            Err(error) => {
                let posted = &recipient.address;
                return Outcome::Refused(format!("Address {posted} is incorrect: {error}."));
            }
        };
        let to = Mailbox {
            name: text(&recipient.name).map(str::to_owned),
            address,
        };
        let id = match text(&recipient.message_id) {
            Some(id) => id.to_owned(),
            None => format!("{}@{}", self.random_id(), draft.from().ascii_domain()),
        };
        let pieces = [&*draft.trace(&to), &draft.message(&to, &id, now)];
        match self.outbox.store(&pieces, now) {
            Ok(_) => Outcome::Taken(id),
            Err(error) => Outcome::NotStored(format!("The message could not be stored: {error}")),
        }
    }

    /// 128 random bits in hex.
    pub(super) fn random_id(&self) -> String {
        // Whoever held it while panicking left no random source half changed.
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        format!("{:032x}", random.random::<u128>())
    }
}

fn text<'a>(text: &'a Option<Cow<'_, str>>) -> Option<&'a str> {
    text.as_deref().filter(|text| !text.is_empty())
}

/// Why no message was stored, where that is the gateway's fault: then all can be posted again.
fn nothing_stored(outcomes: &[Outcome]) -> Option<String> {
    if outcomes
        .iter()
        .any(|outcome| matches!(outcome, Outcome::Taken(_)))
    {
        return None;
    }
    outcomes.iter().find_map(|outcome| match outcome {
        Outcome::NotStored(reason) => Some(reason.clone()),
        _ => None,
    })
}

impl Outcome {
    fn into_value(self) -> String {
        match self {
            Self::Taken(value) | Self::Refused(value) | Self::NotStored(value) => value,
        }
    }
}

impl From<DecodeError> for Refusal {
    fn from(error: DecodeError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error.to_string())
    }
}

impl From<&Violation> for Refusal {
    /// As the vendor does it: what can never be sent is HTTP 500, what is too large is 413.
    fn from(violation: &Violation) -> Self {
        match violation {
            Violation::TooLarge(_) => Self::too_large(),
            other => Self::new(StatusCode::INTERNAL_SERVER_ERROR, other.to_string()),
        }
    }
}
