//! The ledger: one SQLite file a run, in which every row has exactly one status.
//!
//! It is reached through few operations: [`Planner`] writes the rows once, [`Writer`] claims and
//! settles them, [`Ledger`] reads counts and rows.

mod check;
mod plan;
mod posted;
mod read;
mod reopen;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode};

use crate::durable::{self, WriteAheadError};

pub use check::whose;
pub use plan::{NewRow, Planner};
pub use read::{InvalidRows, Ledger, PlannedRow, ResultRow};
pub use reopen::{Found, resolve_accepted, resolve_resend, retry, skip_sent_later};
pub use writer::{Claim, LiveCounts, Settlement, Writer};

/// The version of the schema, in SQLite's `user_version`.
const SCHEMA_VERSION: i64 = 2;
/// Marks a SQLite file as a ledger, in SQLite's `application_id`.
const APPLICATION_ID: i64 = 0x6d61_696c;

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Not attempted yet, or put off.
    Pending,
    /// Claimed: durable before the first byte of the request leaves.
    Sending,
    /// The API took it; there is a message ID.
    Accepted,
    /// The API refused it.
    Rejected,
    /// Every attempt was certainly not taken, and the attempts are spent.
    Failed,
    /// It may or may not have been taken.
    Unknown,
    /// Never attempted: the row itself is at fault.
    Invalid,
    /// Never attempted, on purpose.
    Skipped,
}

impl Status {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 8] = [
        Self::Accepted,
        Self::Rejected,
        Self::Failed,
        Self::Unknown,
        Self::Invalid,
        Self::Skipped,
        Self::Sending,
        Self::Pending,
    ];

    /// Its name in the ledger, the results and the JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sending => "sending",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Invalid => "invalid",
            Self::Skipped => "skipped",
        }
    }

    fn parse(name: &str) -> Result<Self, LedgerError> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == name)
            .ok_or_else(|| LedgerError::Damaged(format!("there is no status “{name}”")))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How many rows have each status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts([u64; 8]);

impl Counts {
    /// The rows of a status.
    pub fn of(&self, status: Status) -> u64 {
        self.0[status as usize]
    }

    /// All rows.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The rows whose claim has no live holder are unknown: this is how a run looks from outside.
    #[must_use]
    pub fn without_holder(mut self) -> Self {
        self.0[Status::Unknown as usize] += std::mem::take(&mut self.0[Status::Sending as usize]);
        self
    }

    fn set(&mut self, status: Status, rows: u64) {
        self.0[status as usize] = rows;
    }
}

/// What a run sends to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The API of the campaign, for its recipients.
    Real,
    /// The gateway in this process.
    Local,
    /// The API of the campaign, for one address alone.
    Test,
}

impl Target {
    /// Its name in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::Local => "local",
            Self::Test => "test",
        }
    }

    fn parse(name: &str) -> Result<Self, LedgerError> {
        [Self::Real, Self::Local, Self::Test]
            .into_iter()
            .find(|target| target.as_str() == name)
            .ok_or_else(|| LedgerError::Damaged(format!("there is no target “{name}”")))
    }
}

/// What a ledger says of its run.
#[derive(Debug, Clone)]
pub struct Run {
    /// The campaign's name.
    pub name: String,
    /// What it sends to.
    pub target: Target,
    /// The one recipient of all messages, if there is one.
    pub test_to: Option<String>,
    /// The campaign's folder.
    pub campaign: PathBuf,
    /// When it was planned.
    pub started: Timestamp,
    /// What its message IDs begin with.
    pub id_prefix: String,
    /// The names of the recipients' columns.
    pub header: Vec<String>,
    /// The rows of the input with nothing in them.
    pub blank_rows: u64,
}

/// Why the ledger could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// There is none.
    #[error("there is no ledger {}", .0.display())]
    Missing(PathBuf),
    /// It is of another version.
    #[error("{} was made by {} mailrun: it has version {found}, this reads {SCHEMA_VERSION}", path.display(), if *older { "an older" } else { "a newer" })]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Whether that is before ours.
        older: bool,
    },
    /// It can't be reached.
    #[error("can't read {}: {_1}", _0.display())]
    Io(PathBuf, std::io::Error),
    /// The file is no ledger.
    #[error("{} is not a ledger", .0.display())]
    NotALedger(PathBuf),
    /// The plan was never finished.
    #[error("the run was never planned to its end: nothing was sent")]
    NotPlanned,
    /// It says what can't be.
    #[error("the ledger is damaged: {0}")]
    Damaged(String),
    /// SQLite's own words.
    #[error("the ledger: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A write failed; nothing is written after that.
    #[error("the ledger {} could not be written: {reason}; nothing was posted after that", path.display())]
    NotWritten {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// SQLite can't keep it so that it survives a crash while others read it.
    #[error("the ledger {} can't be kept with a write-ahead log (SQLite stays in the mode “{mode}”)", path.display())]
    NoWriteAhead {
        /// The file.
        path: PathBuf,
        /// SQLite's name of the mode that it stays in.
        mode: String,
    },
    /// A thread that worked on it is gone.
    #[error("the ledger: {0}")]
    Stopped(String),
}

impl LedgerError {
    /// What to do about the disk, if that is at fault.
    pub fn way_out(&self) -> Option<&'static str> {
        let error = match self {
            Self::Sqlite(error) => error,
            Self::NoWriteAhead { .. } => {
                return Some(
                    "the disk fails, or its file system is of a kind that SQLite can't use so: put the run elsewhere with `--run-dir`",
                );
            }
            _ => return None,
        };
        match error.sqlite_error_code()? {
            ErrorCode::DiskFull => Some("make room on the disk that holds the campaign's runs"),
            ErrorCode::SystemIoFailure => {
                Some("the disk that holds the campaign's runs fails: the system's log says more")
            }
            _ => None,
        }
    }

    /// Whether the file says what it can't say.
    pub fn is_damage(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        match self {
            Self::Damaged(_) | Self::NotALedger(_) => true,
            // Without a code it is a value of another type than the schema's.
            Self::Sqlite(error) => matches!(
                error.sqlite_error_code(),
                None | Some(DatabaseCorrupt | NotADatabase)
            ),
            _ => false,
        }
    }
}

/// The ledger's place in a run's folder.
pub fn path_in(run_dir: &Path) -> PathBuf {
    run_dir.join("ledger.db")
}

/// Puts a ledger into write-ahead mode.
fn write_ahead(connection: &Connection, path: &Path) -> Result<(), LedgerError> {
    durable::write_ahead(connection).map_err(|error| match error {
        WriteAheadError::Stays(mode) => LedgerError::NoWriteAhead {
            path: path.to_owned(),
            mode,
        },
        WriteAheadError::Sqlite(error) => error.into(),
    })
}

/// All files that may belong to the ledger in a run's folder.
pub(crate) fn files_in(run_dir: &Path) -> Vec<PathBuf> {
    let ledger = path_in(run_dir);
    let new = plan::unborn(&ledger);
    let beside = |path: &Path, ending: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    vec![
        beside(&ledger, "-wal"),
        beside(&ledger, "-shm"),
        beside(&new, "-wal"),
        beside(&new, "-shm"),
        beside(&new, "-journal"),
        ledger,
        new,
    ]
}

fn to_millis(time: Timestamp) -> i64 {
    time.as_millisecond()
}

fn from_millis(millis: i64) -> Result<Timestamp, LedgerError> {
    Timestamp::from_millisecond(millis).map_err(|error| LedgerError::Damaged(error.to_string()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn run() -> Run {
        Run {
            name: "test".to_owned(),
            target: Target::Local,
            test_to: None,
            campaign: PathBuf::from("."),
            started: Timestamp::UNIX_EPOCH,
            id_prefix: "00".to_owned(),
            header: vec!["email".to_owned()],
            blank_rows: 0,
        }
    }

    fn ledger(rows: u32) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        let mut planner = Planner::create(&path_in(dir.path()), &run()).expect("a ledger");
        for number in 1..=rows {
            let email = format!("a{number}@b.example");
            let cells = format!("[\"{email}\"]");
            let row = NewRow {
                number,
                line: u64::from(number) + 1,
                email: &email,
                address: Some(&email),
                cells: &cells,
                lane: 0,
                left_out: None,
            };
            planner.add(&row).expect("a row");
        }
        planner.finish(2, Timestamp::UNIX_EPOCH).expect("a plan");
        dir
    }

    fn status(dir: &tempfile::TempDir, row: usize) -> Status {
        let mut statuses = Vec::new();
        let ledger = Ledger::open(&path_in(dir.path())).expect("a ledger");
        ledger
            .rows::<LedgerError>(0, u32::MAX, |row| {
                statuses.push(row.status);
                Ok(())
            })
            .expect("rows");
        statuses[row - 1]
    }

    fn claim(rows: &[u32]) -> Vec<Claim> {
        vec![Claim {
            rows: rows.to_vec(),
            lane: 0,
        }]
    }

    #[tokio::test]
    async fn a_claim_is_in_the_file_when_it_returns() {
        let dir = ledger(3);
        let writer = Writer::open(&path_in(dir.path()), Timestamp::UNIX_EPOCH).expect("a writer");
        writer
            .claim(claim(&[1, 2]), Timestamp::UNIX_EPOCH)
            .await
            .expect("a claim");
        assert_eq!(
            [1, 2, 3].map(|row| status(&dir, row)),
            [Status::Sending, Status::Sending, Status::Pending]
        );
        assert_eq!(writer.counts().get().of(Status::Sending), 2);
    }

    #[tokio::test]
    async fn nobody_claims_a_row_twice_and_a_failed_write_stops_everything() {
        let dir = ledger(2);
        let writer = Writer::open(&path_in(dir.path()), Timestamp::UNIX_EPOCH).expect("a writer");
        writer
            .claim(claim(&[1]), Timestamp::UNIX_EPOCH)
            .await
            .expect("a claim");
        assert!(
            writer
                .claim(claim(&[1]), Timestamp::UNIX_EPOCH)
                .await
                .is_err()
        );
        assert!(
            writer
                .claim(claim(&[2]), Timestamp::UNIX_EPOCH)
                .await
                .is_err()
        );
        assert_eq!(status(&dir, 2), Status::Pending);
    }

    #[tokio::test]
    async fn what_was_in_flight_is_unknown_when_the_ledger_is_opened_again() {
        let dir = ledger(2);
        let writer = Writer::open(&path_in(dir.path()), Timestamp::UNIX_EPOCH).expect("a writer");
        writer
            .claim(claim(&[1, 2]), Timestamp::UNIX_EPOCH)
            .await
            .expect("a claim");
        let accepted = Settlement::Accepted {
            message_id: "id@x".to_owned(),
        };
        writer
            .settle(vec![(2, accepted)], Timestamp::UNIX_EPOCH)
            .expect("settled");
        writer.flush().await.expect("flushed");
        drop(writer);
        let writer = Writer::open(&path_in(dir.path()), Timestamp::UNIX_EPOCH).expect("a writer");
        assert_eq!(
            [1, 2].map(|row| status(&dir, row)),
            [Status::Unknown, Status::Accepted]
        );
        assert_eq!(writer.counts().get().of(Status::Unknown), 1);
    }

    #[tokio::test]
    async fn an_attempt_that_does_not_count_is_taken_back() {
        let dir = ledger(1);
        let writer = Writer::open(&path_in(dir.path()), Timestamp::UNIX_EPOCH).expect("a writer");
        for (counted, attempts) in [(false, 0), (true, 1), (true, 2), (false, 2)] {
            writer
                .claim(claim(&[1]), Timestamp::UNIX_EPOCH)
                .await
                .expect("a claim");
            let again = Settlement::Again {
                counted,
                error: String::new(),
            };
            writer
                .settle(vec![(1, again)], Timestamp::UNIX_EPOCH)
                .expect("settled");
            writer.flush().await.expect("flushed");
            let ledger = Ledger::open(&path_in(dir.path())).expect("a ledger");
            assert_eq!(ledger.pending(0, 9).expect("rows")[0].attempts, attempts);
        }
        let ledger = Ledger::open(&path_in(dir.path())).expect("a ledger");
        assert_eq!(
            ledger
                .posted_since(Timestamp::UNIX_EPOCH, None)
                .expect("posted"),
            [(0, 4)]
        );
    }

    #[test]
    fn a_plan_that_was_not_finished_is_no_run() {
        let dir = tempfile::tempdir().expect("a folder");
        drop(Planner::create(&path_in(dir.path()), &run()).expect("a ledger"));
        let error = Ledger::open(&path_in(dir.path())).expect("a ledger").run();
        assert!(matches!(error, Err(LedgerError::NotPlanned)));
    }

    #[test]
    fn another_file_is_no_ledger() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(path_in(dir.path()), "hello, this is no database at all").expect("a file");
        assert!(matches!(
            Ledger::open(&path_in(dir.path())),
            Err(LedgerError::NotALedger(_))
        ));
    }
}
