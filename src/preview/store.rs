//! Rows in a temporary file, to be had again in any order. Memory has eight bytes a row.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use serde::{Deserialize, Serialize};

use crate::address::Mailbox;
use crate::recipients::{Row, RowFault};
use crate::render;

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
    /// Why it can't be sent, if so.
    pub fault: Option<Fault>,
}

/// Why a row can't be sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// The code of a finding ([`RowFault::code`]).
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

impl Kept {
    fn new(row: &Row) -> Self {
        Self {
            number: row.number,
            line: row.line,
            cells: row.cells.iter().map(str::to_owned).collect(),
            fault: row.recipient.as_ref().err().map(Fault::from),
        }
    }

    /// The row as the engine needs it; `email` is the place of the address column.
    ///
    /// # Errors
    /// Why it can't be sent.
    pub fn to_row(&self, email: usize) -> Result<render::Row, Fault> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        let cell = self.cells.get(email).map_or("", String::as_str);
        let mailbox = Mailbox::parse(cell);
        Ok(render::Row {
            number: self.number,
            mailbox: mailbox.map_err(|error| Fault::from(&RowFault::Address(error)))?,
            cells: self.cells.clone(),
            resends: 0,
            recorded: Vec::new(),
        })
    }
}

/// Rows that were read.
pub(super) struct Store {
    file: File,
    /// Where each ends in the file.
    ends: Vec<u64>,
    /// The last rows, which are not in the file yet.
    unwritten: Vec<u8>,
}

impl Store {
    /// # Errors
    /// When there can be no temporary file.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            file: tempfile::tempfile()?,
            ends: Vec::new(),
            unwritten: Vec::new(),
        })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Keeps a row behind the others.
    ///
    /// # Errors
    /// When the temporary file can't be written.
    pub(super) fn push(&mut self, row: &Row) -> io::Result<()> {
        let written = self.written();
        serde_json::to_writer(&mut self.unwritten, &Kept::new(row))?;
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

    /// The row at a place, from 0, if there is one.
    ///
    /// # Errors
    /// When the temporary file can't be read.
    pub(super) fn get(&self, index: usize) -> io::Result<Option<Kept>> {
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
