//! The recipients in two temporary files: the rows, and their folded text for searches.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use jiff::Timestamp;
use tempfile::NamedTempFile;

use super::super::row_store::{NoMessage, RowStore, StoredRow};
use super::ListReader;
use crate::campaign::{Campaign, Recipients, STANDARD_INPUT, Text};
use crate::check::{of_read_error, of_warning};
use crate::finding::{Finding, Place};
use crate::recipients::{RecipientReader, RecipientRow};
use crate::run::{Exclusions, recipients_file};

/// The least bytes of a chunk.
const CHUNK: usize = 1 << 20;
/// Bytes a write.
const BUFFER: usize = 1 << 18;
/// Separates cells in the folded text.
pub(super) const CELL_SEPARATOR: u8 = 0x1f;

/// A part of the folded text; has whole rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunk {
    /// The offset in bytes.
    at: u64,
    /// In bytes.
    length: usize,
    /// The number of the first row.
    pub(super) first: u32,
}

/// Identifies what the rows were read from. If it has not changed, they need not be read again.
#[derive(Debug, Clone, PartialEq)]
struct SourceStamp {
    path: PathBuf,
    file: FileStamp,
    recipients: Recipients,
    /// `[vars]`, if rows are selected.
    vars: Vec<(Text, toml::Value)>,
    suppression_lists: Vec<(PathBuf, FileStamp)>,
}

/// The modification time and the length; `None` if the file can't be read.
type FileStamp = Option<(SystemTime, u64)>;

pub(super) struct SearchableRows {
    stamp: SourceStamp,
    /// A copy of standard input, which can be read only once.
    input: Option<Arc<NamedTempFile>>,
    /// The name of the file, for messages.
    pub(super) name: String,
    pub(super) header: Vec<String>,
    /// The index of the address column.
    pub(super) email: usize,
    /// Warnings about the recipients and the suppression lists.
    pub(super) warnings: Vec<Finding>,
    rows: RowStore,
    folded: File,
    chunks: Vec<Chunk>,
}

impl SearchableRows {
    /// Reads the recipients of a campaign, or returns `previous` if nothing has changed.
    pub(super) fn of(
        campaign: &Campaign,
        previous: Option<&Arc<Self>>,
        kept_lists: &ListReader,
        started: Timestamp,
    ) -> Result<Arc<Self>, Vec<Finding>> {
        let input = previous.and_then(|previous| previous.input.clone());
        let (path, name, input) = match input {
            Some(input) if campaign.recipients.file.is_none() => (
                input.path().to_owned(),
                STANDARD_INPUT.to_owned(),
                Some(input),
            ),
            _ => {
                let (path, name, input) = recipients_file(campaign).map_err(|error| {
                    let place = Place::default();
                    vec![Finding::error("recipients", place, error.to_string())]
                })?;
                (path, name, input.map(Arc::new))
            }
        };
        let lists = campaign.recipients.suppress.iter();
        let lists = lists.map(|list| campaign.dir.join(&list.path));
        let stamp = SourceStamp {
            file: file_stamp(&path),
            recipients: campaign.recipients.clone(),
            vars: match campaign.recipients.selection {
                Some(_) => campaign.vars.clone(),
                None => Vec::new(),
            },
            path,
            suppression_lists: lists
                .map(|list| (list.clone(), file_stamp(&list)))
                .collect(),
        };
        match previous {
            // It is not known when a kept list changes.
            Some(previous) if previous.stamp == stamp && stamp.recipients.kept_lists.is_empty() => {
                Ok(Arc::clone(previous))
            }
            _ => {
                let left_out = Exclusions::new(campaign, &campaign.dir, kept_lists(campaign)?)
                    .map_err(|error| vec![of_read_error(&error)])?;
                Self::read(stamp, name, input, |header, email| {
                    left_out.of_rows(campaign, header, email, started)
                })
                .map(Arc::new)
            }
        }
    }

    fn read(
        stamp: SourceStamp,
        name: String,
        input: Option<Arc<NamedTempFile>>,
        left_out: impl FnOnce(&[String], usize) -> Result<Exclusions, Vec<Finding>>,
    ) -> Result<Self, Vec<Finding>> {
        let reader = RecipientReader::open(&stamp.path, &name, &stamp.recipients.settings);
        let mut reader = reader.map_err(|error| vec![of_read_error(&error)])?;
        let unwritable = |error: io::Error| {
            let place = Place::file(std::env::temp_dir());
            vec![Finding::error("io", place, error.to_string())]
        };
        let email = reader.header().email();
        let left_out = left_out(reader.header().columns(), email)?;
        let mut writer = RowsWriter::new(email, left_out).map_err(unwritable)?;
        for row in reader.by_ref() {
            let row = row.map_err(|error| vec![of_read_error(&error)])?;
            writer.add(&row).map_err(unwritable)?;
        }
        let (rows, folded, chunks) = writer.finish().map_err(unwritable)?;
        let warnings = reader.warnings();
        let warnings = warnings.iter().chain(rows.warnings());
        Ok(Self {
            stamp,
            input,
            name,
            header: reader.header().columns().to_vec(),
            email,
            warnings: warnings.map(of_warning).collect(),
            rows,
            folded,
            chunks,
        })
    }

    pub(super) fn has_same_cells(&self, other: &Self) -> bool {
        self.header == other.header && self.rows.digest() == other.rows.digest()
    }

    pub(super) fn count(&self) -> u32 {
        // Row numbers are `u32`, so there can't be more.
        u32::try_from(self.rows.len()).unwrap_or(u32::MAX)
    }

    /// The row with a number; the first is 1.
    pub(super) fn row(&self, number: u32) -> io::Result<Option<StoredRow>> {
        match (number as usize).checked_sub(1) {
            Some(index) => self.rows.get(index),
            None => Ok(None),
        }
    }

    /// Why a row with these cells would get no message, if its address is valid.
    pub(super) fn left_out(&self, row: &StoredRow) -> io::Result<Option<NoMessage>> {
        self.rows.left_out(row)
    }

    pub(super) fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// Reads a chunk of the folded text: a line for each row, with [`CELL_SEPARATOR`] between cells.
    pub(super) fn read_chunk(&self, chunk: Chunk, text: &mut Vec<u8>) -> io::Result<()> {
        text.resize(chunk.length, 0);
        self.folded.read_exact_at(text, chunk.at)
    }
}

fn file_stamp(path: &Path) -> FileStamp {
    let data = std::fs::metadata(path).ok()?;
    Some((data.modified().ok()?, data.len()))
}

/// Appends a text in lower case, without line breaks and [`CELL_SEPARATOR`].
pub(super) fn fold(text: &str, out: &mut Vec<u8>) {
    if text.is_ascii() {
        let folded = text.bytes().map(|byte| match byte {
            b'\n' | b'\r' | CELL_SEPARATOR => b' ',
            byte => byte.to_ascii_lowercase(),
        });
        return out.extend(folded);
    }
    let mut bytes = [0; 4];
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\u{1f}' => out.push(b' '),
            c => c
                .to_lowercase()
                .for_each(|c| out.extend_from_slice(c.encode_utf8(&mut bytes).as_bytes())),
        }
    }
}

/// Writes both temporary files.
struct RowsWriter {
    rows: RowStore,
    folded: BufWriter<File>,
    /// The length of the folded text.
    folded_length: u64,
    chunks: Vec<Chunk>,
    bytes: Vec<u8>,
}

impl RowsWriter {
    fn new(email: usize, left_out: Exclusions) -> io::Result<Self> {
        Ok(Self {
            rows: RowStore::new(email, left_out)?,
            folded: BufWriter::with_capacity(BUFFER, tempfile::tempfile()?),
            folded_length: 0,
            chunks: Vec::new(),
            bytes: Vec::new(),
        })
    }

    fn add(&mut self, row: &RecipientRow) -> io::Result<()> {
        self.rows.push(row)?;
        self.bytes.clear();
        for (index, cell) in row.cells.iter().enumerate() {
            if index > 0 {
                self.bytes.push(CELL_SEPARATOR);
            }
            fold(cell, &mut self.bytes);
        }
        self.bytes.push(b'\n');
        self.folded.write_all(&self.bytes)?;
        match self.chunks.last_mut() {
            Some(chunk) if chunk.length < CHUNK => chunk.length += self.bytes.len(),
            _ => self.chunks.push(Chunk {
                at: self.folded_length,
                length: self.bytes.len(),
                first: row.number,
            }),
        }
        self.folded_length += self.bytes.len() as u64;
        Ok(())
    }

    fn finish(self) -> io::Result<(RowStore, File, Vec<Chunk>)> {
        let folded = self.folded.into_inner().map_err(io::Error::from)?;
        Ok((self.rows, folded, self.chunks))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::campaign::SameAddress;

    pub(in crate::preview::web) fn searchable_rows(csv: &str) -> SearchableRows {
        let mut file = NamedTempFile::new().expect("a file");
        file.write_all(csv.as_bytes()).expect("room");
        let stamp = SourceStamp {
            path: file.path().to_owned(),
            file: None,
            recipients: Recipients {
                file: None,
                settings: crate::recipients::ReadSettings::default(),
                selection: None,
                further_selection: None,
                same_address: SameAddress::Skip,
                row_key: None,
                suppress: Vec::new(),
                suppress_skip_invalid: false,
                kept_lists: Vec::new(),
                lists: None,
            },
            vars: Vec::new(),
            suppression_lists: Vec::new(),
        };
        let left_out = |_: &[String], _| Ok(Exclusions::default());
        SearchableRows::read(stamp, "a.csv".to_owned(), None, left_out).expect("rows")
    }

    #[test]
    fn rows_are_returned_unchanged() {
        let rows = searchable_rows(
            "email,name\nann@one.example,\"A\nnn\"\nnobody,\"B, \"\"C\"\"\"\n\nx@x.example\n",
        );
        assert_eq!(rows.count(), 3);
        let row = |number| rows.row(number).expect("it is read");
        let first = row(1).expect("a row");
        assert_eq!(first.cells, ["ann@one.example", "A\nnn"]);
        assert_eq!((first.line, first.no_message), (2, None));
        let second = row(2).expect("a row");
        assert_eq!(second.cells, ["nobody", "B, \"C\""]);
        assert_eq!(second.no_message.expect("a reason").code, "bad-address");
        assert_eq!(
            row(3).expect("a row").no_message.expect("a reason").code,
            "field-count"
        );
        assert_eq!((row(0), row(4)), (None, None));
    }

    #[test]
    fn the_folded_text_has_a_line_for_each_row() {
        let rows = searchable_rows("email,name\nANN@one.example,\"Łódź\nX\"\nb@b.example,B\n");
        let mut text = Vec::new();
        rows.read_chunk(rows.chunks()[0], &mut text)
            .expect("it is read");
        let text = String::from_utf8(text).expect("text");
        assert_eq!(text, "ann@one.example\u{1f}łódź x\nb@b.example\u{1f}b\n");
    }
}
