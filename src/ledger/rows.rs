//! Rows, as a ledger returns them.

use jiff::Timestamp;

use super::{LEFT_IN_FLIGHT, LedgerError, Status, parse_cells};
use crate::address::Mailbox;
use crate::render::{OtherRow, Row};

/// A row to be sent.
pub(crate) struct PlannedRow {
    pub(crate) row: Row,
    /// Its line in the recipients' file.
    pub(crate) line: u64,
    /// The attempts so far.
    pub(crate) attempts: u32,
    /// It must have a request of its own.
    pub(crate) alone: bool,
}

/// A row with its status.
pub(crate) struct ResultRow {
    /// From 1.
    pub(crate) number: u32,
    /// The row whose message it is in: the first of its group, or itself.
    pub(crate) message_row: u32,
    /// Its line in the recipients' file.
    pub(crate) line: u64,
    /// The address cell as written.
    pub(crate) email: String,
    pub(crate) cells: Vec<String>,
    /// That of its message, if the run has variants.
    pub(crate) variant: Option<String>,
    pub(crate) status: Status,
    pub(crate) message_id: Option<String>,
    /// The API's code, or that of the finding.
    pub(crate) code: Option<String>,
    /// One line.
    pub(crate) error: Option<String>,
    pub(crate) attempts: u32,
    /// It was sent again although it may have been taken before.
    pub(crate) possible_duplicate: bool,
    /// When it got this status; `None` if it was never claimed or left out.
    pub(crate) at: Option<Timestamp>,
}

impl ResultRow {
    /// The row as reports show it. Unless the run is `live`, no process works on it, and a row in
    /// flight is unknown.
    #[must_use]
    pub(crate) fn into_reported(mut self, live: bool) -> Self {
        if self.status == Status::Sending && !live {
            self.status = Status::Unknown;
            self.error = Some(LEFT_IN_FLIGHT.to_owned());
        }
        self
    }
}

/// A row whose message the API has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AcceptedRow {
    pub(crate) row: u32,
    pub(crate) message_id: String,
    /// Normalized; that of the row, even in a test.
    pub(crate) address: String,
    /// When it was accepted, in milliseconds since 1970.
    pub(crate) at: i64,
}

/// What a report counts of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RowOutcome {
    pub(crate) row: u32,
    /// Normalized; `None` if the cell is not an address.
    pub(crate) address: Option<String>,
    pub(crate) status: Status,
    /// When it got this status, in milliseconds since 1970.
    pub(crate) at: Option<i64>,
    /// The variant of its message, unless it was chosen after the run was planned.
    pub(crate) variant: Option<String>,
}

/// Why a row is not sent.
pub(crate) struct LeftOut {
    pub(crate) row: u32,
    pub(crate) code: &'static str,
    pub(crate) reason: String,
}

/// A row in the message of another one.
///
/// # Errors
/// Its cells are not JSON.
pub(super) fn other_row(cells: &str) -> Result<OtherRow, LedgerError> {
    let (cells, json) = parse_cells(cells)?;
    Ok(OtherRow { cells, json })
}

/// Parses the address of a row, which is stored twice: as it was written, and `normalized`.
///
/// # Errors
/// It is not an address, or the two differ.
pub(super) fn stored_mailbox(
    row: u32,
    email: &str,
    normalized: &str,
) -> Result<Mailbox, LedgerError> {
    let mailbox = Mailbox::parse(email)
        .map_err(|error| LedgerError::Damaged(format!("row {row}: {error}")))?;
    if !mailbox.address.is_normalized_as(normalized) {
        return Err(LedgerError::Damaged(format!(
            "row {row} has two different addresses"
        )));
    }
    Ok(mailbox)
}
