//! Why a ledger could not be read or written.

use std::path::PathBuf;

use rusqlite::ErrorCode;

use super::postgres_error::PostgresError;

#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    #[error("{} was made by {} mailrun: its version is {found}, this mailrun reads {known}", path.display(), if found < known { "an older" } else { "a newer" })]
    Version {
        path: PathBuf,
        found: i64,
        known: i64,
    },
    #[error("can't read {}: {_1}", _0.display())]
    Io(PathBuf, std::io::Error),
    #[error("{} is not a ledger", .0.display())]
    NotALedger(PathBuf),
    #[error("the run was not planned completely: nothing was sent")]
    NotPlanned,
    #[error("the ledger is damaged: {0}")]
    Damaged(String),
    #[error("the ledger: {0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// After a failed write nothing more is written.
    #[error("the ledger {ledger} could not be written: {reason}. Nothing was posted after that")]
    NotWritten { ledger: String, reason: String },
    /// SQLite stays in another journal mode.
    #[error("the ledger {} can't use a write-ahead log (SQLite stays in journal mode “{mode}”)", path.display())]
    NoWriteAhead { path: PathBuf, mode: String },
    /// It has hashes of forgotten addresses that were made with a key of this name.
    #[error(
        "people were forgotten in the run, and the key of their hashes is missing (its name is {0})"
    )]
    NoForgetKey(String),
    /// Another process reads the file, so that what was deleted can't be removed from it.
    #[error("{} is being read by another process", .0.display())]
    BeingRead(PathBuf),
    /// A thread that worked on it has ended.
    #[error("the ledger: {0}")]
    Stopped(String),
}

impl LedgerError {
    /// What to do if the disk is the cause.
    pub(crate) fn disk_help(&self) -> Option<&'static str> {
        let error = match self {
            Self::Sqlite(error) => error,
            Self::NoWriteAhead { .. } => {
                return Some(
                    "the disk fails, or its file system does not support this: choose another folder with `--run-dir`",
                );
            }
            _ => return None,
        };
        match error.sqlite_error_code()? {
            ErrorCode::DiskFull => {
                Some("free some space on the disk that holds the campaign's runs")
            }
            ErrorCode::SystemIoFailure => {
                Some("the disk that holds the campaign's runs fails: see the system's log")
            }
            _ => None,
        }
    }

    /// Whether the content of the file is invalid.
    pub(crate) fn is_damage(&self) -> bool {
        use ErrorCode::{DatabaseCorrupt, NotADatabase};
        match self {
            Self::Damaged(_) | Self::NotALedger(_) => true,
            // An error without a code is a value of another type than the schema's.
            Self::Sqlite(error) => matches!(
                error.sqlite_error_code(),
                None | Some(DatabaseCorrupt | NotADatabase)
            ),
            _ => false,
        }
    }
}
