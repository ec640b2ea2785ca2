//! The envelope of a message: its sender and its recipients.

use super::reply::Reply;
use crate::address::Address;

/// In bytes (RFC 5321 4.5.3.1.3).
const MAX_ADDRESS: usize = 254;

/// An address of an envelope. It may be one that [`Address`] does not support, such as `root@localhost`:
/// a message to it is stored, but never sent on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EnvelopeAddress {
    text: String,
    address: Option<Address>,
}

impl EnvelopeAddress {
    /// # Errors
    /// The reply to the command with the address. `must_be_sendable` refuses what [`Address`] does not support.
    pub(super) fn parse(text: &str, must_be_sendable: bool) -> Result<Self, Reply> {
        if !text.is_ascii() {
            let text = "Only ASCII addresses are supported (no SMTPUTF8)";
            return Err(Reply::new(553, "5.6.7", text));
        }
        let is_allowed = |c: char| c.is_ascii_graphic() && !"\"<>()\\,;".contains(c);
        let is_address = text.len() <= MAX_ADDRESS
            && text.chars().all(is_allowed)
            && text
                .split_once('@')
                .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
        let address = match Address::parse(text) {
            Ok(address) => Some(address),
            Err(error) if must_be_sendable || !is_address => {
                return Err(Reply::new(553, "5.1.3", error.to_string()));
            }
            Err(_) => None,
        };
        Ok(Self {
            text: text.to_owned(),
            address,
        })
    }

    /// As the client sent it.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn address(&self) -> Option<&Address> {
        self.address.as_ref()
    }

    /// As in an SMTP command.
    pub(super) fn to_ascii(&self) -> String {
        let ascii = self.address.as_ref().map(Address::to_ascii);
        ascii.unwrap_or_else(|| self.text.clone())
    }

    /// The same for all spellings of an address.
    pub(super) fn normalized(&self) -> String {
        let normalized = self.address.as_ref().map(Address::normalized);
        normalized.unwrap_or_else(|| self.text.to_ascii_lowercase())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Envelope {
    /// `None` for `MAIL FROM:<>`, the sender of bounces.
    pub(super) from: Option<EnvelopeAddress>,
    /// Each address once.
    pub(super) to: Vec<EnvelopeAddress>,
}

impl Envelope {
    /// Adds a recipient, unless it is one already.
    pub(super) fn add(&mut self, recipient: EnvelopeAddress) {
        let normalized = recipient.normalized();
        if self.to.iter().all(|other| other.normalized() != normalized) {
            self.to.push(recipient);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_cannot_be_sent_to_are_stored_only() {
        for text in ["jan@example.com", "Jan+1@EXAMPLE.com"] {
            assert!(EnvelopeAddress::parse(text, true).is_ok(), "{text}");
        }
        for text in ["root@localhost", "jan@[192.0.2.1]", "a..b@example.com"] {
            let stored = EnvelopeAddress::parse(text, false).expect("an address");
            assert_eq!((stored.as_str(), stored.address()), (text, None));
            let refused = EnvelopeAddress::parse(text, true).expect_err("not sendable");
            assert_eq!(refused.code, 553);
        }
        for text in [
            "",
            "jan",
            "@example.com",
            "jan@",
            "a b@example.com",
            "żółw@example.com",
            "jan@żółw.example",
            &format!("{}@example.com", "a".repeat(300)),
        ] {
            assert!(EnvelopeAddress::parse(text, false).is_err(), "{text}");
        }
    }

    #[test]
    fn a_repeated_recipient_counts_once() {
        let mut envelope = Envelope::default();
        for text in ["jan@example.com", "JAN@Example.com", "ola@example.com"] {
            envelope.add(EnvelopeAddress::parse(text, false).expect("an address"));
        }
        assert_eq!(envelope.to.len(), 2);
    }
}
