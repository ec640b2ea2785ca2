//! Rows that could be sent to and are left out: their address is on a suppression list, or an earlier
//! row has it.

use std::fmt;
use std::path::Path;

use super::seen::Seen;
use crate::address::Address;
use crate::campaign::Campaign;
use crate::recipients::{ReadError, SuppressionList, Warning};
use crate::spill::SpillError;

/// Why a row is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Its address is on this suppression list.
    Suppressed(String),
    /// This earlier row has its address.
    Duplicate(u32),
}

impl Reason {
    /// All codes.
    pub const CODES: [&'static str; 2] = ["suppressed", "duplicate"];

    /// A short name that scripts can rely on.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Suppressed(_) => Self::CODES[0],
            Self::Duplicate(_) => Self::CODES[1],
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Suppressed(file) => write!(f, "on the suppression list {file}"),
            Self::Duplicate(earlier) => write!(f, "duplicate of row {earlier}"),
        }
    }
}

/// Which rows are left out, as they come.
#[derive(Default)]
pub struct LeftOut {
    suppressed: SuppressionList,
    seen: Seen,
}

impl LeftOut {
    /// Reads the suppression lists of a campaign.
    ///
    /// # Errors
    /// When one can't be read.
    pub fn new(campaign: &Campaign) -> Result<Self, ReadError> {
        Ok(Self {
            suppressed: suppression_list(campaign, &campaign.dir)?,
            seen: Seen::default(),
        })
    }

    /// Why the next row, of this address, is left out; else later rows of the address are.
    /// `address_of` gives the normalized address of an earlier row.
    ///
    /// # Errors
    /// What `address_of` says, or when the addresses of a long list can't be kept.
    pub fn next<E: From<SpillError>>(
        &mut self,
        address: &Address,
        row: u32,
        address_of: impl FnOnce(u32) -> Result<Option<String>, E>,
    ) -> Result<Option<Reason>, E> {
        if let Some(reason) = self.suppressed(address) {
            return Ok(Some(reason));
        }
        let earlier = self.seen.before(&address.normalized(), row, address_of)?;
        Ok(earlier.map(Reason::Duplicate))
    }

    /// Why a row would be left out if this were its address, when all rows have come.
    ///
    /// # Errors
    /// What `address_of` says, or when the addresses of a long list can't be read.
    pub fn of<E: From<SpillError>>(
        &self,
        address: &Address,
        row: u32,
        address_of: impl FnOnce(u32) -> Result<Option<String>, E>,
    ) -> Result<Option<Reason>, E> {
        if let Some(reason) = self.suppressed(address) {
            return Ok(Some(reason));
        }
        let first = self.seen.first(&address.normalized(), address_of)?;
        Ok(first.filter(|first| *first < row).map(Reason::Duplicate))
    }

    fn suppressed(&self, address: &Address) -> Option<Reason> {
        let file = self.suppressed.file_of(address)?;
        Some(Reason::Suppressed(file.to_owned()))
    }

    /// What is odd about the suppression lists.
    pub fn warnings(&self) -> &[Warning] {
        self.suppressed.warnings()
    }
}

/// The suppression lists of a campaign, read from its folder.
///
/// # Errors
/// When one can't be read.
pub fn suppression_list(campaign: &Campaign, dir: &Path) -> Result<SuppressionList, ReadError> {
    let mut list = SuppressionList::default();
    for path in &campaign.recipients.suppress {
        list.add(&dir.join(path), &path.display().to_string())?;
    }
    Ok(list)
}
