//! A request on its way, with the rows it carries.

use crate::address::Address;
use crate::transport::RequestBody;

/// A rendered and encoded request.
pub(crate) struct Batch {
    /// In the order of the request's recipients.
    pub(super) rows: Vec<BatchRow>,
    pub(super) body: RequestBody,
    /// 0 is the lane of all domains without their own limit.
    pub(super) lane: u32,
    /// It was posted before.
    pub(super) is_retry: bool,
}

#[derive(Clone)]
pub(super) struct BatchRow {
    pub(super) row: u32,
    /// The attempts before this one.
    pub(super) attempts: u32,
    /// The address that the answer names.
    pub(super) address: Address,
    /// It must have a request of its own.
    pub(super) alone: bool,
}

impl Batch {
    pub(super) fn row_numbers(&self) -> Vec<u32> {
        self.rows.iter().map(|row| row.row).collect()
    }

    pub(super) fn recipients(&self) -> u32 {
        self.rows.len() as u32
    }
}
