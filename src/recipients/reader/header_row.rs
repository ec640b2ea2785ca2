//! Finds and reads the header.

use csv::StringRecord;

use super::{RecipientReader, cells_between, nul};
use crate::recipients::ReadSettings;
use crate::recipients::error::{ColumnHint, Problem};
use crate::recipients::header::{
    CsvHeader, HEADER_LINES, HeaderPlace, find_header, has_address_column,
};
use crate::recipients::line_numbers::LineNumbers;
use crate::recipients::notice::Notice;
use crate::recipients::padding::trimmed;
use crate::recipients::record::Record;
use crate::recipients::row_fault::RowFault;
use crate::recipients::source::RecordSource;

/// How much of a title is shown, in characters.
const MAX_TITLE: usize = 60;

impl RecipientReader {
    pub(super) fn read_header(&mut self, settings: &ReadSettings) -> Result<(), Problem> {
        let email = settings.email.as_deref();
        if let RecordSource::Json(records) = &self.source {
            let list = records.list().map(str::to_owned);
            let header = CsvHeader::of_columns(records.columns(), 1, email);
            self.header = header.map_err(|problem| with_list(problem, list))?;
            self.notices.extend(self.header.notices());
            return Ok(());
        }
        let mut record = match settings.header_row {
            Some(line) => self.record_at(line)?,
            None => self.find_header(email)?,
        };
        self.count_suspicious(&record);
        let line = record.line;
        if record.has_padded_quote {
            self.padded_quotes.add(line);
        }
        if matches!(self.source, RecordSource::Sheet(_)) {
            self.first_column = first_column(&record.cells);
            record.cells = cells_between(&record.cells, self.first_column, usize::MAX);
        }
        let nul = nul(&record.cells).map(|i| RowFault::Nul {
            column: i + 1,
            name: String::new(),
        });
        let of_cell = std::mem::take(&mut record.cell_faults).into_iter().next();
        let of_cell = of_cell.map(|(_, fault)| fault);
        if let Some(fault) = record.fault.or(nul).or(of_cell) {
            return Err(Problem::Header { line, fault });
        }
        self.header = CsvHeader::new(&record.cells, line, email)
            .map_err(|problem| self.with_suggestion(problem, email))?;
        self.notices.extend(self.header.notices());
        Ok(())
    }

    /// The first record that is not blank, or the header below a title. The records after it are kept.
    fn find_header(&mut self, email: Option<&str>) -> Result<Record, Problem> {
        // The blank rows before each record, and those after the last one.
        let mut blank = vec![LineNumbers::default(); HEADER_LINES + 1];
        self.read_ahead(1, &mut blank)?;
        let first = self.ahead.make_contiguous();
        let first = first.first().ok_or(Problem::Empty)?;
        if !has_address_column(&first.cells, email) {
            // Errors further down are reported when their rows are read.
            self.read_ahead(HEADER_LINES, &mut blank)?;
        }
        let mut header = 0;
        let title = self.ahead.front().and_then(|record| title(&record.cells));
        if let HeaderPlace::BelowTitle(index) = find_header(self.ahead.make_contiguous(), email) {
            self.ahead.drain(..index);
            header = index;
            let line = self.ahead.front().map_or(0, |record| record.line);
            let title = title.unwrap_or_default();
            self.notices.push(Notice::HeaderBelowTitle { line, title });
        }
        for lines in &blank[header + 1..] {
            self.blank.add_all(lines);
        }
        self.ahead.pop_front().ok_or(Problem::Empty)
    }

    /// The header on the line that is set.
    fn record_at(&mut self, line: u64) -> Result<Record, Problem> {
        loop {
            match self.source.next()? {
                Some(record) if record.line < line => {}
                Some(record) if record.line == line && !record.is_blank() => return Ok(record),
                _ => return Err(Problem::BlankHeaderRow { line }),
            }
        }
    }

    /// Reads records that are not blank until there are `count`, and counts the blank ones.
    fn read_ahead(&mut self, count: usize, blank: &mut [LineNumbers]) -> Result<(), Problem> {
        while self.ahead.len() < count {
            match self.source.next()? {
                None => break,
                Some(record) if record.is_blank() => blank[self.ahead.len()].add(record.line),
                Some(record) => self.ahead.push_back(record),
            }
        }
        Ok(())
    }

    /// Adds where the address column may be.
    fn with_suggestion(&mut self, problem: Problem, email: Option<&str>) -> Problem {
        let Problem::NoAddressColumn {
            line,
            expected,
            columns,
            ..
        } = problem
        else {
            return problem;
        };
        let below = self
            .ahead
            .iter()
            .find(|record| record.cells.len() > 1 && has_address_column(&record.cells, email));
        let others = self.notices.iter().find_map(|notice| match notice {
            Notice::OtherSheets(names) => Some(ColumnHint::Sheets(names.others.clone())),
            _ => None,
        });
        let below = below.map(|record| ColumnHint::Line(record.line));
        Problem::NoAddressColumn {
            line,
            expected,
            columns,
            hint: below.or(others).map(Box::new),
        }
    }
}

/// The first cell with text, shortened.
fn title(cells: &StringRecord) -> Option<String> {
    let mut cells = cells.iter().map(trimmed);
    let title = cells.find(|cell| !cell.is_empty())?;
    let line = title.lines().next().unwrap_or_default();
    Some(line.chars().take(MAX_TITLE).collect())
}

/// The index of the first cell that is not blank.
fn first_column(cells: &StringRecord) -> usize {
    let mut cells = cells.iter();
    let first = cells.position(|cell| !trimmed(cell).is_empty());
    first.unwrap_or_default()
}

/// Adds the list in which the rows of a JSON file may be.
fn with_list(mut problem: Problem, list: Option<String>) -> Problem {
    if let Problem::NoAddressColumn { hint, .. } = &mut problem {
        *hint = list.map(|name| Box::new(ColumnHint::List(name)));
    }
    problem
}
