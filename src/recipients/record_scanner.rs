//! Finds the end of each CSV record (RFC 4180), its physical line, and mistakes in its quotes, which the
//! csv crate would hide.
//!
//! A record ends at LF, CRLF or a lone CR outside quotes. A quote starts a quoted cell only as the first
//! character of the cell; anywhere else in an unquoted cell it is text.

use std::ops::Range;

use super::padding::trimmed;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ScanState {
    /// Before the first character of a cell.
    Start,
    Unquoted,
    Quoted,
    /// After a quote in a quoted cell: the end of the cell, or the first of two quotes.
    QuoteInQuoted,
    /// After text that follows a closing quote: everything is text up to the next line break.
    Broken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ByteClass {
    Text,
    Delimiter,
    Quote,
    Cr,
    Lf,
}

/// Text between a closing quote and the next delimiter. Lines are physical, and count from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct QuoteFault {
    /// Where the cell starts.
    pub(super) opened: u64,
    /// Where the text is.
    pub(super) line: u64,
    /// In characters, from 1.
    pub(super) column: usize,
}

/// Where a record is in the text that was scanned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RecordSpan {
    /// Without the line end.
    pub(super) record: Range<usize>,
    /// Where the next record starts.
    pub(super) next: usize,
    /// The physical line where the record starts.
    pub(super) line: u64,
    /// The first mistake in its quotes.
    pub(super) fault: Option<QuoteFault>,
    /// White space is in front of a quote, which therefore does not start a quoted cell.
    pub(super) has_padded_quote: bool,
}

/// Scans text that arrives in chunks.
#[derive(Debug)]
pub(super) struct RecordScanner {
    classes: [ByteClass; 256],
    state: ScanState,
    /// The current position, and where the record and the physical line start, in the given text.
    at: usize,
    start: usize,
    line_start: usize,
    /// The physical lines of the position, of the record's start and of the last opening quote, from 1.
    line: u64,
    record_line: u64,
    opened: u64,
    /// After a CR, an LF belongs to the same line end.
    after_cr: bool,
    fault: Option<QuoteFault>,
    /// Where the current unquoted cell starts, in the given text.
    cell_start: usize,
    has_padded_quote: bool,
}

impl RecordScanner {
    pub(super) fn new(delimiter: u8) -> Self {
        let mut classes = [ByteClass::Text; 256];
        classes[usize::from(delimiter)] = ByteClass::Delimiter;
        classes[usize::from(b'"')] = ByteClass::Quote;
        classes[usize::from(b'\r')] = ByteClass::Cr;
        classes[usize::from(b'\n')] = ByteClass::Lf;
        Self {
            classes,
            state: ScanState::Start,
            at: 0,
            start: 0,
            line_start: 0,
            line: 1,
            record_line: 1,
            opened: 1,
            after_cr: false,
            fault: None,
            cell_start: 0,
            has_padded_quote: false,
        }
    }

    /// The current physical line.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// The line of the opening quote, inside a quoted cell.
    pub(super) fn open_quote(&self) -> Option<u64> {
        (self.state == ScanState::Quoted).then_some(self.opened)
    }

    /// Looks for the end of the record at the start of `text`, from where the last call stopped.
    ///
    /// After `None`, call it again with more text appended. After a record, call it with the text from
    /// [`RecordSpan::next`] on.
    pub(super) fn advance(&mut self, text: &str) -> Option<RecordSpan> {
        while let Some(&byte) = text.as_bytes().get(self.at) {
            let class = self.classes[usize::from(byte)];
            let line_end = matches!(class, ByteClass::Cr | ByteClass::Lf);
            if line_end && self.state != ScanState::Quoted {
                if class == ByteClass::Lf && self.after_cr && self.at == 0 {
                    self.start = 1;
                    self.at = 1;
                    self.line_start = 1;
                    self.after_cr = false;
                    continue;
                }
                let record = self.start..self.at;
                self.at += 1;
                self.break_line(class);
                return Some(self.end_record(record));
            }
            self.at += 1;
            if line_end {
                self.break_line(class);
            } else {
                self.after_cr = false;
                self.step(class, text);
            }
        }
        None
    }

    /// The last record, without a line end; `None` if there is no more text.
    pub(super) fn finish(&mut self) -> Option<RecordSpan> {
        (self.at > self.start).then(|| self.end_record(self.start..self.at))
    }

    fn break_line(&mut self, class: ByteClass) {
        if !(class == ByteClass::Lf && self.after_cr) {
            self.line += 1;
        }
        self.after_cr = class == ByteClass::Cr;
        self.line_start = self.at;
    }

    fn step(&mut self, class: ByteClass, text: &str) {
        self.state = match (self.state, class) {
            (ScanState::Broken, _) => ScanState::Broken,
            (ScanState::Quoted, ByteClass::Quote) => ScanState::QuoteInQuoted,
            (ScanState::Quoted, _) | (ScanState::QuoteInQuoted, ByteClass::Quote) => {
                ScanState::Quoted
            }
            (_, ByteClass::Delimiter) => ScanState::Start,
            (ScanState::Start, ByteClass::Quote) => {
                self.opened = self.line;
                ScanState::Quoted
            }
            (ScanState::Start, _) => {
                self.cell_start = self.at - 1;
                ScanState::Unquoted
            }
            (ScanState::Unquoted, ByteClass::Quote) => {
                let before = text.get(self.cell_start..self.at - 1);
                self.has_padded_quote |= before.is_some_and(|it| trimmed(it).is_empty());
                ScanState::Unquoted
            }
            (ScanState::Unquoted, _) => ScanState::Unquoted,
            (ScanState::QuoteInQuoted, _) => {
                let before = text.get(self.line_start..self.at - 1).unwrap_or_default();
                self.fault = Some(QuoteFault {
                    opened: self.opened,
                    line: self.line,
                    column: before.chars().count() + 1,
                });
                ScanState::Broken
            }
        };
    }

    fn end_record(&mut self, record: Range<usize>) -> RecordSpan {
        let span = RecordSpan {
            record,
            next: self.at,
            line: self.record_line,
            fault: self.fault.take(),
            has_padded_quote: std::mem::take(&mut self.has_padded_quote),
        };
        self.state = ScanState::Start;
        self.at = 0;
        self.start = 0;
        self.line_start = 0;
        self.record_line = self.line;
        span
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records with their lines, from text in chunks of `size` characters.
    fn scan(text: &str, size: usize) -> (Vec<(u64, String)>, RecordScanner) {
        let mut scanner = RecordScanner::new(b',');
        let (mut rest, mut records) = (String::new(), Vec::new());
        let mut coming = text.chars();
        loop {
            while let Some(span) = scanner.advance(&rest) {
                records.push((span.line, rest[span.record].to_owned()));
                rest.drain(..span.next);
            }
            let chunk: String = coming.by_ref().take(size).collect();
            if chunk.is_empty() {
                break;
            }
            rest.push_str(&chunk);
        }
        if scanner.open_quote().is_none()
            && let Some(span) = scanner.finish()
        {
            records.push((span.line, rest[span.record].to_owned()));
        }
        (records, scanner)
    }

    #[track_caller]
    fn check(text: &str, expected: &[(u64, &str)]) {
        for size in 1..=text.len() + 1 {
            let (records, _) = scan(text, size);
            let records: Vec<_> = records.iter().map(|(l, r)| (*l, r.as_str())).collect();
            assert_eq!(records, expected, "in chunks of {size}");
        }
    }

    #[test]
    fn every_line_end_ends_one_record() {
        check("a\nb\r\nc\rd", &[(1, "a"), (2, "b"), (3, "c"), (4, "d")]);
        check(
            "a\n\r\n\r\rb\n",
            &[(1, "a"), (2, ""), (3, ""), (4, ""), (5, "b")],
        );
    }

    #[test]
    fn line_breaks_in_quotes_belong_to_the_record_and_are_counted() {
        check(
            "x,\"1\n2\r\n3\r4\"\r\ny\n",
            &[(1, "x,\"1\n2\r\n3\r4\""), (5, "y")],
        );
        check("\"\r\"\n\nz", &[(1, "\"\r\""), (3, ""), (4, "z")]);
    }

    #[test]
    fn a_quote_inside_an_unquoted_cell_is_text() {
        check("a\"b\nc,d\"\ne", &[(1, "a\"b"), (2, "c,d\""), (3, "e")]);
    }

    #[test]
    fn doubled_quotes_do_not_close_a_cell() {
        check(
            "\"a\"\"\nb\",\"\"\nc",
            &[(1, "\"a\"\"\nb\",\"\""), (3, "c")],
        );
    }

    #[test]
    fn text_after_a_closing_quote_is_a_fault_with_its_place() {
        let mut scanner = RecordScanner::new(b',');
        let text = "ok\n\"ż\n1\",é,\"b\" c,\"d\nnext\n";
        let first = scanner.advance(text).expect("a record");
        let second = scanner.advance(&text[first.next..]).expect("a record");
        assert_eq!(
            second.fault,
            Some(QuoteFault {
                opened: 3,
                line: 3,
                column: 9
            })
        );
        assert_eq!(second.line, 2);
        let rest = &text[first.next + second.next..];
        let third = scanner.advance(rest).expect("a record");
        assert_eq!(
            (third.line, &rest[third.record], third.fault),
            (4, "next", None)
        );
    }

    #[test]
    fn an_unclosed_quote_has_its_line() {
        let (records, scanner) = scan("a\nb,\"c\nd\n", 3);
        assert_eq!(records, [(1, "a".to_owned())]);
        assert_eq!(scanner.open_quote(), Some(2));
        assert_eq!(scanner.line(), 4);
    }
}
