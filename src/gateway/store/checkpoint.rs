//! Writes the write-ahead log back into the database in the background, so that writes do not wait for it.
//!
//! SQLite restarts the log only when all of it is written back. Under constant load, that never happens
//! in the background. The thread therefore writes back most of the log, and from time to time the writer
//! writes back the few pages that were added meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rusqlite::Connection;

use super::StoreError;

/// The pages in the log from which the thread writes back.
const BACKGROUND_PAGES: u32 = 4_000;
/// The pages from which the writer writes back the rest.
const WRITER_PAGES: u32 = 8_000;
/// The pages from which the writer waits until the thread is ready: the disk is slower than the clients.
const BLOCKING_PAGES: u32 = 32_000;
/// The pages that must be added before the next try. A reader may have prevented the last one.
const RETRY_PAGES: u32 = 2_000;

pub(super) struct Checkpointer {
    /// The pages in the log after the last commit.
    pages: Arc<AtomicU32>,
    /// The pages when the thread was last asked to write back.
    pages_at_request: u32,
    /// The pages when the writer last wrote back.
    pages_at_write: u32,
    requests: SyncSender<()>,
}

impl Checkpointer {
    /// Watches the writer's log, and starts the thread. `connection` is another one to the same database.
    pub(super) fn start(
        writer: &mut Connection,
        connection: Connection,
    ) -> Result<Self, StoreError> {
        let (requests, receiver) = sync_channel(1);
        std::thread::Builder::new()
            .name("checkpoint".to_owned())
            .spawn(move || run(&receiver, &connection))
            .map_err(|error| StoreError::Stopped(error.to_string()))?;
        let pages = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&pages);
        writer.wal_hook(Some(move |_: &mut _, now| {
            counter.store(u32::try_from(now).unwrap_or_default(), Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(Self {
            pages,
            pages_at_request: 0,
            pages_at_write: 0,
            requests,
        })
    }

    /// Has the log written back if it is long. The writer calls this after each commit.
    pub(super) fn after_commit(&mut self, writer: &Connection) {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < self.pages_at_request.max(self.pages_at_write) {
            // The log has restarted.
            (self.pages_at_request, self.pages_at_write) = (0, 0);
        }
        if pages >= WRITER_PAGES && pages >= self.pages_at_write + RETRY_PAGES / 4 {
            self.pages_at_write = pages;
            write_back(writer);
        }
        if pages >= BACKGROUND_PAGES && pages >= self.pages_at_request + RETRY_PAGES {
            self.pages_at_request = pages;
            if pages >= BLOCKING_PAGES {
                let _ = self.requests.send(());
            } else {
                // If the thread is busy, there will be another request.
                let _ = self.requests.try_send(());
            }
        }
    }
}

fn run(requests: &Receiver<()>, connection: &Connection) {
    while requests.recv().is_ok() {
        write_back(connection);
    }
}

/// Writes back the pages that no reader needs. It blocks no reader and no writer.
fn write_back(connection: &Connection) {
    let written = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
    // The other connection may be writing back. Other errors also occur in the writer's next commit.
    if let Err(error) = written {
        tracing::debug!(%error, "the write-ahead log was not written back");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::store::{FILE_NAME, open};

    /// Adds about 1,000 pages of 8 KiB.
    fn add(writer: &Connection, id: u32) {
        let sql = "INSERT INTO template (id, html, created_at) VALUES (?, ?, 0)";
        let values = [&id.to_string(), &"x".repeat(8_000_000)];
        assert_eq!(writer.execute(sql, values), Ok(1));
    }

    fn writer(path: &std::path::Path) -> Connection {
        let writer = open::writer(path).expect("a store");
        let fast = writer.pragma_update(None, "synchronous", "OFF");
        fast.expect("a setting");
        writer
    }

    #[test]
    fn the_log_restarts_even_if_the_thread_does_nothing() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut writer = writer(&dir.path().join(FILE_NAME));
        // A database whose log is empty.
        let other = Connection::open_in_memory().expect("another database");
        let mut checkpointer = Checkpointer::start(&mut writer, other).expect("a checkpointer");
        let pages = (0..20).map(|id| {
            add(&writer, id);
            checkpointer.after_commit(&writer);
            checkpointer.pages.load(Ordering::Relaxed)
        });
        let max = pages.max().unwrap_or_default();
        assert!(
            (WRITER_PAGES..WRITER_PAGES + RETRY_PAGES).contains(&max),
            "{max}"
        );
    }

    #[test]
    fn the_thread_writes_back_a_long_log() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join(FILE_NAME);
        let mut writer = writer(&path);
        let size = || path.metadata().map(|file| file.len()).unwrap_or_default();
        let other = open::checkpointer(&path).expect("another connection");
        let mut checkpointer = Checkpointer::start(&mut writer, other).expect("a checkpointer");
        for id in 0..5 {
            add(&writer, id);
        }
        assert!(size() < 1_000_000);
        checkpointer.after_commit(&writer);
        while size() < 40_000_000 {
            std::thread::yield_now();
        }
    }
}
