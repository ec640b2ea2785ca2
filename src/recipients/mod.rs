//! Recipients: a CSV file as people really have it, read strictly and as a stream; and the
//! addresses that are not to be written to.
//!
//! ```text
//! file ─► encoding ─► text ─► scan ─► records ─► header ─► reader ─► rows
//!         (detect)    (decode) (lines, quotes)             (faults, addresses)
//! ```
//!
//! A fault of one row ([`RowFault`]) is handed over with that row and stops nothing. What casts
//! doubt on the file as a whole ([`ReadError`]) stops the reading. What was guessed or looks odd
//! is a [`Warning`]. Nothing is mended in silence: no character is replaced, no cell is trimmed,
//! no row is left out except blank ones, and these are counted.

mod delimiter;
mod encoding;
mod error;
mod header;
mod legacy;
mod lines;
mod reader;
mod records;
mod scan;
mod suppress;
mod text;

use std::io::{self, Read};

use encoding_rs::Encoding;
use tempfile::NamedTempFile;

pub use error::{Notice, Problem, ReadError, RowFault, Warning};
pub use header::Header;
pub use lines::Lines;
pub use reader::{Format, Reader, Row};
pub use suppress::SuppressionList;

/// What the user says of a file of recipients; what is left out is found by itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// The name of the address column. Left out, it is the one called `email` in any case, with
    /// or without hyphen, underscore and spaces (`E-Mail`).
    pub email: Option<String>,
    /// The encoding. A byte order mark wins over it. Left out, it is UTF-8, UTF-16 when NULs give
    /// that away, or a guess that a [`Notice::GuessedEncoding`] tells of.
    pub encoding: Option<&'static Encoding>,
    /// The delimiter, an ASCII character. Left out, it is what a first line `sep=;` says, or the
    /// one of comma, semicolon, tab and `|` that suits the file.
    pub delimiter: Option<u8>,
}

/// Keeps what is read once, such as standard input, in a temporary file, which can be read again.
///
/// # Errors
/// When reading or writing fails.
pub fn spool(mut source: impl Read) -> io::Result<NamedTempFile> {
    let mut file = NamedTempFile::new()?;
    io::copy(&mut source, &mut file)?;
    Ok(file)
}
