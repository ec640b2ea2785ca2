//! A Maildir: a message is complete when it appears in `new`.

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A folder with `tmp`, `new` and `cur`, for its owner's eyes alone.
#[derive(Debug)]
pub struct Maildir {
    tmp: PathBuf,
    new: PathBuf,
    sequence: AtomicU64,
}

impl Maildir {
    /// Opens a Maildir; what is missing of it is made.
    ///
    /// # Errors
    /// A folder that cannot be made.
    pub fn open(path: &Path) -> io::Result<Self> {
        for folder in ["tmp", "new", "cur"] {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path.join(folder))?;
        }
        Ok(Self {
            tmp: path.join("tmp"),
            new: path.join("new"),
            sequence: AtomicU64::new(0),
        })
    }

    /// Stores one message, given in pieces, and gives its path.
    ///
    /// Its name is made of the time, a number and random letters, never of the message: names sort
    /// as the messages came. Nothing that is there is ever written over.
    ///
    /// # Errors
    /// Whatever the file system says; then nothing is in `new`.
    pub fn store(&self, pieces: &[&[u8]], now: jiff::Timestamp) -> io::Result<PathBuf> {
        let number = self.sequence.fetch_add(1, Ordering::Relaxed);
        let micros = now.subsec_microsecond().max(0);
        let pid = std::process::id();
        let prefix = format!("{}.M{micros:06}Q{number:08}P{pid}R", now.as_second());
        let mut file = tempfile::Builder::new()
            .prefix(&prefix)
            .rand_bytes(8)
            .tempfile_in(&self.tmp)?;
        for piece in pieces {
            file.write_all(piece)?;
        }
        let name = file
            .path()
            .file_name()
            .ok_or(io::ErrorKind::InvalidFilename)?;
        let path = self.new.join(name);
        file.persist_noclobber(&path)?;
        Ok(path)
    }

    /// The messages in `new`, in the order in which they came.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn messages(&self) -> io::Result<Vec<PathBuf>> {
        let entries = fs::read_dir(&self.new)?;
        let mut paths = entries
            .map(|entry| Ok(entry?.path()))
            .collect::<io::Result<Vec<_>>>()?;
        paths.sort();
        Ok(paths)
    }
}
