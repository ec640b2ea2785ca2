//! Opens the databases: lock, schema and settings.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError, remove_file};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{OLDEST_VERSION, StoreError, VERSION};
use crate::durable::{self, WriteAheadError};

/// SQLite's `application_id` of a gateway's database.
const APPLICATION_ID: i64 = 0x6d72_6777;
/// The search index's `user_version`.
const SEARCH_INDEX_VERSION: i64 = 3;
/// How many prepared statements a connection caches.
const CACHED_STATEMENTS: usize = 64;
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Locks a folder for this process. A missing folder is created, readable only by its owner.
pub(super) fn lock(dir: &Path) -> Result<File, StoreError> {
    let mut folder = DirBuilder::new();
    folder.recursive(true).mode(0o700);
    folder.create(dir).map_err(|error| io_error(dir, error))?;
    let path = dir.join("lock");
    let file = open_private(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse(dir.to_owned())),
        Err(TryLockError::Error(error)) => Err(io_error(&path, error)),
    }
}

/// The connection that writes.
pub(super) fn writer(path: &Path) -> Result<Connection, StoreError> {
    open_private(path)?;
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    if is_empty(&connection, path)? {
        let schema = concat!(
            include_str!("schema.sql"),
            include_str!("json_api.sql"),
            include_str!("simulation.sql"),
            include_str!("webhooks.sql")
        );
        create_schema(&connection, path, schema)?;
    } else {
        check(&connection, path)?;
        write_ahead(&connection, path)?;
        update(&connection)?;
    }
    sync_each_commit(&connection)?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.pragma_update(None, "cache_size", -32_000)?;
    // The size of the log after a restart.
    connection.pragma_update(None, "journal_size_limit", 100_000_000)?;
    Ok(connection)
}

/// The connection that writes the write-ahead log back into the database.
pub(super) fn checkpointer(path: &Path) -> Result<Connection, StoreError> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    sync_each_commit(&connection)?;
    Ok(connection)
}

/// A read-only connection, with the search index attached as `idx` if it is given.
pub(super) fn reader(path: &Path, search_index: Option<&Path>) -> Result<Connection, StoreError> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.pragma_update(None, "cache_size", -16_000)?;
    if let Some(search_index) = search_index {
        attach(&connection, search_index, "idx")?;
    }
    Ok(connection)
}

/// The connection that fills the search index. The messages are attached as `store`. An index that is
/// damaged or has another version is created again from the messages.
pub(super) fn search_index(path: &Path, index: &Path) -> Result<Connection, StoreError> {
    open_private(index)?;
    match open_search_index(path, index) {
        Ok(Some(connection)) => return Ok(connection),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "the search index is damaged and is created again"),
    }
    for ending in ["", "-wal", "-shm"] {
        let mut name = index.as_os_str().to_owned();
        name.push(ending);
        // If this fails, opening fails below.
        let _ = remove_file(name);
    }
    open_search_index(path, index)?.ok_or_else(|| StoreError::NotAStore(index.to_owned()))
}

/// Returns `None` for an index of another version.
fn open_search_index(path: &Path, index: &Path) -> Result<Option<Connection>, StoreError> {
    open_private(index)?;
    let connection = connect(index, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    match pragma(&connection, "user_version")? {
        0 => create_schema(&connection, index, include_str!("search_index.sql"))?,
        SEARCH_INDEX_VERSION => write_ahead(&connection, index)?,
        _ => return Ok(None),
    }
    // After a power failure, the newest entries may be missing. They are indexed again.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    attach(&connection, path, "store")?;
    Ok(Some(connection))
}

/// Checks that a file is the database of a gateway of a version that can be read.
pub(super) fn check_file(path: &Path) -> Result<(), StoreError> {
    if !path.is_file() {
        return Err(StoreError::Missing(path.to_owned()));
    }
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    is_empty(&connection, path)?;
    check(&connection, path)
}

fn io_error(path: &Path, error: io::Error) -> StoreError {
    StoreError::Io {
        path: path.to_owned(),
        error,
    }
}

/// Opens a file for writing. A missing file is created, readable only by its owner.
fn open_private(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map_err(|error| io_error(path, error))
}

fn connect(path: &Path, access: OpenFlags) -> Result<Connection, StoreError> {
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

fn create_schema(connection: &Connection, path: &Path, schema: &str) -> Result<(), StoreError> {
    connection.pragma_update(None, "page_size", 8192)?;
    write_ahead(connection, path)?;
    connection.execute_batch(&format!("BEGIN; {schema} COMMIT;"))?;
    Ok(())
}

/// Updates a database of an older version.
fn update(connection: &Connection) -> Result<(), StoreError> {
    // The tables that came with each version.
    let tables = [
        (3, include_str!("json_api.sql")),
        (4, include_str!("simulation.sql")),
        (VERSION, include_str!("webhooks.sql")),
    ];
    for (version, tables) in tables {
        if pragma(connection, "user_version")? < version {
            let version = format!("PRAGMA user_version = {version};");
            connection.execute_batch(&format!("BEGIN; {tables} {version} COMMIT;"))?;
        }
    }
    Ok(())
}

/// Makes commits durable, and leaves it to `checkpoint` when the log is written back.
fn sync_each_commit(connection: &Connection) -> Result<(), StoreError> {
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "fullfsync", "ON")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    Ok(())
}

fn attach(connection: &Connection, path: &Path, name: &str) -> Result<(), StoreError> {
    let invalid = || io_error(path, io::ErrorKind::InvalidFilename.into());
    let path = path.to_str().ok_or_else(invalid)?;
    connection.execute("ATTACH ? AS ?", [path, name])?;
    Ok(())
}

fn is_empty(connection: &Connection, path: &Path) -> Result<bool, StoreError> {
    let tables = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| {
        row.get::<_, i64>(0)
    });
    tables
        .map(|tables| tables == 0)
        .map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => StoreError::NotAStore(path.to_owned()),
            _ => error.into(),
        })
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

fn check(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    if pragma(connection, "application_id")? != APPLICATION_ID {
        return Err(StoreError::NotAStore(path.to_owned()));
    }
    match pragma(connection, "user_version")? {
        OLDEST_VERSION..=VERSION => Ok(()),
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
