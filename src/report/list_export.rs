//! A kept list as CSV.

use std::io::Write;
use std::path::Path;

use jiff::fmt::temporal::DateTimePrinter;

use super::results::{ResultsError, escaped, is_formula, write_atomically, writer};
use crate::suppression::KeptList;

pub(crate) const LIST_COLUMNS: [&str; 5] = ["email", "reason", "source", "at", "note"];
/// How many entries are read at once.
const PAGE: u32 = 5_000;

/// What was written.
#[derive(Debug, Default)]
pub(crate) struct WrittenList {
    pub(crate) entries: u64,
    /// Entries without an address.
    pub(crate) forgotten: u64,
}

/// Writes a line for each entry. Addresses are not escaped, because the file is the input of other programs.
///
/// # Errors
/// The list can't be read, or the lines can't be written.
pub(crate) fn write_list(list: &KeptList, to: &mut dyn Write) -> Result<WrittenList, ResultsError> {
    let mut csv = writer(to);
    csv.write_record(LIST_COLUMNS)?;
    let mut written = WrittenList::default();
    let mut after = None;
    loop {
        let page = list.entries(after, PAGE)?;
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        for (_, entry) in &page {
            let Some(address) = &entry.address else {
                written.forgotten += 1;
                continue;
            };
            let at = DateTimePrinter::new().timestamp_to_string(&entry.at);
            let (source, note) = (escaped(&entry.source), escaped(&entry.note));
            csv.write_record([address, entry.reason.as_str(), &source, &at, &note])?;
            written.entries += 1;
        }
    }
    csv.flush().map_err(csv::Error::from)?;
    Ok(written)
}

/// Writes the list to `path`, atomically.
///
/// # Errors
/// As [`write_list`].
pub(crate) fn write_list_file(list: &KeptList, path: &Path) -> Result<WrittenList, ResultsError> {
    let mut written = WrittenList::default();
    write_atomically(path, ".list-", |file| {
        written = write_list(list, file)?;
        Ok(())
    })?;
    Ok(written)
}

/// A cell before it was escaped.
pub(crate) fn unescaped(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if is_formula(rest) => rest,
        _ => cell,
    }
}
