//! Rows in a temporary file, to be had again in any order. Memory has eight bytes a row: where it ends.

use std::fs::File;
use std::hash::{DefaultHasher, Hasher};
use std::io;
use std::os::unix::fs::FileExt;

use serde::{Deserialize, Serialize};

use crate::address::{Address, Mailbox};
use crate::finding::{Finding, Place, Severity};
use crate::recipients::{RecipientRow, RowFault, Warning};
use crate::render;
use crate::run::{LeftOut, Reason};

/// How much is written at once.
const BUFFER: usize = 1 << 18;

/// A row as it was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// Its number, from 1.
    pub number: u32,
    /// The line that it starts in.
    pub line: u64,
    /// Its cells, as typed.
    pub cells: Vec<String>,
    /// Why it gets no message, if so.
    pub fault: Option<Fault>,
}

/// Why a row gets no message: it can't be sent, or it is left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// The code of a finding ([`RowFault::code`], [`Reason::code`]).
    pub code: String,
    /// It, in words.
    pub words: String,
}

impl From<&RowFault> for Fault {
    fn from(fault: &RowFault) -> Self {
        Self {
            code: fault.code().to_owned(),
            words: fault.to_string(),
        }
    }
}

impl From<&Reason> for Fault {
    fn from(reason: &Reason) -> Self {
        Self {
            code: reason.code().to_owned(),
            words: reason.to_string(),
        }
    }
}

impl Fault {
    /// It as a finding, without its place. That a row is left out is as it should be.
    pub fn finding(&self) -> Finding {
        let known = Reason::CODES.into_iter().find(|code| *code == self.code);
        let code = known.unwrap_or_else(|| RowFault::known_code(&self.code));
        let finding = Finding::error(code, Place::default(), &self.words);
        match known {
            Some(_) => Finding {
                severity: Severity::Note,
                ..finding
            },
            None => finding,
        }
    }
}

impl Kept {
    /// What stands in a column; nothing where the row has no such cell.
    pub fn cell(&self, column: usize) -> &str {
        self.cells.get(column).map_or("", String::as_str)
    }

    /// The normalized address that the row has; `email` is the place of its column.
    pub fn address(&self, email: usize) -> Option<String> {
        let mailbox = Mailbox::parse(self.cell(email)).ok()?;
        Some(mailbox.address.normalized())
    }

    /// The row as the engine needs it; `email` is the place of the address column.
    ///
    /// # Errors
    /// Why it gets no message.
    pub fn to_row(&self, email: usize) -> Result<render::Row, Fault> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        let mailbox = Mailbox::parse(self.cell(email));
        Ok(render::Row {
            number: self.number,
            mailbox: mailbox.map_err(|error| Fault::from(&RowFault::Address(error)))?,
            cells: self.cells.clone(),
            resends: 0,
            recorded: Vec::new(),
        })
    }
}

/// Rows that were read, with those that are left out known as such.
pub(super) struct Store {
    /// The place of the address column.
    email: usize,
    left_out: LeftOut,
    texts: Texts,
}

impl Store {
    /// `email` is the place of the address column.
    ///
    /// # Errors
    /// When there can be no temporary file.
    pub(super) fn new(email: usize, left_out: LeftOut) -> io::Result<Self> {
        Ok(Self {
            email,
            left_out,
            texts: Texts::new()?,
        })
    }

    /// The place of the address column.
    pub(super) fn email(&self) -> usize {
        self.email
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.texts.ends.len()
    }

    /// Keeps a row behind the others.
    ///
    /// # Errors
    /// When the temporary file can't be written or read.
    pub(super) fn push(&mut self, row: &RecipientRow) -> io::Result<()> {
        let fault = match &row.recipient {
            Err(fault) => Some(Fault::from(fault)),
            Ok(mailbox) => {
                let (texts, email) = (&self.texts, self.email);
                let address_of = |row| texts.address(row, email);
                let reason = self
                    .left_out
                    .next(&mailbox.address, row.number, address_of)?;
                reason.as_ref().map(Fault::from)
            }
        };
        self.texts.push(&Kept {
            number: row.number,
            line: row.line,
            cells: row.cells.iter().map(str::to_owned).collect(),
            fault,
        })
    }

    /// The row at a place, from 0, if there is one.
    ///
    /// # Errors
    /// When the temporary file can't be read.
    pub(super) fn get(&self, index: usize) -> io::Result<Option<Kept>> {
        self.texts.get(index)
    }

    /// Why a row would be left out if this were its address.
    ///
    /// # Errors
    /// When the temporary file can't be read.
    pub(super) fn left_out(&self, address: &Address, row: u32) -> io::Result<Option<Fault>> {
        let address_of = |row| self.texts.address(row, self.email);
        let reason = self.left_out.of(address, row, address_of)?;
        Ok(reason.as_ref().map(Fault::from))
    }

    /// What tells the rows from others.
    pub(super) fn digest(&self) -> u64 {
        self.texts.digest.finish()
    }

    /// What is odd about the suppression lists.
    pub(super) fn warnings(&self) -> &[Warning] {
        self.left_out.warnings()
    }
}

/// The rows' file.
struct Texts {
    file: File,
    /// Where each ends in the file.
    ends: Vec<u64>,
    /// The last rows, which are not in the file yet.
    unwritten: Vec<u8>,
    /// Of all that was written.
    digest: DefaultHasher,
}

impl Texts {
    fn new() -> io::Result<Self> {
        Ok(Self {
            file: tempfile::tempfile()?,
            ends: Vec::new(),
            unwritten: Vec::new(),
            digest: DefaultHasher::new(),
        })
    }

    fn push(&mut self, row: &Kept) -> io::Result<()> {
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

    /// Where the file ends.
    fn written(&self) -> u64 {
        self.ends.last().copied().unwrap_or_default() - self.unwritten.len() as u64
    }

    /// The normalized address of a row by its number, from 1.
    fn address(&self, number: u32, email: usize) -> io::Result<Option<String>> {
        let row = match (number as usize).checked_sub(1) {
            Some(index) => self.get(index)?,
            None => None,
        };
        Ok(row.and_then(|row| row.address(email)))
    }

    fn get(&self, index: usize) -> io::Result<Option<Kept>> {
        let Some(end) = self.ends.get(index).copied() else {
            return Ok(None);
        };
        let begin = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        let size = |bytes: u64| usize::try_from(bytes).map_err(io::Error::other);
        // A row is in the file as a whole, or not at all.
        if let Some(at) = begin.checked_sub(self.written()) {
            let row = &self.unwritten[size(at)?..][..size(end - begin)?];
            return Ok(Some(serde_json::from_slice(row)?));
        }
        let mut row = vec![0; size(end - begin)?];
        self.file.read_exact_at(&mut row, begin)?;
        Ok(Some(serde_json::from_slice(&row)?))
    }
}
