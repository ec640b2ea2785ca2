//! What a delivery writes into a ledger.

use jiff::Timestamp;

use super::{Latencies, LedgerError, Status};

/// The rows of a request that is about to be posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub rows: Vec<u32>,
    /// The place of the limit of their domain, from 1; 0 if the domain has no limit of its own.
    pub domain: u32,
}

/// The result of an attempt for one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    Accepted {
        message_id: String,
    },
    Rejected {
        /// The API's code, or the HTTP status.
        code: u16,
        error: String,
    },
    /// It may or may not have been taken.
    Unknown {
        error: String,
    },
    /// It was certainly not taken, and there are no attempts left.
    Failed {
        /// The HTTP status.
        code: Option<u16>,
        error: String,
    },
    /// It was certainly not taken, and is pending again.
    Again {
        /// Whether the attempt counts.
        counted: bool,
        error: String,
    },
}

/// What a settlement writes into its row.
pub(super) struct SettledColumns<'a> {
    pub(super) status: Status,
    /// The attempt does not count.
    pub(super) uncounted: bool,
    pub(super) message_id: Option<&'a str>,
    pub(super) code: Option<String>,
    pub(super) error: Option<&'a str>,
}

impl Settlement {
    /// Why the message was not accepted, if that is final.
    pub(crate) fn failure(&self) -> Option<&str> {
        match self {
            Self::Accepted { .. } | Self::Again { .. } => None,
            Self::Rejected { error, .. } | Self::Unknown { error } | Self::Failed { error, .. } => {
                Some(error)
            }
        }
    }

    pub(super) fn columns(&self) -> SettledColumns<'_> {
        let (status, message_id, code, error) = match self {
            Self::Accepted { message_id } => (Status::Accepted, Some(message_id), Some(200), None),
            Self::Rejected { code, error } => (Status::Rejected, None, Some(*code), Some(error)),
            Self::Unknown { error } => (Status::Unknown, None, None, Some(error)),
            Self::Failed { code, error } => (Status::Failed, None, *code, Some(error)),
            Self::Again { error, .. } => (Status::Pending, None, None, Some(error)),
        };
        SettledColumns {
            status,
            uncounted: matches!(self, Self::Again { counted: false, .. }),
            message_id: message_id.map(String::as_str),
            code: code.map(|code: u16| code.to_string()),
            error: error.map(String::as_str),
        }
    }
}

/// A change to pending rows.
#[derive(Debug)]
pub(crate) enum Change {
    /// They become `sending`.
    Claim { claims: Vec<Claim>, at: Timestamp },
    /// One gets a status in which it is not sent.
    LeaveOut {
        row: u32,
        status: Status,
        code: String,
        error: String,
        at: Timestamp,
    },
}

/// What a commit did.
#[derive(Default)]
pub(crate) struct Committed {
    /// How many rows went from one status to another; empty if the counts come from elsewhere.
    pub(crate) moved: Vec<(Status, Status, u64)>,
    /// Why only the settlements were written, if the changes were not.
    pub(crate) refused: Option<String>,
}

/// Commits what the writer has collected.
pub(crate) trait Commit: Send {
    /// Settles claimed rows and then makes the changes, all in one transaction, which is durable when
    /// this returns.
    ///
    /// # Errors
    /// Nothing was written, or it is not known whether it was. Nothing may be posted then.
    fn commit(
        &mut self,
        settled: &[(u32, Settlement, Timestamp)],
        changes: &[&Change],
    ) -> Result<Committed, LedgerError>;

    /// Adds how long requests took.
    ///
    /// # Errors
    /// It can't be written.
    fn add_latencies(&mut self, latencies: &Latencies) -> Result<(), LedgerError>;
}
