//! Counts how much the runs of a pace group have posted, in a file that they share, so that the limits per day hold for
//! all of them together.
//!
//! A permit is durable before its request goes, so a process that is killed can only leave too high a number.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior, ffi, params};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::durable::make_dir;
use crate::pace::{GroupAnswer, GroupDay, GroupPosted, GroupRequest};

const VERSION: i32 = 1;
const BUSY: Duration = Duration::from_secs(30);
/// How long errors that may pass are waited for: as long as for a ledger in a database.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// In minutes. A permit counts for a little longer than a day.
const DAY: i64 = 24 * 60 + 2;
/// In minutes. Older days do not count for the ramp, so it begins again after about a year without a message.
const FORGOTTEN: i64 = 400 * 24 * 60;

#[derive(Debug, thiserror::Error)]
pub(crate) enum PaceGroupError {
    #[error("can't create {}: {error}", path.display())]
    Folder {
        path: PathBuf,
        error: std::io::Error,
    },
    #[error("can't count the posted recipients in {}: {error}", path.display())]
    File {
        path: PathBuf,
        error: rusqlite::Error,
    },
    #[error("{}, which counts the posted recipients, was moved or deleted", .0.display())]
    Moved(PathBuf),
    #[error("{}, which counts the posted recipients, was written by a newer version of mailrun", .0.display())]
    Newer(PathBuf),
    #[error("can't count the posted recipients: {reason}")]
    Ledger { reason: String, is_transient: bool },
}

impl PaceGroupError {
    fn of_file(path: &Path, error: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match &error {
            rusqlite::Error::SqliteFailure(failure, _)
                if failure.extended_code == ffi::SQLITE_READONLY_DBMOVED =>
            {
                Self::Moved(path)
            }
            _ => Self::File { path, error },
        }
    }

    /// How the user can fix it.
    pub(crate) fn help(&self) -> &'static str {
        match self {
            Self::File { error, .. }
                if matches!(
                    error.sqlite_error_code(),
                    Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)
                ) =>
            {
                "put it back from a backup, or delete it: in a new file, a ramp begins with its first day"
            }
            Self::Folder { .. } | Self::File { .. } => {
                "check that the file can be read and written"
            }
            Self::Moved(_) => "put it back: in a new file, a ramp begins with its first day",
            Self::Newer(_) => "update mailrun",
            Self::Ledger { .. } => "check the database",
        }
    }

    /// Whether the same may succeed later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::File { error, .. } => matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
            ),
            Self::Ledger { is_transient, .. } => *is_transient,
            Self::Folder { .. } | Self::Moved(_) | Self::Newer(_) => false,
        }
    }
}

/// Where a group's permits come from.
pub(crate) trait PaceStore: Send {
    /// Reserves permits, and gives others back. This is durable when it returns.
    ///
    /// # Errors
    /// It can't be read or written.
    fn reserve(&mut self, request: &GroupRequest) -> Result<GroupAnswer, PaceGroupError>;
}

/// Answers requests until all their senders are dropped. If the store fails and waiting does not help, `failed` gets the
/// reason, and no request is answered any more.
pub(crate) fn serve(
    mut store: Box<dyn PaceStore>,
    mut requests: UnboundedReceiver<GroupRequest>,
    failed: oneshot::Sender<String>,
) {
    let mut failing: Option<Failing> = None;
    while let Some(request) = requests.blocking_recv() {
        let error = match store.reserve(&request) {
            Ok(answer) => {
                failing = None;
                request.answer(answer);
                continue;
            }
            Err(error) => error,
        };
        let failing = failing.get_or_insert_with(|| Failing {
            since: request.asked,
            shown: BTreeSet::new(),
        });
        if !error.is_transient() || request.asked.duration_since(failing.since) >= PATIENCE {
            // If nobody listens any more, the delivery has ended.
            let _ = failed.send(format!(
                "limits per day can't be kept: {error} ({})",
                error.help()
            ));
            return;
        }
        if failing.shown.insert(error.to_string()) {
            tracing::warn!(%error, "nothing is sent until the limit per day can be counted again");
        }
        request.answer(GroupAnswer::Later);
    }
}

struct Failing {
    since: Instant,
    /// The errors that were shown.
    shown: BTreeSet<String>,
}

/// The file.
pub(crate) struct PaceFile {
    path: PathBuf,
    connection: Connection,
    group: String,
    day: GroupDay,
}

impl PaceFile {
    /// Opens the file, and creates it if it is missing.
    ///
    /// # Errors
    /// It can't be opened.
    pub(crate) fn open(path: &Path, group: &str, day: GroupDay) -> Result<Self, PaceGroupError> {
        let folder = path.parent().unwrap_or(Path::new("."));
        make_dir(folder).map_err(|error| PaceGroupError::Folder {
            path: folder.to_owned(),
            error,
        })?;
        let failed = |error| PaceGroupError::of_file(path, error);
        let mut connection = Connection::open(path).map_err(failed)?;
        match create(&mut connection).map_err(failed)? {
            VERSION => Ok(Self {
                path: path.to_owned(),
                connection,
                group: group.to_owned(),
                day,
            }),
            _ => Err(PaceGroupError::Newer(path.to_owned())),
        }
    }

    /// Opens a file that exists, to read it; `None` if it has no table yet.
    ///
    /// # Errors
    /// It can't be opened.
    pub(crate) fn open_to_read(
        path: &Path,
        group: &str,
        day: GroupDay,
    ) -> Result<Option<Self>, PaceGroupError> {
        let failed = |error| PaceGroupError::of_file(path, error);
        // If a process was killed while it wrote, even a reader has to take that back.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        connection.busy_timeout(BUSY).map_err(failed)?;
        let version: i32 = connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(failed)?;
        match version {
            0 => Ok(None),
            VERSION => Ok(Some(Self {
                path: path.to_owned(),
                connection,
                group: group.to_owned(),
                day,
            })),
            _ => Err(PaceGroupError::Newer(path.to_owned())),
        }
    }

    /// # Errors
    /// The file can't be read.
    pub(crate) fn posted(&self, now: Timestamp) -> Result<GroupPosted, PaceGroupError> {
        read(&self.connection, &self.group, &self.day, now)
            .map_err(|error| PaceGroupError::of_file(&self.path, error))
    }
}

/// Creates the table in a new file. Returns the version of the file.
fn create(connection: &mut Connection) -> Result<i32, rusqlite::Error> {
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "DELETE")?;
    connection.pragma_update(None, "synchronous", "EXTRA")?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut version: i32 =
        transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version == 0 {
        transaction.execute_batch(
            "CREATE TABLE posted (
               pace_group TEXT NOT NULL,
               minute     INTEGER NOT NULL, -- since 1970
               recipients INTEGER NOT NULL,
               PRIMARY KEY (pace_group, minute)
             ) STRICT, WITHOUT ROWID;",
        )?;
        transaction.pragma_update(None, "user_version", VERSION)?;
        version = VERSION;
    }
    transaction.commit()?;
    Ok(version)
}

fn read(
    connection: &Connection,
    group: &str,
    day: &GroupDay,
    now: Timestamp,
) -> Result<GroupPosted, rusqlite::Error> {
    let minute = minute(now);
    let mut select = connection.prepare_cached(
        "SELECT minute, recipients FROM posted WHERE pace_group = ? AND minute >= ? AND recipients > 0 ORDER BY minute",
    )?;
    let rows = select.query_map(params![group, minute - DAY], |row| {
        Ok((row.get(0)?, row.get::<_, i64>(1)? as u64))
    })?;
    let minutes: Vec<(i64, u64)> = rows.collect::<Result<_, _>>()?;
    if day.ramp.is_empty() {
        return Ok(GroupPosted {
            days_before: 0,
            minutes,
        });
    }
    // Time zones differ by quarters of an hour.
    let mut select = connection.prepare_cached(
        "SELECT DISTINCT minute / 15 * 15 FROM posted WHERE pace_group = ? AND recipients > 0",
    )?;
    let rows = select.query_map([group], |row| row.get::<_, i64>(0))?;
    let quarters: Vec<i64> = rows.collect::<Result<_, _>>()?;
    Ok(GroupPosted {
        days_before: day.days_before(quarters, now),
        minutes,
    })
}

impl PaceStore for PaceFile {
    fn reserve(&mut self, request: &GroupRequest) -> Result<GroupAnswer, PaceGroupError> {
        reserve(&mut self.connection, &self.group, &self.day, request)
            .map_err(|error| PaceGroupError::of_file(&self.path, error))
    }
}

fn reserve(
    connection: &mut Connection,
    group: &str,
    day: &GroupDay,
    request: &GroupRequest,
) -> Result<GroupAnswer, rusqlite::Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (minute, recipients) in &request.unused {
        transaction.execute(
            "UPDATE posted SET recipients = max(0, recipients - ?) WHERE pace_group = ? AND minute = ?",
            params![*recipients as i64, group, minute],
        )?;
    }
    if request.wanted == 0 {
        transaction.commit()?;
        return Ok(GroupAnswer::Later);
    }
    let minute = minute(request.now);
    let add = "INSERT INTO posted (pace_group, minute, recipients) VALUES (?, ?, ?)
         ON CONFLICT DO UPDATE SET recipients = recipients + excluded.recipients";
    // The clock was set back: permits whose time is in the future count from now on.
    let later: i64 = transaction.query_row(
        "SELECT ifnull(sum(recipients), 0) FROM posted WHERE pace_group = ? AND minute > ?",
        params![group, minute],
        |row| row.get(0),
    )?;
    transaction.execute(
        "DELETE FROM posted WHERE pace_group = ? AND (minute > ? OR minute < ?)",
        params![group, minute, minute - FORGOTTEN],
    )?;
    if later > 0 {
        transaction.execute(add, params![group, minute, later])?;
    }
    let posted = read(&transaction, group, day, request.now)?;
    let granted = day.grant(
        request.wanted,
        request.needed,
        posted.days_before,
        &posted.minutes,
        request.now,
    );
    if let Ok(granted) = granted {
        transaction.execute(add, params![group, minute, granted as i64])?;
    }
    transaction.commit()?;
    Ok(match granted {
        Ok(granted) => GroupAnswer::Granted(minute, granted),
        Err(until) => GroupAnswer::FullUntil(until),
    })
}

fn minute(now: Timestamp) -> i64 {
    now.as_second().div_euclid(60)
}

#[cfg(test)]
mod tests;
