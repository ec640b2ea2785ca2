//! `sendmail` and `new_sendmail`: a form made into letters, one for each recipient.

use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
use jiff::Timestamp;
use rand::{Rng, RngExt};

use super::answers::Refusal;
use crate::address::{Address, Mailbox};
use crate::api::{Dialect, Recipient, Request};
use crate::clock::Clock;
use crate::message::mime::{Draft, non_empty};

/// What makes requests into letters.
pub(super) struct Post {
    clock: Clock,
    random: Mutex<Box<dyn Rng + Send>>,
}

/// A request that is taken, and what is to become of each recipient.
pub(super) struct Prepared<'a> {
    pub(super) request: Request<'a>,
    pub(super) draft: Draft,
    pub(super) now: Timestamp,
    /// For each recipient its letter, or the reason why it gets none.
    pub(super) letters: Vec<Result<Letter, String>>,
}

/// A message to one recipient.
pub(super) struct Letter {
    pub(super) to: Mailbox,
    /// Its message ID, without angle brackets.
    pub(super) message_id: String,
    /// Its public name.
    pub(super) uid: String,
}

impl Post {
    pub(super) fn new(clock: Clock, random: Box<dyn Rng + Send>) -> Self {
        Self {
            clock,
            random: Mutex::new(random),
        }
    }

    /// Looks at everything that can be wrong with a request.
    ///
    /// # Errors
    /// A refusal of the whole request.
    pub(super) fn prepare<'a>(
        &self,
        dialect: Dialect,
        request: Request<'a>,
    ) -> Result<Prepared<'a>, Refusal> {
        if let Some(violation) = request.faults(dialect).first() {
            return Err(violation.into());
        }
        let draft = Draft::new(&request)
            .map_err(|error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
        let now = self.clock.now();
        let letters = request
            .to
            .iter()
            .map(|recipient| self.letter(&draft, recipient, now))
            .collect();
        Ok(Prepared {
            request,
            draft,
            now,
            letters,
        })
    }

    fn letter(
        &self,
        draft: &Draft,
        recipient: &Recipient<'_>,
        now: Timestamp,
    ) -> Result<Letter, String> {
        let uid = self.uid(now);
        let message_id = match non_empty(&recipient.message_id) {
            Some(id) => id.to_owned(),
            None => format!("{uid}@{}", draft.from().ascii_domain()),
        };
        let posted = &recipient.address;
        let address = Address::parse(posted).map_err(|error| {
            // The vendor's words, which some clients take apart.
            let reason = match posted.contains(char::is_whitespace) {
                true => "Address has white sign".to_owned(),
                false => format!("Reason: {error}"),
            };
            format!("{message_id} > Address: {posted} is incorrect. {reason}.")
        })?;
        let to = Mailbox {
            name: non_empty(&recipient.name).map(str::to_owned),
            address,
        };
        Ok(Letter {
            to,
            message_id,
            uid,
        })
    }

    /// The time now.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// 128 random bits in hex.
    pub(super) fn random_id(&self) -> String {
        format!("{:032x}", self.random().random::<u128>())
    }

    /// A name for a message: 48 bits of the time, so that what is new lies together in an index, and
    /// 80 random bits; in hex.
    fn uid(&self, now: Timestamp) -> String {
        let time = now.as_millisecond().cast_unsigned() & 0xffff_ffff_ffff;
        let (high, low) = self.random().random::<(u16, u64)>();
        format!("{time:012x}{high:04x}{low:016x}")
    }

    fn random(&self) -> MutexGuard<'_, Box<dyn Rng + Send>> {
        // Whoever held it while panicking left no random source half changed.
        self.random.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
