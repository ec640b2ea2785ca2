//! Reads rows one by one, each with its recipient or its fault.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use csv::StringRecord;
use encoding_rs::Encoding;

use super::decode::TextDecoder;
use super::error::{Problem, ReadError};
use super::header::{CsvHeader, address_columns, names};
use super::line_numbers::LineNumbers;
use super::notice::{Notice, Warning};
use super::padding::trimmed;
use super::records::{Record, Records};
use super::row_fault::RowFault;
use super::{ReadSettings, delimiter, encoding, spool};
use crate::address::Mailbox;

/// How many records may be above the header.
const HEADER_LINES: usize = 20;

/// A row that is not blank.
#[derive(Debug, Clone, PartialEq)]
pub struct RecipientRow {
    /// From 1, without the header and blank rows, but with faulty rows.
    pub number: u32,
    /// The physical line where it starts, from 1.
    pub line: u64,
    /// The cells exactly as typed, but with `␀` (U+2400) for NUL. A faulty row may have more or fewer
    /// cells than the header.
    pub cells: StringRecord,
    /// The recipient, or why the row can't be sent.
    pub recipient: Result<Mailbox, RowFault>,
}

/// As set or detected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileFormat {
    pub encoding: &'static Encoding,
    pub delimiter: u8,
}

/// Reads a file as a stream, so that memory does not grow with the number of rows.
pub struct RecipientReader {
    name: String,
    format: FileFormat,
    header: CsvHeader,
    notices: Vec<Notice>,
    records: Records<File>,
    rows: u32,
    blank: LineNumbers,
    control: LineNumbers,
    replacement: LineNumbers,
    padded: LineNumbers,
    padded_quotes: LineNumbers,
    keep_padding: bool,
    done: bool,
}

impl RecipientReader {
    /// Opens a file, detects its encoding and delimiter, and reads its header. `name` is the file's name
    /// in messages. A pipe or another special file is spooled first.
    ///
    /// # Errors
    /// If the file can't be opened or decoded, or has no address column.
    pub fn open(path: &Path, name: &str, settings: &ReadSettings) -> Result<Self, ReadError> {
        let open = || {
            let mut reader = Self::start(path, name, settings)?;
            match reader.read_header(settings.email.as_deref()) {
                Err(Problem::NoAddressColumn {
                    line,
                    expected,
                    columns,
                    ..
                }) => Err(Problem::NoAddressColumn {
                    below: header_below(path, reader.format.encoding, settings),
                    line,
                    expected,
                    columns,
                }),
                result => result.map(|()| reader),
            }
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

    /// Detects the format. The reader is then after a `sep=` line, before the header.
    fn start(path: &Path, name: &str, settings: &ReadSettings) -> Result<Self, Problem> {
        let mut file = open_seekable(path)?;
        let (format, sep, notice) = detect(&file, settings)?;
        file.seek(SeekFrom::Start(0))?;
        let mut reader = Self {
            name: name.to_owned(),
            format,
            header: CsvHeader::of_list(),
            notices: notice.into_iter().collect(),
            records: Records::new(TextDecoder::new(file, format.encoding), format.delimiter),
            rows: 0,
            blank: LineNumbers::default(),
            control: LineNumbers::default(),
            replacement: LineNumbers::default(),
            padded: LineNumbers::default(),
            padded_quotes: LineNumbers::default(),
            keep_padding: settings.keep_padding,
            done: false,
        };
        if sep {
            reader.records.next()?;
        }
        Ok(reader)
    }

    fn read_header(&mut self, address_column: Option<&str>) -> Result<(), Problem> {
        let record = loop {
            match self.records.next()? {
                None => return Err(Problem::Empty),
                Some(record) if record.is_blank() => {}
                Some(record) => break record,
            }
        };
        self.count_suspicious(&record);
        let line = record.line;
        if record.has_padded_quote {
            self.padded_quotes.add(line);
        }
        let nul = nul(&record.cells).map(|i| RowFault::Nul {
            column: i + 1,
            name: String::new(),
        });
        if let Some(fault) = record.fault.or(nul) {
            return Err(Problem::Header { line, fault });
        }
        self.header = CsvHeader::new(&record.cells, line, address_column)?;
        self.notices.extend(self.header.notices());
        Ok(())
    }

    /// Whether this is a list without a header.
    pub(super) fn is_headerless(&self) -> bool {
        self.header.line() == 0
    }

    pub fn header(&self) -> &CsvHeader {
        &self.header
    }

    pub fn format(&self) -> FileFormat {
        self.format
    }

    /// The blank rows so far, after the header: empty lines, and rows with blank cells only.
    pub fn blank(&self) -> &LineNumbers {
        &self.blank
    }

    /// Warnings about what was read so far; complete after the last row.
    pub fn warnings(&self) -> Vec<Warning> {
        let mut notices = self.notices.clone();
        if self.control.count > 0 {
            notices.push(Notice::ControlCharacters(self.control.clone()));
        }
        if self.replacement.count > 0 {
            notices.push(Notice::ReplacementCharacters(self.replacement.clone()));
        }
        if self.padded_quotes.count > 0 {
            notices.push(Notice::PaddedQuotes(self.padded_quotes.clone()));
        }
        if self.padded.count > 0 {
            notices.push(Notice::TrimmedCells(self.padded.clone()));
        }
        let warning = |notice| Warning::new(&self.name, notice);
        notices.into_iter().map(warning).collect()
    }

    fn next_row(&mut self) -> Result<Option<RecipientRow>, Problem> {
        loop {
            match self.records.next()? {
                None => return Ok(None),
                Some(record) if record.is_blank() => self.blank.add(record.line),
                Some(record) => return self.row(record).map(Some),
            }
        }
    }

    fn row(&mut self, record: Record) -> Result<RecipientRow, Problem> {
        let line = record.line;
        self.rows = self
            .rows
            .checked_add(1)
            .ok_or(Problem::TooManyRows { line })?;
        self.count_suspicious(&record);
        self.count_padded(&record);
        if let Some((row_line, address)) = row_in_cell(&record, &self.header, self.format.delimiter)
        {
            return Err(Problem::RowInCell {
                line,
                row_line,
                address,
            });
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
            recipient,
        })
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

/// The format, whether the first line is `sep=`, and a notice about the encoding.
fn detect(
    file: &File,
    settings: &ReadSettings,
) -> Result<(FileFormat, bool, Option<Notice>), Problem> {
    if let Some(set) = settings
        .delimiter
        .filter(|set| !delimiter::is_possible(*set))
    {
        return Err(Problem::Delimiter(set));
    }
    let (encoding, notice) = encoding::detect(file, settings.encoding)?;
    let sep = delimiter::sep_line(file, encoding)?;
    let delimiter = match settings.delimiter.or(sep) {
        Some(delimiter) => delimiter,
        None => delimiter::find(file, encoding, settings.email.as_deref())?,
    };
    Ok((
        FileFormat {
            encoding,
            delimiter,
        },
        sep.is_some(),
        notice,
    ))
}

/// The line of a header that is not the first line, with any delimiter.
fn header_below(path: &Path, encoding: &'static Encoding, settings: &ReadSettings) -> Option<u64> {
    let is_header = |record: &Record| {
        record.cells.len() > 1
            && !address_columns(&names(&record.cells), settings.email.as_deref()).is_empty()
    };
    let delimiters = settings.delimiter.into_iter().chain(delimiter::CANDIDATES);
    delimiters
        .filter_map(|delimiter| {
            // Not a pipe: that can't be read twice.
            let file = File::open(path).ok().filter(|_| path.is_file())?;
            let mut records = Records::new(TextDecoder::new(file, encoding), delimiter);
            let records = std::iter::from_fn(|| records.next().ok().flatten());
            let header = records.take(HEADER_LINES).find(is_header)?;
            Some(header.line)
        })
        .min()
}

/// The line and the address of a row that is inside a quoted cell: its line has as many fields as the
/// header, with an address in the right place. A quote that is not closed makes such cells.
fn row_in_cell(record: &Record, header: &CsvHeader, delimiter: u8) -> Option<(u64, String)> {
    let (columns, email) = (header.columns().len(), header.email());
    let is_break = ['\r', '\n'];
    if columns < 2 || !record.cells.as_slice().contains(is_break) {
        return None;
    }
    let mut line_before = record.line;
    for (index, cell) in record.cells.iter().enumerate() {
        let cell = cell.replace("\r\n", "\n");
        let lines: Vec<&str> = cell.split(is_break).collect();
        let last = lines.len() - 1;
        for (line, number) in lines.into_iter().zip(line_before..).skip(1) {
            let is_last = number - line_before == last as u64;
            // The other fields of the last line are the cells after this one.
            let expected = if is_last { index + 1 } else { columns };
            let fields: Vec<&str> = line.split(char::from(delimiter)).collect();
            let is_row = fields.len() == expected && !(is_last && index == email);
            if is_row
                && let Some(field) = fields.get(email)
                && let Ok(mailbox) = Mailbox::parse(trimmed(field).trim_matches('"'))
            {
                return Some((number, mailbox.address.to_string()));
            }
        }
        line_before += last as u64;
    }
    None
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
