//! Connections that read, kept for the next one who asks.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::{FILE_NAME, StoreError, open};

/// How many connections are kept while nobody reads.
const KEPT: usize = 8;

/// What is kept in a folder, to be read without the index for the search; a gateway may be running there.
pub struct Reader(Readers);

impl Reader {
    /// # Errors
    /// A folder in which no gateway keeps anything, or that can't be read.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(FILE_NAME);
        open::check_kept(&path)?;
        Ok(Self(Readers::new(path, None)))
    }

    /// As [`Store::read`](super::Store::read).
    ///
    /// # Errors
    /// What SQLite says.
    pub fn read<T>(
        &self,
        f: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.0.read(f)
    }
}

pub(super) struct Readers {
    path: PathBuf,
    words: Option<PathBuf>,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(path: PathBuf, words: Option<PathBuf>) -> Self {
        Self {
            path,
            words,
            idle: Mutex::new(Vec::new()),
        }
    }

    /// Runs `f` in one read transaction: all that it reads is of the same commit.
    pub(super) fn read<T>(
        &self,
        f: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let idle = self.idle().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => open::reader(&self.path, self.words.as_deref())?,
        };
        let transaction = connection.transaction()?;
        let read = f(&transaction)?;
        transaction.finish()?;
        let mut idle = self.idle();
        if idle.len() < KEPT {
            idle.push(connection);
        }
        Ok(read)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
