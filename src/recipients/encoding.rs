//! Detects the encoding of a file.
//!
//! In this order: a byte order mark; the user's setting; UTF-16, if every other byte of the first line is
//! NUL; UTF-8, if the whole file is valid; a legacy encoding, if there is enough evidence. Otherwise an
//! error names the line and the byte.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::decode::{TextDecoder, TextError};
use super::error::Problem;
use super::legacy_encoding::{self, LegacyGuess};
use super::notice::Notice;
use crate::text_encoding::likely;

/// The encoding, and a notice for the user.
pub(super) type DetectedEncoding = (&'static Encoding, Option<Notice>);

/// Reads the whole file unless a byte order mark or the user names the encoding.
pub(super) fn detect(
    mut file: &File,
    set: Option<&'static Encoding>,
) -> Result<DetectedEncoding, Problem> {
    file.seek(SeekFrom::Start(0))?;
    let mut head = Vec::new();
    file.take(1024).read_to_end(&mut head)?;
    if let Some(kind) = not_text(&head) {
        return Err(Problem::NotText(kind));
    }
    if let Some((mark, _)) = Encoding::for_bom(&head) {
        let set = set.filter(|set| *set != mark);
        return Ok((mark, set.map(|set| Notice::EncodingOverruled { mark, set })));
    }
    if let Some(encoding) = set.or_else(|| utf16_by_nuls(&head)) {
        return Ok((encoding, None));
    }
    match first_undecodable(file, UTF_8)? {
        None => Ok((UTF_8, None)),
        Some(offset) => guess(file, offset),
    }
}

/// A kind of file that people mistake for CSV, by its first bytes.
fn not_text(head: &[u8]) -> Option<&'static str> {
    const KINDS: [(&[u8], &str); 4] = [
        (b"\x1f\x8b", "a gzip archive"),
        (b"%PDF", "a PDF document"),
        (b"<?xml", "an XML file"),
        (b"\xff\xfe\0\0", "text in UTF-32"),
    ];
    KINDS
        .iter()
        .find(|(magic, _)| head.starts_with(magic))
        .map(|(_, kind)| *kind)
}

/// UTF-16 without a byte order mark: ASCII characters in the first line have NULs beside them.
fn utf16_by_nuls(head: &[u8]) -> Option<&'static Encoding> {
    let pairs = || {
        head.chunks_exact(2)
            .take_while(|pair| !matches!(pair, [b'\n', 0] | [0, b'\n']))
    };
    let is_mostly_nul =
        |byte: usize| pairs().filter(|pair| pair[byte] == 0).count() * 2 > pairs().count();
    match (is_mostly_nul(0), is_mostly_nul(1)) {
        (true, false) => Some(UTF_16BE),
        (false, true) => Some(UTF_16LE),
        _ => None,
    }
}

fn first_undecodable(mut file: &File, encoding: &'static Encoding) -> io::Result<Option<u64>> {
    file.seek(SeekFrom::Start(0))?;
    let mut text = TextDecoder::new(file, encoding);
    let mut decoded = String::new();
    loop {
        decoded.clear();
        match text.read_into(&mut decoded) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(TextError::Undecodable { offset, .. }) => return Ok(Some(offset)),
            Err(TextError::Io(error)) => return Err(error),
        }
    }
}

fn guess(file: &File, offset: u64) -> Result<DetectedEncoding, Problem> {
    match legacy_encoding::guess(file)? {
        LegacyGuess::Guess {
            encoding,
            sample,
            alternatives,
        } => {
            let notice = Notice::GuessedEncoding {
                encoding,
                sample,
                alternatives,
            };
            Ok((encoding, Some(notice)))
        }
        LegacyGuess::Unclear { maybe } => {
            let line = line_of(file, offset)?;
            let maybe = match maybe {
                Some(maybe) => Some(maybe),
                None => east_asian(file)?,
            };
            Err(Problem::Undecodable {
                encoding: UTF_8,
                line,
                offset,
                maybe,
            })
        }
    }
}

/// The encoding with several bytes per character in which the file probably is.
fn east_asian(mut file: &File) -> io::Result<Option<&'static Encoding>> {
    file.seek(SeekFrom::Start(0))?;
    let mut head = Vec::new();
    file.take(64 * 1024).read_to_end(&mut head)?;
    // Only whole lines, because a character must not be cut.
    if let Some(end) = head.iter().rposition(|byte| *byte == b'\n') {
        head.truncate(end);
    }
    Ok(likely(&head).filter(|encoding| !encoding.is_single_byte()))
}

/// The physical line of a byte, in an encoding that extends ASCII.
fn line_of(mut file: &File, offset: u64) -> io::Result<u64> {
    file.seek(SeekFrom::Start(0))?;
    let (mut line, mut after_cr) = (1, false);
    for byte in io::BufReader::new(file).take(offset).bytes() {
        let byte = byte?;
        line += u64::from(byte == b'\r' || (byte == b'\n' && !after_cr));
        after_cr = byte == b'\r';
    }
    Ok(line)
}
