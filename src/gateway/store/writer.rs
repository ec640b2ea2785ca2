//! The one writer, on a thread of its own. What waits for it is committed together.

use std::sync::mpsc::{self, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use rusqlite::{Connection, ErrorCode};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::watch;

use super::StoreError;
use super::job::{self, Answer, Failed, Job, Ran, gone};
use super::written_back::Log;
use crate::gateway::histogram::Histogram;

/// How many jobs wait for the writer at most; then those who give them wait.
const QUEUE: usize = 4096;
/// How many jobs are committed together at most.
const GROUP: usize = 1024;

pub(super) struct Writer {
    jobs: Sender<Box<dyn Job>>,
    newest: watch::Receiver<i64>,
    changes: watch::Receiver<u64>,
    /// How long commits took.
    seconds: Arc<Histogram>,
    /// The commit after which nothing is written any more.
    failure: Arc<OnceLock<Failed>>,
}

impl Writer {
    /// Starts it. The receiver gets something after a commit, and is closed at the end.
    pub(super) fn start(
        connection: Connection,
        log: Option<Log>,
    ) -> Result<(Self, mpsc::Receiver<()>), StoreError> {
        let (jobs, received) = channel(QUEUE);
        let (newest, newest_receiver) = watch::channel(newest_of(&connection)?);
        let (changes, changes_receiver) = watch::channel(0);
        let (committed, committed_receiver) = sync_channel(1);
        let thread = Thread {
            connection,
            log,
            newest,
            changes,
            seconds: Arc::default(),
            failure: Arc::default(),
            committed,
        };
        let failure = Arc::clone(&thread.failure);
        let seconds = Arc::clone(&thread.seconds);
        std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || thread.run(received))
            .map_err(|error| StoreError::Stopped(error.to_string()))?;
        let writer = Self {
            jobs,
            newest: newest_receiver,
            changes: changes_receiver,
            seconds,
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

    pub(super) fn seconds(&self) -> Arc<Histogram> {
        Arc::clone(&self.seconds)
    }

    /// How many jobs wait.
    pub(super) fn waiting(&self) -> usize {
        self.jobs.max_capacity() - self.jobs.capacity()
    }

    pub(super) fn failure(&self) -> Option<StoreError> {
        self.failure.get().map(Failed::error)
    }

    pub(super) async fn write<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.give(job::once(f)).await
    }

    pub(super) async fn write_again<T: Send + 'static>(
        &self,
        f: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.give(job::again(f)).await
    }

    async fn give<T>(&self, (job, answer): (Box<dyn Job>, Answer<T>)) -> Result<T, StoreError> {
        let given = self.jobs.send(job).await;
        given.map_err(|_| self.not_taken())?;
        answer.await.map_err(|_| gone())?
    }

    pub(super) fn write_blocking<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (job, answer) = job::once(f);
        let given = self.jobs.blocking_send(job);
        given.map_err(|_| self.not_taken())?;
        answer.blocking_recv().map_err(|_| gone())?
    }

    /// Why a job could not be given.
    fn not_taken(&self) -> StoreError {
        match self.failure.get() {
            // This job was never begun, whatever became of the one that failed.
            Some(failed) => StoreError::NotStored(failed.reason.to_string()),
            None => gone(),
        }
    }
}

struct Thread {
    connection: Connection,
    log: Option<Log>,
    newest: watch::Sender<i64>,
    changes: watch::Sender<u64>,
    seconds: Arc<Histogram>,
    failure: Arc<OnceLock<Failed>>,
    /// Told after each commit; it need not be told twice.
    committed: SyncSender<()>,
}

/// What is committed together.
#[derive(Default)]
struct Group {
    /// What can be done again.
    again: Vec<Box<dyn Job>>,
    /// What can be done once.
    once: Vec<Box<dyn Job>>,
}

impl Group {
    fn tell(self, committed: Result<(), &Failed>) {
        let all = self.again.into_iter().chain(self.once);
        all.for_each(|job| job.tell(committed));
    }
}

impl Thread {
    /// Commits what waits, group by group, until nobody is left who could give a job, or a commit
    /// has failed so that nobody knows what of it is on the disk.
    fn run(mut self, mut jobs: Receiver<Box<dyn Job>>) {
        while let Some(first) = jobs.blocking_recv() {
            let others = std::iter::from_fn(|| jobs.try_recv().ok()).take(GROUP - 1);
            let mut group = Group::default();
            match self.commit(std::iter::once(first).chain(others), &mut group) {
                Ok(newest) => {
                    group.tell(Ok(()));
                    self.announce(newest);
                    if let Some(log) = &mut self.log {
                        log.look(&self.connection);
                    }
                }
                Err(failed) => {
                    let reason = &*failed.reason;
                    tracing::error!(reason, "nothing could be committed");
                    group.tell(Err(&failed));
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
    fn commit(
        &self,
        jobs: impl Iterator<Item = Box<dyn Job>>,
        group: &mut Group,
    ) -> Result<i64, Failed> {
        let committed = self.work(jobs, group).and_then(|newest| {
            let begun = Instant::now();
            let committed = self.connection.execute_batch("COMMIT");
            self.seconds.add(begun.elapsed());
            committed.map(|()| newest).map_err(|error| Failed {
                // With no room the frames of the commit are not complete; else the sync may have failed.
                doubtful: error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure),
                ..Failed::new(&error)
            })
        });
        // Only a failure leaves the transaction open.
        self.roll_back();
        committed
    }

    /// Does jobs, those that come meanwhile as well. A savepoint for each would have SQLite copy every
    /// page that it changes. So what can be done again has none: when some of it fails, all is rolled
    /// back, and done again with one each. What can be done once comes after it.
    fn work(
        &self,
        jobs: impl Iterator<Item = Box<dyn Job>>,
        group: &mut Group,
    ) -> Result<i64, Failed> {
        let begun = self.statement("BEGIN IMMEDIATE");
        let mut well = begun.is_ok();
        for mut job in jobs {
            if !job.repeats() {
                group.once.push(job);
                continue;
            }
            // A transaction that is gone would let the next ones commit alone.
            well = well && job.run(&self.connection) == Ran::Well && self.is_in_transaction();
            group.again.push(job);
            if !well {
                break;
            }
        }
        begun.map_err(|error| Failed::new(&error))?;
        if !well {
            self.roll_back();
            self.statement("BEGIN IMMEDIATE")
                .map_err(|error| Failed::new(&error))?;
            let mut again = group.again.iter_mut();
            again.try_for_each(|job| self.in_savepoint(&mut **job))?;
        }
        let mut once = group.once.iter_mut();
        once.try_for_each(|job| self.in_savepoint(&mut **job))?;
        newest_of(&self.connection).map_err(|error| Failed::new(&error))
    }

    fn is_in_transaction(&self) -> bool {
        !self.connection.is_autocommit()
    }

    fn roll_back(&self) {
        if self.is_in_transaction() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }

    /// Does a job that takes nothing else with it when it fails. With an error, the transaction is lost:
    /// SQLite rolls it back by itself when the disk fails, and what came after it would be committed alone.
    fn in_savepoint(&self, job: &mut dyn Job) -> Result<(), Failed> {
        let lost = |error| Failed::new(&error);
        self.statement("SAVEPOINT job").map_err(lost)?;
        let ran = job.run(&self.connection);
        if !self.is_in_transaction() {
            return Err(Failed {
                doubtful: false,
                full: ran == Ran::Full,
                reason: "SQLite took back the whole transaction".into(),
            });
        }
        if ran != Ran::Well {
            self.statement("ROLLBACK TO job").map_err(lost)?;
        }
        self.statement("RELEASE job").map_err(lost)
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
        Writer::start(connection, None).expect("a writer").0
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
    fn of_what_is_written_together_only_what_fails_is_not_stored() {
        let writer = writer();
        let (go, held) = sync_channel::<()>(0);
        let hold = writer.write_again(move |_| Ok(held.recv().is_ok()));
        let write = |text| writer.write_again(move |connection| insert(connection, text));
        let twice = writer.write_again(|connection| {
            insert(connection, "x")?;
            insert(connection, "x")
        });
        let once = writer.write(|connection| insert(connection, "e"));
        // All of them wait before the first is let go.
        let go = async move { drop(go) };
        let all = async {
            tokio::join!(biased; hold, write("a"), twice, once, write("b"), write("b"), write("c"), go)
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let (hold, a, x, e, b, again, c, ()) = runtime.expect("a runtime").block_on(all);
        hold.expect("written");
        for written in [a, b, c, e] {
            assert!(written.expect("written") > 0);
        }
        for failed in [x, again] {
            assert!(failed.expect_err("it is there twice").is_nothing_stored());
        }
        let mut texts = texts(&writer);
        texts.sort();
        assert_eq!(texts, ["a", "b", "c", "e"]);
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
