//! Collects the cells of a row of a sheet.

use csv::StringRecord;

use crate::recipients::record::Record;
use crate::recipients::row_fault::RowFault;
use crate::recipients::{MAX_COLUMNS, error::Problem};

/// The most rows of a sheet: as many as LibreOffice has.
pub(super) const MAX_ROWS: u64 = 1 << 24;
/// The most bytes of a row, as in a CSV file. A message may have 15 MB.
const MAX_ROW: usize = 16 * 1024 * 1024;

#[derive(Default)]
pub(super) struct RowBuilder {
    /// The texts of the cells, each with its column and its end in `text`. Empty cells are left out.
    cells: Vec<(usize, usize)>,
    text: String,
    faults: Vec<(usize, RowFault)>,
}

impl RowBuilder {
    /// Adds a cell; `column` counts from 0.
    pub(super) fn push(&mut self, column: usize, text: &str) -> Result<(), Problem> {
        if text.is_empty() {
            return Ok(());
        }
        check_count(column)?;
        check_count(self.cells.len())?;
        self.text.push_str(text);
        if self.text.len() > MAX_ROW {
            let reason = "it has a row that is longer than 16 MiB".to_owned();
            return Err(Problem::Workbook(reason));
        }
        self.cells.push((column, self.text.len()));
        Ok(())
    }

    /// Adds a cell without a value that can be sent; `text` is shown in its place.
    pub(super) fn push_fault(
        &mut self,
        column: usize,
        text: &str,
        fault: RowFault,
    ) -> Result<(), Problem> {
        check_count(self.faults.len())?;
        self.faults.push((column, fault));
        self.push(column, text)
    }

    /// The row, after which the next one begins; `None` if all cells are empty. `line` is its number in the
    /// sheet.
    pub(super) fn take(&mut self, line: u64, is_hidden: bool) -> Result<Option<Record>, Problem> {
        if line > MAX_ROWS {
            let reason = format!("it has more than {MAX_ROWS} rows");
            return Err(Problem::Workbook(reason));
        }
        if self.cells.is_empty() && self.faults.is_empty() {
            return Ok(None);
        }
        let mut cells = StringRecord::with_capacity(self.text.len(), self.cells.len());
        let mut start = 0;
        for &(column, end) in &self.cells {
            // A second cell in a column, or one before its neighbour, is damaged; Excel refuses it too.
            if column < cells.len() {
                let reason = format!("the cells of row {line} are not in order");
                return Err(Problem::Workbook(reason));
            }
            while cells.len() < column {
                cells.push_field("");
            }
            cells.push_field(&self.text[start..end]);
            start = end;
        }
        self.cells.clear();
        self.text.clear();
        Ok(Some(Record {
            line,
            cells,
            is_hidden,
            cell_faults: std::mem::take(&mut self.faults),
            ..Record::default()
        }))
    }
}

/// `count` is how many columns, cells or faults come before.
fn check_count(count: usize) -> Result<(), Problem> {
    if count >= MAX_COLUMNS {
        let reason = format!("it has more than {MAX_COLUMNS} columns");
        return Err(Problem::Workbook(reason));
    }
    Ok(())
}

/// The name of a cell, such as `C17`. The column counts from 0, the row from 1.
pub(super) fn cell_name(column: usize, row: u64) -> String {
    let mut letters = Vec::new();
    let mut rest = column + 1;
    while rest > 0 {
        rest -= 1;
        letters.push(char::from(b'A' + (rest % 26) as u8));
        rest /= 26;
    }
    let letters: String = letters.into_iter().rev().collect();
    format!("{letters}{row}")
}

/// The column in the name of a cell, from 0.
pub(super) fn column_of(name: &str) -> Option<usize> {
    let letters = name.bytes().take_while(u8::is_ascii_alphabetic);
    let mut column = 0_usize;
    for letter in letters {
        let digit = usize::from(letter.to_ascii_uppercase() - b'A') + 1;
        column = column.checked_mul(26)?.checked_add(digit)?;
    }
    column.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_cells() {
        for (column, name) in [
            (0, "A"),
            (25, "Z"),
            (26, "AA"),
            (701, "ZZ"),
            (702, "AAA"),
            (16_383, "XFD"),
        ] {
            assert_eq!(cell_name(column, 17), format!("{name}17"));
            assert_eq!(column_of(&format!("{name}17")), Some(column));
        }
        assert_eq!(column_of("17"), None);
    }
}
