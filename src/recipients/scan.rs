//! Where a record of a CSV file ends (RFC 4180), in which physical line it starts, and whether
//! its quotes are sound.
//!
//! A record ends at LF, CRLF or a lone CR outside quotes. A quote opens a quoted cell only as the
//! cell's first character; elsewhere in an unquoted cell it is text.

use std::ops::Range;

use super::error::RowFault;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first character of a cell.
    Start,
    /// In an unquoted cell.
    Plain,
    /// In a quoted cell.
    Quoted,
    /// Behind a quote in a quoted cell: the cell's end, or the first half of a doubled quote.
    Quote,
    /// Behind text that follows a closing quote: all is text up to the next line break.
    Broken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Text,
    Delimiter,
    Quote,
    Cr,
    Lf,
}

/// A record that was found, its place relative to the text that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// The record without its line end.
    pub(crate) record: Range<usize>,
    /// Where the next record starts.
    pub(crate) next: usize,
    /// The physical line that it starts in.
    pub(crate) line: u64,
    /// What is wrong with its quotes.
    pub(crate) fault: Option<RowFault>,
}

/// Looks for the ends of records; keeps its place when the text runs out in the middle of one.
#[derive(Debug)]
pub(crate) struct Scanner {
    classes: [Class; 256],
    state: State,
    /// Where it is, and where the record and the physical line start, in the text given.
    at: usize,
    start: usize,
    line_start: usize,
    /// The physical line, that of the record's start and that of the last opening quote, from 1.
    line: u64,
    record_line: u64,
    opened: u64,
    /// The last character was a CR: an LF now belongs to the same line end.
    after_cr: bool,
    fault: Option<RowFault>,
}

impl Scanner {
    pub(crate) fn new(delimiter: u8) -> Self {
        let mut classes = [Class::Text; 256];
        classes[usize::from(delimiter)] = Class::Delimiter;
        classes[usize::from(b'"')] = Class::Quote;
        classes[usize::from(b'\r')] = Class::Cr;
        classes[usize::from(b'\n')] = Class::Lf;
        Self {
            classes,
            state: State::Start,
            at: 0,
            start: 0,
            line_start: 0,
            line: 1,
            record_line: 1,
            opened: 1,
            after_cr: false,
            fault: None,
        }
    }

    /// The physical line that it is in.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    /// The line of the quote that is open.
    pub(crate) fn open_quote(&self) -> Option<u64> {
        (self.state == State::Quoted).then_some(self.opened)
    }

    /// Looks for the end of the record that `text` starts with, from where it stopped.
    ///
    /// `None`: it needs more text, which is to be appended. After a record the text is to start
    /// at [`Found::next`].
    pub(crate) fn advance(&mut self, text: &str) -> Option<Found> {
        while let Some(&byte) = text.as_bytes().get(self.at) {
            let class = self.classes[usize::from(byte)];
            let line_end = matches!(class, Class::Cr | Class::Lf);
            if line_end && self.state != State::Quoted {
                if class == Class::Lf && self.after_cr && self.at == 0 {
                    self.start = 1;
                    self.at = 1;
                    self.line_start = 1;
                    self.after_cr = false;
                    continue;
                }
                let record = self.start..self.at;
                self.at += 1;
                self.break_line(class);
                return Some(self.found(record));
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

    /// Takes what is left as the last record; `None` when nothing is.
    pub(crate) fn finish(&mut self) -> Option<Found> {
        (self.at > self.start).then(|| self.found(self.start..self.at))
    }

    fn break_line(&mut self, class: Class) {
        if !(class == Class::Lf && self.after_cr) {
            self.line += 1;
        }
        self.after_cr = class == Class::Cr;
        self.line_start = self.at;
    }

    fn step(&mut self, class: Class, text: &str) {
        self.state = match (self.state, class) {
            (State::Broken, _) => State::Broken,
            (State::Quoted, Class::Quote) => State::Quote,
            (State::Quoted, _) | (State::Quote, Class::Quote) => State::Quoted,
            (_, Class::Delimiter) => State::Start,
            (State::Start, Class::Quote) => {
                self.opened = self.line;
                State::Quoted
            }
            (State::Start | State::Plain, _) => State::Plain,
            (State::Quote, _) => {
                let before = text.get(self.line_start..self.at - 1).unwrap_or_default();
                self.fault = Some(RowFault::TextAfterQuote {
                    line: self.line,
                    column: before.chars().count() + 1,
                    opened: self.opened,
                });
                State::Broken
            }
        };
    }

    fn found(&mut self, record: Range<usize>) -> Found {
        let found = Found {
            record,
            next: self.at,
            line: self.record_line,
            fault: self.fault.take(),
        };
        self.state = State::Start;
        self.at = 0;
        self.start = 0;
        self.line_start = 0;
        self.record_line = self.line;
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records with their lines, the text coming in pieces of `size` characters.
    fn scan(text: &str, size: usize) -> (Vec<(u64, String)>, Scanner) {
        let mut scanner = Scanner::new(b',');
        let (mut rest, mut records) = (String::new(), Vec::new());
        let mut coming = text.chars();
        loop {
            while let Some(found) = scanner.advance(&rest) {
                records.push((found.line, rest[found.record].to_owned()));
                rest.drain(..found.next);
            }
            let piece: String = coming.by_ref().take(size).collect();
            if piece.is_empty() {
                break;
            }
            rest.push_str(&piece);
        }
        if scanner.open_quote().is_none()
            && let Some(found) = scanner.finish()
        {
            records.push((found.line, rest[found.record].to_owned()));
        }
        (records, scanner)
    }

    #[track_caller]
    fn check(text: &str, expected: &[(u64, &str)]) {
        for size in 1..=text.len() + 1 {
            let (records, _) = scan(text, size);
            let records: Vec<_> = records.iter().map(|(l, r)| (*l, r.as_str())).collect();
            assert_eq!(records, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn every_line_end_ends_a_record_once() {
        check("a\nb\r\nc\rd", &[(1, "a"), (2, "b"), (3, "c"), (4, "d")]);
        check(
            "a\n\r\n\r\rb\n",
            &[(1, "a"), (2, ""), (3, ""), (4, ""), (5, "b")],
        );
    }

    #[test]
    fn line_breaks_in_quotes_belong_to_the_record_and_count() {
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
    fn text_behind_a_closing_quote_is_a_fault_with_its_place() {
        let mut scanner = Scanner::new(b',');
        let text = "ok\n\"ż\n1\",é,\"b\" c,\"d\nnext\n";
        let first = scanner.advance(text).expect("a record");
        let second = scanner.advance(&text[first.next..]).expect("a record");
        assert_eq!(
            second.fault,
            Some(RowFault::TextAfterQuote {
                line: 3,
                column: 9,
                opened: 3
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
    fn an_open_quote_is_known_with_the_line_it_was_opened_in() {
        let (records, scanner) = scan("a\nb,\"c\nd\n", 3);
        assert_eq!(records, [(1, "a".to_owned())]);
        assert_eq!(scanner.open_quote(), Some(2));
        assert_eq!(scanner.line(), 4);
    }
}
