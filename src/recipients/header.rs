//! The header: the names of the columns, and which of them holds the addresses.

use std::collections::HashMap;

use csv::StringRecord;

use super::error::{Notice, Problem};

/// The column that is looked for when none is named.
const ADDRESS: &str = "email";

/// The columns of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    columns: Vec<String>,
    email: usize,
    line: u64,
}

impl Header {
    /// Reads a header and looks for the address column, called `wanted` if anything.
    pub(crate) fn new(
        record: &StringRecord,
        line: u64,
        wanted: Option<&str>,
    ) -> Result<Self, Problem> {
        let columns = names(record);
        if let Some((first, second)) = duplicate(&columns) {
            let name = columns[first].clone();
            let (first, second) = (first + 1, second + 1);
            return Err(Problem::DuplicateColumn {
                line,
                name,
                first,
                second,
            });
        }
        match address_columns(&columns, wanted)[..] {
            [email] => Ok(Self {
                columns,
                email,
                line,
            }),
            [] => {
                let wanted = wanted.unwrap_or(ADDRESS).to_owned();
                Err(Problem::NoAddressColumn {
                    line,
                    wanted,
                    columns,
                })
            }
            ref several => {
                let columns = several.iter().map(|&i| columns[i].clone()).collect();
                Err(Problem::AmbiguousAddressColumn { line, columns })
            }
        }
    }

    /// The header of a file that has none: one column, which holds the addresses.
    pub(crate) fn of_list() -> Self {
        Self {
            columns: vec![ADDRESS.to_owned()],
            email: 0,
            line: 0,
        }
    }

    /// The names, trimmed, in the order of the file; empty for a column without one.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The place of the address column, from 0.
    pub fn email(&self) -> usize {
        self.email
    }

    /// The physical line of the header, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// A notice for each column without a name.
    pub(crate) fn notices(&self) -> impl Iterator<Item = Notice> {
        let unnamed = self
            .columns
            .iter()
            .enumerate()
            .filter(|(_, name)| name.is_empty());
        unnamed.map(|(i, _)| Notice::UnnamedColumn {
            line: self.line,
            column: i + 1,
        })
    }
}

/// The names in a header, without white space and stray byte order marks around them.
pub(crate) fn names(record: &StringRecord) -> Vec<String> {
    let around = |c: char| c.is_whitespace() || c == '\u{feff}';
    record
        .iter()
        .map(|name| name.trim_matches(around).to_owned())
        .collect()
}

/// The places of the columns that may be meant: the one called so exactly, or else those that are
/// called so but for case, hyphens, underscores and spaces.
pub(crate) fn address_columns(columns: &[String], wanted: Option<&str>) -> Vec<usize> {
    let exactly = wanted.map(str::trim);
    if let Some(i) = columns
        .iter()
        .position(|name| Some(name.as_str()) == exactly)
    {
        return vec![i];
    }
    let plain = plain(wanted.unwrap_or(ADDRESS));
    let alike = |i: &usize| self::plain(&columns[*i]) == plain && !plain.is_empty();
    (0..columns.len()).filter(alike).collect()
}

fn plain(name: &str) -> String {
    let kept = |c: &char| !c.is_whitespace() && !"-_\u{2010}\u{2011}".contains(*c);
    name.chars()
        .filter(kept)
        .flat_map(char::to_lowercase)
        .collect()
}

fn duplicate(columns: &[String]) -> Option<(usize, usize)> {
    let mut seen = HashMap::new();
    let mut named = columns
        .iter()
        .enumerate()
        .filter(|(_, name)| !name.is_empty());
    named.find_map(|(second, name)| Some((seen.insert(name, second)?, second)))
}
