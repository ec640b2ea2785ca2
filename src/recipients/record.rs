//! A record of a file: a line of a CSV file, a row of a sheet, or an object of a JSON file.

use csv::StringRecord;

use super::padding::trimmed;
use super::row_fault::RowFault;

#[derive(Debug, Default)]
pub(super) struct Record {
    /// The physical line where it starts, or the row of the sheet; from 1.
    pub(super) line: u64,
    /// The unquoted cells; an empty line has none.
    pub(super) cells: StringRecord,
    /// A mistake in the quotes, or an object that can't be read.
    pub(super) fault: Option<RowFault>,
    /// White space is in front of a quote, which is therefore part of the cell.
    pub(super) has_padded_quote: bool,
    /// The row is hidden in its sheet.
    pub(super) is_hidden: bool,
    /// The cells of a sheet without a value that can be sent, by column.
    pub(super) cell_faults: Vec<(usize, RowFault)>,
    /// The indexes of cells that are JSON and not text, in order.
    pub(super) json: Vec<usize>,
}

impl Record {
    /// Whether all cells are blank. A fault is not blank.
    pub(super) fn is_blank(&self) -> bool {
        let has_fault = self.fault.is_some() || !self.cell_faults.is_empty();
        !has_fault && self.cells.iter().all(|cell| trimmed(cell).is_empty())
    }

    pub(super) fn blank_cells(&self) -> usize {
        let cells = self.cells.iter();
        cells.filter(|cell| trimmed(cell).is_empty()).count()
    }
}
