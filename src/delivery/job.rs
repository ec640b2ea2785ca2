//! A request on its way.

use crate::address::Address;
use crate::transport::Body;

/// A request, rendered and encoded, with the rows that it carries.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its rows, in the order of its recipients.
    pub rows: Vec<JobRow>,
    /// Its body.
    pub body: Body,
    /// The lane that its rows are in; 0 is the one without a limit of its own.
    pub lane: u32,
    /// It has been posted before.
    pub again: bool,
}

/// A row of a request.
#[derive(Debug, Clone)]
pub struct JobRow {
    /// The row.
    pub row: u32,
    /// The attempts before this one.
    pub attempts: u32,
    /// The address that is posted to, and that the answer names.
    pub address: Address,
    /// It has a request of its own.
    pub alone: bool,
}

impl Job {
    /// The numbers of its rows.
    pub fn row_numbers(&self) -> Vec<u32> {
        self.rows.iter().map(|row| row.row).collect()
    }

    /// How many recipients it has.
    pub fn recipients(&self) -> u32 {
        self.rows.len() as u32
    }
}
