//! Recipients, read from CSV files, spreadsheets and JSON files as people really have them; and suppression
//! lists.
//!
//! ```text
//! file ─► source ┬► csv_records (encoding ─► decode ─► record_scanner ─► records) ┬► header ─► reader ─► rows
//!                ├► spreadsheet ──────────────────────────────────────────────────┤
//!                └► json ─────────────────────────────────────────────────────────┘
//! ```
//!
//! Reading is strict. A fault in one row ([`RowFault`]) is returned with the row, and the next rows are
//! read. A fault that makes the whole file doubtful ([`ReadError`]) stops reading. What was guessed or
//! looks wrong is a [`Warning`]. Nothing is repaired silently: no character is replaced, and only blank
//! rows are dropped, and counted. Cells are returned as they are in the file; templates get them
//! [`trimmed`].

mod csv_records;
mod decode;
mod delimiter;
mod encoding;
mod error;
mod header;
mod json;
mod legacy_encoding;
mod line_numbers;
mod notice;
mod padding;
mod reader;
mod record;
mod record_scanner;
mod records;
mod row_fault;
mod setting_place;
mod source;
mod spreadsheet;
mod suppression_list;

use std::io::{self, Read};

use encoding_rs::Encoding;
use tempfile::NamedTempFile;

pub use csv_records::FileFormat;
pub use error::{ColumnHint, Problem, ReadError};
pub use header::CsvHeader;
pub(crate) use header::address_column;
pub use line_numbers::LineNumbers;
pub use notice::{Notice, SheetNames, Warning};
pub use padding::trimmed;
pub use reader::{RecipientReader, RecipientRow};
pub use row_fault::RowFault;
pub use suppression_list::{SuppressionList, read_addresses};

/// The most columns, as many as a sheet has in Excel.
const MAX_COLUMNS: usize = 16_384;

/// The default name of the address column.
const ADDRESS_COLUMN: &str = "email";

/// How to read a file of recipients. What is not set is detected.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReadSettings {
    /// The name of the address column. By default the one called `email`, in any case and with or
    /// without hyphens, underscores and spaces (`E-Mail`).
    pub email: Option<String>,
    /// The encoding. A byte order mark overrides it. By default UTF-8; UTF-16 if there are NULs; or a
    /// guess, reported as [`Notice::GuessedEncoding`].
    pub encoding: Option<&'static Encoding>,
    /// An ASCII character. By default what a first line `sep=;` says, or the best match of comma,
    /// semicolon, tab and `|`.
    pub delimiter: Option<u8>,
    /// Templates get cells with the white space around them.
    pub keep_padding: bool,
    /// The name of the sheet. By default the first visible one.
    pub sheet: Option<String>,
    /// The line of the header, from 1. By default the first one that is not blank, or one below a title.
    pub header_row: Option<u64>,
    pub hidden: Option<HiddenRows>,
}

/// Whether rows that are hidden in their sheet, by hand or by a filter, are sent. By default they are skipped,
/// with a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HiddenRows {
    Skip,
    Send,
}

/// Copies a source that can be read only once, such as standard input, to a temporary file.
///
/// # Errors
/// If reading or writing fails.
pub fn spool(mut source: impl Read) -> io::Result<NamedTempFile> {
    let mut file = NamedTempFile::new()?;
    io::copy(&mut source, &mut file)?;
    Ok(file)
}
