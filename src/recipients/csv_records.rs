//! Opens a CSV file: detects its encoding and its delimiter.

use std::fs::File;
use std::io::{Seek, SeekFrom};

use encoding_rs::Encoding;

use super::decode::TextDecoder;
use super::error::Problem;
use super::header::CsvHeader;
use super::notice::Notice;
use super::padding::trimmed;
use super::record::Record;
use super::records::Records;
use super::{ReadSettings, delimiter, encoding};
use crate::address::Mailbox;

/// As set or detected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileFormat {
    pub encoding: &'static Encoding,
    pub delimiter: u8,
}

/// The records after a `sep=` line, the format, and a notice about the encoding.
pub(super) fn open(
    mut file: File,
    settings: &ReadSettings,
) -> Result<(Records<File>, FileFormat, Option<Notice>), Problem> {
    let set = settings.delimiter;
    if let Some(set) = set.filter(|set| !delimiter::is_possible(*set)) {
        return Err(Problem::Delimiter(set));
    }
    let (encoding, notice) = encoding::detect(&file, settings.encoding)?;
    let sep = delimiter::sep_line(&file, encoding)?;
    let delimiter = match set.or(sep) {
        Some(delimiter) => delimiter,
        None => delimiter::find(&file, encoding, settings)?,
    };
    let format = FileFormat {
        encoding,
        delimiter,
    };
    file.seek(SeekFrom::Start(0))?;
    let mut records = Records::new(TextDecoder::new(file, encoding), delimiter);
    if sep.is_some() {
        records.next()?;
    }
    Ok((records, format, notice))
}

/// The line and the address of a row that is inside a quoted cell: its line has as many fields as the
/// header, with an address in the right place. A quote that is not closed makes such cells.
pub(super) fn row_in_cell(
    record: &Record,
    header: &CsvHeader,
    delimiter: u8,
) -> Option<(u64, String)> {
    let (columns, email) = (header.columns().len(), header.email());
    let is_break = ['\r', '\n'];
    if columns < 2 || !record.cells.as_slice().contains(is_break) {
        return None;
    }
    let mut line_before = record.line;
    for (index, cell) in record.cells.iter().enumerate() {
        let cell = cell.replace("\r\n", "\n");
        let lines: Vec<&str> = cell.split(is_break).collect();
        let last = lines.len() - 1;
        for (line, number) in lines.into_iter().zip(line_before..).skip(1) {
            let is_last = number - line_before == last as u64;
            // The other fields of the last line are the cells after this one.
            let expected = if is_last { index + 1 } else { columns };
            let fields: Vec<&str> = line.split(char::from(delimiter)).collect();
            let is_row = fields.len() == expected && !(is_last && index == email);
            if is_row
                && let Some(field) = fields.get(email)
                && let Ok(mailbox) = Mailbox::parse(trimmed(field).trim_matches('"'))
            {
                return Some((number, mailbox.address.to_string()));
            }
        }
        line_before += last as u64;
    }
    None
}
