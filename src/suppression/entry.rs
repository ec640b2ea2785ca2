//! Why an address is on a list, and the events that put it there.

use jiff::Timestamp;

use crate::address::Address;
use crate::api::EventKind;

/// Why an address gets no messages. The first reason of an address is the one that is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Reason {
    Complaint,
    Unsubscribe,
    HardBounce,
    /// Several messages in a row were refused for a temporary reason.
    SoftBounces,
    /// Somebody added the address with `mailrun suppress add`.
    Manual,
    /// It was in an imported file, which didn't say why.
    Imported,
}

impl Reason {
    pub(crate) const ALL: [Self; 6] = [
        Self::Complaint,
        Self::Unsubscribe,
        Self::HardBounce,
        Self::SoftBounces,
        Self::Manual,
        Self::Imported,
    ];

    /// The name in files and databases.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Complaint => "complaint",
            Self::Unsubscribe => "unsubscribe",
            Self::HardBounce => "hard-bounce",
            Self::SoftBounces => "soft-bounces",
            Self::Manual => "manual",
            Self::Imported => "imported",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }

    /// For people, after “on the list @acme: ”.
    pub(crate) fn description(self) -> &'static str {
        match self {
            Self::Complaint => "complaint",
            Self::Unsubscribe => "unsubscribed",
            Self::HardBounce => "hard bounce",
            Self::SoftBounces => "soft bounces",
            Self::Manual => "added by hand",
            Self::Imported => "imported",
        }
    }
}

/// An entry to add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewEntry {
    pub(crate) address: Address,
    pub(crate) reason: Reason,
    /// Who says so, such as “follow”, “one-click” or “file gone.csv”.
    pub(crate) source: String,
    pub(crate) at: Timestamp,
    /// One line, such as the words of the recipient's server. May be empty.
    pub(crate) note: String,
}

/// An entry of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Normalized; `None` if it was forgotten.
    pub(crate) address: Option<String>,
    pub(crate) reason: Reason,
    pub(crate) source: String,
    pub(crate) at: Timestamp,
    pub(crate) note: String,
}

/// What became of a message to an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeliveryEvent {
    pub(crate) address: Address,
    pub(crate) kind: EventKind,
    /// The same whenever the event is recorded: the time in the run's events.
    pub(crate) at: Timestamp,
    /// Identifies the message among all messages of all runs. A message soft-bounces once, however many say so.
    pub(crate) message: String,
    pub(crate) description: String,
}
