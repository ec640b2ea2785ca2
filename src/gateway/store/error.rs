//! Errors of the store.

use std::io;
use std::path::PathBuf;

use super::{OLDEST_VERSION, VERSION};

/// Why the store could not be opened, written or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{} is in use by another mailrun", .0.display())]
    InUse(PathBuf),
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("{} does not exist: no gateway keeps messages in this folder", .0.display())]
    Missing(PathBuf),
    #[error("{} is not a gateway's database", .0.display())]
    NotAStore(PathBuf),
    #[error("{} has version {found}, written by {} mailrun. This mailrun needs version {VERSION}", path.display(), if *found < OLDEST_VERSION { "an older" } else { "a newer" })]
    Version { path: PathBuf, found: i64 },
    /// Without a write-ahead log, commits would not survive a crash while others read.
    #[error("{} cannot use a write-ahead log: SQLite keeps the journal mode “{mode}”", path.display())]
    NoWriteAhead { path: PathBuf, mode: String },
    #[error("the disk is full: nothing was stored")]
    Full,
    #[error("nothing was stored: {0}")]
    NotStored(String),
    /// The commit failed in a way that may still take effect after a crash.
    #[error("it is unknown whether the write was stored: {0}")]
    Doubtful(String),
    /// After a write, nothing was stored.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error("the store has stopped: {0}")]
    Stopped(String),
}

impl StoreError {
    /// Whether a failed write has certainly stored nothing.
    pub(crate) fn is_nothing_stored(&self) -> bool {
        !matches!(self, Self::Doubtful(_) | Self::Stopped(_))
    }
}
