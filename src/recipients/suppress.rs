//! Suppression lists: the addresses that are not to be written to.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;

use super::error::{Notice, Problem, ReadError, Warning};
use super::lines::Lines;
use super::reader::{Reader, Row};
use super::{RowFault, Settings};
use crate::address::{Address, Mailbox};

/// The addresses of all suppression lists, each kept as a hash of 128 bits.
///
/// A file is a CSV with an address column, called `email` but for case, hyphen and spaces, or it
/// has no header and one address a line. An address that stands in a faulty row counts too.
#[derive(Default)]
pub struct SuppressionList {
    keys: [RandomState; 2],
    /// The hash of an address, and the place in `files` of the first file that it is in.
    addresses: HashMap<[u8; 16], u32>,
    files: Vec<String>,
    warnings: Vec<Warning>,
}

impl SuppressionList {
    /// Adds the addresses of a file; `name` is what the file is called in messages.
    ///
    /// # Errors
    /// When the file can't be read to its end, or it is not known where its addresses are.
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
        let mut faults = Faults::default();
        for row in reader.by_ref() {
            let row = row?;
            if let Ok(mailbox) = Mailbox::parse(row.cells.get(email).unwrap_or_default()) {
                let hash = self.hash(&mailbox.address);
                self.addresses.entry(hash).or_insert(file);
            } else {
                faults.add(row);
            }
        }
        self.warnings.append(&mut reader.warnings());
        if let Some(notice) = faults.notice() {
            self.warn(name, notice);
        }
        Ok(())
    }

    /// Whether an address is on a list, however it is spelled there ([`Address::normalized`]).
    pub fn contains(&self, address: &Address) -> bool {
        self.addresses.contains_key(&self.hash(address))
    }

    /// The name of the first file that an address is in.
    pub fn file_of(&self, address: &Address) -> Option<&str> {
        let file = *self.addresses.get(&self.hash(address))?;
        self.files.get(file as usize).map(String::as_str)
    }

    /// How many different addresses there are.
    pub fn len(&self) -> usize {
        self.addresses.len()
    }

    /// Whether there is no address at all.
    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty()
    }

    /// What is odd in the files, such as lines that are no addresses.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    fn warn(&mut self, name: &str, notice: Notice) {
        self.warnings.push(Warning {
            file: name.to_owned(),
            notice,
        });
    }

    fn hash(&self, address: &Address) -> [u8; 16] {
        let normalized = address.normalized();
        let [high, low] = self.keys.each_ref().map(|key| key.hash_one(&normalized));
        (u128::from(high) << 64 | u128::from(low)).to_ne_bytes()
    }
}

/// Opens a list; one whose first line is an address has no header.
fn open(path: &Path, name: &str) -> Result<Reader, ReadError> {
    let settings = Settings::default();
    Reader::open(path, name, &settings).or_else(|error| match &error.problem {
        Problem::NoAddressColumn { columns, .. } if is_address(columns) => {
            Reader::open_list(path, name)
        }
        _ => Err(error),
    })
}

fn is_address(columns: &[String]) -> bool {
    matches!(columns, [only] if Mailbox::parse(only).is_ok())
}

/// The rows without an address.
#[derive(Default)]
struct Faults {
    lines: Lines,
    first: Option<RowFault>,
}

impl Faults {
    fn add(&mut self, row: Row) {
        self.lines.add(row.line);
        self.first = self.first.take().or(row.recipient.err());
    }

    fn notice(self) -> Option<Notice> {
        let Self { lines, first } = self;
        first.map(|first| Notice::NoAddress { lines, first })
    }
}
