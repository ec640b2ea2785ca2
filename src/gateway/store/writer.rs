//! The handle of the thread that writes.

use std::sync::mpsc::{self, sync_channel};
use std::sync::{Arc, OnceLock};

use prometheus_client::metrics::histogram::Histogram;
use rusqlite::Connection;
use tokio::sync::mpsc::{Sender, channel};
use tokio::sync::watch;

use super::StoreError;
use super::checkpoint::Checkpointer;
use super::commit::{Committer, newest_message};
use super::job::{self, CommitError, Job, JobReceiver, writer_stopped};
use crate::gateway::histogram::duration_histogram;

/// The capacity of the queue. Further writes wait for space in it.
const QUEUE: usize = 4096;

pub(super) struct Writer {
    jobs: Sender<Box<dyn Job>>,
    pub(super) newest: watch::Receiver<i64>,
    pub(super) changes: watch::Receiver<u64>,
    pub(super) commit_seconds: Histogram,
    /// Set when a commit has failed so that nothing can be written any more.
    failure: Arc<OnceLock<CommitError>>,
}

impl Writer {
    /// Starts the thread. The receiver gets a value after commits, and is closed when the thread ends.
    pub(super) fn start(
        connection: Connection,
        checkpointer: Option<Checkpointer>,
    ) -> Result<(Self, mpsc::Receiver<()>), StoreError> {
        let (jobs, job_receiver) = channel(QUEUE);
        let (newest, newest_receiver) = watch::channel(newest_message(&connection)?);
        let (changes, changes_receiver) = watch::channel(0);
        let (committed, committed_receiver) = sync_channel(1);
        let committer = Committer {
            connection,
            checkpointer,
            newest,
            changes,
            commit_seconds: duration_histogram(),
            failure: Arc::default(),
            committed,
        };
        let writer = Self {
            jobs,
            newest: newest_receiver,
            changes: changes_receiver,
            commit_seconds: committer.commit_seconds.clone(),
            failure: Arc::clone(&committer.failure),
        };
        std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || committer.run(job_receiver))
            .map_err(|error| StoreError::Stopped(error.to_string()))?;
        Ok((writer, committed_receiver))
    }

    /// The number of queued jobs.
    pub(super) fn waiting(&self) -> usize {
        self.jobs.max_capacity() - self.jobs.capacity()
    }

    pub(super) fn failure(&self) -> Option<StoreError> {
        self.failure.get().map(CommitError::to_store_error)
    }

    pub(super) async fn write<T>(
        &self,
        (job, receiver): (Box<dyn Job>, JobReceiver<T>),
    ) -> Result<T, StoreError> {
        let queued = self.jobs.send(job).await;
        queued.map_err(|_| self.not_queued())?;
        receiver.await.map_err(|_| writer_stopped())?
    }

    pub(super) fn write_blocking<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (job, receiver) = job::single(f);
        let queued = self.jobs.blocking_send(job);
        queued.map_err(|_| self.not_queued())?;
        receiver.blocking_recv().map_err(|_| writer_stopped())?
    }

    fn not_queued(&self) -> StoreError {
        match self.failure.get() {
            // The failed commit may be doubtful, but this job was not part of it.
            Some(error) => StoreError::NotStored(error.reason.to_string()),
            None => writer_stopped(),
        }
    }
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
    fn a_failed_job_changes_nothing_and_affects_no_other() {
        let writer = writer();
        let newest = &writer.newest;
        for text in ["a", "b"] {
            writer
                .write_blocking(move |connection| insert(connection, text))
                .expect("written");
        }
        let failed = writer.write_blocking(|connection| {
            insert(connection, "c")?;
            insert(connection, "a")
        });
        assert!(failed.expect_err("a duplicate").is_nothing_stored());
        assert_eq!(texts(&writer), ["a", "b"]);
        assert_eq!(*newest.borrow(), 2);
    }

    #[test]
    fn only_failed_jobs_of_a_commit_are_not_stored() {
        let writer = writer();
        let (go, held) = sync_channel::<()>(0);
        let hold = writer.write(job::repeatable(move |_: &Connection| {
            Ok(held.recv().is_ok())
        }));
        let write =
            |text| writer.write(job::repeatable(move |connection| insert(connection, text)));
        let twice = writer.write(job::repeatable(|connection: &Connection| {
            insert(connection, "x")?;
            insert(connection, "x")
        }));
        let once = writer.write(job::single(|connection| insert(connection, "e")));
        // All are queued before the first may end.
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
            assert!(failed.expect_err("a duplicate").is_nothing_stored());
        }
        let mut texts = texts(&writer);
        texts.sort();
        assert_eq!(texts, ["a", "b", "c", "e"]);
    }

    #[test]
    fn waiting_for_the_writer_blocks_no_other_task() {
        let (over, ended) = sync_channel(1);
        // All tasks share one thread. If it blocks, the first job never ends.
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
                            writer.write(job::single(wait)).await
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
    fn a_lost_transaction_fails_all_its_jobs() {
        let writer = writer();
        let lost = writer.write_blocking(|connection| {
            insert(connection, "a")?;
            connection.execute_batch("ROLLBACK")
        });
        assert!(lost.expect_err("a lost transaction").is_nothing_stored());
        assert_eq!(texts(&writer), [""; 0]);
    }
}
