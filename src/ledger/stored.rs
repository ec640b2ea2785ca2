//! Rows as they are stored, for copies from one ledger to another.

use super::Status;
use crate::render::Recorded;

/// All that a ledger stores about a row. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StoredRow {
    pub(crate) row: u32,
    pub(crate) line: u64,
    pub(crate) email: String,
    pub(crate) address: Option<String>,
    /// The value of `row_key`, which tells rows of the same address apart.
    pub(crate) key: Option<String>,
    /// A JSON array.
    pub(crate) cells: String,
    pub(crate) status: Status,
    pub(crate) attempts: u32,
    pub(crate) resends: u32,
    pub(crate) alone: bool,
    /// Negative if the row is held back.
    pub(crate) lane: i32,
    pub(crate) variant: Option<String>,
    /// The variant was chosen after the run was planned.
    pub(crate) chosen: bool,
    pub(crate) message_id: Option<String>,
    pub(crate) code: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) at: Option<i64>,
}

/// A row in the message of an earlier one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StoredMember {
    pub(crate) row: u32,
    /// The row whose message it is in.
    pub(crate) first: u32,
    pub(crate) line: u64,
    pub(crate) email: String,
    /// A JSON array.
    pub(crate) cells: String,
}

/// An own attachment of a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StoredAttachment {
    pub(crate) row: u32,
    pub(crate) recorded: Recorded,
}

/// How many recipients of a lane were posted in a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoredMinute {
    /// Since 1970.
    pub(crate) minute: i64,
    pub(crate) lane: u32,
    pub(crate) recipients: u64,
}
