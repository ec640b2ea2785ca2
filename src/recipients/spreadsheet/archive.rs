//! The zip archive of a workbook. Its parts are read as streams of their own, with a limit on their size.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use flate2::Crc;
use flate2::bufread::DeflateDecoder;
use zip::{CompressionMethod, ZipArchive};

use crate::recipients::error::Problem;

const BUFFER: usize = 64 * 1024;

/// A part that is read from its start to its end.
pub(super) type Part = Box<dyn Read + Send>;

pub(super) struct Archive {
    zip: ZipArchive<File>,
    file: Arc<File>,
    /// The index of each part, by its name in lower case with `/`.
    parts: HashMap<String, usize>,
}

impl Archive {
    pub(super) fn open(file: &File) -> Result<Self, Problem> {
        let damaged = |error: zip::result::ZipError| Problem::Workbook(error.to_string());
        let zip = ZipArchive::new(file.try_clone()?).map_err(damaged)?;
        let mut parts = HashMap::new();
        for index in 0..zip.len() {
            if let Some(Ok(name)) = zip.name_for_index(index) {
                parts.insert(normalized(&name), index);
            }
        }
        Ok(Self {
            zip,
            file: Arc::new(file.try_clone()?),
            parts,
        })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.parts.contains_key(&normalized(name))
    }

    /// # Errors
    /// The parts have more than `most` bytes together without their compression, or one of them is damaged.
    pub(super) fn check_size(&mut self, most: u64) -> Result<(), Problem> {
        let mut left = most;
        for index in 0..self.zip.len() {
            // What the archive says about its sizes may be wrong.
            let name = format!("{}", index + 1);
            let mut part = self.part_at(index, &name)?.take(left.saturating_add(1));
            let size = io::copy(&mut part, &mut io::sink());
            let size = size.map_err(|error| Problem::Workbook(error.to_string()))?;
            left = left.checked_sub(size).ok_or_else(|| too_large(most))?;
        }
        Ok(())
    }

    pub(super) fn part(&mut self, name: &str) -> Result<Part, Problem> {
        let missing = || Problem::Workbook(format!("its part {name} is missing"));
        let index = *self.parts.get(&normalized(name)).ok_or_else(missing)?;
        self.part_at(index, name)
    }

    fn part_at(&mut self, index: usize, name: &str) -> Result<Part, Problem> {
        let missing = || Problem::Workbook(format!("its part {name} is missing"));
        let damaged = |error: zip::result::ZipError| Problem::Workbook(error.to_string());
        let entry = self.zip.by_index_raw(index).map_err(damaged)?;
        if entry.encrypted() {
            return Err(Problem::Encrypted);
        }
        let start = entry.data_start().ok_or_else(missing)?;
        let range = FileRange {
            file: Arc::clone(&self.file),
            at: start,
            end: start.saturating_add(entry.compressed_size()),
        };
        let data: Part = match entry.compression() {
            CompressionMethod::Stored => Box::new(range),
            CompressionMethod::Deflated => {
                Box::new(DeflateDecoder::new(BufReader::with_capacity(BUFFER, range)))
            }
            method => {
                let reason = format!("its part {name} is compressed with {method}");
                return Err(Problem::Workbook(reason));
            }
        };
        Ok(Box::new(CheckedPart {
            data,
            crc: Crc::new(),
            expected: entry.crc32(),
        }))
    }
}

/// The problem of a workbook with more bytes than these.
pub(super) fn too_large(most: u64) -> Problem {
    Problem::Workbook(format!("it is larger than {} MiB", most / (1024 * 1024)))
}

/// Some producers write backslashes, or other letters than in the references to a part.
fn normalized(name: &str) -> String {
    name.trim_start_matches(['/', '\\'])
        .replace('\\', "/")
        .to_lowercase()
}

/// Bytes of a file that others read too.
struct FileRange {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Read for FileRange {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let most = buffer.len().min(left);
        let read = self.file.read_at(&mut buffer[..most], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// Compares the checksum at the end.
struct CheckedPart {
    data: Part,
    crc: Crc,
    expected: u32,
}

impl Read for CheckedPart {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.data.read(buffer)?;
        self.crc.update(&buffer[..read]);
        if read == 0 && !buffer.is_empty() && self.crc.sum() != self.expected {
            return Err(io::Error::other("the checksum of a part is wrong"));
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_all_parts_without_their_compression_has_a_limit() {
        let root = env!("CARGO_MANIFEST_DIR");
        let file = File::open(format!("{root}/tests/fixtures/spreadsheets/numbers.xlsx"));
        let file = file.expect("a workbook");
        let size = |archive: &mut Archive| -> u64 {
            let sizes = (0..archive.zip.len())
                .map(|index| archive.zip.by_index(index).expect("a part").size());
            sizes.sum()
        };
        let mut archive = Archive::open(&file).expect("an archive");
        let size = size(&mut archive);
        assert!(size > file.metadata().expect("data").len());
        archive.check_size(size).expect("not too large");
        let error = archive.check_size(size - 1).expect_err("too large");
        assert!(error.to_string().contains("it is larger than"), "{error}");
    }
}
