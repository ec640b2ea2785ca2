//! Suppression lists: addresses that must not get any message.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;

use super::error::{Notice, Problem, ReadError, Warning};
use super::line_numbers::LineNumbers;
use super::reader::{RecipientReader, RecipientRow};
use super::{ReadSettings, RowFault};
use crate::address::{Address, Mailbox};

/// The addresses of all suppression lists, each stored as a hash of 128 bits.
///
/// A file is a CSV with an address column like that of the recipients, or it has no header and one
/// address on each line. An address in a faulty row counts too.
#[derive(Default)]
pub struct SuppressionList {
    keys: [RandomState; 2],
    /// For each address, the index in `files` of the first file that has it.
    addresses: HashMap<[u8; 16], u32>,
    files: Vec<String>,
    warnings: Vec<Warning>,
}

impl SuppressionList {
    /// Adds the addresses of a file; `name` is its name in messages.
    ///
    /// # Errors
    /// If the file can't be read to the end, or has no address column.
    pub fn add(&mut self, path: &Path, name: &str) -> Result<(), ReadError> {
        let file = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
        self.files.push(name.to_owned());
        let mut reader = match open(path, name) {
            Err(error) if matches!(error.problem, Problem::Empty) => {
                self.warn(name, Notice::NothingSuppressed);
                return Ok(());
            }
            result => result?,
        };
        let email = reader.header().email();
        let mut without_address = RowsWithoutAddress::default();
        for row in reader.by_ref() {
            let row = row?;
            if let Ok(mailbox) = Mailbox::parse(row.cells.get(email).unwrap_or_default()) {
                let hash = self.hash(&mailbox.address);
                self.addresses.entry(hash).or_insert(file);
            } else {
                without_address.add(row);
            }
        }
        self.warnings.append(&mut reader.warnings());
        if let Some(notice) = without_address.notice() {
            self.warn(name, notice);
        }
        Ok(())
    }

    /// Whether a list has the address, in any spelling ([`Address::normalized`]).
    pub fn contains(&self, address: &Address) -> bool {
        self.addresses.contains_key(&self.hash(address))
    }

    /// The name of the first file that has the address.
    pub fn file_of(&self, address: &Address) -> Option<&str> {
        let file = *self.addresses.get(&self.hash(address))?;
        self.files.get(file as usize).map(String::as_str)
    }

    /// The number of different addresses.
    pub fn len(&self) -> usize {
        self.addresses.len()
    }

    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty()
    }

    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    fn warn(&mut self, name: &str, notice: Notice) {
        self.warnings.push(Warning::new(name, notice));
    }

    fn hash(&self, address: &Address) -> [u8; 16] {
        let normalized = address.normalized();
        let [high, low] = self.keys.each_ref().map(|key| key.hash_one(&normalized));
        (u128::from(high) << 64 | u128::from(low)).to_ne_bytes()
    }
}

/// Opens a list. If its first line is an address, it has no header.
fn open(path: &Path, name: &str) -> Result<RecipientReader, ReadError> {
    let settings = ReadSettings::default();
    RecipientReader::open(path, name, &settings).or_else(|error| match &error.problem {
        Problem::NoAddressColumn { columns, .. } if is_address(columns) => {
            RecipientReader::open_list(path, name)
        }
        _ => Err(error),
    })
}

fn is_address(columns: &[String]) -> bool {
    matches!(columns, [only] if Mailbox::parse(only).is_ok())
}

#[derive(Default)]
struct RowsWithoutAddress {
    lines: LineNumbers,
    first: Option<RowFault>,
}

impl RowsWithoutAddress {
    fn add(&mut self, row: RecipientRow) {
        self.lines.add(row.line);
        self.first = self.first.take().or(row.recipient.err());
    }

    fn notice(self) -> Option<Notice> {
        let Self { lines, first } = self;
        first.map(|first| Notice::NoAddress { lines, first })
    }
}
