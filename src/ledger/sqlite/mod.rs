//! A ledger in a SQLite file of the run's folder.
//!
//! [`Planner`] writes the rows once, a [`LedgerWriter`] claims and settles them, and [`SqliteLedger`] reads
//! them and changes those that have ended.

mod check;
mod commit;
mod connection;
mod feed;
mod forget;
mod operations;
mod plan;
mod posted;
mod read;
mod reopen;
mod rows;
mod stored;
mod variants;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::params;

use super::{LEFT_IN_FLIGHT, LedgerError, LedgerWriter, to_millis};
pub(crate) use check::name_and_target;
use commit::Committer;
use connection::{open_for_writing, write_ahead};
pub(crate) use feed::PendingRows;
pub use plan::{NewRow, Planner};
pub use read::SqliteLedger;
pub(crate) use reopen::skip_sent_later;

/// The version of the schema, in SQLite's `user_version`.
const SCHEMA_VERSION: i64 = 5;
/// Marks a SQLite file as a ledger, in SQLite's `application_id`.
const APPLICATION_ID: i64 = 0x6d61_696c;

/// Opens a run's ledger for sending. The caller holds the run's lock, so rows that are `sending` were
/// left by a process that died: they become `unknown`.
///
/// # Errors
/// The ledger can't be opened or written.
pub fn open_writer(path: &Path, now: Timestamp) -> Result<LedgerWriter, LedgerError> {
    let connection = open_for_writing(path)?;
    write_ahead(&connection, path)?;
    connection.execute(
        "UPDATE delivery SET status = 'unknown', at = ?, error = ? WHERE status = 'sending'",
        params![to_millis(now), LEFT_IN_FLIGHT],
    )?;
    let counts = SqliteLedger::open(path)?.checked_counts()?;
    let committer = Committer::new(connection, path)?;
    LedgerWriter::start(Box::new(committer), counts, path.display().to_string())
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

fn text<'a>(row: &'a rusqlite::Row<'_>, column: usize) -> Result<&'a str, LedgerError> {
    Ok(row
        .get_ref(column)?
        .as_str()
        .map_err(rusqlite::Error::from)?)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::ledger::{Claim, Ledger, Run, Settlement, Status, Target, VariantChoice};

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
            variants: Vec::new(),
            chosen: None,
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
                key: None,
                cells: &cells,
                lane: 0,
                variant: None,
                held_back: false,
                left_out: None,
            };
            planner.add(&row).expect("a row");
        }
        planner.finish(2, NOW).expect("a plan");
        dir
    }

    fn status(dir: &tempfile::TempDir, row: usize) -> Status {
        open(dir).rows(0, u32::MAX).expect("rows")[row - 1].status
    }

    fn open(dir: &tempfile::TempDir) -> SqliteLedger {
        SqliteLedger::open(&path_in(dir.path())).expect("a ledger")
    }

    fn writer_of(dir: &tempfile::TempDir) -> LedgerWriter {
        open_writer(&path_in(dir.path()), NOW).expect("a writer")
    }

    async fn claim(writer: &LedgerWriter, rows: &[u32]) -> Result<(), LedgerError> {
        let rows = rows.to_vec();
        writer.claim(vec![Claim { rows, domain: 0 }], NOW).await
    }

    #[tokio::test]
    async fn a_claim_is_in_the_file_when_it_returns() {
        let dir = ledger(3);
        let writer = writer_of(&dir);
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
        let writer = writer_of(&dir);
        claim(&writer, &[1]).await.expect("a claim");
        assert!(claim(&writer, &[1]).await.is_err());
        assert!(claim(&writer, &[2]).await.is_err());
        assert_eq!(status(&dir, 2), Status::Pending);
    }

    #[tokio::test]
    async fn a_row_that_is_held_back_is_in_no_lane_and_cannot_be_claimed() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = path_in(dir.path());
        let run = Run {
            variants: vec!["A".to_owned(), "B".to_owned()],
            ..run()
        };
        let mut planner = Planner::create(&path, &run).expect("a ledger");
        for number in 1..=4 {
            let row = NewRow {
                number,
                line: 1,
                email: "a@b.example",
                address: Some("a@b.example"),
                key: None,
                cells: "[]",
                lane: number % 2,
                variant: (number > 2).then_some("A"),
                held_back: number <= 2,
                left_out: None,
            };
            planner.add(&row).expect("a row");
        }
        planner.finish(0, NOW).expect("a plan");
        let rows_of = |lane| {
            let rows = open(&dir).pending_in_lane(lane, 0, 9, 9).expect("rows");
            rows.into_iter()
                .map(|row| row.row.number)
                .collect::<Vec<_>>()
        };
        assert_eq!([rows_of(0), rows_of(1)], [vec![4], vec![3]]);
        assert_eq!(open(&dir).nth_pending(1).expect("a row"), 3);
        assert_eq!(open(&dir).held_back().expect("a number"), 2);
        assert!(claim(&writer_of(&dir), &[1]).await.is_err());
        assert_eq!(status(&dir, 1), Status::Pending);
        let chosen = open(&dir).choose_variant("B").expect("a choice");
        assert_eq!(chosen, VariantChoice::Made(2));
        assert_eq!([rows_of(0), rows_of(1)], [vec![2, 4], vec![1, 3]]);
        let other = open(&dir).choose_variant("A").expect("a choice");
        assert_eq!(other, VariantChoice::Other("B".to_owned()));
        let variants = open(&dir).rows(0, 9).expect("rows");
        let variants: Vec<_> = variants.into_iter().flat_map(|row| row.variant).collect();
        assert_eq!(variants, ["B", "B", "A", "A"]);
        claim(&writer_of(&dir), &[1]).await.expect("a claim");
    }

    #[tokio::test]
    async fn rows_in_flight_are_unknown_when_the_ledger_is_opened_again() {
        let dir = ledger(2);
        let writer = writer_of(&dir);
        claim(&writer, &[1, 2]).await.expect("a claim");
        let accepted = Settlement::Accepted {
            message_id: "id@x".to_owned(),
        };
        writer.settle(vec![(2, accepted)], NOW).expect("settled");
        writer.flush().await.expect("flushed");
        drop(writer);
        let writer = writer_of(&dir);
        assert_eq!(
            [1, 2].map(|row| status(&dir, row)),
            [Status::Unknown, Status::Accepted]
        );
        assert_eq!(writer.counts().get().of(Status::Unknown), 1);
    }

    #[tokio::test]
    async fn an_attempt_that_does_not_count_is_taken_back() {
        let dir = ledger(1);
        let writer = writer_of(&dir);
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
            SqliteLedger::open(&path_in(dir.path())),
            Err(LedgerError::NotALedger(_))
        ));
    }
}
