//! Suppression lists: addresses that must not get any message.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;

use super::ReadSettings;
use super::error::{Problem, ReadError};
use super::line_numbers::LineNumbers;
use super::notice::{Notice, Warning};
use super::reader::{RecipientReader, RecipientRow};
use super::row_fault::RowFault;
use super::setting_place::SettingPlace;
use crate::address::{Address, AddressError, Mailbox};

/// How many rows are read to find the address column.
const SAMPLE: usize = 100;

/// The addresses of all suppression lists, each stored as a hash of 128 bits.
///
/// A file is a CSV with an address column, or it has no header and one address on each line. The column is
/// the one that is set, the one called like that of the recipients, or else the only one with addresses. An
/// address in a faulty row counts too.
#[derive(Default)]
pub struct SuppressionList {
    /// Warn about entries without a valid address, instead of failing.
    skip_invalid: bool,
    keys: [RandomState; 2],
    /// For each address, the index in `files` of the first file that has it.
    addresses: HashMap<[u8; 16], u32>,
    files: Vec<String>,
    warnings: Vec<Warning>,
}

impl SuppressionList {
    /// A list that only warns about entries without a valid address.
    pub fn skipping_invalid() -> Self {
        Self {
            skip_invalid: true,
            ..Self::default()
        }
    }

    /// Adds the addresses of a file; `name` is its name in the campaign.
    ///
    /// # Errors
    /// If the file can't be read to the end, has no address column, or has an entry without a valid
    /// address.
    pub fn add(
        &mut self,
        path: &Path,
        name: &str,
        settings: &ReadSettings,
    ) -> Result<(), ReadError> {
        let place = SettingPlace::Suppress(name.to_owned());
        self.read(path, name, settings).map_err(|error| ReadError {
            settings: place,
            ..error
        })
    }

    fn read(&mut self, path: &Path, name: &str, settings: &ReadSettings) -> Result<(), ReadError> {
        let file = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
        self.files.push(name.to_owned());
        let mut addresses = std::mem::take(&mut self.addresses);
        let read = read(path, name, settings, self.skip_invalid, |address, _, _| {
            addresses.entry(self.hash(&address)).or_insert(file);
        });
        self.addresses = addresses;
        for notice in read? {
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
        self.warnings.push(Warning {
            settings: SettingPlace::Suppress(name.to_owned()),
            ..Warning::new(name, notice)
        });
    }

    fn hash(&self, address: &Address) -> [u8; 16] {
        let normalized = address.normalized();
        let [high, low] = self.keys.each_ref().map(|key| key.hash_one(&normalized));
        (u128::from(high) << 64 | u128::from(low)).to_ne_bytes()
    }
}

/// Reads a suppression file, and calls `each` with an address, its row, and the columns of the file. Returns warnings.
///
/// # Errors
/// As [`SuppressionList::add`].
pub fn read_addresses(
    path: &Path,
    name: &str,
    settings: &ReadSettings,
    each: impl FnMut(Address, &RecipientRow, &[String]),
) -> Result<Vec<Warning>, ReadError> {
    let notices = read(path, name, settings, false, each).map_err(|error| ReadError {
        settings: SettingPlace::Options,
        ..error
    })?;
    let warning = |notice| Warning {
        settings: SettingPlace::Options,
        ..Warning::new(name, notice)
    };
    Ok(notices.into_iter().map(warning).collect())
}

fn read(
    path: &Path,
    name: &str,
    settings: &ReadSettings,
    skip_invalid: bool,
    mut each: impl FnMut(Address, &RecipientRow, &[String]),
) -> Result<Vec<Notice>, ReadError> {
    let mut reader = match open(path, name, settings) {
        Err(error) if matches!(error.problem, Problem::Empty) => {
            return Ok(vec![Notice::NothingSuppressed]);
        }
        result => result?,
    };
    let mut invalid = InvalidEntries::default();
    while let Some(row) = reader.next().transpose()? {
        match entry(&row, &reader) {
            Ok(mailbox) => each(mailbox.address, &row, reader.header().columns()),
            Err((cell, error)) => invalid.add(&row, cell, error),
        }
    }
    let notices = reader.warnings().into_iter();
    let mut notices: Vec<_> = notices.map(|warning| warning.notice).collect();
    notices.extend(invalid.notice(skip_invalid));
    match invalid.problem() {
        Some(problem) if !skip_invalid => Err(ReadError::new(name, problem)),
        _ => Ok(notices),
    }
}

/// Opens a list. If its first line is an address or a comment, it has no header.
fn open(path: &Path, name: &str, settings: &ReadSettings) -> Result<RecipientReader, ReadError> {
    // Nobody sees the cells.
    let settings = ReadSettings {
        keep_padding: true,
        ..settings.clone()
    };
    let error = match RecipientReader::open(path, name, &settings) {
        Err(error) if settings.email.is_none() => error,
        result => return result,
    };
    let Problem::NoAddressColumn { columns, .. } = &error.problem else {
        return Err(error);
    };
    if let Some(first) = columns.first()
        && (is_comment(first) || columns.len() == 1 && parse(first).is_ok())
    {
        return RecipientReader::open_list(path, name, &settings);
    }
    let email = column_with_addresses(path, name, &settings, columns);
    email.map_or(Err(error), |email| {
        let email = Some(email);
        RecipientReader::open(path, name, &ReadSettings { email, ..settings })
    })
}

/// The only column in which the first rows have addresses, and nothing else.
fn column_with_addresses(
    path: &Path,
    name: &str,
    settings: &ReadSettings,
    columns: &[String],
) -> Option<String> {
    if columns.iter().any(|column| parse(column).is_ok()) {
        return None;
    }
    let mut reader = RecipientReader::open_list(path, name, settings).ok()?;
    // Skips the header.
    reader.next()?.ok()?;
    let rows: Vec<RecipientRow> = reader.take(SAMPLE).collect::<Result<_, _>>().ok()?;
    let has_addresses = |index: usize| {
        let cells = rows.iter().filter_map(|row| row.cells.get(index));
        let mut cells = cells.filter(|cell| !cell.trim().is_empty()).peekable();
        cells.peek().is_some() && cells.all(|cell| parse(cell).is_ok())
    };
    let mut with = (0..columns.len()).filter(|index| has_addresses(*index));
    let only = with.next().filter(|_| with.next().is_none())?;
    columns.get(only).filter(|name| !name.is_empty()).cloned()
}

/// The address in a row, or the cell that has none and the reason.
fn entry(row: &RecipientRow, reader: &RecipientReader) -> Result<Mailbox, (String, AddressError)> {
    let cell = row.cells.get(reader.header().email()).unwrap_or_default();
    parse(cell).or_else(|error| {
        if !reader.is_headerless() {
            return Err((cell.to_owned(), error));
        }
        // The delimiter may be part of a name: `Baker, Bob <bob@example.com>`.
        let delimiter = reader.format().map_or(b',', |format| format.delimiter);
        let delimiter = char::from(delimiter).to_string();
        let line = row.cells.iter().collect::<Vec<_>>().join(&delimiter);
        parse(&line).map_err(|_| (line, error))
    })
}

/// Parses an address, perhaps as a link (`mailto:`, RFC 6068).
fn parse(cell: &str) -> Result<Mailbox, AddressError> {
    let text = cell.trim();
    let link = text
        .get(..7)
        .filter(|it| it.eq_ignore_ascii_case("mailto:"));
    match link {
        // An encoded character may be part of the address, so it is not accepted as it is.
        Some(link) if !text.contains('%') => {
            let address = &text[link.len()..];
            Mailbox::parse(address.split('?').next().unwrap_or_default())
        }
        _ => Mailbox::parse(text),
    }
}

/// Whether a line of a list without a header names nobody.
fn is_comment(line: &str) -> bool {
    line.starts_with('#') && !line.contains('@')
}

/// The entries without a valid address.
#[derive(Default)]
struct InvalidEntries {
    empty: LineNumbers,
    others: LineNumbers,
    first: Option<(String, AddressError)>,
}

impl InvalidEntries {
    fn add(&mut self, row: &RecipientRow, cell: String, error: AddressError) {
        if error == AddressError::Empty {
            self.empty.add(row.line);
        } else if !is_comment(&cell) {
            self.others.add(row.line);
            self.first.get_or_insert((cell, error));
        }
    }

    /// Empty cells name nobody, so they are no problem.
    fn notice(&self, all: bool) -> Option<Notice> {
        let (lines, error) = match &self.first {
            Some((_, error)) if all => (&self.others, error),
            _ if self.empty.count > 0 => (&self.empty, &AddressError::Empty),
            _ => return None,
        };
        Some(Notice::NoAddress {
            lines: lines.clone(),
            first: RowFault::Address(error.clone()),
        })
    }

    fn problem(self) -> Option<Problem> {
        let (cell, error) = self.first?;
        Some(Problem::InvalidEntries {
            lines: self.others,
            first: format!("{error}: “{cell}”"),
        })
    }
}
