//! The one writer, on a thread of its own. What waits for it is committed together.

use std::sync::mpsc::{self, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};

use rusqlite::{Connection, ErrorCode};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{oneshot, watch};

use super::StoreError;

/// How many jobs wait for the writer at most; then those who give them wait.
const QUEUE: usize = 4096;
/// How many jobs are committed together at most.
const GROUP: usize = 1024;

/// Tells who gave a job what became of the commit that it was in.
type Tell = Box<dyn FnOnce(Result<(), &Failed>) + Send>;
/// Does its work, unless there is no transaction to do it in.
type Job = Box<dyn FnOnce(Option<&Connection>) -> Done + Send>;

/// A job's work.
struct Done {
    /// Whether it is to be kept.
    keep: bool,
    /// Whether there was no room for it.
    full: bool,
    tell: Tell,
}

/// Why a commit came to nothing; those who were in it get a copy each.
#[derive(Clone)]
struct Failed {
    /// Whether it may yet come back after a crash.
    doubtful: bool,
    full: bool,
    reason: String,
}

impl Failed {
    fn new(error: &rusqlite::Error) -> Self {
        Self {
            doubtful: false,
            full: is_full(error),
            reason: error.to_string(),
        }
    }

    fn error(&self) -> StoreError {
        match self {
            Self { full: true, .. } => StoreError::Full,
            Self { doubtful: true, .. } => StoreError::Doubtful(self.reason.clone()),
            _ => StoreError::NotStored(self.reason.clone()),
        }
    }
}

fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
}

pub(super) struct Writer {
    jobs: Sender<Job>,
    newest: watch::Receiver<i64>,
    changes: watch::Receiver<u64>,
    /// The commit after which nothing is written any more.
    failure: Arc<OnceLock<Failed>>,
}

impl Writer {
    /// Starts it. The receiver gets something after a commit, and is closed at the end.
    pub(super) fn start(connection: Connection) -> Result<(Self, mpsc::Receiver<()>), StoreError> {
        let (jobs, received) = channel(QUEUE);
        let (newest, newest_receiver) = watch::channel(newest_of(&connection)?);
        let (changes, changes_receiver) = watch::channel(0);
        let (committed, committed_receiver) = sync_channel(1);
        let thread = Thread {
            connection,
            newest,
            changes,
            failure: Arc::default(),
            committed,
        };
        let failure = Arc::clone(&thread.failure);
        std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || thread.run(received))
            .map_err(|error| StoreError::Stopped(error.to_string()))?;
        let writer = Self {
            jobs,
            newest: newest_receiver,
            changes: changes_receiver,
            failure,
        };
        Ok((writer, committed_receiver))
    }

    pub(super) fn newest(&self) -> watch::Receiver<i64> {
        self.newest.clone()
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.clone()
    }

    pub(super) fn failure(&self) -> Option<StoreError> {
        self.failure.get().map(Failed::error)
    }

    pub(super) async fn write<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (job, answer) = job(f);
        let given = self.jobs.send(job).await;
        given.map_err(|_| self.not_taken())?;
        answer.await.map_err(|_| gone())?
    }

    pub(super) fn write_blocking<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (job, answer) = job(f);
        let given = self.jobs.blocking_send(job);
        given.map_err(|_| self.not_taken())?;
        answer.blocking_recv().map_err(|_| gone())?
    }

    /// Why a job could not be given.
    fn not_taken(&self) -> StoreError {
        match self.failure.get() {
            // This job was never begun, whatever became of the one that failed.
            Some(failed) => StoreError::NotStored(failed.reason.clone()),
            None => gone(),
        }
    }
}

fn gone() -> StoreError {
    StoreError::Stopped("its writer is gone".to_owned())
}

fn job<T: Send + 'static>(
    f: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
) -> (Job, oneshot::Receiver<Result<T, StoreError>>) {
    let (done, answer) = oneshot::channel();
    let job: Job = Box::new(move |connection| {
        let result = connection.map(f);
        let error = result.as_ref().and_then(|result| result.as_ref().err());
        Done {
            keep: matches!(result, Some(Ok(_))),
            full: error.is_some_and(is_full),
            // Who gave the job may have given up waiting.
            tell: Box::new(move |committed| drop(done.send(outcome(result, committed)))),
        }
    });
    (job, answer)
}

fn outcome<T>(
    result: Option<rusqlite::Result<T>>,
    committed: Result<(), &Failed>,
) -> Result<T, StoreError> {
    match (result, committed) {
        (Some(Err(error)), _) if is_full(&error) => Err(StoreError::Full),
        (Some(Err(error)), _) => Err(error.into()),
        (_, Err(failed)) => Err(failed.error()),
        (Some(Ok(value)), Ok(())) => Ok(value),
        (None, Ok(())) => Err(gone()),
    }
}

struct Thread {
    connection: Connection,
    newest: watch::Sender<i64>,
    changes: watch::Sender<u64>,
    failure: Arc<OnceLock<Failed>>,
    /// Told after each commit; it need not be told twice.
    committed: SyncSender<()>,
}

impl Thread {
    /// Commits what waits, group by group, until nobody is left who could give a job, or a commit
    /// has failed so that nobody knows what of it is on the disk.
    fn run(self, mut jobs: Receiver<Job>) {
        while let Some(first) = jobs.blocking_recv() {
            let others = std::iter::from_fn(|| jobs.try_recv().ok()).take(GROUP - 1);
            let mut told = Vec::new();
            match self.commit(std::iter::once(first).chain(others), &mut told) {
                Ok(newest) => {
                    told.into_iter().for_each(|tell| tell(Ok(())));
                    self.announce(newest);
                }
                Err(failed) => {
                    tracing::error!(reason = failed.reason, "nothing could be committed");
                    told.into_iter().for_each(|tell| tell(Err(&failed)));
                    if failed.doubtful {
                        let _ = self.failure.set(failed);
                        return;
                    }
                }
            }
        }
    }

    fn announce(&self, newest: i64) {
        self.changes.send_modify(|changes| *changes += 1);
        let _ = self.committed.try_send(());
        self.newest.send_if_modified(|known| {
            let is_new = *known != newest;
            *known = newest;
            is_new
        });
    }

    /// Gives the ID of the newest message.
    fn commit(&self, jobs: impl Iterator<Item = Job>, told: &mut Vec<Tell>) -> Result<i64, Failed> {
        let committed = self.work(jobs, told).and_then(|newest| {
            let committed = self.connection.execute_batch("COMMIT");
            committed.map(|()| newest).map_err(|error| Failed {
                // With no room the frames of the commit are not complete; else the sync may have failed.
                doubtful: error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure),
                ..Failed::new(&error)
            })
        });
        if !self.connection.is_autocommit() {
            // Only a failure leaves the transaction open.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        committed
    }

    fn work(&self, jobs: impl Iterator<Item = Job>, told: &mut Vec<Tell>) -> Result<i64, Failed> {
        let begun = self.connection.execute_batch("BEGIN IMMEDIATE");
        let mut lost = begun.err().map(|error| Failed::new(&error));
        for job in jobs {
            let done = match lost {
                Some(_) => job(None),
                None => self.in_savepoint(job).unwrap_or_else(|(done, failed)| {
                    lost = Some(failed);
                    done
                }),
            };
            told.push(done.tell);
        }
        match lost {
            Some(failed) => Err(failed),
            None => newest_of(&self.connection).map_err(|error| Failed::new(&error)),
        }
    }

    /// Does a job. With an error, the transaction is lost: SQLite rolls it back by itself when the
    /// disk fails, and what came after it would be committed alone.
    fn in_savepoint(&self, job: Job) -> Result<Done, (Done, Failed)> {
        if let Err(error) = self.statement("SAVEPOINT job") {
            return Err((job(None), Failed::new(&error)));
        }
        let done = job(Some(&self.connection));
        if self.connection.is_autocommit() {
            let failed = Failed {
                doubtful: false,
                full: done.full,
                reason: "SQLite took back the whole transaction".to_owned(),
            };
            return Err((done, failed));
        }
        let back = if done.keep {
            Ok(())
        } else {
            self.statement("ROLLBACK TO job")
        };
        match back.and_then(|()| self.statement("RELEASE job")) {
            Ok(()) => Ok(done),
            Err(error) => Err((done, Failed::new(&error))),
        }
    }

    fn statement(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }
}

/// The ID of the newest message that there ever was.
fn newest_of(connection: &Connection) -> rusqlite::Result<i64> {
    let mut newest = connection.prepare_cached(
        "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'message'",
    )?;
    newest.query_row([], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn writer() -> Writer {
        let connection = Connection::open_in_memory().expect("a database");
        let schema =
            "CREATE TABLE message (id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT UNIQUE)";
        connection.execute_batch(schema).expect("a schema");
        Writer::start(connection).expect("a writer").0
    }

    fn insert(connection: &Connection, text: &str) -> rusqlite::Result<i64> {
        connection.execute("INSERT INTO message (text) VALUES (?)", [text])?;
        Ok(connection.last_insert_rowid())
    }

    fn texts(writer: &Writer) -> Vec<String> {
        let all = |connection: &Connection| {
            let mut select = connection.prepare("SELECT text FROM message ORDER BY id")?;
            select.query_map([], |row| row.get(0))?.collect()
        };
        writer.write_blocking(all).expect("the texts")
    }

    #[test]
    fn a_job_that_fails_takes_nothing_with_it_and_leaves_nothing() {
        let writer = writer();
        let newest = writer.newest();
        for text in ["a", "b"] {
            writer
                .write_blocking(move |connection| insert(connection, text))
                .expect("written");
        }
        let failed = writer.write_blocking(|connection| {
            insert(connection, "c")?;
            insert(connection, "a")
        });
        assert!(failed.expect_err("it is there").is_nothing_stored());
        assert_eq!(texts(&writer), ["a", "b"]);
        assert_eq!(*newest.borrow(), 2);
    }

    #[test]
    fn who_waits_for_the_writer_holds_up_nobody_else() {
        let (over, ended) = sync_channel(1);
        // One thread for all; when it is held up, the writer is never let go.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            runtime.expect("a runtime").block_on(async {
                let writer = Arc::new(writer());
                let (go, held) = sync_channel::<()>(0);
                let begun = Arc::new(AtomicUsize::new(0));
                let jobs: Vec<_> = std::iter::once(Some(held))
                    .chain((0..2 * QUEUE).map(|_| None))
                    .map(|held| {
                        let (writer, begun) = (Arc::clone(&writer), Arc::clone(&begun));
                        tokio::spawn(async move {
                            begun.fetch_add(1, Ordering::Relaxed);
                            let wait = move |_: &Connection| {
                                held.map(|held| held.recv());
                                Ok(())
                            };
                            writer.write(wait).await
                        })
                    })
                    .collect();
                while begun.load(Ordering::Relaxed) < jobs.len() {
                    tokio::task::yield_now().await;
                }
                go.send(()).expect("the first job");
                for job in jobs {
                    job.await.expect("a job").expect("written");
                }
            });
            over.send(()).expect("the test");
        });
        let ended = ended.recv_timeout(std::time::Duration::from_secs(60));
        ended.expect("the end of all jobs");
    }

    #[test]
    fn a_transaction_that_is_gone_fails_all_that_were_in_it() {
        let writer = writer();
        let lost = writer.write_blocking(|connection| {
            insert(connection, "a")?;
            connection.execute_batch("ROLLBACK")
        });
        assert!(lost.expect_err("it is lost").is_nothing_stored());
        assert_eq!(texts(&writer), [""; 0]);
    }
}
