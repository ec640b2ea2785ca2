//! A pool of read-only connections.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::{FILE_NAME, StoreError, open};

/// The maximum number of idle connections.
const MAX_IDLE: usize = 8;

pub(crate) struct Readers {
    path: PathBuf,
    search_index: Option<PathBuf>,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(path: PathBuf, search_index: Option<PathBuf>) -> Self {
        Self {
            path,
            search_index,
            idle: Mutex::default(),
        }
    }

    /// Opens the store in a folder without its search index. A gateway may be using the folder.
    ///
    /// # Errors
    /// If the folder has no store, or it cannot be read.
    pub(crate) fn open(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(FILE_NAME);
        open::check_file(&path)?;
        Ok(Self::new(path, None))
    }

    /// Runs `f` in one read transaction, so that everything it reads is from the same commit.
    ///
    /// # Errors
    /// If SQLite fails.
    pub(crate) fn read<T>(
        &self,
        f: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let idle = self.idle().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => open::reader(&self.path, self.search_index.as_deref())?,
        };
        let transaction = connection.transaction()?;
        let read = f(&transaction)?;
        transaction.finish()?;
        let mut idle = self.idle();
        if idle.len() < MAX_IDLE {
            idle.push(connection);
        }
        Ok(read)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
