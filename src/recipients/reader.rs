//! Reads rows one by one, each with its recipient or its fault.

mod header_row;

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use csv::StringRecord;

use super::csv_records::{FileFormat, row_in_cell};
use super::error::{Problem, ReadError};
use super::header::CsvHeader;
use super::line_numbers::LineNumbers;
use super::notice::{Notice, Warning};
use super::padding::trimmed;
use super::record::Record;
use super::row_fault::RowFault;
use super::source::RecordSource;
use super::{HiddenRows, ReadSettings, spool};
use crate::address::Mailbox;

/// A row that is not blank.
#[derive(Debug, Clone, PartialEq)]
pub struct RecipientRow {
    /// From 1, without the header and blank rows, but with faulty rows.
    pub number: u32,
    /// The physical line where it starts, or the row of the sheet; from 1.
    pub line: u64,
    /// The cells exactly as typed, but with `␀` (U+2400) for NUL. A faulty row may have more or fewer
    /// cells than the header.
    pub cells: StringRecord,
    /// The indexes of cells that are JSON and not text, in order: the numbers, booleans, lists and objects of a JSON file.
    pub json: Vec<usize>,
    /// The row is hidden in its sheet, and must be skipped.
    pub is_hidden: bool,
    /// The recipient, or why the row can't be sent.
    pub recipient: Result<Mailbox, RowFault>,
}

impl RecipientRow {
    /// A JSON array of the cells: of strings, and of the values of a JSON file.
    pub fn cells_as_json(&self) -> String {
        let text = |cell: &str| serde_json::to_string(cell).unwrap_or_default();
        if self.json.is_empty() {
            // Strings always have a JSON form.
            let all: Vec<&str> = self.cells.iter().collect();
            return serde_json::to_string(&all).unwrap_or_default();
        }
        let cells = self.cells.iter().enumerate();
        let cells = cells.map(
            |(index, cell)| match self.json.binary_search(&index).is_ok() {
                true => cell.to_owned(),
                false => text(cell),
            },
        );
        format!("[{}]", cells.collect::<Vec<_>>().join(","))
    }
}

/// Reads a file as a stream, so that memory does not grow with the number of rows.
pub struct RecipientReader {
    name: String,
    header: CsvHeader,
    notices: Vec<Notice>,
    source: RecordSource,
    /// Records that were read to find the header.
    ahead: VecDeque<Record>,
    /// Of a sheet: the index of the first column with a name.
    first_column: usize,
    rows: u32,
    blank: LineNumbers,
    control: LineNumbers,
    replacement: LineNumbers,
    padded: LineNumbers,
    padded_quotes: LineNumbers,
    outside_header: LineNumbers,
    hidden_rows: LineNumbers,
    keep_padding: bool,
    hidden: Option<HiddenRows>,
    done: bool,
}

impl RecipientReader {
    /// Opens a file, detects what kind it is, and reads its header. `name` is the file's name
    /// in messages. A pipe or another special file is spooled first.
    ///
    /// # Errors
    /// If the file can't be opened or decoded, or has no address column.
    pub fn open(path: &Path, name: &str, settings: &ReadSettings) -> Result<Self, ReadError> {
        let open = || {
            let mut reader = Self::start(path, name, settings)?;
            reader.read_header(settings)?;
            Ok(reader)
        };
        open().map_err(|problem| ReadError::new(name, problem))
    }

    /// Opens a list without a header, with one address on each line.
    pub(super) fn open_list(
        path: &Path,
        name: &str,
        settings: &ReadSettings,
    ) -> Result<Self, ReadError> {
        Self::start(path, name, settings).map_err(|problem| ReadError::new(name, problem))
    }

    /// The reader is then before the header.
    fn start(path: &Path, name: &str, settings: &ReadSettings) -> Result<Self, Problem> {
        let (source, notices) = RecordSource::open(open_seekable(path)?, name, settings)?;
        Ok(Self {
            name: name.to_owned(),
            header: CsvHeader::of_list(),
            notices,
            source,
            ahead: VecDeque::new(),
            first_column: 0,
            rows: 0,
            blank: LineNumbers::default(),
            control: LineNumbers::default(),
            replacement: LineNumbers::default(),
            padded: LineNumbers::default(),
            padded_quotes: LineNumbers::default(),
            outside_header: LineNumbers::default(),
            hidden_rows: LineNumbers::default(),
            keep_padding: settings.keep_padding,
            hidden: settings.hidden,
            done: false,
        })
    }

    /// Whether this is a list without a header.
    pub(super) fn is_headerless(&self) -> bool {
        self.header.line() == 0
    }

    pub fn header(&self) -> &CsvHeader {
        &self.header
    }

    /// `None` if it is not a CSV file.
    pub fn format(&self) -> Option<FileFormat> {
        match &self.source {
            RecordSource::Csv(_, format) => Some(*format),
            _ => None,
        }
    }

    /// The blank rows so far, after the header: empty lines, and rows with blank cells only.
    pub fn blank(&self) -> &LineNumbers {
        &self.blank
    }

    /// Warnings about what was read so far; complete after the last row.
    pub fn warnings(&self) -> Vec<Warning> {
        let mut notices = self.notices.clone();
        let mut add = |lines: &LineNumbers, notice: fn(LineNumbers) -> Notice| {
            if lines.count > 0 {
                notices.push(notice(lines.clone()));
            }
        };
        add(&self.control, Notice::ControlCharacters);
        add(&self.replacement, Notice::ReplacementCharacters);
        add(&self.padded_quotes, Notice::PaddedQuotes);
        add(&self.outside_header, Notice::CellsOutsideHeader);
        if self.hidden.is_none() {
            add(&self.hidden_rows, Notice::HiddenRows);
        }
        add(&self.padded, Notice::TrimmedCells);
        let warning = |notice| Warning::new(&self.name, notice);
        notices.into_iter().map(warning).collect()
    }

    fn next_row(&mut self) -> Result<Option<RecipientRow>, Problem> {
        loop {
            let record = match self.ahead.pop_front() {
                Some(record) => Some(record),
                None => self.source.next()?,
            };
            let Some(mut record) = record else {
                return Ok(None);
            };
            if matches!(self.source, RecordSource::Sheet(_)) && !self.is_headerless() {
                self.fit_to_header(&mut record);
            }
            match record.is_blank() {
                true => self.blank.add(record.line),
                false => return self.row(record).map(Some),
            }
        }
    }

    fn row(&mut self, record: Record) -> Result<RecipientRow, Problem> {
        let line = record.line;
        self.rows = self
            .rows
            .checked_add(1)
            .ok_or(Problem::TooManyRows { line })?;
        if let RecordSource::Csv(_, format) = &self.source
            && let Some((row_line, address)) = row_in_cell(&record, &self.header, format.delimiter)
        {
            return Err(Problem::RowInCell {
                line,
                row_line,
                address,
            });
        }
        self.count_suspicious(&record);
        self.count_padded(&record);
        let is_hidden = record.is_hidden && self.hidden != Some(HiddenRows::Send);
        if is_hidden {
            self.hidden_rows.add(line);
        }
        let recipient = self.recipient(&record);
        let cells = match nul(&record.cells) {
            Some(_) => without_nul(&record.cells),
            None => record.cells,
        };
        Ok(RecipientRow {
            number: self.rows,
            line,
            cells,
            json: record.json,
            is_hidden,
            recipient,
        })
    }

    /// Gives the row of a sheet as many cells as the header has. A sheet has no empty cells at the end of
    /// a row, and may have notes beside the table: a row with such notes alone is blank.
    fn fit_to_header(&mut self, record: &mut Record) {
        let (first, columns) = (self.first_column, self.header.columns().len());
        let is_outside = |index: usize| !(first..first + columns).contains(&index);
        let mut cells = record.cells.iter().enumerate();
        if cells.any(|(index, cell)| is_outside(index) && !trimmed(cell).is_empty()) {
            self.outside_header.add(record.line);
        }
        if first > 0 || record.cells.len() != columns {
            record.cells = cells_between(&record.cells, first, columns);
        }
        let name = |index: usize| self.header.columns().get(index.checked_sub(first)?);
        record
            .cell_faults
            .retain(|(index, _)| name(*index).is_some_and(|name| !name.is_empty()));
    }

    /// Counts rows with characters that are a sign of lost or wrongly decoded text.
    fn count_suspicious(&mut self, record: &Record) {
        let text = record.cells.as_slice();
        if text.is_ascii() {
            return;
        }
        if text.contains(|c| matches!(c, '\u{80}'..='\u{9f}')) {
            self.control.add(record.line);
        }
        if text.contains('\u{fffd}') {
            self.replacement.add(record.line);
        }
    }

    /// Counts rows with white space around cells, and in front of quotes.
    fn count_padded(&mut self, record: &Record) {
        if record.has_padded_quote {
            self.padded_quotes.add(record.line);
        }
        let is_padded = |cell: &str| trimmed(cell).len() < cell.len();
        if !self.keep_padding && record.cells.iter().any(is_padded) {
            self.padded.add(record.line);
        }
    }

    fn recipient(&self, record: &Record) -> Result<Mailbox, RowFault> {
        if let Some(fault) = &record.fault {
            return Err(fault.clone());
        }
        if let Some((_, fault)) = record.cell_faults.first() {
            return Err(fault.clone());
        }
        if let Some(i) = nul(&record.cells) {
            let name = self.header.columns().get(i).cloned();
            return Err(RowFault::Nul {
                column: i + 1,
                name: name.unwrap_or_default(),
            });
        }
        let (found, expected) = (record.cells.len(), self.header.columns().len());
        if found != expected {
            return Err(RowFault::FieldCount { found, expected });
        }
        let cell = record.cells.get(self.header.email()).unwrap_or_default();
        Ok(Mailbox::parse(cell)?)
    }
}

impl Iterator for RecipientReader {
    type Item = Result<RecipientRow, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let row = self.next_row();
        self.done = !matches!(row, Ok(Some(_)));
        row.map_err(|problem| ReadError::new(&self.name, problem))
            .transpose()
    }
}

/// Opens a file that can be read several times.
fn open_seekable(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_file() {
        return Ok(file);
    }
    if kind.is_char_device() || kind.is_block_device() {
        return Err(io::Error::other("it is a device, not a file"));
    }
    Ok(spool(file)?.into_file())
}

/// `count` cells from an index on; missing ones are empty. With `usize::MAX`, all of them without blank ones at
/// the end.
fn cells_between(cells: &StringRecord, first: usize, count: usize) -> StringRecord {
    let length = cells.len();
    let used = || {
        let cells = cells.iter().rev();
        let blank = cells.take_while(|cell| trimmed(cell).is_empty()).count();
        length.saturating_sub(blank + first)
    };
    let count = if count == usize::MAX { used() } else { count };
    let cells = cells.iter().skip(first).chain(std::iter::repeat(""));
    cells.take(count).collect()
}

/// The index of the first cell with a NUL.
fn nul(cells: &StringRecord) -> Option<usize> {
    if !cells.as_slice().contains('\0') {
        return None;
    }
    cells.iter().position(|cell| cell.contains('\0'))
}

/// The cells with a symbol for each NUL, so that no NUL gets into a file or a request.
fn without_nul(cells: &StringRecord) -> StringRecord {
    cells
        .iter()
        .map(|cell| cell.replace('\0', "\u{2400}"))
        .collect::<Vec<_>>()
        .into()
}
