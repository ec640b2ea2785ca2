//! Jobs of the writer: closures that write, and a channel for their results.

use std::sync::Arc;

use rusqlite::{Connection, ErrorCode};
use tokio::sync::oneshot;

use super::StoreError;

/// Why a commit failed. Each of its jobs gets a copy.
#[derive(Clone)]
pub(super) struct CommitError {
    /// Whether the commit may still take effect after a crash.
    pub(super) is_doubtful: bool,
    pub(super) is_disk_full: bool,
    pub(super) reason: Arc<str>,
}

impl CommitError {
    pub(super) fn to_store_error(&self) -> StoreError {
        match self {
            Self {
                is_disk_full: true, ..
            } => StoreError::Full,
            Self {
                is_doubtful: true, ..
            } => StoreError::Doubtful(self.reason.to_string()),
            _ => StoreError::NotStored(self.reason.to_string()),
        }
    }
}

impl From<rusqlite::Error> for CommitError {
    fn from(error: rusqlite::Error) -> Self {
        Self {
            is_doubtful: false,
            is_disk_full: is_disk_full(&error),
            reason: error.to_string().into(),
        }
    }
}

fn is_disk_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JobStatus {
    Succeeded,
    /// The job's changes must be rolled back.
    Failed,
    /// As `Failed`, because the disk is full.
    DiskFull,
}

pub(super) trait Job: Send {
    /// Whether the job can run again after a rollback.
    fn is_repeatable(&self) -> bool;
    fn run(&mut self, connection: &Connection) -> JobStatus;
    /// Sends the result to the job's owner, after the commit.
    fn finish(self: Box<Self>, committed: Result<(), &CommitError>);
}

/// Receives the result of a job.
pub(super) type JobReceiver<T> = oneshot::Receiver<Result<T, StoreError>>;

/// A job that can run only once.
pub(super) fn single<T: Send + 'static>(
    f: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
) -> (Box<dyn Job>, JobReceiver<T>) {
    let mut f = Some(f);
    job(false, move |connection| f.take().map(|f| f(connection)))
}

/// A job that has the same effect whenever it runs.
pub(super) fn repeatable<T: Send + 'static>(
    mut f: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
) -> (Box<dyn Job>, JobReceiver<T>) {
    job(true, move |connection| Some(f(connection)))
}

fn job<T: Send + 'static>(
    is_repeatable: bool,
    f: impl FnMut(&Connection) -> Option<rusqlite::Result<T>> + Send + 'static,
) -> (Box<dyn Job>, JobReceiver<T>) {
    let (sender, receiver) = oneshot::channel();
    let job = ClosureJob {
        is_repeatable,
        f,
        result: None,
        sender,
    };
    (Box::new(job), receiver)
}

struct ClosureJob<F, T> {
    is_repeatable: bool,
    f: F,
    /// The result of the last run, if any.
    result: Option<rusqlite::Result<T>>,
    sender: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Job for ClosureJob<F, T>
where
    F: FnMut(&Connection) -> Option<rusqlite::Result<T>> + Send,
    T: Send,
{
    fn is_repeatable(&self) -> bool {
        self.is_repeatable
    }

    fn run(&mut self, connection: &Connection) -> JobStatus {
        self.result = (self.f)(connection);
        match &self.result {
            Some(Ok(_)) => JobStatus::Succeeded,
            Some(Err(error)) if is_disk_full(error) => JobStatus::DiskFull,
            _ => JobStatus::Failed,
        }
    }

    fn finish(self: Box<Self>, committed: Result<(), &CommitError>) {
        let result = match (self.result, committed) {
            (Some(Err(error)), _) if is_disk_full(&error) => Err(StoreError::Full),
            (Some(Err(error)), _) => Err(error.into()),
            (_, Err(error)) => Err(error.to_store_error()),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(writer_stopped()),
        };
        // The owner may have given up waiting.
        let _ = self.sender.send(result);
    }
}

pub(super) fn writer_stopped() -> StoreError {
    StoreError::Stopped("its writer has ended".to_owned())
}
