//! Splits the text of a JSON file into the values of its rows, without reading all of it into memory.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use memchr::{memchr, memchr3};

use super::object::is_object;
use crate::recipients::decode::{TextDecoder, TextError};
use crate::recipients::error::Problem;

/// The longest value, in bytes. A message may have 15 MB.
const MAX_VALUE: usize = 16 * 1024 * 1024;

/// The value of a row.
pub(super) struct JsonValue<'a> {
    pub(super) text: &'a str,
    /// Where it starts, from 1.
    pub(super) line: u64,
    /// In characters, from 1.
    pub(super) column: usize,
    /// It is a line of its own, so that a fault in it can't be one of other rows.
    pub(super) is_line: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Layout {
    /// A value on each line.
    Lines,
    /// Values over several lines, one after the other.
    Values,
    /// Before the first value of an array; or after a value; or after a comma.
    ArrayStart,
    ArrayValue,
    ArrayNext,
    /// After the end of an array.
    End,
}

pub(super) struct JsonText {
    decoder: TextDecoder<File>,
    buffer: String,
    /// How much of the buffer has been returned.
    used: usize,
    /// The line at `used`, from 1.
    line: u64,
    /// The characters before `used` on its line.
    column: usize,
    ended: bool,
    layout: Layout,
}

impl JsonText {
    /// UTF-8, unless there is a byte order mark, the user sets another encoding, or every other byte is NUL.
    pub(super) fn new(mut file: File, set: Option<&'static Encoding>) -> Result<Self, Problem> {
        let mut head = [0; 4];
        let read = (&file).take(4).read(&mut head)?;
        let head = &head[..read];
        let by_nul = match head {
            [0, _, ..] => Some(UTF_16BE),
            [_, 0, ..] => Some(UTF_16LE),
            _ => None,
        };
        let mark = Encoding::for_bom(head).map(|(encoding, _)| encoding);
        let encoding = mark.or(set).or(by_nul).unwrap_or(UTF_8);
        file.seek(SeekFrom::Start(0))?;
        let mut text = Self {
            decoder: TextDecoder::new(file, encoding),
            buffer: String::new(),
            used: 0,
            line: 1,
            column: 0,
            ended: false,
            layout: Layout::Values,
        };
        text.find_layout()?;
        Ok(text)
    }

    fn find_layout(&mut self) -> Result<(), Problem> {
        self.skip_white_space()?;
        if self.rest().starts_with('[') {
            self.advance(1);
            self.layout = Layout::ArrayStart;
            return Ok(());
        }
        let first = loop {
            match memchr(b'\n', self.rest().as_bytes()) {
                Some(end) => break &self.rest()[..end],
                None if self.ended => break self.rest(),
                None => self.fill()?,
            }
        };
        // An object that does not end on its line goes on below.
        if is_object(first) != Some(false) {
            self.layout = Layout::Lines;
        }
        Ok(())
    }

    /// The next value; a blank line is one too. `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<JsonValue<'_>>, Problem> {
        if self.layout == Layout::Lines {
            return self.next_line();
        }
        if !self.find_value()? {
            return Ok(None);
        }
        let mut length = ValueLength::default();
        let end = loop {
            let rest = &self.buffer[self.used..];
            match length.advance(rest.as_bytes(), self.ended) {
                Scan::End(end) => break end,
                Scan::OpenString(at) => {
                    let reason = "this text has no closing quote on its line";
                    return Err(self.problem_at(at, reason));
                }
                Scan::More if self.ended => {
                    return Err(self.problem_at(0, "this value is never closed"));
                }
                Scan::More => self.fill()?,
            }
        };
        if self.layout != Layout::Values {
            self.layout = Layout::ArrayValue;
        }
        let (start, line, column) = (self.used, self.line, self.column + 1);
        self.advance(end);
        Ok(Some(JsonValue {
            text: &self.buffer[start..start + end],
            line,
            column,
            is_line: false,
        }))
    }

    fn next_line(&mut self) -> Result<Option<JsonValue<'_>>, Problem> {
        let mut searched = 0;
        let (end, next) = loop {
            let rest = self.rest().as_bytes();
            match memchr(b'\n', &rest[searched..]) {
                Some(end) => break (searched + end, searched + end + 1),
                None if self.ended && rest.is_empty() => return Ok(None),
                None if self.ended => break (rest.len(), rest.len()),
                None => {
                    searched = rest.len();
                    self.fill()?;
                }
            }
        };
        let (start, line) = (self.used, self.line);
        self.used += next;
        self.line += 1;
        Ok(Some(JsonValue {
            text: &self.buffer[start..start + end],
            line,
            column: 1,
            is_line: true,
        }))
    }

    /// Goes to the next value. Returns false at the end.
    fn find_value(&mut self) -> Result<bool, Problem> {
        loop {
            self.skip_white_space()?;
            let next = self.rest().bytes().next();
            self.layout = match (self.layout, next) {
                (Layout::Values | Layout::End, None) => return Ok(false),
                (Layout::ArrayStart | Layout::ArrayValue, Some(b']')) => Layout::End,
                (Layout::ArrayValue, Some(b',')) => Layout::ArrayNext,
                (Layout::ArrayValue, Some(_)) => {
                    return Err(self.problem_at(0, "a comma or `]` is missing"));
                }
                (Layout::End, Some(_)) => {
                    return Err(self.problem_at(0, "there is text after the end of the list"));
                }
                (_, None) => return Err(self.problem_at(0, "the list is never closed by `]`")),
                (_, Some(b',' | b']' | b'}' | b':')) => {
                    return Err(self.problem_at(0, "a value is missing"));
                }
                (Layout::Values | Layout::ArrayStart | Layout::ArrayNext | Layout::Lines, _) => {
                    return Ok(true);
                }
            };
            self.advance(1);
        }
    }

    fn rest(&self) -> &str {
        &self.buffer[self.used..]
    }

    fn skip_white_space(&mut self) -> Result<(), Problem> {
        loop {
            let blank = self.rest().len() - self.rest().trim_ascii_start().len();
            self.advance(blank);
            if !self.rest().is_empty() || self.ended {
                return Ok(());
            }
            self.fill()?;
        }
    }

    /// Goes on by some bytes.
    fn advance(&mut self, bytes: usize) {
        let passed = &self.buffer[self.used..self.used + bytes];
        match passed.rfind('\n') {
            Some(last) => {
                self.line += passed.bytes().filter(|byte| *byte == b'\n').count() as u64;
                self.column = passed[last + 1..].chars().count();
            }
            None => self.column += passed.chars().count(),
        }
        self.used += bytes;
    }

    /// An error at some bytes from here.
    fn problem_at(&mut self, bytes: usize, reason: &str) -> Problem {
        self.advance(bytes);
        Problem::Json {
            line: self.line,
            column: self.column + 1,
            reason: reason.to_owned(),
        }
    }

    /// Reads more text.
    fn fill(&mut self) -> Result<(), Problem> {
        self.buffer.drain(..self.used);
        self.used = 0;
        if self.buffer.len() > MAX_VALUE {
            return Err(Problem::TooLong { line: self.line });
        }
        match self.decoder.read_into(&mut self.buffer) {
            Ok(more) => {
                self.ended = !more;
                Ok(())
            }
            Err(TextError::Io(error)) => Err(error.into()),
            Err(TextError::Undecodable { encoding, offset }) => Err(Problem::Undecodable {
                encoding,
                line: self.line + self.buffer.bytes().filter(|byte| *byte == b'\n').count() as u64,
                offset,
                maybe: None,
            }),
        }
    }
}

enum Scan {
    /// The value ends after these bytes.
    End(usize),
    /// More text is needed.
    More,
    /// A string that starts here has a line break before its closing quote.
    OpenString(usize),
}

/// Finds the end of a value by its brackets and quotes, in text that grows.
#[derive(Default)]
struct ValueLength {
    at: usize,
    depth: usize,
    /// Where the current string starts.
    string: Option<usize>,
}

impl ValueLength {
    fn advance(&mut self, text: &[u8], ended: bool) -> Scan {
        loop {
            let rest = &text[self.at.min(text.len())..];
            if let Some(start) = self.string {
                let Some(found) = memchr3(b'"', b'\\', b'\n', rest) else {
                    self.at = text.len();
                    return Scan::More;
                };
                match rest[found] {
                    b'"' => {
                        self.string = None;
                        self.at += found + 1;
                        if self.depth == 0 {
                            return Scan::End(self.at);
                        }
                    }
                    b'\\' => self.at += found + 2,
                    _ => return Scan::OpenString(start),
                }
                continue;
            }
            let special = |byte: &u8| {
                b"\"{}[],".contains(byte) || byte.is_ascii_whitespace() && self.depth == 0
            };
            let Some(found) = rest.iter().position(special) else {
                self.at = text.len();
                // A number or a word ends at the end of the text.
                return match ended && self.depth == 0 && self.at > 0 {
                    true => Scan::End(self.at),
                    false => Scan::More,
                };
            };
            self.at += found;
            match rest[found] {
                b'"' => {
                    self.string = Some(self.at);
                    self.at += 1;
                }
                b'{' | b'[' => {
                    self.depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    match self.depth {
                        0 => return Scan::End(self.at),
                        1 => return Scan::End(self.at + 1),
                        _ => self.depth -= 1,
                    }
                    self.at += 1;
                }
                _ if self.depth == 0 => return Scan::End(self.at),
                _ => self.at += 1,
            }
        }
    }
}
