//! The recipients, read once and kept, with the text that is searched in a temporary file beside them.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use tempfile::NamedTempFile;

use super::super::store::{Fault, Kept, Store};
use crate::address::Address;
use crate::campaign::Campaign;
use crate::check::{of_read_error, of_warning};
use crate::finding::{Finding, Place};
use crate::recipients::{ReadSettings, RecipientReader, RecipientRow};
use crate::run::{LeftOut, recipients_file};

/// About how many bytes of the searched text are a piece of work.
const PIECE: u64 = 1 << 20;
/// How much is written at once.
const BUFFER: usize = 1 << 18;
/// What stands between two cells in the searched text.
pub(super) const BETWEEN: u8 = 0x1f;

/// A part of the searched text: some whole rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    /// Where it begins, in bytes.
    pub(super) at: u64,
    pub(super) length: usize,
    /// The number of its first row.
    pub(super) first: u32,
}

/// What the rows were read from; as long as it is equal they need not be read again.
#[derive(Debug, Clone, PartialEq)]
struct Stamp {
    path: PathBuf,
    file: Option<(SystemTime, u64)>,
    settings: ReadSettings,
    /// The suppression lists.
    suppress: Vec<(PathBuf, Option<(SystemTime, u64)>)>,
}

/// The rows of a file.
pub(super) struct Spool {
    stamp: Stamp,
    /// Standard input, which can be read only once.
    input: Option<Arc<NamedTempFile>>,
    /// What the file is called.
    pub(super) name: String,
    pub(super) header: Vec<String>,
    /// The place of the address column.
    pub(super) email: usize,
    /// What is odd about the files.
    pub(super) warnings: Vec<Finding>,
    rows: Store,
    folded: File,
    pieces: Vec<Piece>,
}

impl Spool {
    /// The rows of a campaign's recipients; those that are `known` if they are the same.
    ///
    /// # Errors
    /// Why they can't be read.
    pub(super) fn of(
        campaign: &Campaign,
        known: Option<&Arc<Self>>,
    ) -> Result<Arc<Self>, Vec<Finding>> {
        let input = known.and_then(|known| known.input.clone());
        let (path, name, input) = match input {
            Some(input) if campaign.recipients.file.is_none() => (
                input.path().to_owned(),
                crate::campaign::STANDARD_INPUT.to_owned(),
                Some(input),
            ),
            _ => {
                let (path, name, input) = recipients_file(campaign).map_err(|error| {
                    vec![Finding::error(
                        "recipients",
                        Place::default(),
                        error.to_string(),
                    )]
                })?;
                (path, name, input.map(Arc::new))
            }
        };
        let lists = campaign.recipients.suppress.iter();
        let lists = lists.map(|list| campaign.dir.join(list));
        let stamp = Stamp {
            file: stat(&path),
            settings: campaign.recipients.settings.clone(),
            path,
            suppress: lists.map(|list| (list.clone(), stat(&list))).collect(),
        };
        match known {
            Some(known) if known.stamp == stamp => Ok(Arc::clone(known)),
            _ => {
                let left_out =
                    LeftOut::new(campaign).map_err(|error| vec![of_read_error(&error)])?;
                Self::read(stamp, name, input, left_out).map(Arc::new)
            }
        }
    }

    fn read(
        stamp: Stamp,
        name: String,
        input: Option<Arc<NamedTempFile>>,
        left_out: LeftOut,
    ) -> Result<Self, Vec<Finding>> {
        let reader = RecipientReader::open(&stamp.path, &name, &stamp.settings);
        let mut reader = reader.map_err(|error| vec![of_read_error(&error)])?;
        let unwritable = |error: io::Error| {
            let place = Place::file(std::env::temp_dir());
            vec![Finding::error("io", place, error.to_string())]
        };
        let email = reader.header().email();
        let mut writing = Writing::new(email, left_out).map_err(unwritable)?;
        for row in reader.by_ref() {
            let row = row.map_err(|error| vec![of_read_error(&error)])?;
            writing.add(&row).map_err(unwritable)?;
        }
        let (rows, folded, pieces) = writing.finish().map_err(unwritable)?;
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
            pieces,
        })
    }

    /// Whether it has the same rows as another.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.header == other.header && self.rows.digest() == other.rows.digest()
    }

    /// How many rows there are; their numbers begin at 1.
    pub(super) fn count(&self) -> u32 {
        // There are no more than that, or it would not have been read.
        u32::try_from(self.rows.len()).unwrap_or(u32::MAX)
    }

    /// The row of a number, if there is one.
    ///
    /// # Errors
    /// When the temporary file can't be read.
    pub(super) fn row(&self, number: u32) -> io::Result<Option<Kept>> {
        match (number as usize).checked_sub(1) {
            Some(index) => self.rows.get(index),
            None => Ok(None),
        }
    }

    /// Why a row would be left out if this were its address.
    ///
    /// # Errors
    /// When the temporary file can't be read.
    pub(super) fn left_out(&self, address: &Address, row: u32) -> io::Result<Option<Fault>> {
        self.rows.left_out(address, row)
    }

    /// The parts of the searched text.
    pub(super) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Reads a part of the searched text: a line for each row, its cells in small letters with
    /// [`BETWEEN`] between them.
    ///
    /// # Errors
    /// When the temporary file can't be read.
    pub(super) fn read_piece(&self, piece: Piece, into: &mut Vec<u8>) -> io::Result<()> {
        into.resize(piece.length, 0);
        self.folded.read_exact_at(into, piece.at)
    }
}

/// When a file was changed, and how long it is.
fn stat(path: &Path) -> Option<(SystemTime, u64)> {
    let data = std::fs::metadata(path).ok()?;
    Some((data.modified().ok()?, data.len()))
}

/// Appends a text as it is searched: in small letters, on one line.
pub(super) fn fold(text: &str, out: &mut Vec<u8>) {
    if text.is_ascii() {
        let folded = text.bytes().map(|byte| match byte {
            b'\n' | b'\r' | BETWEEN => b' ',
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

/// Two files that are being written.
struct Writing {
    rows: Store,
    folded: BufWriter<File>,
    folded_to: u64,
    pieces: Vec<Piece>,
    bytes: Vec<u8>,
}

impl Writing {
    fn new(email: usize, left_out: LeftOut) -> io::Result<Self> {
        Ok(Self {
            rows: Store::new(email, left_out)?,
            folded: BufWriter::with_capacity(BUFFER, tempfile::tempfile()?),
            folded_to: 0,
            pieces: Vec::new(),
            bytes: Vec::new(),
        })
    }

    fn add(&mut self, row: &RecipientRow) -> io::Result<()> {
        self.rows.push(row)?;
        self.add_folded(row)
    }

    fn add_folded(&mut self, row: &RecipientRow) -> io::Result<()> {
        self.bytes.clear();
        for (place, cell) in row.cells.iter().enumerate() {
            if place > 0 {
                self.bytes.push(BETWEEN);
            }
            fold(cell, &mut self.bytes);
        }
        self.bytes.push(b'\n');
        self.folded.write_all(&self.bytes)?;
        match self.pieces.last_mut() {
            Some(piece) if (piece.length as u64) < PIECE => piece.length += self.bytes.len(),
            _ => self.pieces.push(Piece {
                at: self.folded_to,
                length: self.bytes.len(),
                first: row.number,
            }),
        }
        self.folded_to += self.bytes.len() as u64;
        Ok(())
    }

    fn finish(self) -> io::Result<(Store, File, Vec<Piece>)> {
        let folded = self.folded.into_inner().map_err(io::Error::from)?;
        Ok((self.rows, folded, self.pieces))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The rows of a CSV file.
    pub(in crate::preview::web) fn spool(csv: &str) -> Spool {
        let mut file = NamedTempFile::new().expect("a file");
        file.write_all(csv.as_bytes()).expect("room");
        let stamp = Stamp {
            path: file.path().to_owned(),
            file: None,
            settings: ReadSettings::default(),
            suppress: Vec::new(),
        };
        Spool::read(stamp, "a.csv".to_owned(), None, LeftOut::default()).expect("rows")
    }

    #[test]
    fn rows_come_back_as_they_were() {
        let spool = spool(
            "email,name\nann@one.example,\"A\nnn\"\nnobody,\"B, \"\"C\"\"\"\n\nx@x.example\n",
        );
        assert_eq!(spool.count(), 3);
        let row = |number| spool.row(number).expect("it is read");
        let first = row(1).expect("a row");
        assert_eq!(first.cells, ["ann@one.example", "A\nnn"]);
        assert_eq!((first.line, first.fault), (2, None));
        let second = row(2).expect("a row");
        assert_eq!(second.cells, ["nobody", "B, \"C\""]);
        assert_eq!(second.fault.expect("a fault").code, "bad-address");
        assert_eq!(
            row(3).expect("a row").fault.expect("a fault").code,
            "field-count"
        );
        assert_eq!((row(0), row(4)), (None, None));
    }

    #[test]
    fn what_is_searched_is_a_line_a_row_in_small_letters() {
        let spool = spool("email,name\nANN@one.example,\"Łódź\nX\"\nb@b.example,B\n");
        let mut text = Vec::new();
        spool
            .read_piece(spool.pieces()[0], &mut text)
            .expect("it is read");
        let text = String::from_utf8(text).expect("text");
        assert_eq!(text, "ann@one.example\u{1f}łódź x\nb@b.example\u{1f}b\n");
    }
}
