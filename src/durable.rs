//! What has to outlive a cut of the power: names and files are on the disk only once they are synced,
//! databases are kept with a write-ahead log.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use rusqlite::Connection;

/// Makes the names in a folder durable.
///
/// # Errors
/// When the system could not write them.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    let dir = if dir.as_os_str().is_empty() {
        Path::new(".")
    } else {
        dir
    };
    match File::open(dir)?.sync_all() {
        // Some network file systems can't sync a folder, and need not.
        Err(error) if can_not(&error) => Ok(()),
        result => result,
    }
}

fn can_not(error: &io::Error) -> bool {
    let kinds = [io::ErrorKind::InvalidInput, io::ErrorKind::Unsupported];
    kinds.contains(&error.kind())
}

/// Makes everything in a folder durable, but not the folder's own name.
///
/// # Errors
/// When something can't be read, or the system could not write it.
pub fn sync_tree(dir: &Path) -> io::Result<()> {
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

/// Makes a folder for its owner alone, with those above it that are missing; durable when it returns.
///
/// # Errors
/// When that can't be done.
pub fn make_dir(dir: &Path) -> io::Result<()> {
    let missing = dir.ancestors().take_while(|dir| !dir.exists()).count();
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let above = dir.ancestors().skip(1);
    above.take(missing).try_for_each(sync_dir)
}

/// Why a database is not in write-ahead mode.
#[derive(Debug, thiserror::Error)]
pub enum WriteAheadError {
    /// SQLite stays in this mode, by its name.
    #[error("SQLite stays in the mode “{0}”")]
    Stays(String),
    /// SQLite's own words.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

/// Puts a database into write-ahead mode.
///
/// # Errors
/// Where SQLite can't, it may give no error, and stay in its mode.
pub fn write_ahead(connection: &Connection) -> Result<(), WriteAheadError> {
    let mut mode = String::new();
    // Not `pragma_update`, which looks no further than the first row: the commit comes after it.
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
