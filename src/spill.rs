//! Tables on the disk, for what a long list would take of memory.

use std::io;

use rusqlite::Connection;

/// What SQLite keeps of a table in memory, in KiB.
const CACHE: i64 = 8 * 1024;

/// Why a table on the disk is of no use.
#[derive(Debug, thiserror::Error)]
#[error("a temporary file can't be written or read: {0}")]
pub struct SpillError(#[from] rusqlite::Error);

impl SpillError {
    /// What to do about it.
    pub const HELP: &str = "make room for it, or name another folder in TMPDIR";
}

impl From<SpillError> for io::Error {
    fn from(error: SpillError) -> Self {
        Self::other(error)
    }
}

/// A database of this process alone, in a file that has no name and is gone with it.
///
/// # Errors
/// When `schema` can't be made.
pub fn open(schema: &str) -> Result<Connection, SpillError> {
    let table = Connection::open("")?;
    // Nothing of it outlives the process: no journal, and one transaction.
    table.execute_batch(&format!(
        "PRAGMA journal_mode=OFF; PRAGMA cache_size=-{CACHE}; BEGIN; {schema}"
    ))?;
    Ok(table)
}
