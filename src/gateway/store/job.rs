//! What is to be written, and who is told what became of it.

use std::sync::Arc;

use rusqlite::{Connection, ErrorCode};
use tokio::sync::oneshot;

use super::StoreError;

/// Why a commit came to nothing; those who were in it get a copy each.
#[derive(Clone)]
pub(super) struct Failed {
    /// Whether it may yet come back after a crash.
    pub(super) doubtful: bool,
    pub(super) full: bool,
    pub(super) reason: Arc<str>,
}

impl Failed {
    pub(super) fn new(error: &rusqlite::Error) -> Self {
        Self {
            doubtful: false,
            full: is_full(error),
            reason: error.to_string().into(),
        }
    }

    pub(super) fn error(&self) -> StoreError {
        match self {
            Self { full: true, .. } => StoreError::Full,
            Self { doubtful: true, .. } => StoreError::Doubtful(self.reason.to_string()),
            _ => StoreError::NotStored(self.reason.to_string()),
        }
    }
}

fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
}

/// What came of a job's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ran {
    Well,
    /// Nothing of it is to be kept.
    Failed,
    /// The same, as there was no room for it.
    Full,
}

/// Something to be written.
pub(super) trait Job: Send {
    /// Whether it can be done once more after its transaction was rolled back.
    fn repeats(&self) -> bool;
    /// Does it.
    fn run(&mut self, connection: &Connection) -> Ran;
    /// Tells who gave it what became of the commit that it was in.
    fn tell(self: Box<Self>, committed: Result<(), &Failed>);
}

/// What waits for a job's end.
pub(super) type Answer<T> = oneshot::Receiver<Result<T, StoreError>>;

/// A job that can be done once.
pub(super) fn once<T: Send + 'static>(
    f: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
) -> (Box<dyn Job>, Answer<T>) {
    let mut f = Some(f);
    given(false, move |connection| f.take().map(|f| f(connection)))
}

/// A job that does the same each time.
pub(super) fn again<T: Send + 'static>(
    mut f: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
) -> (Box<dyn Job>, Answer<T>) {
    given(true, move |connection| Some(f(connection)))
}

fn given<T: Send + 'static>(
    repeats: bool,
    f: impl FnMut(&Connection) -> Option<rusqlite::Result<T>> + Send + 'static,
) -> (Box<dyn Job>, Answer<T>) {
    let (done, answer) = oneshot::channel();
    let job = Given {
        repeats,
        f,
        result: None,
        done,
    };
    (Box::new(job), answer)
}

struct Given<F, T> {
    repeats: bool,
    f: F,
    /// What the last time gave; nothing where it has not been done.
    result: Option<rusqlite::Result<T>>,
    done: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Job for Given<F, T>
where
    F: FnMut(&Connection) -> Option<rusqlite::Result<T>> + Send,
    T: Send,
{
    fn repeats(&self) -> bool {
        self.repeats
    }

    fn run(&mut self, connection: &Connection) -> Ran {
        self.result = (self.f)(connection);
        match &self.result {
            Some(Ok(_)) => Ran::Well,
            Some(Err(error)) if is_full(error) => Ran::Full,
            _ => Ran::Failed,
        }
    }

    fn tell(self: Box<Self>, committed: Result<(), &Failed>) {
        // Who gave the job may have given up waiting.
        let _ = self.done.send(outcome(self.result, committed));
    }
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

pub(super) fn gone() -> StoreError {
    StoreError::Stopped("its writer is gone".to_owned())
}
