//! Which character parts the cells.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};

use encoding_rs::Encoding;

use super::header::{address_columns, names};
use super::records::Records;
use super::text::Text;

/// What is tried, the likelier first.
const CANDIDATES: [u8; 4] = [b',', b';', b'\t', b'|'];

/// How many records are looked at.
const LOOKED_AT: usize = 100;

/// Whether a character may be a delimiter: ASCII, and nothing that cells or line ends need.
pub(crate) fn is_possible(delimiter: u8) -> bool {
    let punctuation = delimiter.is_ascii_punctuation() && !b"\"@.".contains(&delimiter);
    punctuation || matches!(delimiter, b'\t' | b' ' | 0x1c..=0x1f)
}

/// What a first line `sep=;` says, as Excel writes and reads it.
pub(crate) fn sep_line(mut file: &File, encoding: &'static Encoding) -> io::Result<Option<u8>> {
    file.seek(SeekFrom::Start(0))?;
    let mut text = Text::new(file, encoding);
    let mut start = String::new();
    // What can't be decoded is told when the records are read.
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

/// The delimiter under which the header has the address column, and then the one under which most
/// of the first records are as long as the header.
pub(crate) fn find(
    mut file: &File,
    encoding: &'static Encoding,
    wanted: Option<&str>,
) -> io::Result<u8> {
    let mut best = (CANDIDATES[0], Fit::default());
    for delimiter in CANDIDATES {
        file.seek(SeekFrom::Start(0))?;
        let fit = fit(Records::new(Text::new(file, encoding), delimiter), wanted);
        if fit > best.1 {
            best = (delimiter, fit);
        }
    }
    Ok(best.0)
}

/// How well a delimiter suits a file, the weightiest first.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Fit {
    has_address: bool,
    parts: bool,
    /// Records as long as the header, in thousandths.
    even: usize,
    columns: usize,
}

fn fit(mut records: Records<&File>, wanted: Option<&str>) -> Fit {
    // A record that can't be read is told when the records are read in earnest.
    let mut rows = std::iter::from_fn(|| records.next().ok().flatten())
        .filter(|record| !record.is_blank())
        .take(LOOKED_AT);
    let Some(header) = rows.next() else {
        return Fit::default();
    };
    let columns = header.cells.len();
    let (mut even, mut all) = (1, 1);
    for row in rows {
        even += usize::from(row.fault.is_none() && row.cells.len() == columns);
        all += 1;
    }
    Fit {
        has_address: !address_columns(&names(&header.cells), wanted).is_empty(),
        parts: columns > 1,
        even: even * 1000 / all,
        columns,
    }
}
