//! The thread that writes. It commits all waiting jobs together.

use std::sync::mpsc::SyncSender;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use prometheus_client::metrics::histogram::Histogram;
use rusqlite::{Connection, ErrorCode};
use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;

use super::checkpoint::Checkpointer;
use super::job::{CommitError, Job, JobStatus};

/// The maximum number of jobs in a commit.
const MAX_JOBS: usize = 1024;

pub(super) struct Committer {
    pub(super) connection: Connection,
    pub(super) checkpointer: Option<Checkpointer>,
    pub(super) newest: watch::Sender<i64>,
    pub(super) changes: watch::Sender<u64>,
    pub(super) commit_seconds: Histogram,
    pub(super) failure: Arc<OnceLock<CommitError>>,
    /// Gets a value after commits. One unread value is enough.
    pub(super) committed: SyncSender<()>,
}

/// The jobs of one commit.
#[derive(Default)]
struct JobGroup {
    repeatable: Vec<Box<dyn Job>>,
    single: Vec<Box<dyn Job>>,
}

impl JobGroup {
    fn finish(self, committed: Result<(), &CommitError>) {
        let jobs = self.repeatable.into_iter().chain(self.single);
        jobs.for_each(|job| job.finish(committed));
    }
}

impl Committer {
    /// Runs until all senders of jobs are gone, or a commit fails so that its result is unknown.
    pub(super) fn run(mut self, mut jobs: Receiver<Box<dyn Job>>) {
        while let Some(first) = jobs.blocking_recv() {
            let others = std::iter::from_fn(|| jobs.try_recv().ok()).take(MAX_JOBS - 1);
            let mut group = JobGroup::default();
            match self.commit(std::iter::once(first).chain(others), &mut group) {
                Ok(newest) => {
                    group.finish(Ok(()));
                    self.announce(newest);
                    if let Some(checkpointer) = &mut self.checkpointer {
                        checkpointer.after_commit(&self.connection);
                    }
                }
                Err(error) => {
                    let reason = &*error.reason;
                    tracing::error!(reason, "a commit failed");
                    group.finish(Err(&error));
                    if error.is_doubtful {
                        let _ = self.failure.set(error);
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

    /// Returns the ID of the newest message.
    fn commit(
        &self,
        jobs: impl Iterator<Item = Box<dyn Job>>,
        group: &mut JobGroup,
    ) -> Result<i64, CommitError> {
        let committed = self.run_jobs(jobs, group).and_then(|newest| {
            let started = Instant::now();
            let committed = self.connection.execute_batch("COMMIT");
            self.commit_seconds.observe(started.elapsed().as_secs_f64());
            committed.map(|()| newest).map_err(|error| CommitError {
                // After other errors, such as a full disk, the log's frames are incomplete.
                is_doubtful: error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure),
                ..error.into()
            })
        });
        // Only a failure leaves the transaction open.
        self.roll_back();
        committed
    }

    /// Runs jobs, also those that arrive meanwhile.
    ///
    /// A savepoint for each job would make SQLite copy every changed page. Repeatable jobs therefore run
    /// without one. If one of them fails, all are rolled back and run again with a savepoint each. Other
    /// jobs run after them.
    fn run_jobs(
        &self,
        jobs: impl Iterator<Item = Box<dyn Job>>,
        group: &mut JobGroup,
    ) -> Result<i64, CommitError> {
        let begun = self.statement("BEGIN IMMEDIATE");
        let mut succeeded = begun.is_ok();
        for mut job in jobs {
            if !job.is_repeatable() {
                group.single.push(job);
                continue;
            }
            // Without the transaction, the next jobs would be committed one by one.
            succeeded = succeeded
                && job.run(&self.connection) == JobStatus::Succeeded
                && self.is_in_transaction();
            group.repeatable.push(job);
            if !succeeded {
                break;
            }
        }
        begun?;
        if !succeeded {
            self.roll_back();
            self.statement("BEGIN IMMEDIATE")?;
            let mut jobs = group.repeatable.iter_mut();
            jobs.try_for_each(|job| self.run_in_savepoint(&mut **job))?;
        }
        let mut jobs = group.single.iter_mut();
        jobs.try_for_each(|job| self.run_in_savepoint(&mut **job))?;
        Ok(newest_message(&self.connection)?)
    }

    fn is_in_transaction(&self) -> bool {
        !self.connection.is_autocommit()
    }

    fn roll_back(&self) {
        if self.is_in_transaction() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }

    /// Runs a job so that its failure rolls back nothing else. An error means that the transaction is
    /// lost: SQLite rolls it back itself when the disk fails, and would commit later changes alone.
    fn run_in_savepoint(&self, job: &mut dyn Job) -> Result<(), CommitError> {
        self.statement("SAVEPOINT job")?;
        let status = job.run(&self.connection);
        if !self.is_in_transaction() {
            return Err(CommitError {
                is_doubtful: false,
                is_disk_full: status == JobStatus::DiskFull,
                reason: "SQLite rolled back the whole transaction".into(),
            });
        }
        if status != JobStatus::Succeeded {
            self.statement("ROLLBACK TO job")?;
        }
        Ok(self.statement("RELEASE job")?)
    }

    fn statement(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }
}

/// The ID of the newest message, even if it was deleted.
pub(super) fn newest_message(connection: &Connection) -> rusqlite::Result<i64> {
    let mut newest = connection.prepare_cached(
        "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'message'",
    )?;
    newest.query_row([], |row| row.get(0))
}
