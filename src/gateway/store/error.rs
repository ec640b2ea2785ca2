//! Why something could not be kept or read.

use std::io;
use std::path::PathBuf;

use super::VERSION;

/// Why the store could not be opened, written or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has it.
    #[error("{} is in use by another mailrun", .0.display())]
    InUse(PathBuf),
    /// The folder or a file in it can't be reached.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// There is nothing where a gateway's messages should be.
    #[error("{} is not there: no gateway keeps messages in this folder", .0.display())]
    NotThere(PathBuf),
    /// The file is something else.
    #[error("{} is not what a gateway keeps", .0.display())]
    NotAStore(PathBuf),
    /// It is of another version.
    #[error("{} was made by {} mailrun: it has version {found}, this reads {VERSION}", path.display(), if *found < VERSION { "an older" } else { "a newer" })]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
    },
    /// SQLite can't keep it so that it survives a crash while others read it.
    #[error("{} can't be kept with a write-ahead log (SQLite stays in the mode “{mode}”)", path.display())]
    NoWriteAhead {
        /// The file.
        path: PathBuf,
        /// SQLite's name of the mode that it stays in.
        mode: String,
    },
    /// Nothing was stored: there is no room.
    #[error("the disk is full: nothing was stored")]
    Full,
    /// Nothing was stored, for the reason in SQLite's words.
    #[error("nothing was stored: {0}")]
    NotStored(String),
    /// The commit failed in such a way that it may yet come back after a crash.
    #[error("it is not known whether it was stored: {0}")]
    Doubtful(String),
    /// SQLite's own words. Of a write: nothing was stored.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// A thread that works on it is gone.
    #[error("the store has stopped: {0}")]
    Stopped(String),
}

impl StoreError {
    /// Whether what was to be written is certainly not stored.
    pub fn is_nothing_stored(&self) -> bool {
        !matches!(self, Self::Doubtful(_) | Self::Stopped(_))
    }
}
