//! The reader: rows, one after the other, each with its recipient or with what is wrong.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::Path;

use csv::StringRecord;
use encoding_rs::Encoding;

use super::error::{Notice, Problem, ReadError, RowFault, Warning};
use super::header::Header;
use super::lines::Lines;
use super::records::{Record, RecordError, Records};
use super::text::{Text, TextError};
use super::{Settings, delimiter, encoding, spool};
use crate::address::Mailbox;

/// One row of data. Blank rows are none.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its number among the rows of data, faulty ones included, from 1.
    pub number: u32,
    /// The physical line that it starts in, from 1.
    pub line: u64,
    /// Its cells as typed, in the order of the header, but a NUL is shown as `␀` (U+2400). A
    /// faulty row may have more or fewer than the header.
    pub cells: StringRecord,
    /// Whom it goes to, or why it can't be sent.
    pub recipient: Result<Mailbox, RowFault>,
}

/// How a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// The encoding, set or found.
    pub encoding: &'static Encoding,
    /// The delimiter, set or found.
    pub delimiter: u8,
}

/// Reads a file of recipients as a stream: memory does not grow with the number of rows.
pub struct Reader {
    name: String,
    format: Format,
    header: Header,
    notices: Vec<Notice>,
    records: Records<File>,
    rows: u32,
    blank: Lines,
    control: Lines,
    replacement: Lines,
    done: bool,
}

impl Reader {
    /// Opens a file, finds its encoding and delimiter, and reads its header. `name` is what the
    /// file is called in messages. What is no regular file, such as a pipe, is spooled first.
    ///
    /// # Errors
    /// When the file can't be opened or decoded, or its header names no address column.
    pub fn open(path: &Path, name: &str, settings: &Settings) -> Result<Self, ReadError> {
        Self::try_open(path, name, settings).map_err(|problem| ReadError {
            file: name.to_owned(),
            problem,
        })
    }

    /// Opens a list without a header, one address a line.
    pub(crate) fn open_list(path: &Path, name: &str) -> Result<Self, ReadError> {
        Self::start(path, name, &Settings::default()).map_err(|problem| ReadError {
            file: name.to_owned(),
            problem,
        })
    }

    fn try_open(path: &Path, name: &str, settings: &Settings) -> Result<Self, Problem> {
        let mut reader = Self::start(path, name, settings)?;
        reader.read_header(settings.email.as_deref())?;
        Ok(reader)
    }

    /// Finds out how the file is to be read; stands behind a `sep=` line, before the header.
    fn start(path: &Path, name: &str, settings: &Settings) -> Result<Self, Problem> {
        let mut file = open_seekable(path)?;
        let (format, sep, notice) = detect(&file, settings)?;
        file.seek(SeekFrom::Start(0))?;
        let mut reader = Self {
            name: name.to_owned(),
            format,
            header: Header::of_list(),
            notices: notice.into_iter().collect(),
            records: Records::new(Text::new(file, format.encoding), format.delimiter),
            rows: 0,
            blank: Lines::default(),
            control: Lines::default(),
            replacement: Lines::default(),
            done: false,
        };
        if sep {
            reader.next_record()?;
        }
        Ok(reader)
    }

    fn read_header(&mut self, wanted: Option<&str>) -> Result<(), Problem> {
        let record = loop {
            match self.next_record()? {
                None => return Err(Problem::Empty),
                Some(record) if record.is_blank() => {}
                Some(record) => break record,
            }
        };
        self.look_at(&record);
        let line = record.line;
        let nul = nul(&record.cells).map(|i| RowFault::Nul {
            column: i + 1,
            name: String::new(),
        });
        if let Some(fault) = record.fault.or(nul) {
            return Err(Problem::Header { line, fault });
        }
        self.header = Header::new(&record.cells, line, wanted)?;
        self.notices.extend(self.header.notices());
        Ok(())
    }

    /// The columns.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The encoding and the delimiter.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The blank rows met so far: those without text in any cell, and empty lines, after the header.
    pub fn blank(&self) -> &Lines {
        &self.blank
    }

    /// What is odd in what was read so far; complete after the last row.
    pub fn warnings(&self) -> Vec<Warning> {
        let control = Notice::ControlCharacters(self.control.clone());
        let replacement = Notice::ReplacementCharacters(self.replacement.clone());
        let met = [(control, &self.control), (replacement, &self.replacement)];
        let met = met
            .into_iter()
            .filter(|(_, lines)| lines.count > 0)
            .map(|(notice, _)| notice);
        let all = self.notices.iter().cloned().chain(met);
        all.map(|notice| Warning {
            file: self.name.clone(),
            notice,
        })
        .collect()
    }

    fn next_record(&mut self) -> Result<Option<Record>, Problem> {
        self.records
            .next()
            .map_err(|error| problem(error, self.format))
    }

    fn next_row(&mut self) -> Result<Option<Row>, Problem> {
        loop {
            match self.next_record()? {
                None => return Ok(None),
                Some(record) if record.is_blank() => self.blank.add(record.line),
                Some(record) => return self.row(record).map(Some),
            }
        }
    }

    fn row(&mut self, record: Record) -> Result<Row, Problem> {
        let line = record.line;
        self.rows = self
            .rows
            .checked_add(1)
            .ok_or(Problem::TooManyRows { line })?;
        self.look_at(&record);
        let recipient = self.recipient(&record);
        let cells = match nul(&record.cells) {
            Some(_) => without_nul(&record.cells),
            None => record.cells,
        };
        Ok(Row {
            number: self.rows,
            line,
            cells,
            recipient,
        })
    }

    /// Counts the rows with characters that are a sign of lost or wrongly decoded text.
    fn look_at(&mut self, record: &Record) {
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

    fn recipient(&self, record: &Record) -> Result<Mailbox, RowFault> {
        if let Some(fault) = &record.fault {
            return Err(fault.clone());
        }
        if let Some(place) = nul(&record.cells) {
            let name = self
                .header
                .columns()
                .get(place)
                .cloned()
                .unwrap_or_default();
            return Err(RowFault::Nul {
                column: place + 1,
                name,
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

impl Iterator for Reader {
    type Item = Result<Row, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let row = self.next_row();
        self.done = !matches!(row, Ok(Some(_)));
        row.map_err(|problem| ReadError {
            file: self.name.clone(),
            problem,
        })
        .transpose()
    }
}

/// Opens a file that can be read from its start again and again.
fn open_seekable(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Ok(spool(file)?.into_file())
}

/// How a file is to be read, whether its first line is `sep=`, and what to tell of the encoding.
fn detect(file: &File, settings: &Settings) -> Result<(Format, bool, Option<Notice>), Problem> {
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
        Format {
            encoding,
            delimiter,
        },
        sep.is_some(),
        notice,
    ))
}

/// Tells the user's side of an error of the records.
fn problem(error: RecordError, format: Format) -> Problem {
    match error {
        RecordError::UnclosedQuote { opened } => Problem::UnclosedQuote { line: opened },
        RecordError::TooLong { line } => Problem::TooLong { line },
        RecordError::Text {
            error: TextError::Io(error),
            ..
        } => Problem::Io(error),
        RecordError::Text {
            error: TextError::Undecodable(offset),
            line,
        } => Problem::Undecodable {
            encoding: format.encoding,
            line,
            offset,
            maybe: None,
        },
    }
}

/// The place of the first cell with a NUL.
fn nul(cells: &StringRecord) -> Option<usize> {
    if !cells.as_slice().contains('\0') {
        return None;
    }
    cells.iter().position(|cell| cell.contains('\0'))
}

/// The cells with each NUL shown as the symbol for it, so that none gets into a file or a request.
fn without_nul(cells: &StringRecord) -> StringRecord {
    cells
        .iter()
        .map(|cell| cell.replace('\0', "\u{2400}"))
        .collect::<Vec<_>>()
        .into()
}
