//! How full the columns are that the templates use.

use super::context::RowContext;
use crate::render::Row;

#[derive(Debug, Default)]
pub(super) struct ColumnTotals {
    pub(super) rows: u64,
    /// The number of blank cells, by the column's index.
    blank: Vec<u64>,
    pub(super) first_row: Option<Row>,
}

impl ColumnTotals {
    pub(super) fn row(&mut self, context: &RowContext<'_>) {
        self.rows += 1;
        self.blank.resize(context.shared.header.len(), 0);
        for (index, _) in context.shared.used_columns() {
            self.blank[index] += u64::from(is_blank(context.row, index));
        }
        // A thread sees rows in ascending order.
        if self.first_row.is_none() {
            self.first_row = Some(context.row.clone());
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        add_counts(&mut self.blank, &other.blank);
        let rows = [self.first_row.take(), other.first_row]
            .into_iter()
            .flatten();
        self.first_row = rows.min_by_key(|row| row.number);
    }

    /// The number of rows in which a column is blank; none if no row was counted.
    pub(super) fn blank(&self, index: usize) -> Option<u64> {
        self.blank.get(index).copied()
    }
}

/// Whether a row has nothing but white space in a column.
pub(super) fn is_blank(row: &Row, index: usize) -> bool {
    let cell = row.cells.get(index);
    cell.is_none_or(|cell| cell.trim().is_empty())
}

/// Adds counts index by index.
pub(super) fn add_counts(counts: &mut Vec<u64>, more: &[u64]) {
    counts.resize(counts.len().max(more.len()), 0);
    for (count, more) in counts.iter_mut().zip(more) {
        *count += more;
    }
}
