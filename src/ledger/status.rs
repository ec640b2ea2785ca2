//! The status of a row, and how many rows have each.

use std::fmt;

use super::LedgerError;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Not attempted yet, or to be tried again.
    Pending,
    /// Claimed: this is on the disk before the first byte of the request leaves.
    Sending,
    /// The API took it and gave it a message ID.
    Accepted,
    /// The API refused it.
    Rejected,
    /// No attempt was taken, and there are no attempts left.
    Failed,
    /// It may or may not have been taken.
    Unknown,
    /// Never attempted, because the row has an error.
    Invalid,
    /// Never attempted, on purpose.
    Skipped,
}

impl Status {
    /// In the order in which they are shown.
    pub(crate) const ALL: [Self; 8] = [
        Self::Accepted,
        Self::Rejected,
        Self::Failed,
        Self::Unknown,
        Self::Invalid,
        Self::Skipped,
        Self::Sending,
        Self::Pending,
    ];

    /// The name in the ledger, the results and the JSON.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sending => "sending",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Invalid => "invalid",
            Self::Skipped => "skipped",
        }
    }

    pub(super) fn parse(name: &str) -> Result<Self, LedgerError> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == name)
            .ok_or_else(|| LedgerError::Damaged(format!("unknown status “{name}”")))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How many rows have each status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StatusCounts([u64; 8]);

impl StatusCounts {
    pub(crate) fn of(&self, status: Status) -> u64 {
        self.0[status as usize]
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Counts one more row.
    pub(crate) fn count(&mut self, status: Status) {
        self.0[status as usize] += 1;
    }

    /// The counts of a run that no process works on: rows in flight are unknown.
    #[must_use]
    pub(crate) fn without_holder(mut self) -> Self {
        self.0[Status::Unknown as usize] += std::mem::take(&mut self.0[Status::Sending as usize]);
        self
    }

    /// Moves rows from one status to another.
    pub(super) fn shift(&mut self, moved: &[(Status, Status, u64)]) {
        for (from, to, rows) in moved {
            self.0[*from as usize] -= rows;
            self.0[*to as usize] += rows;
        }
    }

    /// The numbers in the order of [`Status`].
    pub(super) fn from_numbers(numbers: &[i64]) -> Self {
        let mut counts = Self::default();
        for (count, number) in counts.0.iter_mut().zip(numbers) {
            *count = u64::try_from(*number).unwrap_or(0);
        }
        counts
    }

    pub(super) fn set(&mut self, status: Status, rows: u64) {
        self.0[status as usize] = rows;
    }
}
