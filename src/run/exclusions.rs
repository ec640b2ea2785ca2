//! Which rows get a message. The others are invalid, not selected, on a suppression list, or an earlier row has their
//! address.

use std::borrow::Cow;
use std::path::Path;

use jiff::Timestamp;

use super::decision::{Decision, ExclusionReason, LeftOutRow};
use super::duplicates::AddressIndex;
use crate::address::{Address, Mailbox};
use crate::campaign::{Campaign, SameAddress};
use crate::finding::{Finding, nearest};
use crate::ledger::Status;
use crate::recipients::{ReadError, RecipientRow, RowFault, SuppressionList, Warning, trimmed};
use crate::render::RowSelection;
use crate::spill::SpillError;
use crate::suppression::CampaignLists;

/// Decides row by row which ones are left out. `identity_of` returns the [`identity`] of an earlier row.
#[derive(Default)]
pub(crate) struct Exclusions {
    selection: RowSelection,
    same_address: SameAddress,
    key: Option<KeyColumn>,
    /// The index of the address column.
    email: usize,
    lists: CampaignLists,
    suppressed: SuppressionList,
    addresses: AddressIndex,
}

/// The column that tells the rows of an address apart.
struct KeyColumn {
    index: usize,
    name: String,
}

/// The text that is unique to a row that is sent: its normalized address, and its key if it has one.
pub(crate) fn identity<'a>(address: &'a str, key: Option<&str>) -> Cow<'a, str> {
    match key {
        // No address has a line break.
        Some(key) => Cow::Owned(format!("{address}\n{key}")),
        None => Cow::Borrowed(address),
    }
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
            ..Self::default()
        })
    }

    /// Kept lists without suppression files.
    pub(crate) fn of_lists(lists: CampaignLists) -> Self {
        Self {
            lists,
            ..Self::default()
        }
    }

    /// Decides about rows with the columns `header` as the campaign says; `email` is the index of the address column. Until
    /// then, all rows are selected, and an address gets one message. `started` is the time that `now()` returns.
    ///
    /// # Errors
    /// A mistake in the expression of `where`, or there is no column for the key.
    pub(crate) fn of_rows(
        self,
        campaign: &Campaign,
        header: &[String],
        email: usize,
        started: Timestamp,
    ) -> Result<Self, Vec<Finding>> {
        let key = KeyColumn::find(campaign, header).map_err(|finding| vec![*finding])?;
        Ok(Self {
            selection: RowSelection::new(campaign, header, started)?,
            same_address: campaign.recipients.same_address,
            key,
            email,
            ..self
        })
    }

    /// Whether all rows of an address are in one message.
    pub(crate) fn groups(&self) -> bool {
        self.same_address == SameAddress::Group
    }

    /// Decides about the next row. If it gets a message, later rows with its address depend on it.
    ///
    /// # Errors
    /// Those of `identity_of`, or the temporary file can't be written.
    pub(crate) fn next<E: From<SpillError>>(
        &mut self,
        row: &RecipientRow,
        identity_of: impl FnOnce(u32) -> Result<Option<String>, E>,
    ) -> Result<Decision, E> {
        // A row that is hidden is not invalid, whatever its cells, and is in no group.
        if row.is_hidden {
            return Ok(ExclusionReason::Hidden.into());
        }
        if let Err(fault) = &row.recipient
            && !fault.is_about_address()
        {
            return self.unreadable(row, fault, identity_of);
        }
        let mailbox = row.recipient.as_ref();
        // A row that is not selected is not invalid, whatever its address.
        match self
            .selection
            .excludes(row.cells.iter(), &row.json, mailbox.ok())
        {
            Ok(None) => {}
            Ok(Some(expression)) => return Ok(ExclusionReason::NotSelected(expression).into()),
            Err(finding) => return Ok(Decision::Fail(finding)),
        }
        let address = match mailbox {
            Ok(mailbox) => &mailbox.address,
            Err(fault) => return Ok(Decision::LeaveOut(fault.into())),
        };
        if let Some(reason) = self.suppressed(address) {
            return Ok(reason.into());
        }
        let key = self.key_of(row);
        match (self.same_address, key) {
            (SameAddress::Send, None) => return Ok(Decision::Send),
            (SameAddress::Send, Some("")) => return Ok(Decision::LeaveOut(self.without_key())),
            _ => {}
        }
        let normalized = address.normalized();
        let identity = identity(&normalized, key);
        let earlier = self
            .addresses
            .find_or_insert(&identity, row.number, identity_of)?;
        Ok(match earlier {
            Some(first) if self.groups() => Decision::Join(first),
            Some(earlier) => ExclusionReason::Duplicate(earlier).into(),
            None => Decision::Send,
        })
    }

    /// A row that can't be read makes the message of its group invalid.
    fn unreadable<E: From<SpillError>>(
        &mut self,
        row: &RecipientRow,
        fault: &RowFault,
        identity_of: impl FnOnce(u32) -> Result<Option<String>, E>,
    ) -> Result<Decision, E> {
        let left_out = LeftOutRow::from(fault);
        let address = self.address_of(row).filter(|_| self.groups());
        let address = address.filter(|address| self.suppressed(address).is_none());
        let Some(address) = address else {
            return Ok(Decision::LeaveOut(left_out));
        };
        let normalized = address.normalized();
        let first = self
            .addresses
            .find_or_insert(&normalized, row.number, identity_of)?;
        Ok(match first {
            Some(first) => Decision::Spoil(first, left_out),
            None => Decision::LeaveOut(left_out),
        })
    }

    /// The address of a row. In groups, also that of a row that can't be read, if its cell has one.
    pub(crate) fn address_of(&self, row: &RecipientRow) -> Option<Address> {
        match &row.recipient {
            Ok(mailbox) => Some(mailbox.address.clone()),
            Err(_) if self.groups() => {
                let cell = row.cells.get(self.email)?;
                Some(Mailbox::parse(cell).ok()?.address)
            }
            Err(_) => None,
        }
    }

    /// The key of the row: its cell in the column `row_key`.
    pub(crate) fn key_of<'a>(&self, row: &'a RecipientRow) -> Option<&'a str> {
        let key = self.key.as_ref()?;
        Some(trimmed(row.cells.get(key.index).unwrap_or_default()))
    }

    /// The index of the column that names a row.
    pub(crate) fn key_column(&self) -> Option<usize> {
        self.key.as_ref().map(|key| key.index)
    }

    /// The key among the cells of a row.
    fn key_in<'a>(&self, cells: &'a [String]) -> Option<&'a str> {
        let key = self.key.as_ref()?;
        Some(trimmed(cells.get(key.index).map_or("", String::as_str)))
    }

    fn without_key(&self) -> LeftOutRow {
        let column = self.key.as_ref().map_or("", |key| &key.name);
        LeftOutRow {
            status: Status::Invalid,
            code: LeftOutRow::NO_KEY,
            reason: format!("the column “{column}”, which names the row, is empty"),
            duplicate_of: None,
        }
    }

    /// Why the row with the number `row` would be left out if it had these cells and this address, once all rows have been
    /// added. `json` are the indexes of cells that are JSON. `mailbox` is `None` if the address is invalid.
    ///
    /// # Errors
    /// Those of `identity_of`, or the temporary file can't be read.
    pub(crate) fn reason_for<E: From<SpillError>>(
        &self,
        row: u32,
        cells: &[String],
        json: &[usize],
        mailbox: Option<&Mailbox>,
        identity_of: impl FnOnce(u32) -> Result<Option<String>, E>,
    ) -> Result<Option<LeftOutRow>, E> {
        let selected = cells.iter().map(String::as_str);
        match self.selection.excludes(selected, json, mailbox) {
            Ok(None) => {}
            Ok(Some(expression)) => {
                return Ok(Some(ExclusionReason::NotSelected(expression).into()));
            }
            Err(finding) => return Ok(Some(LeftOutRow::undecided(&finding))),
        }
        let Some(mailbox) = mailbox else {
            return Ok(None);
        };
        if let Some(reason) = self.suppressed(&mailbox.address) {
            return Ok(Some(reason.into()));
        }
        let key = self.key_in(cells);
        match (self.same_address, key) {
            (SameAddress::Send, None) => return Ok(None),
            (SameAddress::Send, Some("")) => return Ok(Some(self.without_key())),
            _ => {}
        }
        let normalized = mailbox.address.normalized();
        let first = self
            .addresses
            .find(&identity(&normalized, key), identity_of)?;
        let earlier = first.filter(|first| *first < row);
        let reason = earlier.map(match self.groups() {
            true => ExclusionReason::Grouped,
            false => ExclusionReason::Duplicate,
        });
        Ok(reason.map(LeftOutRow::from))
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

impl KeyColumn {
    fn find(campaign: &Campaign, header: &[String]) -> Result<Option<Self>, Box<Finding>> {
        let Some(column) = &campaign.recipients.row_key else {
            return Ok(None);
        };
        let name = trimmed(column.get_ref());
        if let Some(index) = header.iter().position(|column| column == name) {
            return Ok(Some(Self {
                index,
                name: name.to_owned(),
            }));
        }
        let message = format!("the recipients have no column “{name}” to tell rows apart");
        let finding = campaign.source.error("bad-value", column.span(), message);
        let columns = header.iter().map(String::as_str);
        let help = match nearest(name, columns) {
            Some(near) => format!("did you mean “{near}”?"),
            None => format!("the columns are: {}", header.join(", ")),
        };
        Err(Box::new(finding.help(help)))
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

#[cfg(test)]
mod tests {
    use csv::StringRecord;

    use super::*;

    #[test]
    fn a_hidden_row_that_cannot_be_read_is_skipped_and_spoils_no_group() {
        let mut exclusions = Exclusions {
            same_address: SameAddress::Group,
            ..Exclusions::default()
        };
        let mut decide = |number, recipient, is_hidden| {
            let row = RecipientRow {
                number,
                line: u64::from(number) + 1,
                cells: StringRecord::from(vec!["ann@one.example", "#N/A"]),
                json: Vec::new(),
                is_hidden,
                recipient,
            };
            let identity_of = |_| Ok::<_, SpillError>(Some("ann@one.example".to_owned()));
            exclusions.next(&row, identity_of).expect("a decision")
        };
        let ann = || Ok(Mailbox::parse("ann@one.example").expect("an address"));
        let fault = || {
            Err(RowFault::FieldCount {
                found: 2,
                expected: 3,
            })
        };
        assert!(matches!(decide(1, ann(), false), Decision::Send));
        let hidden = decide(2, fault(), true);
        assert!(matches!(hidden, Decision::LeaveOut(row) if row.code == ExclusionReason::HIDDEN));
        assert!(matches!(decide(3, fault(), false), Decision::Spoil(1, _)));
    }
}
