//! The header: the names of the columns, and which column has the addresses.

use std::collections::HashMap;

use csv::StringRecord;

use super::error::Problem;
use super::notice::Notice;
use super::padding::trimmed;
use super::record::Record;
use super::{ADDRESS_COLUMN, MAX_COLUMNS, ReadSettings};
use crate::address::Mailbox;

/// How many records are looked at to find the header.
pub(super) const HEADER_LINES: usize = 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvHeader {
    columns: Vec<String>,
    email: usize,
    line: u64,
}

impl CsvHeader {
    /// Reads a header and looks for the address column, by default [`ADDRESS_COLUMN`].
    pub(super) fn new(
        record: &StringRecord,
        line: u64,
        address_column: Option<&str>,
    ) -> Result<Self, Problem> {
        Self::of_columns(names(record), line, address_column)
    }

    pub(super) fn of_columns(
        columns: Vec<String>,
        line: u64,
        address_column: Option<&str>,
    ) -> Result<Self, Problem> {
        if columns.len() > MAX_COLUMNS {
            let columns = columns.len();
            return Err(Problem::TooManyColumns { line, columns });
        }
        if let Some((first, second)) = duplicate(&columns) {
            return Err(Problem::DuplicateColumn {
                line,
                name: columns[first].clone(),
                first: first + 1,
                second: second + 1,
            });
        }
        match address_columns(&columns, address_column)[..] {
            [email] => Ok(Self {
                columns,
                email,
                line,
            }),
            [] => Err(Problem::NoAddressColumn {
                line,
                expected: address_column.unwrap_or(ADDRESS_COLUMN).to_owned(),
                columns,
                hint: None,
            }),
            ref several => {
                let columns = several.iter().map(|&i| columns[i].clone()).collect();
                Err(Problem::AmbiguousAddressColumn { line, columns })
            }
        }
    }

    /// The header for a file without one: a single column of addresses.
    pub(super) fn of_list() -> Self {
        Self {
            columns: vec![ADDRESS_COLUMN.to_owned()],
            email: 0,
            line: 0,
        }
    }

    /// The trimmed names in the order of the file. A column without a name has an empty one.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The index of the address column.
    pub fn email(&self) -> usize {
        self.email
    }

    /// The physical line, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// A notice for each column without a name.
    pub(super) fn notices(&self) -> impl Iterator<Item = Notice> {
        let columns = self.columns.iter().zip(1..);
        let unnamed = columns.filter(|(name, _)| name.is_empty());
        unnamed.map(|(_, column)| Notice::UnnamedColumn {
            line: self.line,
            column,
        })
    }
}

/// Where the header is among the first records that are not blank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderPlace {
    /// It is the first record, or there is none with an address column.
    First,
    /// At this index, below a title.
    BelowTitle(usize),
    /// Perhaps at this index, but the records above it may be rows.
    Unclear(usize),
}

/// Looks for a record with an address column and several cells.
pub(super) fn find_header(records: &[Record], name: Option<&str>) -> HeaderPlace {
    let has_address = |record: &Record| has_address_column(&record.cells, name);
    if records.first().is_none_or(has_address) {
        return HeaderPlace::First;
    }
    let is_header = |record: &Record| record.cells.len() > 1 && has_address(record);
    let Some(index) = records.iter().position(is_header) else {
        return HeaderPlace::First;
    };
    let (above, header) = (&records[..index], &records[index]);
    let cells = |record: &Record| record.cells.len() - record.blank_cells();
    let is_shorter = above.iter().all(|record| cells(record) < cells(header));
    let breaks = |record: &Record| record.cells.as_slice().matches('\n').count() as u64;
    let is_apart = |last: &Record| last.line + breaks(last) + 1 < header.line;
    let is_apart = above.last().is_some_and(is_apart);
    let mut cells = records[..=index].iter().flat_map(|record| &record.cells);
    let has_recipient = cells.any(|cell| Mailbox::parse(cell).is_ok());
    match (is_shorter || is_apart) && !has_recipient {
        true => HeaderPlace::BelowTitle(index),
        false => HeaderPlace::Unclear(index),
    }
}

pub(super) fn has_address_column(cells: &StringRecord, name: Option<&str>) -> bool {
    // More are an error, which is found when the header is read.
    let names = cells.iter().take(MAX_COLUMNS);
    let names: Vec<String> = names.map(|name| trimmed(name).to_owned()).collect();
    !address_columns(&names, name).is_empty()
}

/// The trimmed names in a header.
pub(super) fn names(record: &StringRecord) -> Vec<String> {
    record.iter().map(|name| trimmed(name).to_owned()).collect()
}

/// The index of the address column in a header that was read with these settings.
pub(crate) fn address_column(columns: &[String], settings: &ReadSettings) -> Option<usize> {
    match address_columns(columns, settings.email.as_deref())[..] {
        [email] => Some(email),
        _ => None,
    }
}

/// The indexes of the columns that may be the address column: the one with exactly this name, or else
/// all whose name differs only in case, hyphens, underscores and spaces.
pub(super) fn address_columns(columns: &[String], name: Option<&str>) -> Vec<usize> {
    let exact = name.map(str::trim);
    if let Some(i) = columns.iter().position(|name| Some(name.as_str()) == exact) {
        return vec![i];
    }
    let folded = fold(name.unwrap_or(ADDRESS_COLUMN));
    let is_alike = |i: &usize| fold(&columns[*i]) == folded && !folded.is_empty();
    (0..columns.len()).filter(is_alike).collect()
}

fn fold(name: &str) -> String {
    let is_separator = |c: &char| c.is_whitespace() || "-_\u{2010}\u{2011}".contains(*c);
    name.chars()
        .filter(|c| !is_separator(c))
        .flat_map(char::to_lowercase)
        .collect()
}

/// The indexes of two columns with the same name.
fn duplicate(columns: &[String]) -> Option<(usize, usize)> {
    let mut indexes = HashMap::new();
    let mut named = columns
        .iter()
        .enumerate()
        .filter(|(_, name)| !name.is_empty());
    named.find_map(|(second, name)| Some((indexes.insert(name, second)?, second)))
}
