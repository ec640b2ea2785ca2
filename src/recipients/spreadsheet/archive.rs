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

    pub(super) fn part(&mut self, name: &str) -> Result<Part, Problem> {
        let missing = || Problem::Workbook(format!("its part {name} is missing"));
        let index = *self.parts.get(&normalized(name)).ok_or_else(missing)?;
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
