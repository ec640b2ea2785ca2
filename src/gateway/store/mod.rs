//! The store of a stand-alone gateway: a SQLite database with one writer, which commits waiting jobs
//! together, and readers that nothing blocks.
//!
//! A write that has returned is durable: SQLite's write-ahead log is synced first (`synchronous=FULL`).

mod checkpoint;
mod commit;
mod error;
mod indexer;
mod job;
mod message_source;
mod open;
mod readers;
pub(crate) mod retention;
mod rows;
mod searchable_text;
mod writer;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use prometheus_client::metrics::histogram::Histogram;
use rusqlite::Connection;
use tokio::sync::watch;

use self::checkpoint::Checkpointer;
use self::writer::Writer;

pub use self::error::StoreError;
pub(super) use self::indexer::EVERY_MESSAGE;
pub(super) use self::message_source::{MAX_SIZE, message_source};
pub(super) use self::readers::Readers;
pub(super) use self::retention::delete_request_if_empty;
pub(super) use self::rows::{
    EVENT_DESCRIPTION, EventKind, NewEvent, NewMessage, NewRequest, Status, event_totals,
    insert_body, insert_event, insert_message, insert_request, set_status,
};
pub(super) use self::searchable_text::fold_for_search;

/// The schema's version, in SQLite's `user_version`.
const VERSION: i64 = 5;
/// The oldest version that is updated when the store is opened.
const OLDEST_VERSION: i64 = 2;
const FILE_NAME: &str = "gateway.db";
const SEARCH_INDEX_FILE_NAME: &str = "words.db";

/// Removes the store in a folder, with the folder. Does nothing if there is none.
///
/// # Errors
/// If another process uses the folder, or it can't be removed.
pub(crate) fn remove(dir: &Path) -> Result<(), StoreError> {
    if !dir.is_dir() {
        return Ok(());
    }
    let _lock = open::lock(dir)?;
    let removed = std::fs::remove_dir_all(dir);
    removed.map_err(|error| StoreError::Io {
        path: dir.to_owned(),
        error,
    })
}

/// The database and its threads. Clones share them.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    writer: Writer,
    indexed: watch::Receiver<u64>,
    readers: Readers,
    /// Locked against other processes.
    _lock: File,
}

impl Store {
    /// Opens the store in a folder. Both are created if they are missing.
    ///
    /// # Errors
    /// If another process uses the folder, or it cannot be used.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let lock = open::lock(dir)?;
        let (path, index) = (dir.join(FILE_NAME), dir.join(SEARCH_INDEX_FILE_NAME));
        let mut connection = open::writer(&path)?;
        let checkpointer = Checkpointer::start(&mut connection, open::checkpointer(&path)?)?;
        let indexer = open::search_index(&path, &index)?;
        let (writer, committed) = Writer::start(connection, Some(checkpointer))?;
        let indexed = indexer::start(indexer, committed)?;
        Ok(Self(Arc::new(Inner {
            writer,
            indexed,
            readers: Readers::new(path, Some(index)),
            _lock: lock,
        })))
    }

    /// Runs `f` in the next commit, in a savepoint. Its changes are durable when this returns. If `f`
    /// fails, none of them is stored.
    ///
    /// Once the job is queued, it runs even if the returned future is dropped.
    ///
    /// # Errors
    /// If nothing was stored, or if that is unknown ([`StoreError::is_nothing_stored`]).
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.0.writer.write(job::single(f)).await
    }

    /// As [`Store::write`], but faster, for a job that can run again after a rollback with the same
    /// effect. It runs at most twice, and before all other jobs of the commit.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub(crate) async fn write_repeatable<T: Send + 'static>(
        &self,
        f: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.0.writer.write(job::repeatable(f)).await
    }

    /// As [`Store::write`], for code that is not asynchronous.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub(crate) fn write_blocking<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.0.writer.write_blocking(f)
    }

    /// Runs `f` on a read-only connection that sees all commits. It blocks.
    ///
    /// # Errors
    /// If SQLite fails.
    pub(crate) fn read<T>(
        &self,
        f: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.0.readers.read(f)
    }

    /// As [`Store::read`], on a thread for blocking calls.
    ///
    /// # Errors
    /// If SQLite fails.
    pub(crate) async fn read_async<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = self.clone();
        tokio::task::spawn_blocking(move || store.read(f))
            .await
            .map_err(|error| StoreError::Stopped(error.to_string()))?
    }

    /// Why the store can no longer be written, if it cannot.
    pub(crate) fn failure(&self) -> Option<StoreError> {
        self.0.writer.failure()
    }

    /// The ID of the newest committed message.
    pub(crate) fn newest(&self) -> watch::Receiver<i64> {
        self.0.writer.newest.clone()
    }

    /// A number that changes whenever the search index has changed.
    pub(crate) fn indexed(&self) -> watch::Receiver<u64> {
        self.0.indexed.clone()
    }

    pub(super) fn commit_seconds(&self) -> Histogram {
        self.0.writer.commit_seconds.clone()
    }

    /// The number of jobs that wait to be written.
    pub(super) fn waiting(&self) -> usize {
        self.0.writer.waiting()
    }

    /// The number of commits. It is closed when the store can no longer be written.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.0.writer.changes.clone()
    }
}

#[cfg(test)]
mod tests;
