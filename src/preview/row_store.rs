//! Rows in a temporary file, with random access. Uses eight bytes of memory a row: its end in the file.

use std::fs::File;
use std::hash::{DefaultHasher, Hasher};
use std::io;
use std::os::unix::fs::FileExt;

use serde::{Deserialize, Serialize};

use crate::address::{Address, Mailbox};
use crate::finding::{Finding, Place, Severity};
use crate::recipients::{RecipientRow, RowFault, Warning};
use crate::render;
use crate::run::{ExclusionReason, Exclusions};

/// Bytes a write.
const BUFFER: usize = 1 << 18;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredRow {
    /// From 1.
    pub(crate) number: u32,
    /// The first line of the row in the file.
    pub(crate) line: u64,
    pub(crate) cells: Vec<String>,
    /// The indexes of cells that are JSON and not text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) json: Vec<usize>,
    pub(crate) no_message: Option<NoMessage>,
}

/// Why a row gets no message: it is invalid, or it is skipped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct NoMessage {
    /// A finding code: [`RowFault::code`] or [`ExclusionReason::code`].
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
        let code = skipped.unwrap_or_else(|| RowFault::known_code(&self.code));
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
}

impl RowStore {
    pub(super) fn new(email: usize, left_out: Exclusions) -> io::Result<Self> {
        Ok(Self {
            email,
            left_out,
            file: RowFile::new()?,
        })
    }

    pub(super) fn email(&self) -> usize {
        self.email
    }

    pub(super) fn len(&self) -> usize {
        self.file.ends.len()
    }

    pub(super) fn push(&mut self, row: &RecipientRow) -> io::Result<()> {
        let no_message = match &row.recipient {
            Err(fault) => Some(NoMessage::from(fault)),
            Ok(_) if row.is_hidden => Some(NoMessage::from(&ExclusionReason::Hidden)),
            Ok(mailbox) => {
                let (file, email) = (&self.file, self.email);
                let address_of = |row| file.address(row, email);
                let reason = self
                    .left_out
                    .next(&mailbox.address, row.number, address_of)?;
                reason.as_ref().map(NoMessage::from)
            }
        };
        self.file.push(&StoredRow {
            number: row.number,
            line: row.line,
            cells: row.cells.iter().map(str::to_owned).collect(),
            json: row.json.clone(),
            no_message,
        })
    }

    /// The row at an index from 0.
    pub(super) fn get(&self, index: usize) -> io::Result<Option<StoredRow>> {
        self.file.get(index)
    }

    /// Why a row would be skipped if it had this address.
    pub(super) fn left_out(&self, address: &Address, row: u32) -> io::Result<Option<NoMessage>> {
        let address_of = |row| self.file.address(row, self.email);
        let reason = self.left_out.reason_for(address, row, address_of)?;
        Ok(reason.as_ref().map(NoMessage::from))
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

    /// The normalized address of a row; `number` counts from 1.
    fn address(&self, number: u32, email: usize) -> io::Result<Option<String>> {
        let row = match (number as usize).checked_sub(1) {
            Some(index) => self.get(index)?,
            None => None,
        };
        Ok(row.and_then(|row| row.address(email)))
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
