//! Counts how much the runs of a pace group have posted, in a file that they share, so that the limits per day hold for
//! all of them together.
//!
//! A permit is durable before its request goes, so a process that is killed can only leave too high a number.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::durable::make_dir;
use crate::pace::{GroupAnswer, GroupDay, GroupRequest};

const VERSION: i32 = 1;
const BUSY: Duration = Duration::from_secs(30);
/// In minutes. A permit counts for a little longer than a day.
const DAY: i64 = 24 * 60 + 2;
/// In minutes. Older days do not count for the ramp, so it begins again after about a year without a message.
const FORGOTTEN: i64 = 400 * 24 * 60;

#[derive(Debug, thiserror::Error)]
pub(crate) enum PaceGroupError {
    #[error("can't use {0}: {1}")]
    Folder(String, std::io::Error),
    #[error("can't use the file with the posted recipients: {0}")]
    Database(#[from] rusqlite::Error),
    #[error("the file with the posted recipients was written by a newer version of mailrun")]
    Newer,
    #[error("can't count the posted recipients in the ledger: {0}")]
    Ledger(String),
}

/// Where a group's permits come from.
pub(crate) trait PaceStore: Send {
    /// Reserves permits, and gives others back. This is durable when it returns.
    ///
    /// # Errors
    /// It can't be read or written.
    fn reserve(&mut self, request: &GroupRequest) -> Result<GroupAnswer, PaceGroupError>;
}

/// Answers requests until all their senders are dropped.
pub(crate) fn serve(mut store: Box<dyn PaceStore>, mut requests: UnboundedReceiver<GroupRequest>) {
    while let Some(request) = requests.blocking_recv() {
        let answer = store.reserve(&request).unwrap_or_else(|error| {
            tracing::warn!(%error, "no recipient goes, because the limit per day can't be counted");
            GroupAnswer::Later
        });
        request.permits.answer(answer, request.asked);
    }
}

/// The file.
pub(crate) struct PaceFile {
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
        let failed = |error| PaceGroupError::Folder(folder.display().to_string(), error);
        make_dir(folder).map_err(failed)?;
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "DELETE")?;
        connection.pragma_update(None, "synchronous", "EXTRA")?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let version: i32 =
            transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
        match version {
            0 => {
                transaction.execute_batch(
                    "CREATE TABLE posted (
                       pace_group TEXT NOT NULL,
                       minute     INTEGER NOT NULL, -- since 1970
                       recipients INTEGER NOT NULL,
                       PRIMARY KEY (pace_group, minute)
                     ) STRICT, WITHOUT ROWID;",
                )?;
                transaction.pragma_update(None, "user_version", VERSION)?;
            }
            VERSION => {}
            _ => return Err(PaceGroupError::Newer),
        }
        transaction.commit()?;
        Ok(Self {
            connection,
            group: group.to_owned(),
            day,
        })
    }

    /// Opens a file that exists, to read it.
    ///
    /// # Errors
    /// It can't be opened.
    pub(crate) fn open_to_read(
        path: &Path,
        group: &str,
        day: GroupDay,
    ) -> Result<Self, PaceGroupError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY)?;
        let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version > VERSION {
            return Err(PaceGroupError::Newer);
        }
        Ok(Self {
            connection,
            group: group.to_owned(),
            day,
        })
    }

    /// The number of days before today on which the group posted, and its recipients in each minute since 1970 of the last
    /// day.
    ///
    /// # Errors
    /// The file can't be read.
    pub(crate) fn posted(
        &self,
        now: Timestamp,
    ) -> Result<(usize, Vec<(i64, u64)>), PaceGroupError> {
        read(&self.connection, &self.group, &self.day, now)
    }
}

fn read(
    connection: &Connection,
    group: &str,
    day: &GroupDay,
    now: Timestamp,
) -> Result<(usize, Vec<(i64, u64)>), PaceGroupError> {
    let minute = minute(now);
    let mut select = connection.prepare_cached(
        "SELECT minute, recipients FROM posted WHERE pace_group = ? AND minute >= ? AND recipients > 0 ORDER BY minute",
    )?;
    let rows = select.query_map(params![group, minute - DAY], |row| {
        Ok((row.get(0)?, row.get::<_, i64>(1)? as u64))
    })?;
    let posted: Vec<(i64, u64)> = rows.collect::<Result<_, _>>()?;
    if day.ramp.is_empty() {
        return Ok((0, posted));
    }
    // Time zones differ by quarters of an hour.
    let mut select = connection.prepare_cached(
        "SELECT DISTINCT minute / 15 * 15 FROM posted WHERE pace_group = ? AND recipients > 0",
    )?;
    let rows = select.query_map([group], |row| row.get::<_, i64>(0))?;
    let minutes: Vec<i64> = rows.collect::<Result<_, _>>()?;
    Ok((day.days_before(minutes, now), posted))
}

impl PaceStore for PaceFile {
    fn reserve(&mut self, request: &GroupRequest) -> Result<GroupAnswer, PaceGroupError> {
        let group = &self.group;
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
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
        let (days_before, posted) = read(&transaction, group, &self.day, request.now)?;
        let granted = self.day.grant(
            request.wanted,
            request.needed,
            days_before,
            &posted,
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
}

fn minute(now: Timestamp) -> i64 {
    now.as_second().div_euclid(60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pace::GroupPermits;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn open(path: &Path, group: &str, per_day: u64, ramp: &[u64]) -> PaceFile {
        let day = GroupDay {
            per_day: Some(per_day),
            ramp: ramp.to_vec(),
            zone: jiff::tz::TimeZone::UTC,
        };
        PaceFile::open(path, group, day).expect("a file")
    }

    fn reserve(file: &mut PaceFile, wanted: u64, unused: &[(i64, u64)], now: &str) -> GroupAnswer {
        let request = GroupRequest {
            wanted,
            needed: wanted.min(1),
            unused: unused.to_vec(),
            now: at(now),
            asked: tokio::time::Instant::now(),
            permits: GroupPermits::default(),
        };
        file.reserve(&request).expect("it can be written")
    }

    #[test]
    fn two_processes_keep_a_limit_together() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state/pace.db");
        let (mut one, mut two) = (open(&path, "a", 100, &[]), open(&path, "a", 100, &[]));
        let now = "2026-12-01T08:00:00Z";
        let minute = minute(at(now));
        assert_eq!(
            reserve(&mut one, 60, &[], now),
            GroupAnswer::Granted(minute, 60)
        );
        assert_eq!(
            reserve(&mut two, 60, &[], now),
            GroupAnswer::Granted(minute, 40)
        );
        let full = GroupAnswer::FullUntil(at("2026-12-02T08:02:00Z"));
        assert_eq!(reserve(&mut one, 1, &[], now), full);
        assert_eq!(
            reserve(&mut one, 0, &[(minute, 10)], now),
            GroupAnswer::Later
        );
        assert_eq!(
            reserve(&mut two, 60, &[], now),
            GroupAnswer::Granted(minute, 10)
        );
        assert_eq!(
            reserve(&mut open(&path, "b", 100, &[]), 60, &[], now),
            GroupAnswer::Granted(minute, 60)
        );
        // After a kill.
        drop((one, two));
        assert_eq!(reserve(&mut open(&path, "a", 100, &[]), 1, &[], now), full);
        assert!(matches!(
            reserve(
                &mut open(&path, "a", 100, &[]),
                100,
                &[],
                "2026-12-02T08:02:00Z"
            ),
            GroupAnswer::Granted(_, 100)
        ));
    }

    #[test]
    fn the_ramp_goes_on_after_a_restart() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pace.db");
        let granted = |now| match reserve(
            &mut open(&path, "a", 1_000_000, &[5, 10, 20]),
            100,
            &[],
            now,
        ) {
            GroupAnswer::Granted(_, granted) => granted,
            _ => 0,
        };
        assert_eq!(granted("2026-12-01T08:00:00Z"), 5);
        assert_eq!(granted("2026-12-01T20:00:00Z"), 0);
        assert_eq!(granted("2026-12-02T07:00:00Z"), 5);
        assert_eq!(granted("2026-12-02T09:00:00Z"), 5);
        assert_eq!(granted("2026-12-05T09:00:00Z"), 20);
        assert_eq!(granted("2026-12-09T09:00:00Z"), 20);
    }

    #[test]
    fn a_clock_that_is_set_back_frees_nothing_and_blocks_a_day_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut file = open(&folder.path().join("pace.db"), "a", 10, &[]);
        assert!(matches!(
            reserve(&mut file, 10, &[], "2030-01-01T00:00:00Z"),
            GroupAnswer::Granted(_, 10)
        ));
        let full = GroupAnswer::FullUntil(at("2026-12-02T08:02:00Z"));
        assert_eq!(reserve(&mut file, 1, &[], "2026-12-01T08:00:00Z"), full);
        assert!(matches!(
            reserve(&mut file, 10, &[], "2026-12-02T08:02:00Z"),
            GroupAnswer::Granted(_, 10)
        ));
    }
}
