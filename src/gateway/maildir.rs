//! A Maildir. A message is complete once it is in `new`.

use std::fs::DirBuilder;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A folder with `tmp`, `new` and `cur`, readable only by its owner.
#[derive(Debug)]
pub(super) struct Maildir {
    tmp: PathBuf,
    new: PathBuf,
    sequence: AtomicU64,
}

impl Maildir {
    /// Opens a Maildir. Missing folders are created.
    ///
    /// # Errors
    /// If a folder cannot be created.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
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

    /// Stores one message, the concatenation of `parts`.
    ///
    /// File names contain the time, a number and random letters. They sort in the order of the messages,
    /// and contain nothing of them. Existing files are never overwritten.
    ///
    /// # Errors
    /// If the file system fails. `new` is unchanged then.
    pub(super) fn store(&self, parts: &[&[u8]], now: jiff::Timestamp) -> io::Result<()> {
        let number = self.sequence.fetch_add(1, Ordering::Relaxed);
        let micros = now.subsec_microsecond().max(0);
        let pid = std::process::id();
        let prefix = format!("{}.M{micros:06}Q{number:08}P{pid}R", now.as_second());
        let mut file = tempfile::Builder::new()
            .prefix(&prefix)
            .rand_bytes(8)
            .tempfile_in(&self.tmp)?;
        for part in parts {
            file.write_all(part)?;
        }
        let name = file
            .path()
            .file_name()
            .ok_or(io::ErrorKind::InvalidFilename)?;
        let path = self.new.join(name);
        file.persist_noclobber(path)?;
        Ok(())
    }
}
