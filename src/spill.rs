//! Tables on the disk, for data of long lists that would fill the memory.

use std::io;

use rusqlite::Connection;

/// How much of a table SQLite keeps in memory, in KiB.
const CACHE: i64 = 8 * 1024;

#[derive(Debug, thiserror::Error)]
#[error("can't write or read a temporary file: {0}")]
pub struct SpillError(#[from] rusqlite::Error);

impl SpillError {
    pub(crate) const HELP: &str = "free some disk space, or set TMPDIR to another folder";
}

impl From<SpillError> for io::Error {
    fn from(error: SpillError) -> Self {
        Self::other(error)
    }
}

/// A database in a file without a name, which is removed when the process ends.
///
/// # Errors
/// The tables of `schema` can't be created.
pub(crate) fn open(schema: &str) -> Result<Connection, SpillError> {
    let table = Connection::open("")?;
    // Nothing survives the process, so it needs no journal and one transaction.
    table.execute_batch(&format!(
        "PRAGMA journal_mode=OFF; PRAGMA cache_size=-{CACHE}; BEGIN; {schema}"
    ))?;
    Ok(table)
}
