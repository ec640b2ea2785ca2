//! Valid rows that are left out: their address is on a suppression list, or an earlier row has it.

use std::fmt;
use std::path::Path;

use super::duplicates::AddressIndex;
use crate::address::Address;
use crate::campaign::Campaign;
use crate::list_name::ListName;
use crate::recipients::{ReadError, SuppressionList, Warning};
use crate::spill::SpillError;
use crate::suppression::{CampaignLists, Reason};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ExclusionReason {
    /// The row is hidden in its sheet.
    Hidden,
    /// The address is on this kept list.
    OnList(ListName, Reason),
    /// The address is in this suppression file.
    Suppressed(String),
    /// This earlier row has the same address.
    Duplicate(u32),
}

impl ExclusionReason {
    pub(crate) const CODES: [&'static str; 3] = ["suppressed", "duplicate", "hidden"];

    /// A stable name for scripts.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::OnList(..) | Self::Suppressed(_) => Self::CODES[0],
            Self::Duplicate(_) => Self::CODES[1],
            Self::Hidden => Self::CODES[2],
        }
    }
}

impl fmt::Display for ExclusionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OnList(list, reason) => {
                write!(f, "on the list {list}: {}", reason.description())
            }
            Self::Suppressed(file) => write!(f, "on the suppression list {file}"),
            Self::Hidden => f.write_str("the row is hidden in the sheet"),
            Self::Duplicate(earlier) => write!(f, "duplicate of row {earlier}"),
        }
    }
}

/// Decides row by row which ones are left out. `address_of` returns the normalized address of an
/// earlier row.
#[derive(Default)]
pub(crate) struct Exclusions {
    lists: CampaignLists,
    suppressed: SuppressionList,
    addresses: AddressIndex,
}

impl Exclusions {
    /// Reads the suppression files of a campaign in the folder `dir`. `lists` are its kept lists.
    ///
    /// # Errors
    /// A suppression file can't be read.
    pub(crate) fn new(
        campaign: &Campaign,
        dir: &Path,
        lists: CampaignLists,
    ) -> Result<Self, ReadError> {
        Ok(Self {
            lists,
            suppressed: suppression_list(campaign, dir)?,
            addresses: AddressIndex::default(),
        })
    }

    /// Kept lists without suppression files.
    pub(crate) fn of_lists(lists: CampaignLists) -> Self {
        Self {
            lists,
            ..Self::default()
        }
    }

    /// Why the next row is left out. If it is not, later rows with its address are.
    ///
    /// # Errors
    /// Those of `address_of`, or the temporary file can't be written.
    pub(crate) fn next<E: From<SpillError>>(
        &mut self,
        address: &Address,
        row: u32,
        address_of: impl FnOnce(u32) -> Result<Option<String>, E>,
    ) -> Result<Option<ExclusionReason>, E> {
        if let Some(reason) = self.suppressed(address) {
            return Ok(Some(reason));
        }
        let normalized = address.normalized();
        let earlier = self
            .addresses
            .find_or_insert(&normalized, row, address_of)?;
        Ok(earlier.map(ExclusionReason::Duplicate))
    }

    /// Why a row with this address would be left out, once all rows have been added.
    ///
    /// # Errors
    /// Those of `address_of`, or the temporary file can't be read.
    pub(crate) fn reason_for<E: From<SpillError>>(
        &self,
        address: &Address,
        row: u32,
        address_of: impl FnOnce(u32) -> Result<Option<String>, E>,
    ) -> Result<Option<ExclusionReason>, E> {
        if let Some(reason) = self.suppressed(address) {
            return Ok(Some(reason));
        }
        let first = self.addresses.find(&address.normalized(), address_of)?;
        let earlier = first.filter(|first| *first < row);
        Ok(earlier.map(ExclusionReason::Duplicate))
    }

    /// Whether nobody is suppressed.
    pub(crate) fn suppresses_nobody(&self) -> bool {
        self.lists.is_empty() && self.suppressed.is_empty()
    }

    /// Why rows with this address are left out, whatever rows there are.
    pub(crate) fn suppressed(&self, address: &Address) -> Option<ExclusionReason> {
        if let Some((list, reason)) = self.lists.reason_of(address) {
            return Some(ExclusionReason::OnList(list.clone(), reason));
        }
        let file = self.suppressed.file_of(address)?;
        Some(ExclusionReason::Suppressed(file.to_owned()))
    }

    /// Warnings about the suppression lists.
    pub(crate) fn warnings(&self) -> &[Warning] {
        self.suppressed.warnings()
    }
}

fn suppression_list(campaign: &Campaign, dir: &Path) -> Result<SuppressionList, ReadError> {
    let mut list = match campaign.recipients.suppress_skip_invalid {
        true => SuppressionList::skipping_invalid(),
        false => SuppressionList::default(),
    };
    for file in &campaign.recipients.suppress {
        let name = file.path.display().to_string();
        list.add(&dir.join(&file.path), &name, &file.settings)?;
    }
    Ok(list)
}
