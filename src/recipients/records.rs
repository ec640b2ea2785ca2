//! The records of a text, blank ones too, each with its physical line.

use std::io::Read;

use csv::StringRecord;
use csv_core::ReadRecordResult;

use super::error::RowFault;
use super::scan::{Found, Scanner};
use super::text::{Text, TextError};

/// The longest record, in octets of UTF-8: what a quote that is never closed may swallow before
/// it is noticed. A message may have 15 MB.
const LONGEST: usize = 16 * 1024 * 1024;

/// One record, its cells unquoted and otherwise as they stand.
#[derive(Debug)]
pub(crate) struct Record {
    /// The physical line that it starts in, from 1.
    pub(crate) line: u64,
    /// Its cells; none for an empty line.
    pub(crate) cells: StringRecord,
    /// What is wrong with its quotes.
    pub(crate) fault: Option<RowFault>,
}

impl Record {
    /// Whether there is no text in any cell.
    pub(crate) fn is_blank(&self) -> bool {
        self.cells.iter().all(|cell| cell.trim().is_empty())
    }
}

/// Why there are no more records; the line is the physical one.
#[derive(Debug)]
pub(crate) enum RecordError {
    Text { error: TextError, line: u64 },
    UnclosedQuote { opened: u64 },
    TooLong { line: u64 },
}

/// Cuts a text into records; holds no more than one chunk and one record.
pub(crate) struct Records<R> {
    text: Text<R>,
    buffer: String,
    /// What of the buffer is used up.
    used: usize,
    scanner: Scanner,
    splitter: Splitter,
    /// How the text ended; what was decoded before it is handed out first.
    end: Option<Result<(), TextError>>,
}

impl<R: Read> Records<R> {
    pub(crate) fn new(text: Text<R>, delimiter: u8) -> Self {
        Self {
            text,
            buffer: String::new(),
            used: 0,
            scanner: Scanner::new(delimiter),
            splitter: Splitter::new(delimiter),
            end: None,
        }
    }

    /// The next record; `None` at the end of the text. Not to be called again after an error.
    pub(crate) fn next(&mut self) -> Result<Option<Record>, RecordError> {
        let found = loop {
            if let Some(found) = self.scanner.advance(&self.buffer[self.used..]) {
                break found;
            }
            if let Some(end) = self.end.take() {
                self.end = Some(Ok(()));
                match self.last(end)? {
                    Some(found) => break found,
                    None => return Ok(None),
                }
            }
            self.fill()?;
        };
        Ok(Some(self.record(found)))
    }

    fn last(&mut self, end: Result<(), TextError>) -> Result<Option<Found>, RecordError> {
        let line = self.scanner.line();
        end.map_err(|error| RecordError::Text { error, line })?;
        if let Some(opened) = self.scanner.open_quote() {
            self.used = self.buffer.len();
            return Err(RecordError::UnclosedQuote { opened });
        }
        Ok(self.scanner.finish())
    }

    fn fill(&mut self) -> Result<(), RecordError> {
        self.buffer.drain(..self.used);
        self.used = 0;
        if self.buffer.len() > LONGEST {
            self.end = Some(Ok(()));
            return Err(match self.scanner.open_quote() {
                Some(opened) => RecordError::UnclosedQuote { opened },
                None => RecordError::TooLong {
                    line: self.scanner.line(),
                },
            });
        }
        match self.text.read_into(&mut self.buffer) {
            Ok(true) => {}
            Ok(false) => self.end = Some(Ok(())),
            Err(error) => self.end = Some(Err(error)),
        }
        Ok(())
    }

    fn record(&mut self, found: Found) -> Record {
        let raw = &self.buffer[self.used..][found.record];
        self.used += found.next;
        let cells = match raw {
            "" => StringRecord::new(),
            _ => self.splitter.split(raw),
        };
        Record {
            line: found.line,
            cells,
            fault: found.fault,
        }
    }
}

/// Splits the text of one record into cells.
struct Splitter {
    csv: csv_core::Reader,
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Splitter {
    fn new(delimiter: u8) -> Self {
        Self {
            csv: csv_core::ReaderBuilder::new().delimiter(delimiter).build(),
            text: Vec::new(),
            ends: vec![0; 32],
        }
    }

    fn split(&mut self, raw: &str) -> StringRecord {
        self.text.resize(raw.len() + 1, 0);
        let (mut input, mut written, mut cells) = (raw.as_bytes(), 0, 0);
        loop {
            let (text, ends) = (&mut self.text[written..], &mut self.ends[cells..]);
            let (state, read, more_text, more_ends) = self.csv.read_record(input, text, ends);
            input = &input[read..];
            written += more_text;
            cells += more_ends;
            match state {
                // An empty input then tells the splitter that the record ends here, even in quotes.
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.text.resize(self.text.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record | ReadRecordResult::End => break,
            }
        }
        self.cells(written, cells)
    }

    fn cells(&self, written: usize, cells: usize) -> StringRecord {
        // Only ASCII was taken out of text, so this is text, and nothing is replaced.
        let text = String::from_utf8_lossy(&self.text[..written]);
        let mut record = StringRecord::with_capacity(written, cells);
        let mut start = 0;
        for &end in &self.ends[..cells] {
            record.push_field(&text[start..end]);
            start = end;
        }
        record
    }
}
