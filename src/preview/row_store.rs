//! Rows in a temporary file, with random access. Uses eight bytes of memory a row: its end in the file.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hasher};
use std::io;
use std::os::unix::fs::FileExt;

use serde::{Deserialize, Serialize};

use crate::address::Mailbox;
use crate::finding::{Finding, Place, Severity};
use crate::recipients::{RecipientRow, RowFault, Warning, trimmed};
use crate::render;
use crate::run::{Decision, ExclusionReason, Exclusions, LeftOutRow, identity};

/// The codes of rows for which the expression of `where` can't be computed.
const UNDECIDED: [&str; 2] = ["template-error", "undefined-variable"];
/// All codes that rows without a message may have besides.
const OTHER_CODES: [&str; 3] = [LeftOutRow::NO_KEY, UNDECIDED[0], UNDECIDED[1]];
/// Bytes a write.
const BUFFER: usize = 1 << 18;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredRow {
    /// From 1.
    pub(crate) number: u32,
    /// The first line of the row in the file.
    pub(crate) line: u64,
    pub(crate) cells: Vec<String>,
    /// The indexes of cells that are JSON and not text, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) json: Vec<usize>,
    pub(crate) no_message: Option<NoMessage>,
    /// The other rows of its group.
    #[serde(skip)]
    pub(crate) others: Vec<render::OtherRow>,
}

/// Why a row gets no message: it is invalid, or it is skipped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct NoMessage {
    /// A finding code: [`RowFault::code`], [`ExclusionReason::code`], or one of [`OTHER_CODES`].
    pub(super) code: String,
    pub(super) text: String,
}

impl From<&RowFault> for NoMessage {
    fn from(fault: &RowFault) -> Self {
        Self {
            code: fault.code().to_owned(),
            text: fault.to_string(),
        }
    }
}

impl From<LeftOutRow> for NoMessage {
    fn from(row: LeftOutRow) -> Self {
        Self {
            code: row.code.to_owned(),
            text: row.reason,
        }
    }
}

impl From<&ExclusionReason> for NoMessage {
    fn from(reason: &ExclusionReason) -> Self {
        Self {
            code: reason.code().to_owned(),
            text: reason.to_string(),
        }
    }
}

impl NoMessage {
    /// Whether the row is skipped whatever its cells are.
    pub(super) fn is_hidden(&self) -> bool {
        self.code == ExclusionReason::Hidden.code()
    }

    /// A finding without a place: an error if the row is invalid, a note if it is skipped.
    pub(crate) fn finding(&self) -> Finding {
        let skipped = ExclusionReason::CODES
            .into_iter()
            .find(|code| *code == self.code);
        let other = || OTHER_CODES.into_iter().find(|code| *code == self.code);
        let code = skipped.or_else(other);
        let code = code.unwrap_or_else(|| RowFault::known_code(&self.code));
        let finding = Finding::error(code, Place::default(), &self.text);
        match skipped {
            Some(_) => Finding {
                severity: Severity::Note,
                ..finding
            },
            None => finding,
        }
    }
}

impl StoredRow {
    /// Whether the expression of `where` can't be computed for it.
    pub(crate) fn is_undecided(&self) -> bool {
        let reason = self.no_message.as_ref();
        reason.is_some_and(|reason| UNDECIDED.contains(&&*reason.code))
    }

    /// Whether it is passed over: the user selected other rows, or it is in the message of an earlier one.
    pub(crate) fn is_passed_over(&self) -> bool {
        let codes = [ExclusionReason::NOT_SELECTED, ExclusionReason::GROUPED];
        let reason = self.no_message.as_ref();
        reason.is_some_and(|reason| codes.contains(&&*reason.code))
    }

    /// The cell of a column; empty if the row is too short.
    pub(crate) fn cell(&self, column: usize) -> &str {
        self.cells.get(column).map_or("", String::as_str)
    }

    /// The normalized address, if it is valid. `email` is the index of the address column.
    pub(crate) fn address(&self, email: usize) -> Option<String> {
        let mailbox = Mailbox::parse(self.cell(email)).ok()?;
        Some(mailbox.address.normalized())
    }

    /// Converts the row for the engine. `email` is the index of the address column.
    pub(crate) fn to_row(&self, email: usize) -> Result<render::Row, NoMessage> {
        if let Some(reason) = &self.no_message {
            return Err(reason.clone());
        }
        let mailbox = Mailbox::parse(self.cell(email));
        Ok(render::Row {
            number: self.number,
            mailbox: mailbox.map_err(|error| NoMessage::from(&RowFault::Address(error)))?,
            variant: None,
            cells: self.cells.clone(),
            json: self.json.clone(),
            others: self.others.clone(),
            resends: 0,
            recorded: Vec::new(),
        })
    }
}

/// Stores rows in a temporary file, with the reason if a row gets no message.
pub(super) struct RowStore {
    /// The index of the address column.
    email: usize,
    left_out: Exclusions,
    file: RowFile,
    groups: Groups,
}

/// The rows of each group, as a chain.
#[derive(Default)]
struct Groups {
    /// For each row, the number of the next one in its group; 0 if there is none.
    next: Vec<u32>,
    /// For the first row of a group, the number of the last one so far.
    last: HashMap<u32, u32>,
    /// The first rows of groups with an invalid row, and why their message is invalid.
    spoilt: HashMap<u32, NoMessage>,
}

impl Groups {
    fn add(&mut self, first: u32, row: u32) {
        let before = self.last.insert(first, row).unwrap_or(first);
        let rows = self.next.len().max(before.max(row) as usize + 1);
        self.next.resize(rows, 0);
        self.next[before as usize] = row;
    }

    fn after(&self, row: u32) -> Option<u32> {
        let next = self.next.get(row as usize).copied();
        next.filter(|next| *next > 0)
    }
}

impl RowStore {
    pub(super) fn new(email: usize, left_out: Exclusions) -> io::Result<Self> {
        Ok(Self {
            email,
            left_out,
            file: RowFile::new()?,
            groups: Groups::default(),
        })
    }

    pub(super) fn email(&self) -> usize {
        self.email
    }

    pub(super) fn len(&self) -> usize {
        self.file.ends.len()
    }

    /// Whether a row's message depends on later rows.
    pub(super) fn has_groups(&self) -> bool {
        self.left_out.groups()
    }

    pub(super) fn push(&mut self, row: &RecipientRow) -> io::Result<()> {
        let (file, email, key) = (&self.file, self.email, self.left_out.key_column());
        let decision = self
            .left_out
            .next(row, |row| file.identity(row, email, key))?;
        let no_message = match decision {
            Decision::Send => None,
            Decision::LeaveOut(left_out) => Some(left_out.into()),
            Decision::Join(first) => {
                self.groups.add(first, row.number);
                Some(NoMessage::from(&ExclusionReason::Grouped(first)))
            }
            Decision::Spoil(first, fault) => {
                self.groups.add(first, row.number);
                let reason = NoMessage {
                    code: fault.code.to_owned(),
                    text: format!("row {}: {}", row.number, fault.reason),
                };
                self.groups.spoilt.entry(first).or_insert(reason);
                Some(fault.into())
            }
            Decision::Fail(finding) => Some(LeftOutRow::undecided(&finding).into()),
        };
        self.file.push(&StoredRow {
            number: row.number,
            line: row.line,
            cells: row.cells.iter().map(str::to_owned).collect(),
            json: row.json.clone(),
            no_message,
            others: Vec::new(),
        })
    }

    /// The row at an index from 0.
    pub(super) fn get(&self, index: usize) -> io::Result<Option<StoredRow>> {
        let Some(mut row) = self.file.get(index)? else {
            return Ok(None);
        };
        if row.no_message.is_none() {
            row.no_message = self.groups.spoilt.get(&row.number).cloned();
            let mut at = row.number;
            while let Some(next) = self.groups.after(at) {
                let other = self.file.get(next as usize - 1)?;
                row.others.extend(other.map(|other| render::OtherRow {
                    cells: other.cells,
                    json: other.json,
                }));
                at = next;
            }
        }
        Ok(Some(row))
    }

    /// Why a row with these cells would get no message, if its address is valid.
    pub(super) fn left_out(&self, row: &StoredRow) -> io::Result<Option<NoMessage>> {
        let mailbox = Mailbox::parse(row.cell(self.email)).ok();
        let key = self.left_out.key_column();
        let identity_of = |row| self.file.identity(row, self.email, key);
        let reason = self.left_out.reason_for(
            row.number,
            &row.cells,
            &row.json,
            mailbox.as_ref(),
            identity_of,
        )?;
        Ok(reason.map(NoMessage::from))
    }

    /// A hash of all rows.
    pub(super) fn digest(&self) -> u64 {
        self.file.digest.finish()
    }

    /// Warnings about the suppression lists.
    pub(super) fn warnings(&self) -> &[Warning] {
        self.left_out.warnings()
    }
}

/// Rows as JSON, one after the other.
struct RowFile {
    file: File,
    /// The end of each row, in bytes.
    ends: Vec<u64>,
    /// The last rows, which are not in the file yet.
    unwritten: Vec<u8>,
    digest: DefaultHasher,
}

impl RowFile {
    fn new() -> io::Result<Self> {
        Ok(Self {
            file: tempfile::tempfile()?,
            ends: Vec::new(),
            unwritten: Vec::new(),
            digest: DefaultHasher::new(),
        })
    }

    fn push(&mut self, row: &StoredRow) -> io::Result<()> {
        let (written, from) = (self.written(), self.unwritten.len());
        serde_json::to_writer(&mut self.unwritten, row)?;
        self.digest.write(&self.unwritten[from..]);
        self.ends.push(written + self.unwritten.len() as u64);
        if self.unwritten.len() >= BUFFER {
            self.file.write_all_at(&self.unwritten, written)?;
            self.unwritten.clear();
        }
        Ok(())
    }

    /// The length of the file.
    fn written(&self) -> u64 {
        self.ends.last().copied().unwrap_or_default() - self.unwritten.len() as u64
    }

    /// The [`identity`] of a row; `number` counts from 1, and `key` is the index of its key.
    fn identity(
        &self,
        number: u32,
        email: usize,
        key: Option<usize>,
    ) -> io::Result<Option<String>> {
        let row = match (number as usize).checked_sub(1) {
            Some(index) => self.get(index)?,
            None => None,
        };
        Ok(row.and_then(|row| {
            let address = row.address(email)?;
            let key = key.map(|key| trimmed(row.cell(key)));
            Some(identity(&address, key).into_owned())
        }))
    }

    fn get(&self, index: usize) -> io::Result<Option<StoredRow>> {
        let Some(end) = self.ends.get(index).copied() else {
            return Ok(None);
        };
        let begin = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        let size = |bytes: u64| usize::try_from(bytes).map_err(io::Error::other);
        // A row is never split between the file and `unwritten`.
        if let Some(at) = begin.checked_sub(self.written()) {
            let row = &self.unwritten[size(at)?..][..size(end - begin)?];
            return Ok(Some(serde_json::from_slice(row)?));
        }
        let mut row = vec![0; size(end - begin)?];
        self.file.read_exact_at(&mut row, begin)?;
        Ok(Some(serde_json::from_slice(&row)?))
    }
}
