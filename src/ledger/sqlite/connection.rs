//! Connections to a ledger's file, and what makes their commits durable.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{APPLICATION_ID, SCHEMA_VERSION, posted};
use crate::durable::{self, WriteAheadError};
use crate::ledger::LedgerError;

/// How long to wait for another process that has the file locked.
const BUSY: Duration = Duration::from_secs(10);

pub(super) fn open_for_reading(path: &Path) -> Result<Connection, LedgerError> {
    open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

/// What is committed on this connection is durable.
pub(super) fn open_for_writing(path: &Path) -> Result<Connection, LedgerError> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    sync_commits(&connection)?;
    Ok(connection)
}

fn open(path: &Path, mode: OpenFlags) -> Result<Connection, LedgerError> {
    let flags = mode | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    check_version(&connection, path)?;
    posted::check(&connection, path)?;
    Ok(connection)
}

/// Whether the file is a ledger of this version.
fn check_version(connection: &Connection, path: &Path) -> Result<(), LedgerError> {
    let pragma = |name: &str| {
        connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0))
    };
    let not_a_ledger = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => LedgerError::NotALedger(path.to_owned()),
        _ => error.into(),
    };
    if pragma("application_id").map_err(not_a_ledger)? != APPLICATION_ID {
        return Err(LedgerError::NotALedger(path.to_owned()));
    }
    match pragma("user_version")? {
        SCHEMA_VERSION => Ok(()),
        found => Err(LedgerError::Version {
            path: path.to_owned(),
            found,
            known: SCHEMA_VERSION,
        }),
    }
}

pub(super) fn sync_commits(connection: &Connection) -> Result<(), LedgerError> {
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "fullfsync", "ON")?;
    Ok(())
}

pub(super) fn write_ahead(connection: &Connection, path: &Path) -> Result<(), LedgerError> {
    durable::write_ahead(connection).map_err(|error| match error {
        WriteAheadError::Stays(mode) => LedgerError::NoWriteAhead {
            path: path.to_owned(),
            mode,
        },
        WriteAheadError::Sqlite(error) => error.into(),
    })
}
