//! Duplicates that differ from the row that is sent.

use std::collections::BTreeSet;

use crate::recipients::trimmed;

/// How many rows are named.
const MAX_ROWS: usize = 10;

/// The rows that are left out as duplicates, and differ from the first row of their address in a column that the message
/// uses.
#[derive(Debug, Clone, Default)]
pub struct DifferingDuplicates {
    pub(crate) count: u64,
    /// The first of them.
    pub(crate) rows: Vec<u32>,
    /// The indexes of the columns in which they differ.
    pub(crate) columns: BTreeSet<usize>,
}

impl DifferingDuplicates {
    /// Compares the columns `used` of a row with those of the first row of its address.
    pub(super) fn compare<'a>(
        &mut self,
        row: u32,
        cell: impl Fn(usize) -> &'a str,
        first: &[String],
        used: &[usize],
    ) {
        let differs = |index: &usize| {
            let of_first = first.get(*index).map_or("", String::as_str);
            trimmed(cell(*index)) != trimmed(of_first)
        };
        let columns: Vec<usize> = used.iter().copied().filter(differs).collect();
        if columns.is_empty() {
            return;
        }
        self.count += 1;
        self.columns.extend(columns);
        if self.rows.len() < MAX_ROWS {
            self.rows.push(row);
        }
    }
}
