//! The file of the journal.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use rustix::fs::{FlockOperation, flock};

use crate::durable::{self, WriteAheadError};

/// “mrfj”.
const APPLICATION_ID: i64 = 0x6d72_666a;
const VERSION: i64 = 1;
const BUSY: Duration = Duration::from_secs(5);

const SCHEMA: &str = "\
    CREATE TABLE click (
      seq      INTEGER PRIMARY KEY AUTOINCREMENT,
      list     TEXT NOT NULL,
      address  TEXT NOT NULL,
      run      TEXT NOT NULL,
      row      INTEGER NOT NULL,
      at       INTEGER NOT NULL,
      is_undo  INTEGER NOT NULL,
      listed   INTEGER NOT NULL DEFAULT 0,
      recorded INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE clock (id INTEGER PRIMARY KEY CHECK (id = 1), last INTEGER NOT NULL) STRICT;
    INSERT INTO clock VALUES (1, 0);
    CREATE TABLE request (id TEXT PRIMARY KEY, received INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE INDEX request_received ON request (received);
    CREATE TABLE event (
      seq         INTEGER PRIMARY KEY AUTOINCREMENT,
      message_id  TEXT NOT NULL,
      address     TEXT NOT NULL,
      kind        TEXT NOT NULL,
      at          INTEGER,
      description TEXT NOT NULL,
      received    INTEGER NOT NULL,
      parked      INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE UNIQUE INDEX event_key ON event (message_id, address, kind, ifnull(at, 0));
    CREATE INDEX event_parked ON event (parked, seq);
    CREATE INDEX event_expiry ON event (received) WHERE parked = 1;
    CREATE TABLE unreadable (
      seq INTEGER PRIMARY KEY, received INTEGER NOT NULL, why TEXT NOT NULL, item TEXT NOT NULL
    ) STRICT;
    CREATE TABLE counter (name TEXT PRIMARY KEY, count INTEGER NOT NULL) STRICT, WITHOUT ROWID;";

#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    #[error("{} is not a journal of `mailrun feedback`", .0.display())]
    NotAJournal(PathBuf),
    #[error("{} was made by another version of mailrun: its version is {found}, this one reads {VERSION}", path.display())]
    Version { path: PathBuf, found: i64 },
    #[error("another `mailrun feedback` uses {}", .0.display())]
    InUse(PathBuf),
    #[error("{}: {}", .0.display(), .1)]
    Io(PathBuf, io::Error),
    #[error("the journal: {0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("the journal can't use a write-ahead log: {0}")]
    WriteAhead(String),
    #[error("the journal can't be written: {0}")]
    NotWritten(String),
    /// It has something of a person who is to be forgotten.
    #[error("{} has clicks or events of this person that were not applied yet", .0.display())]
    NotApplied(PathBuf),
    #[error("the server is stopping")]
    Ended,
    #[error(
        "the journal can't be applied because of a bug; all answered requests are in the journal, and are applied at the next start"
    )]
    Applier,
}

/// Opens the file, and creates it if it is missing. The lock must be held as long as the connection.
pub(super) fn open(path: &Path) -> Result<(Connection, File), JournalError> {
    let lock = lock(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    let not_a_journal = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => JournalError::NotAJournal(path.to_owned()),
        _ => error.into(),
    };
    let number = |connection: &Connection, sql: &str| {
        connection.query_row(sql, [], |row| row.get::<_, i64>(0))
    };
    let tables =
        number(&connection, "SELECT count(*) FROM sqlite_schema").map_err(not_a_journal)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "fullfsync", "ON")?;
    durable::write_ahead(&connection).map_err(|error| match error {
        WriteAheadError::Sqlite(error) => error.into(),
        error @ WriteAheadError::Stays(_) => JournalError::WriteAhead(error.to_string()),
    })?;
    if tables == 0 {
        let behavior = TransactionBehavior::Immediate;
        let transaction = connection.transaction_with_behavior(behavior)?;
        transaction.execute_batch(SCHEMA)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
        transaction.commit()?;
        let parent = path.parent().unwrap_or(Path::new(""));
        durable::sync_dir(parent).map_err(|error| JournalError::Io(parent.to_owned(), error))?;
    }
    if number(&connection, "PRAGMA application_id")? != APPLICATION_ID {
        return Err(JournalError::NotAJournal(path.to_owned()));
    }
    match number(&connection, "PRAGMA user_version")? {
        VERSION => Ok((connection, lock)),
        found => Err(JournalError::Version {
            path: path.to_owned(),
            found,
        }),
    }
}

/// The system releases it when the process ends.
fn lock(path: &Path) -> Result<File, JournalError> {
    let mut name = path.as_os_str().to_owned();
    name.push("-lock");
    let name = PathBuf::from(name);
    let file = File::create(&name).map_err(|error| JournalError::Io(name, error))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(_) => Err(JournalError::InUse(path.to_owned())),
    }
}
