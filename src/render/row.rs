//! A recipient's row, and its message.

use super::attachments::Recorded;
use crate::address::Mailbox;
use crate::message::{Message, Recipient};

/// A recipient's row.
#[derive(Debug, Clone)]
pub struct Row {
    /// From 1.
    pub number: u32,
    pub mailbox: Mailbox,
    /// The variant of the message, if the campaign has variants. `None` if the row waits for the choice of one.
    pub variant: Option<String>,
    /// In the order of the header.
    pub cells: Vec<String>,
    /// The indexes of cells that are JSON and not text, in order.
    pub json: Vec<usize>,
    /// The other rows of its group.
    pub others: Vec<OtherRow>,
    /// How often the user had the row sent again.
    pub resends: u32,
    /// The row's own attachments as they were when the run was planned.
    pub recorded: Vec<Recorded>,
}

/// A row in the message of an earlier one.
#[derive(Debug, Clone, PartialEq)]
pub struct OtherRow {
    /// In the order of the header.
    pub cells: Vec<String>,
    /// The indexes of cells that are JSON and not text, in order.
    pub json: Vec<usize>,
}

/// A row's message and recipient, within all limits of the API.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub message: Message,
    pub recipient: Recipient,
}
