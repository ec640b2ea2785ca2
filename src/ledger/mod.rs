//! The ledger: one SQLite file per run, in which every row has exactly one status.
//!
//! [`Planner`] writes the rows once, [`LedgerWriter`] claims and settles them, [`Ledger`] reads counts and
//! rows, and `retry`, `Resolver` and the functions next to them reopen rows that have ended.

mod check;
mod commit;
mod connection;
mod error;
mod plan;
mod posted;
mod read;
mod reopen;
mod rows;
mod status;
mod writer;

use std::path::{Path, PathBuf};

use jiff::Timestamp;

pub(crate) use check::name_and_target;
pub use commit::{Claim, Settlement};
pub use error::LedgerError;
pub use plan::{NewRow, Planner};
pub use read::Ledger;
pub(crate) use read::{InvalidRows, StatusReason};
pub(crate) use reopen::{Resolver, resolve_accepted, resolve_resend, retry, skip_sent_later};
pub(crate) use rows::{PlannedRow, ResultRow};
pub use status::{Status, StatusCounts};
pub use writer::LedgerWriter;
pub(crate) use writer::LiveCounts;

/// The version of the schema, in SQLite's `user_version`.
const SCHEMA_VERSION: i64 = 2;
/// Marks a SQLite file as a ledger, in SQLite's `application_id`.
const APPLICATION_ID: i64 = 0x6d61_696c;
/// The error of a row whose request was in flight when its process ended.
const LEFT_IN_FLIGHT: &str = "mailrun ended while the request was in flight";

/// Where a run sends its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// To the campaign's API, for its recipients.
    Real,
    /// To the gateway in this process.
    Local,
    /// To the campaign's API, all to one address.
    Test,
}

impl Target {
    pub(crate) fn as_str(self) -> &'static str {
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
            .ok_or_else(|| LedgerError::Damaged(format!("unknown target “{name}”")))
    }
}

/// What a ledger says about its run.
#[derive(Debug, Clone)]
pub struct Run {
    /// The campaign's name.
    pub name: String,
    pub target: Target,
    /// The one recipient of a test.
    pub test_to: Option<String>,
    /// The campaign's folder.
    pub campaign: PathBuf,
    pub started: Timestamp,
    /// What its message IDs begin with.
    pub id_prefix: String,
    /// The names of the recipients' columns.
    pub header: Vec<String>,
    /// How many rows of the input are empty.
    pub blank_rows: u64,
}

/// The ledger's file in a run's folder.
pub fn path_in(run_dir: &Path) -> PathBuf {
    run_dir.join("ledger.db")
}

/// All files that may belong to the ledger in a run's folder.
pub(crate) fn files_in(run_dir: &Path) -> Vec<PathBuf> {
    let ledger = path_in(run_dir);
    let new = plan::temporary(&ledger);
    let beside = |path: &Path, suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
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

fn text<'a>(row: &'a rusqlite::Row<'_>, column: usize) -> Result<&'a str, LedgerError> {
    Ok(row
        .get_ref(column)?
        .as_str()
        .map_err(rusqlite::Error::from)?)
}

fn parse_cells(json: &str) -> Result<Vec<String>, LedgerError> {
    serde_json::from_str(json).map_err(|error| LedgerError::Damaged(error.to_string()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    pub(crate) fn run() -> Run {
        Run {
            name: "test".to_owned(),
            target: Target::Local,
            test_to: None,
            campaign: PathBuf::from("."),
            started: NOW,
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
        planner.finish(2, NOW).expect("a plan");
        dir
    }

    fn status(dir: &tempfile::TempDir, row: usize) -> Status {
        let mut statuses = Vec::new();
        open(dir)
            .rows::<LedgerError>(0, u32::MAX, |row| {
                statuses.push(row.status);
                Ok(())
            })
            .expect("rows");
        statuses[row - 1]
    }

    fn open(dir: &tempfile::TempDir) -> Ledger {
        Ledger::open(&path_in(dir.path())).expect("a ledger")
    }

    fn open_writer(dir: &tempfile::TempDir) -> LedgerWriter {
        LedgerWriter::open(&path_in(dir.path()), NOW).expect("a writer")
    }

    async fn claim(writer: &LedgerWriter, rows: &[u32]) -> Result<(), LedgerError> {
        let rows = rows.to_vec();
        writer.claim(vec![Claim { rows, lane: 0 }], NOW).await
    }

    #[tokio::test]
    async fn a_claim_is_in_the_file_when_it_returns() {
        let dir = ledger(3);
        let writer = open_writer(&dir);
        claim(&writer, &[1, 2]).await.expect("a claim");
        assert_eq!(
            [1, 2, 3].map(|row| status(&dir, row)),
            [Status::Sending, Status::Sending, Status::Pending]
        );
        assert_eq!(writer.counts().get().of(Status::Sending), 2);
    }

    #[tokio::test]
    async fn no_row_is_claimed_twice_and_a_failed_write_stops_everything() {
        let dir = ledger(2);
        let writer = open_writer(&dir);
        claim(&writer, &[1]).await.expect("a claim");
        assert!(claim(&writer, &[1]).await.is_err());
        assert!(claim(&writer, &[2]).await.is_err());
        assert_eq!(status(&dir, 2), Status::Pending);
    }

    #[tokio::test]
    async fn rows_in_flight_are_unknown_when_the_ledger_is_opened_again() {
        let dir = ledger(2);
        let writer = open_writer(&dir);
        claim(&writer, &[1, 2]).await.expect("a claim");
        let accepted = Settlement::Accepted {
            message_id: "id@x".to_owned(),
        };
        writer.settle(vec![(2, accepted)], NOW).expect("settled");
        writer.flush().await.expect("flushed");
        drop(writer);
        let writer = open_writer(&dir);
        assert_eq!(
            [1, 2].map(|row| status(&dir, row)),
            [Status::Unknown, Status::Accepted]
        );
        assert_eq!(writer.counts().get().of(Status::Unknown), 1);
    }

    #[tokio::test]
    async fn an_attempt_that_does_not_count_is_taken_back() {
        let dir = ledger(1);
        let writer = open_writer(&dir);
        for (counted, attempts) in [(false, 0), (true, 1), (true, 2), (false, 2)] {
            claim(&writer, &[1]).await.expect("a claim");
            let again = Settlement::Again {
                counted,
                error: String::new(),
            };
            writer.settle(vec![(1, again)], NOW).expect("settled");
            writer.flush().await.expect("flushed");
            let rows = open(&dir).pending(0, 9).expect("rows");
            assert_eq!(rows[0].attempts, attempts);
        }
        let posted = open(&dir).posted_since(NOW, None);
        assert_eq!(posted.expect("posted"), [(0, 4)]);
    }

    #[test]
    fn an_unfinished_plan_is_not_a_run() {
        let dir = tempfile::tempdir().expect("a folder");
        drop(Planner::create(&path_in(dir.path()), &run()).expect("a ledger"));
        assert!(matches!(open(&dir).run(), Err(LedgerError::NotPlanned)));
    }

    #[test]
    fn another_file_is_not_a_ledger() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(path_in(dir.path()), "hello, this is no database at all").expect("a file");
        assert!(matches!(
            Ledger::open(&path_in(dir.path())),
            Err(LedgerError::NotALedger(_))
        ));
    }
}
