//! Reads the text of a message after DATA: removes the dots that the client added, and finds the end.
//!
//! Only CR LF ends a line. Servers that disagree about other line ends disagree about where a message
//! ends, and what follows can then pass for a message of another sender (SMTP smuggling). A text with a bare
//! CR or a bare LF is therefore refused, wherever it is.

use memchr::memchr2;

use crate::gateway::body_memory::{BodyMemory, RequestBody};

/// A message this many times too large is not read to its end.
const MAX_EXCESS: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    LineStart,
    Line,
    /// After a CR in a line.
    Cr,
    /// After a dot at the start of a line.
    Dot,
    /// After a dot and a CR.
    DotCr,
}

/// Why the rest of the text is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DataError {
    /// A CR without LF, or an LF without CR.
    BareLineBreak,
    /// The message is several times too large.
    Endless,
}

/// What was read.
#[derive(Debug)]
pub(super) enum Data {
    Text(RequestBody),
    TooLarge,
    /// The memory for messages is used up.
    NoMemory,
}

/// Reads one text.
pub(super) struct DataReader {
    position: Position,
    text: Data,
    /// The bytes of the text so far.
    size: usize,
    max_size: usize,
    line: usize,
    longest_line: usize,
    memory: BodyMemory,
}

impl DataReader {
    /// A text of more than `max_size` bytes is read, but not kept.
    pub(super) fn new(max_size: usize, memory: BodyMemory) -> Self {
        Self {
            position: Position::LineStart,
            text: Data::Text(RequestBody::default()),
            size: 0,
            max_size,
            line: 0,
            longest_line: 0,
            memory,
        }
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// The bytes of the longest line, without its end.
    pub(super) fn longest_line(&self) -> usize {
        self.longest_line
    }

    pub(super) fn finish(self) -> Data {
        self.text
    }

    /// Reads bytes. Returns how many of them belong to the text, if they contain its end.
    ///
    /// # Errors
    /// If the text cannot be read to its end.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Option<usize>, DataError> {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            match (self.position, byte) {
                (Position::LineStart, b'.') => {
                    self.position = Position::Dot;
                    at += 1;
                }
                (Position::Dot, b'\r') => {
                    self.position = Position::DotCr;
                    at += 1;
                }
                // The dot was added by the client.
                (Position::LineStart | Position::Dot, _) => self.position = Position::Line,
                (Position::DotCr, b'\n') => return Ok(Some(at + 1)),
                (Position::Cr, b'\n') => {
                    self.keep(b"\r\n")?;
                    self.longest_line = self.longest_line.max(self.line);
                    self.line = 0;
                    self.position = Position::LineStart;
                    at += 1;
                }
                (Position::Cr | Position::DotCr, _) => return Err(DataError::BareLineBreak),
                (Position::Line, _) => {
                    let rest = &bytes[at..];
                    let end = memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
                    self.keep(&rest[..end])?;
                    self.line += end;
                    at += end;
                    match rest.get(end) {
                        None => {}
                        Some(b'\r') => {
                            self.position = Position::Cr;
                            at += 1;
                        }
                        Some(_) => return Err(DataError::BareLineBreak),
                    }
                }
            }
        }
        Ok(None)
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), DataError> {
        self.size += bytes.len();
        if self.size > self.max_size {
            self.text = Data::TooLarge;
        }
        if self.size > MAX_EXCESS * self.max_size {
            return Err(DataError::Endless);
        }
        if let Data::Text(text) = &mut self.text {
            self.text = match std::mem::take(text).with(bytes, &self.memory) {
                Some(text) => Data::Text(text),
                None => Data::NoMemory,
            };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(data: Data) -> Vec<u8> {
        match data {
            Data::Text(text) => text.to_vec(),
            other => panic!("{other:?}"),
        }
    }

    /// The text and what follows its end.
    type Parts = (Vec<u8>, Vec<u8>);

    /// Reads in pieces of `step` bytes.
    fn read(bytes: &[u8], step: usize) -> Result<Option<Parts>, DataError> {
        let mut reader = DataReader::new(1000, BodyMemory::default());
        let mut read = 0;
        for piece in bytes.chunks(step) {
            if let Some(end) = reader.push(piece)? {
                return Ok(Some((text(reader.finish()), bytes[read + end..].to_vec())));
            }
            read += piece.len();
        }
        Ok(None)
    }

    #[test]
    fn added_dots_are_removed_and_the_end_is_found() {
        for (sent, expected) in [
            (&b".\r\nQUIT\r\n"[..], &b""[..]),
            (b"a\r\n.\r\nQUIT\r\n", b"a\r\n"),
            (b"..\r\n.\r\nQUIT\r\n", b".\r\n"),
            (b"...a\r\n.b\r\n.\r\nQUIT\r\n", b"..a\r\nb\r\n"),
            (b"\r\n\r\na.\r\n.\r\nQUIT\r\n", b"\r\n\r\na.\r\n"),
            (b"\xff\0\x80\r\n.\r\nQUIT\r\n", b"\xff\0\x80\r\n"),
        ] {
            for step in 1..=sent.len() {
                let (text, rest) = read(sent, step).expect("no error").expect("an end");
                assert_eq!((&text[..], &rest[..]), (expected, &b"QUIT\r\n"[..]));
            }
        }
    }

    #[test]
    fn other_line_ends_are_refused() {
        for sent in [
            &b"a\n.\nMAIL\r\n"[..],
            b"a\n.\r\nMAIL\r\n",
            b"a\r.\rMAIL\r\n",
            b"a\r\n.\nMAIL\r\n",
            b"a\r\n.\rMAIL\r\n",
            b"a\r.\r\nMAIL\r\n",
            b"a\r\r\n.\r\n",
            b"\na\r\n",
            b"\ra\r\n",
            b"a\nb\r\n",
            b"a\rb\r\n",
            b"..\n.\r\n",
        ] {
            for step in 1..=sent.len() {
                assert_eq!(
                    read(sent, step),
                    Err(DataError::BareLineBreak),
                    "{}",
                    sent.escape_ascii()
                );
            }
        }
    }

    #[test]
    fn a_text_that_is_too_large_is_read_to_its_end_but_not_kept() {
        let read = |size: usize| {
            let mut reader = DataReader::new(100, BodyMemory::default());
            let sent = [&vec![b'a'; size - 2][..], b"\r\n.\r\n"].concat();
            reader.push(&sent).map(|end| (end.is_some(), reader))
        };
        let (ended, reader) = read(100).expect("no error");
        assert!(ended);
        assert_eq!((reader.size(), reader.longest_line()), (100, 98));
        assert_eq!(text(reader.finish()).len(), 100);
        let (ended, reader) = read(101).expect("no error");
        assert!(ended && matches!(reader.finish(), Data::TooLarge));
        assert_eq!(read(401).map(|_| ()), Err(DataError::Endless));
    }
}
