//! Files of recipients as people really have them. `fixtures/recipients/manifest.json` has the expected
//! result for each.

mod addresses;
mod anything;
mod delimiters;
mod encodings;
mod json;
mod manifest;
mod rows;
mod sources;
mod spreadsheets;
mod suppression;
mod workbook_parts;

use std::fs;
use std::path::{Path, PathBuf};

use encoding_rs::Encoding;
use mailrun::recipients::{
    CsvHeader, FileFormat, LineNumbers, Notice, ReadError, ReadSettings, RecipientReader,
    RecipientRow, RowFault, Warning, spool,
};
use serde_json::Value;

/// Everything in a file.
#[derive(Debug)]
struct Contents {
    header: CsvHeader,
    rows: Vec<RecipientRow>,
    blank: LineNumbers,
    warnings: Vec<Warning>,
    format: FileFormat,
}

impl Contents {
    fn cells(&self) -> Vec<Vec<&str>> {
        self.rows
            .iter()
            .map(|row| row.cells.iter().collect())
            .collect()
    }

    fn notices(&self) -> Vec<&Notice> {
        self.warnings
            .iter()
            .map(|warning| &warning.notice)
            .collect()
    }

    /// Each faulty row: its number, line and fault.
    fn faults(&self) -> Vec<(u32, u64, &RowFault)> {
        self.rows
            .iter()
            .filter_map(|row| Some((row.number, row.line, row.recipient.as_ref().err()?)))
            .collect()
    }

    fn addresses(&self) -> Vec<&str> {
        self.rows
            .iter()
            .filter_map(|row| row.recipient.as_ref().ok())
            .map(|mailbox| mailbox.address.as_str())
            .collect()
    }
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/recipients")
}

fn manifest() -> Value {
    let text = fs::read_to_string(fixtures().join("manifest.json")).expect("the manifest");
    serde_json::from_str(&text).expect("JSON")
}

fn read_path(path: &Path, name: &str, settings: &ReadSettings) -> Result<Contents, ReadError> {
    let mut reader = RecipientReader::open(path, name, settings)?;
    let rows = reader.by_ref().collect::<Result<Vec<_>, _>>()?;
    Ok(Contents {
        header: reader.header().clone(),
        rows,
        blank: reader.blank().clone(),
        warnings: reader.warnings(),
        format: reader.format().expect("CSV"),
    })
}

fn try_file(name: &str) -> Result<Contents, ReadError> {
    read_path(&fixtures().join(name), name, &ReadSettings::default())
}

#[track_caller]
fn file(name: &str) -> Contents {
    try_file(name).expect(name)
}

#[track_caller]
fn refused(name: &str) -> ReadError {
    try_file(name).expect_err(name)
}

fn try_bytes(bytes: &[u8], settings: &ReadSettings) -> Result<Contents, ReadError> {
    let spooled = spool(bytes).expect("a temporary file");
    read_path(spooled.path(), "list.csv", settings)
}

#[track_caller]
fn bytes(bytes: &[u8]) -> Contents {
    try_bytes(bytes, &ReadSettings::default()).expect("a readable file")
}

#[track_caller]
fn refused_bytes(bytes: &[u8]) -> ReadError {
    try_bytes(bytes, &ReadSettings::default()).expect_err("the file is refused")
}

fn encoded(text: &str, encoding: &'static Encoding) -> Vec<u8> {
    let (bytes, _, lossy) = encoding.encode(text);
    assert!(!lossy, "{} can encode {text}", encoding.name());
    bytes.into_owned()
}
