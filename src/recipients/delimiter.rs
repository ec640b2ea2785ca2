//! Detects the delimiter.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};

use encoding_rs::Encoding;

use super::ReadSettings;
use super::decode::TextDecoder;
use super::header::{HEADER_LINES, HeaderPlace, find_header, has_address_column};
use super::record::Record;
use super::records::Records;

/// The likeliest first.
pub(super) const CANDIDATES: [u8; 4] = [b',', b';', b'\t', b'|'];

/// How many records are compared.
const SAMPLE: usize = 100;

/// Whether a character may be a delimiter: ASCII, and not needed in cells or line ends.
pub(super) fn is_possible(delimiter: u8) -> bool {
    let punctuation = delimiter.is_ascii_punctuation() && !b"\"@.".contains(&delimiter);
    punctuation || matches!(delimiter, b'\t' | b' ' | 0x1c..=0x1f)
}

/// The delimiter from a first line such as `sep=;`, which Excel writes.
pub(super) fn sep_line(mut file: &File, encoding: &'static Encoding) -> io::Result<Option<u8>> {
    file.seek(SeekFrom::Start(0))?;
    let mut text = TextDecoder::new(file, encoding);
    let mut start = String::new();
    // Decoding errors are reported when the records are read.
    while start.len() < 16 && matches!(text.read_into(&mut start), Ok(true)) {}
    let line = start.split(['\r', '\n']).next().unwrap_or_default();
    let line = line
        .strip_prefix('"')
        .and_then(|l| l.strip_suffix('"'))
        .unwrap_or(line);
    Ok(match line.as_bytes() {
        [name @ .., delimiter] if name.eq_ignore_ascii_case(b"sep=") => {
            Some(*delimiter).filter(|d| is_possible(*d))
        }
        _ => None,
    })
}

/// The delimiter that fits best: the header should have the address column, and the first records should
/// have as many cells as the header. A title may be above the header.
pub(super) fn find(
    mut file: &File,
    encoding: &'static Encoding,
    settings: &ReadSettings,
) -> io::Result<u8> {
    let mut best = (CANDIDATES[0], DelimiterFit::default());
    for delimiter in CANDIDATES {
        file.seek(SeekFrom::Start(0))?;
        let fit = fit(
            Records::new(TextDecoder::new(file, encoding), delimiter),
            settings,
        );
        if fit > best.1 {
            best = (delimiter, fit);
        }
    }
    Ok(best.0)
}

/// How well a delimiter fits; the most important criterion first.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct DelimiterFit {
    has_address: bool,
    has_several_columns: bool,
    /// Records with as many cells as the header, in thousandths.
    same_length: usize,
    columns: usize,
}

fn fit(mut records: Records<&File>, settings: &ReadSettings) -> DelimiterFit {
    let first_line = settings.header_row.unwrap_or(0);
    // Errors are reported when the records are read again.
    let rows = std::iter::from_fn(|| records.next().ok().flatten());
    let rows: Vec<Record> = rows
        .filter(|record| record.line >= first_line && !record.is_blank())
        .take(SAMPLE)
        .collect();
    let email = settings.email.as_deref();
    let header = match find_header(&rows[..rows.len().min(HEADER_LINES)], email) {
        HeaderPlace::BelowTitle(index) if settings.header_row.is_none() => index,
        _ => 0,
    };
    let Some((header, rows)) = rows.get(header..).and_then(<[Record]>::split_first) else {
        return DelimiterFit::default();
    };
    let columns = header.cells.len();
    let is_same = |row: &&Record| row.fault.is_none() && row.cells.len() == columns;
    DelimiterFit {
        has_address: has_address_column(&header.cells, email),
        has_several_columns: columns > 1,
        same_length: (rows.iter().filter(is_same).count() + 1) * 1000 / (rows.len() + 1),
        columns,
    }
}
