//! Writes the log back into the database beside the writer, so that who posts does not wait for it.
//!
//! SQLite begins the log anew only in a moment in which all of it is written back. Beside a writer that
//! never rests there is none; so a thread of its own writes back most of it, and the writer, now and
//! then, the little that was added meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rusqlite::Connection;

use super::StoreError;

/// From so many pages on the log is written back beside the writer.
const MANY: u32 = 4_000;
/// From so many pages on the writer writes back what is left.
const TOO_MANY: u32 = 8_000;
/// From so many pages on the writer waits for the thread to come to the end of what it is at: the disk is
/// slower than those who post.
const FAR_TOO_MANY: u32 = 32_000;
/// So many pages more, before the same is tried again: someone who reads may be in its way.
const MORE: u32 = 2_000;

/// The log as its writer sees it.
pub(super) struct Log {
    /// Its pages after the last commit.
    pages: Arc<AtomicU32>,
    /// Its pages when it was last to be written back.
    asked: u32,
    /// Its pages when the writer last wrote it back.
    tried: u32,
    /// Tells the thread.
    ask: SyncSender<()>,
}

impl Log {
    /// Watches the writer's log. `behind` is another connection to the same database.
    pub(super) fn watch(writer: &mut Connection, behind: Connection) -> Result<Self, StoreError> {
        let (ask, asked) = sync_channel(1);
        std::thread::Builder::new()
            .name("checkpoint".to_owned())
            .spawn(move || write_back_when(&asked, &behind))
            .map_err(|error| StoreError::Stopped(error.to_string()))?;
        let pages = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&pages);
        writer.wal_hook(Some(move |_: &mut _, now| {
            counted.store(u32::try_from(now).unwrap_or_default(), Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(Self {
            pages,
            asked: 0,
            tried: 0,
            ask,
        })
    }

    /// Has the log written back where it is long enough. To be called by the writer, after a commit.
    pub(super) fn look(&mut self, writer: &Connection) {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < self.asked.max(self.tried) {
            // It has begun anew.
            (self.asked, self.tried) = (0, 0);
        }
        if pages >= TOO_MANY && pages >= self.tried + MORE / 4 {
            self.tried = pages;
            write_back(writer);
        }
        if pages >= MANY && pages >= self.asked + MORE {
            self.asked = pages;
            if pages >= FAR_TOO_MANY {
                let _ = self.ask.send(());
            } else {
                // If it is at it, what is new is seen the next time.
                let _ = self.ask.try_send(());
            }
        }
    }
}

/// Writes the log back whenever asked, until nobody can ask any more.
fn write_back_when(asked: &Receiver<()>, connection: &Connection) {
    while asked.recv().is_ok() {
        write_back(connection);
    }
}

/// Writes back what nobody needs in the log any more; holds up nobody who reads or writes.
fn write_back(connection: &Connection) {
    let written = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
    // Another one may be at it. Else the writer meets the same trouble with its next commit.
    if let Err(error) = written {
        tracing::debug!(%error, "the store's log was not written back");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::store::{FILE_NAME, open};

    /// Adds some 1,000 pages of 8 KiB.
    fn add(writer: &Connection, id: u32) {
        let sql = "INSERT INTO template (id, html, created_at) VALUES (?, ?, 0)";
        let values = [&id.to_string(), &"x".repeat(8_000_000)];
        assert_eq!(writer.execute(sql, values), Ok(1));
    }

    fn writer(path: &std::path::Path) -> Connection {
        let writer = open::writer(path).expect("a store");
        let quick = writer.pragma_update(None, "synchronous", "OFF");
        quick.expect("a setting");
        writer
    }

    #[test]
    fn the_log_begins_anew_whatever_happens_beside_the_writer() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut writer = writer(&dir.path().join(FILE_NAME));
        // It has nothing to write back.
        let behind = Connection::open_in_memory().expect("another database");
        let mut log = Log::watch(&mut writer, behind).expect("a log");
        let pages = (0..20).map(|id| {
            add(&writer, id);
            log.look(&writer);
            log.pages.load(Ordering::Relaxed)
        });
        let most = pages.max().unwrap_or_default();
        assert!((TOO_MANY..TOO_MANY + MORE).contains(&most), "{most}");
    }

    #[test]
    fn a_long_log_is_written_back_beside_the_writer() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join(FILE_NAME);
        let mut writer = writer(&path);
        let size = || path.metadata().map(|file| file.len()).unwrap_or_default();
        let behind = open::behind(&path).expect("another connection");
        let mut log = Log::watch(&mut writer, behind).expect("a log");
        for id in 0..5 {
            add(&writer, id);
        }
        assert!(size() < 1_000_000);
        log.look(&writer);
        while size() < 40_000_000 {
            std::thread::yield_now();
        }
    }
}
