//! What a stand-alone gateway keeps: a SQLite database with one writer, which commits together what
//! waits for it, and readers that nothing holds up.
//!
//! What a write returns for is durable: SQLite's write-ahead log is synced before (`synchronous=FULL`).

mod error;
mod indexer;
mod job;
mod messages;
mod open;
mod readers;
pub mod retention;
mod rows;
mod writer;
mod written_back;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::watch;

use self::readers::Readers;
use self::writer::Writer;
use self::written_back::Log;
use super::histogram::Histogram;

pub use self::error::StoreError;
pub use self::indexer::EVERY;
pub use self::messages::source;
pub use self::readers::Reader;
pub(super) use self::retention::remove_request;
pub use self::rows::{
    EventKind, NewEvent, NewMessage, NewRequest, Status, WORDS_OF_EVENT, insert_body, insert_event,
    insert_message, insert_request, set_status,
};

/// The version of the schema, in SQLite's `user_version`.
const VERSION: i64 = 2;
/// The database's name in its folder.
const FILE_NAME: &str = "gateway.db";
/// The name of the index for the search.
const WORDS: &str = "words.db";

/// Everything that a gateway keeps. Clones share it.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    writer: Writer,
    indexed: watch::Receiver<u64>,
    readers: Readers,
    path: PathBuf,
    /// Keeps other processes out until it is closed.
    _lock: File,
}

impl Store {
    /// Opens what is kept in a folder; both are made where there are none.
    ///
    /// # Errors
    /// A folder that another process uses, or that can't be used.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let lock = open::lock(dir)?;
        let path = dir.join(FILE_NAME);
        let mut connection = open::writer(&path)?;
        let log = Log::watch(&mut connection, open::behind(&path)?)?;
        let words = open::words(&path, &dir.join(WORDS))?;
        let (writer, committed) = Writer::start(connection, Some(log))?;
        let indexed = indexer::start(words, committed)?;
        Ok(Self(Arc::new(Inner {
            writer,
            indexed,
            readers: Readers::new(path.clone(), Some(dir.join(WORDS))),
            path,
            _lock: lock,
        })))
    }

    /// The database's file.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Runs `f` in the next commit, in a savepoint of its own. What it did is durable when this
    /// returns; when `f` fails, nothing of it is.
    ///
    /// Once it is among the first few thousand that wait, it is done even if nobody waits for it any more.
    ///
    /// # Errors
    /// Why it was not stored, or may not have been ([`StoreError::is_nothing_stored`]).
    pub async fn write<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.0.writer.write(f).await
    }

    /// The same for what can be done again, and does the same then: it costs less. `f` may be called twice,
    /// and what it did the first time is rolled back. In a commit it comes before what can't.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub async fn write_again<T: Send + 'static>(
        &self,
        f: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.0.writer.write_again(f).await
    }

    /// The same, where nothing is asynchronous.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn write_blocking<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.0.writer.write_blocking(f)
    }

    /// Runs `f` on a connection that sees what is committed and can write nothing. It blocks.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn read<T>(
        &self,
        f: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.0.readers.read(f)
    }

    /// The same, on a thread where blocking holds nobody up.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn read_async<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = self.clone();
        tokio::task::spawn_blocking(move || store.read(f))
            .await
            .map_err(|error| StoreError::Stopped(error.to_string()))?
    }

    /// Why it can be written no more, if that is so.
    pub fn failure(&self) -> Option<StoreError> {
        self.0.writer.failure()
    }

    /// The ID of the newest message that is committed. It changes with each commit that adds some.
    pub fn newest(&self) -> watch::Receiver<i64> {
        self.0.writer.newest()
    }

    /// A number that changes whenever more messages can be found by their words.
    pub fn indexed(&self) -> watch::Receiver<u64> {
        self.0.indexed.clone()
    }

    /// How long commits took to be on the disk.
    pub(super) fn commit_seconds(&self) -> Arc<Histogram> {
        self.0.writer.seconds()
    }

    /// How much waits to be written.
    pub(super) fn waiting(&self) -> usize {
        self.0.writer.waiting()
    }

    /// A number that changes with each commit. It is closed when the store can be written no more.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.writer.changes()
    }
}

#[cfg(test)]
mod tests;
