//! Opens the databases: lock, schema and settings.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::{StoreError, VERSION};
use crate::durable::{self, WriteAheadError};

/// SQLite's `application_id` of a gateway's database.
const APPLICATION_ID: i64 = 0x6d72_6777;
/// The search index's `user_version`.
const SEARCH_INDEX_VERSION: i64 = 2;
/// How many prepared statements a connection caches.
const CACHED_STATEMENTS: usize = 64;

/// Locks a folder for this process. A missing folder is created, readable only by its owner.
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
    create_private(path)?;
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
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
    // `checkpoint` decides when the log is written back. The limit applies to the restarted log.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", 100_000_000)?;
    Ok(connection)
}

/// The connection that writes the write-ahead log back into the database.
pub(super) fn checkpointer(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    // As durable as the writer.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "fullfsync", "ON")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    Ok(connection)
}

/// The connection that fills the search index. The messages are attached as `store`. An index that is
/// damaged or has another version is created again from the messages.
pub(super) fn search_index(path: &Path, index: &Path) -> Result<Connection, StoreError> {
    create_private(index)?;
    match open_search_index(path, index) {
        Ok(Some(connection)) => return Ok(connection),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "the search index is damaged and is created again"),
    }
    for ending in ["", "-wal", "-shm"] {
        let mut name = index.as_os_str().to_owned();
        name.push(ending);
        // If this fails, opening fails below.
        let _ = std::fs::remove_file(name);
    }
    create_private(index)?;
    open_search_index(path, index)?.ok_or_else(|| StoreError::NotAStore(index.to_owned()))
}

/// Returns `None` for an index of another version.
fn open_search_index(path: &Path, index: &Path) -> Result<Option<Connection>, StoreError> {
    let connection = Connection::open_with_flags(
        index,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version == 0 {
        connection.pragma_update(None, "page_size", 8192)?;
        write_ahead(&connection, index)?;
        let schema = include_str!("search_index.sql");
        connection.execute_batch(&format!("BEGIN; {schema} COMMIT;"))?;
    } else if version != SEARCH_INDEX_VERSION {
        return Ok(None);
    }
    write_ahead(&connection, index)?;
    // After a power failure, the newest entries may be missing. They are indexed again.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    attach(&connection, path, "store")?;
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

/// A read-only connection, with the search index attached as `idx` if it is given.
pub(super) fn reader(path: &Path, index: Option<&Path>) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update(None, "cache_size", -16_000)?;
    if let Some(index) = index {
        attach(&connection, index, "idx")?;
    }
    Ok(connection)
}

/// Creates a missing file, readable only by its owner.
fn create_private(path: &Path) -> Result<(), StoreError> {
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

/// Checks that a file is the database of a gateway of this version.
pub(super) fn check_file(path: &Path) -> Result<(), StoreError> {
    if !path.is_file() {
        return Err(StoreError::Missing(path.to_owned()));
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

fn write_ahead(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    durable::write_ahead(connection).map_err(|error| match error {
        WriteAheadError::Stays(mode) => StoreError::NoWriteAhead {
            path: path.to_owned(),
            mode,
        },
        WriteAheadError::Sqlite(error) => error.into(),
    })
}
