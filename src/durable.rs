//! What survives a power failure: names and files once they are synced, and databases with a
//! write-ahead log.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use rusqlite::Connection;

/// Makes the names in a folder durable.
///
/// # Errors
/// The system could not write them.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    let dir = if dir.as_os_str().is_empty() {
        Path::new(".")
    } else {
        dir
    };
    match File::open(dir)?.sync_all() {
        // Some network file systems can't sync a folder, and don't need to.
        Err(error) if is_unsupported(&error) => Ok(()),
        result => result,
    }
}

fn is_unsupported(error: &io::Error) -> bool {
    let kinds = [io::ErrorKind::InvalidInput, io::ErrorKind::Unsupported];
    kinds.contains(&error.kind())
}

/// Makes everything in a folder durable, but not the folder's own name.
///
/// # Errors
/// The folder can't be read, or the system could not write it.
pub(crate) fn sync_tree(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            sync_tree(&path)?;
        } else {
            File::open(path)?.sync_all()?;
        }
    }
    sync_dir(dir)
}

/// Creates a folder, and its parents if they are missing, that only the user can read. It is durable
/// when this returns.
///
/// # Errors
/// The folder can't be created.
pub(crate) fn make_dir(dir: &Path) -> io::Result<()> {
    let missing = dir.ancestors().take_while(|dir| !dir.exists()).count();
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let above = dir.ancestors().skip(1);
    above.take(missing).try_for_each(sync_dir)
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteAheadError {
    #[error("SQLite stays in journal mode “{0}”")]
    Stays(String),
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

/// Switches a database to write-ahead mode.
///
/// # Errors
/// SQLite fails, or silently stays in another mode.
pub(crate) fn write_ahead(connection: &Connection) -> Result<(), WriteAheadError> {
    let mut mode = String::new();
    // Not `pragma_update`, which reads only the first row: the commit comes after it.
    connection.pragma(None, "journal_mode", "WAL", |row| {
        mode = row.get(0)?;
        Ok(())
    })?;
    if mode == "wal" {
        Ok(())
    } else {
        Err(WriteAheadError::Stays(mode))
    }
}

/// Writes a database again, so that nothing is left of what was changed or deleted in it: neither in its file nor in its
/// write-ahead log. Returns false if another process reads it, so that the log stays.
///
/// # Errors
/// The database can't be written.
pub(crate) fn scrub(connection: &Connection) -> rusqlite::Result<bool> {
    connection.execute_batch("VACUUM")?;
    let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
    let busy: bool = connection.query_row(sql, [], |row| row.get(0))?;
    Ok(!busy)
}
