//! Opening the database: its lock, its schema, its settings.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::{StoreError, VERSION};
use crate::durable::{self, WriteAheadError};

/// Marks a SQLite file as a gateway's, in SQLite's `application_id`.
const APPLICATION_ID: i64 = 0x6d72_6777;
/// The version of the index for the search.
const WORDS_VERSION: i64 = 2;
/// How many statements a connection keeps prepared.
const STATEMENTS: usize = 64;

/// Takes a folder for this process alone; it is made, for its owner alone, where there is none.
pub(super) fn lock(dir: &Path) -> Result<File, StoreError> {
    let failed = |path: &Path, error| StoreError::Io {
        path: path.to_owned(),
        error,
    };
    let mut folder = DirBuilder::new();
    folder.recursive(true).mode(0o700);
    folder.create(dir).map_err(|error| failed(dir, error))?;
    let path = dir.join("lock");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(&path).map_err(|error| failed(&path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse(dir.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed(&path, error)),
    }
}

/// The connection that writes.
pub(super) fn writer(path: &Path) -> Result<Connection, StoreError> {
    private(path)?;
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.busy_timeout(Duration::from_secs(10))?;
    if is_empty(&connection, path)? {
        connection.pragma_update(None, "page_size", 8192)?;
        write_ahead(&connection, path)?;
        let schema = include_str!("schema.sql");
        connection.execute_batch(&format!("BEGIN; {schema} COMMIT;"))?;
    } else {
        check(&connection, path)?;
        write_ahead(&connection, path)?;
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "fullfsync", "ON")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.pragma_update(None, "cache_size", -32_000)?;
    // When the log is written back, `written_back` says. It is as large as it may stay.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", 100_000_000)?;
    Ok(connection)
}

/// The connection that writes the log back into the database.
pub(super) fn behind(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    // As durably as the writer.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "fullfsync", "ON")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    Ok(connection)
}

/// The connection that fills the index for the search, which sees the messages as `kept`. What is no
/// index of this version is made anew: nothing is in it but what the messages say.
pub(super) fn words(path: &Path, words: &Path) -> Result<Connection, StoreError> {
    private(words)?;
    match open_words(path, words) {
        Ok(Some(connection)) => return Ok(connection),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "the index for the search is made anew"),
    }
    for ending in ["", "-wal", "-shm"] {
        let mut name = words.as_os_str().to_owned();
        name.push(ending);
        // What could not be removed is found below.
        let _ = std::fs::remove_file(name);
    }
    private(words)?;
    open_words(path, words)?.ok_or_else(|| StoreError::NotAStore(words.to_owned()))
}

/// None for an index of another version.
fn open_words(path: &Path, words: &Path) -> Result<Option<Connection>, StoreError> {
    let connection = Connection::open_with_flags(
        words,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version == 0 {
        connection.pragma_update(None, "page_size", 8192)?;
        write_ahead(&connection, words)?;
        let schema = include_str!("words.sql");
        connection.execute_batch(&format!("BEGIN; {schema} COMMIT;"))?;
    } else if version != WORDS_VERSION {
        return Ok(None);
    }
    write_ahead(&connection, words)?;
    // After a cut of the power the newest may be missing; they are indexed again.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    attach(&connection, path, "kept")?;
    Ok(Some(connection))
}

fn attach(connection: &Connection, path: &Path, name: &str) -> Result<(), StoreError> {
    let path = path.to_str().ok_or_else(|| StoreError::Io {
        path: path.to_owned(),
        error: std::io::ErrorKind::InvalidFilename.into(),
    })?;
    connection.execute("ATTACH ? AS ?", [path, name])?;
    Ok(())
}

/// A connection that reads; the index for the search, where it is needed, is `idx` in it.
pub(super) fn reader(path: &Path, words: Option<&Path>) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update(None, "cache_size", -16_000)?;
    if let Some(words) = words {
        attach(&connection, words, "idx")?;
    }
    Ok(connection)
}

/// Makes the file, for its owner alone, where there is none.
fn private(path: &Path) -> Result<(), StoreError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let opened = options.open(path);
    opened.map(drop).map_err(|error| StoreError::Io {
        path: path.to_owned(),
        error,
    })
}

fn is_empty(connection: &Connection, path: &Path) -> Result<bool, StoreError> {
    let tables = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| {
        row.get::<_, i64>(0)
    });
    match tables {
        Ok(tables) => Ok(tables == 0),
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) => {
            Err(StoreError::NotAStore(path.to_owned()))
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether a file is what a gateway of this version keeps.
pub(super) fn check_kept(path: &Path) -> Result<(), StoreError> {
    if !path.is_file() {
        return Err(StoreError::NotThere(path.to_owned()));
    }
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    is_empty(&connection, path)?;
    check(&connection, path)
}

fn check(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    if number("application_id")? != APPLICATION_ID {
        return Err(StoreError::NotAStore(path.to_owned()));
    }
    match number("user_version")? {
        VERSION => Ok(()),
        found => Err(StoreError::Version {
            path: path.to_owned(),
            found,
        }),
    }
}

/// Puts the database into write-ahead mode.
fn write_ahead(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    durable::write_ahead(connection).map_err(|error| match error {
        WriteAheadError::Stays(mode) => StoreError::NoWriteAhead {
            path: path.to_owned(),
            mode,
        },
        WriteAheadError::Sqlite(error) => error.into(),
    })
}
