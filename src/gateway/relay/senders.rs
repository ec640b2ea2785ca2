//! The senders that may use an account.

use std::fmt;

use crate::address::Address;

/// `None` allows every sender.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Senders(pub(super) Option<Vec<Sender>>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sender {
    Address(Address),
    /// A domain, as lower-case A-labels.
    Domain(String),
}

impl Senders {
    pub(super) fn allow(&self, address: &Address) -> bool {
        let Some(senders) = &self.0 else { return true };
        senders.iter().any(|sender| match sender {
            Sender::Address(other) => other.normalized() == address.normalized(),
            Sender::Domain(domain) => domain == address.ascii_domain(),
        })
    }
}

impl fmt::Display for Senders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(senders) = &self.0 else {
            return f.write_str("from anyone");
        };
        for (index, sender) in senders.iter().enumerate() {
            f.write_str(if index == 0 { "from " } else { ", " })?;
            match sender {
                Sender::Address(address) => f.write_str(address.as_str())?,
                Sender::Domain(domain) => write!(f, "@{domain}")?,
            }
        }
        Ok(())
    }
}
