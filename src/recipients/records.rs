//! Splits decoded text into records, including blank ones, each with its physical line.

use std::io::Read;

use csv::StringRecord;
use csv_core::ReadRecordResult;

use super::decode::{TextDecoder, TextError};
use super::error::Problem;
use super::record::Record;
use super::record_scanner::{QuoteFault, RecordScanner, RecordSpan};
use super::row_fault::RowFault;

/// The longest record, in bytes of UTF-8, so that an unclosed quote can't fill the memory. A message may
/// have 15 MB.
const MAX_RECORD: usize = 16 * 1024 * 1024;

/// Holds at most one chunk of text and one record.
pub(super) struct Records<R> {
    text: TextDecoder<R>,
    buffer: String,
    /// How much of the buffer has been returned.
    used: usize,
    scanner: RecordScanner,
    splitter: Splitter,
    /// How the text ended. The text before an error is returned first.
    end: Option<Result<(), TextError>>,
}

impl<R: Read> Records<R> {
    pub(super) fn new(text: TextDecoder<R>, delimiter: u8) -> Self {
        Self {
            text,
            buffer: String::new(),
            used: 0,
            scanner: RecordScanner::new(delimiter),
            splitter: Splitter::new(delimiter),
            end: None,
        }
    }

    /// The next record; `None` at the end. Must not be called again after an error.
    pub(super) fn next(&mut self) -> Result<Option<Record>, Problem> {
        let span = loop {
            if let Some(span) = self.scanner.advance(&self.buffer[self.used..]) {
                break span;
            }
            if let Some(end) = self.end.take() {
                self.end = Some(Ok(()));
                match self.last(end)? {
                    Some(span) => break span,
                    None => return Ok(None),
                }
            }
            self.fill()?;
        };
        self.record(span).map(Some)
    }

    fn last(&mut self, end: Result<(), TextError>) -> Result<Option<RecordSpan>, Problem> {
        let line = self.scanner.line();
        end.map_err(|error| match error {
            TextError::Io(error) => Problem::Io(error),
            TextError::Undecodable { encoding, offset } => Problem::Undecodable {
                encoding,
                line,
                offset,
                maybe: None,
            },
        })?;
        if let Some(line) = self.scanner.open_quote() {
            self.used = self.buffer.len();
            return Err(Problem::UnclosedQuote { line });
        }
        Ok(self.scanner.finish())
    }

    fn fill(&mut self) -> Result<(), Problem> {
        self.buffer.drain(..self.used);
        self.used = 0;
        if self.buffer.len() > MAX_RECORD {
            self.end = Some(Ok(()));
            return Err(match self.scanner.open_quote() {
                Some(line) => Problem::UnclosedQuote { line },
                None => Problem::TooLong {
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

    fn record(&mut self, span: RecordSpan) -> Result<Record, Problem> {
        let fault = span.fault.as_ref().map(row_fault).transpose()?;
        let raw = &self.buffer[self.used..][span.record];
        self.used += span.next;
        let cells = match raw {
            "" => StringRecord::new(),
            _ => self.splitter.split(raw),
        };
        Ok(Record {
            line: span.line,
            cells,
            fault,
            has_padded_quote: span.has_padded_quote,
            ..Record::default()
        })
    }
}

/// The fault of one row; or a problem of the whole file if the cell has several lines, because these may
/// be other rows.
fn row_fault(fault: &QuoteFault) -> Result<RowFault, Problem> {
    let QuoteFault {
        opened,
        line,
        column,
    } = *fault;
    if opened < line {
        return Err(Problem::QuoteClosedInText {
            line: opened,
            closed: line,
        });
    }
    Ok(RowFault::TextAfterQuote { line, column })
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
                // The next call, with empty input, ends the record, even inside quotes.
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.text.resize(self.text.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record | ReadRecordResult::End => break,
            }
        }
        self.cells(written, cells)
    }

    fn cells(&self, written: usize, cells: usize) -> StringRecord {
        // Valid UTF-8, because csv_core removes only ASCII bytes from valid UTF-8.
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
