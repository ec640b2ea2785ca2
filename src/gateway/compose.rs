//! Turns a decoded request into one message for each recipient.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use rand::{Rng, RngExt};

use super::message_endpoint::MessageEndpoint;
use super::response::Refusal;
use crate::address::{Address, Mailbox};
use crate::api::{Recipient, Request};
use crate::clock::Clock;
use crate::message::mime::{Draft, non_empty};

/// Composes messages, and makes the IDs of messages and requests.
pub(super) struct Composer {
    clock: Clock,
    random: Mutex<Box<dyn Rng + Send>>,
}

/// An accepted request.
pub(super) struct ComposedRequest<'a> {
    pub(super) request: Request<'a>,
    pub(super) draft: Draft,
    pub(super) now: Timestamp,
    /// For each recipient its message, or the reason why there is none.
    pub(super) messages: Vec<Result<OutgoingMessage, String>>,
}

/// A message to one recipient.
pub(super) struct OutgoingMessage {
    pub(super) to: Mailbox,
    /// Without angle brackets.
    pub(super) message_id: String,
    /// The ID in URLs and in the log.
    pub(super) uid: String,
}

impl Composer {
    pub(super) fn new(clock: Clock, random: Box<dyn Rng + Send>) -> Self {
        Self {
            clock,
            random: Mutex::new(random),
        }
    }

    /// Validates a request and composes its messages.
    ///
    /// # Errors
    /// If the whole request is refused.
    pub(super) fn compose<'a>(
        &self,
        endpoint: MessageEndpoint,
        request: Request<'a>,
    ) -> Result<ComposedRequest<'a>, Refusal> {
        if let Some(violation) = endpoint.faults(&request).first() {
            return Err(violation.into());
        }
        let draft = Draft::new(&request).map_err(|error| Refusal::invalid(error.to_string()))?;
        let now = self.clock.now();
        let recipients = request.to.iter();
        let messages = recipients
            .map(|recipient| self.message(&draft, recipient, now))
            .collect();
        Ok(ComposedRequest {
            request,
            draft,
            now,
            messages,
        })
    }

    fn message(
        &self,
        draft: &Draft,
        recipient: &Recipient<'_>,
        now: Timestamp,
    ) -> Result<OutgoingMessage, String> {
        let uid = self.uid(now);
        let message_id = match non_empty(&recipient.message_id) {
            Some(id) => id.to_owned(),
            None => format!("{uid}@{}", draft.from.ascii_domain()),
        };
        let posted = &recipient.address;
        let address = Address::parse(posted).map_err(|error| {
            // The vendor's words. Some clients parse them.
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
        Ok(OutgoingMessage {
            to,
            message_id,
            uid,
        })
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// 128 random bits in hexadecimal.
    pub(super) fn random_id(&self) -> String {
        format!("{:032x}", self.random().random::<u128>())
    }

    /// 48 bits of the time and 80 random bits, in hexadecimal. New messages are therefore neighbours in
    /// an index.
    pub(super) fn uid(&self, now: Timestamp) -> String {
        let time = now.as_millisecond().cast_unsigned() & 0xffff_ffff_ffff;
        let (high, low) = self.random().random::<(u16, u64)>();
        format!("{time:012x}{high:04x}{low:016x}")
    }

    fn random(&self) -> MutexGuard<'_, Box<dyn Rng + Send>> {
        // A panic cannot leave a random source in an invalid state.
        self.random.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
