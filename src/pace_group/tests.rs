use std::sync::Arc;

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

fn request(wanted: u64, unused: &[(i64, u64)], now: &str) -> GroupRequest {
    GroupRequest {
        wanted,
        needed: wanted.min(1),
        unused: unused.to_vec(),
        now: at(now),
        asked: Instant::now(),
        permits: GroupPermits::default(),
    }
}

fn reserve(file: &mut PaceFile, wanted: u64, unused: &[(i64, u64)], now: &str) -> GroupAnswer {
    let reserved = file.reserve(&request(wanted, unused, now));
    reserved.expect("it can be written")
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

/// Fails with these errors, and then no more. `None` is a request without an error.
struct FailingStore(Vec<Option<PaceGroupError>>);

impl PaceStore for FailingStore {
    fn reserve(&mut self, _: &GroupRequest) -> Result<GroupAnswer, PaceGroupError> {
        let error = match self.0.is_empty() {
            true => None,
            false => self.0.remove(0),
        };
        error.map_or(Ok(GroupAnswer::Granted(7, 1)), Err)
    }
}

fn busy() -> Option<PaceGroupError> {
    let error = rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), None);
    Some(PaceGroupError::of_file(Path::new("pace.db"), error))
}

/// Serves five requests that come every five minutes. Returns the error with which it ends, and the log.
fn served(errors: Vec<Option<PaceGroupError>>) -> (Option<String>, String) {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    let start = Instant::now();
    for number in 0..5 {
        let mut request = request(1, &[], "2026-12-01T08:00:00Z");
        request.asked = start + PATIENCE / 2 * number;
        assert!(sender.send(request).is_ok());
    }
    drop(sender);
    let (failed, mut failure) = oneshot::channel();
    let log = tempfile::NamedTempFile::new().expect("a file");
    let writer = Arc::new(log.reopen().expect("a file"));
    let subscriber = tracing_subscriber::fmt().with_writer(writer);
    tracing::subscriber::with_default(subscriber.finish(), || {
        serve(Box::new(FailingStore(errors)), receiver, failed);
    });
    let log = std::fs::read_to_string(log.path()).expect("the log");
    (failure.try_recv().ok(), log)
}

#[test]
fn errors_that_pass_are_waited_for_and_shown_once() {
    let (failure, log) = served(vec![busy(), busy(), None, busy(), busy()]);
    assert_eq!(failure, None);
    assert_eq!(log.matches("in pace.db").count(), 2, "{log}");
    let (failure, _) = served(vec![busy(), busy(), busy()]);
    assert!(failure.is_some_and(|it| it.contains("in pace.db: ")));
}

#[test]
fn other_errors_end_it_at_once() {
    let newer = PaceGroupError::Newer(PathBuf::from("pace.db"));
    let (failure, log) = served(vec![Some(newer)]);
    assert!(failure.is_some_and(|it| it.contains("pace.db, which")));
    assert_eq!(log, "");
}

#[test]
fn a_file_that_was_deleted_counts_no_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("pace.db");
    let mut file = open(&path, "a", 10, &[]);
    reserve(&mut file, 1, &[], "2026-12-01T08:00:00Z");
    std::fs::remove_file(&path).expect("it is there");
    let error = file.reserve(&request(1, &[], "2026-12-01T08:00:00Z"));
    let error = error.expect_err("it is gone");
    assert!(!error.is_transient());
    assert!(
        error.to_string().contains("was moved or deleted"),
        "{error}"
    );
}

#[test]
fn an_empty_file_is_no_error_for_readers() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("pace.db");
    std::fs::write(&path, "").expect("a file");
    assert_eq!(posted(&path), None);
    reserve(
        &mut open(&path, "a", 10, &[]),
        1,
        &[],
        "2026-12-01T08:00:00Z",
    );
    let minutes = vec![(minute(at("2026-12-01T08:00:00Z")), 1)];
    let days_before = 0;
    assert_eq!(
        posted(&path),
        Some(GroupPosted {
            days_before,
            minutes
        })
    );
}

/// What another process reads at 08:00.
fn posted(path: &Path) -> Option<GroupPosted> {
    let day = GroupDay::unlimited(jiff::tz::TimeZone::UTC);
    let file = PaceFile::open_to_read(path, "a", day).expect("a file");
    file.map(|file| {
        file.posted(at("2026-12-01T08:00:00Z"))
            .expect("it can be read")
    })
}

#[test]
fn what_a_killed_process_did_not_finish_is_no_error_for_readers() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, copy) = (folder.path().join("pace.db"), folder.path().join("copy.db"));
    let mut file = open(&path, "a", 10, &[]);
    reserve(&mut file, 1, &[], "2026-12-01T08:00:00Z");
    // As the disk is in the middle of a commit.
    let begun = file
        .connection
        .execute_batch("BEGIN; UPDATE posted SET recipients = 9");
    begun.expect("it can be written");
    file.connection.cache_flush().expect("it can be written");
    for suffix in ["", "-journal"] {
        let beside = |path: &Path| format!("{}{suffix}", path.display());
        std::fs::copy(beside(&path), beside(&copy)).expect("a copy");
    }
    let minutes = vec![(minute(at("2026-12-01T08:00:00Z")), 1)];
    let days_before = 0;
    assert_eq!(
        posted(&copy),
        Some(GroupPosted {
            days_before,
            minutes
        })
    );
}
