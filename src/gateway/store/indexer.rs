//! Fills the search index after commits, in its own database and on its own thread, so that no client
//! waits for it.

use std::cell::Cell;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};
use tokio::sync::watch;

use super::StoreError;
use super::message_source::message_source_in;
use super::searchable_text::{SearchableText, fold_for_search};

/// The maximum number of messages that are indexed in a commit.
const BATCH: u32 = 200;
/// How many entries are checked in one commit for deleted messages.
const CHECKED_ENTRIES: u32 = 1000;
/// A word in the flags of every message, for searches that only exclude words. It is a private-use
/// character, which no message contains.
pub(crate) const EVERY_MESSAGE: &str = "\u{e000}";
/// While messages keep arriving, the indexer pauses for this multiple of its working time.
const PAUSE_FACTOR: u32 = 4;
const MAX_PAUSE: Duration = Duration::from_millis(500);

/// Starts the thread. It first indexes what was not indexed before, and ends when `committed` is closed.
/// Returns a number that changes whenever the index has changed.
pub(super) fn start(
    connection: Connection,
    committed: Receiver<()>,
) -> Result<watch::Receiver<u64>, StoreError> {
    let (indexed, receiver) = watch::channel(0);
    let indexer = Indexer {
        connection,
        committed,
        last_checked: Cell::new(0),
        indexed,
    };
    std::thread::Builder::new()
        .name("indexer".to_owned())
        .spawn(move || indexer.run())
        .map(|_| receiver)
        .map_err(|error| StoreError::Stopped(error.to_string()))
}

struct Indexer {
    connection: Connection,
    committed: Receiver<()>,
    /// The last entry that was checked for a deleted message.
    last_checked: Cell<i64>,
    indexed: watch::Sender<u64>,
}

impl Indexer {
    fn run(self) {
        loop {
            let started = Instant::now();
            match self.batch() {
                Ok(0) => {
                    if self.committed.recv().is_err() {
                        return;
                    }
                }
                Ok(_) => {
                    self.indexed.send_modify(|indexed| *indexed += 1);
                    // New messages have priority.
                    if self.committed.try_recv().is_ok() {
                        std::thread::sleep((started.elapsed() * PAUSE_FACTOR).min(MAX_PAUSE));
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "the search index could not be written");
                    if !self.connection.is_autocommit() {
                        let _ = self.connection.execute_batch("ROLLBACK");
                    }
                    // After another commit, the disk may have space again.
                    if self.committed.recv().is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Indexes the next messages and removes deleted ones. Returns how many.
    fn batch(&self) -> rusqlite::Result<usize> {
        // All reads see the same messages. IMMEDIATE would lock the messages as well.
        self.connection.execute_batch("BEGIN")?;
        let mut select = self.connection.prepare_cached(
            "SELECT id FROM store.message
             WHERE id > (SELECT coalesce(max(id), 0) FROM words_docsize) ORDER BY id LIMIT ?",
        )?;
        let ids: Vec<i64> = select
            .query_map([BATCH], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        ids.iter().try_for_each(|id| self.index(*id))?;
        let (removed, last_checked) = self.remove_deleted()?;
        self.connection.execute_batch("COMMIT")?;
        self.last_checked.set(last_checked);
        Ok(ids.len() + removed)
    }

    fn index(&self, id: i64) -> rusqlite::Result<()> {
        let mut select = self.connection.prepare_cached(
            "SELECT subject, from_address || ' ' || from_name, to_address || ' ' || to_name,
                    (SELECT coalesce(group_concat(value, ' / '), '') FROM json_each(tags)),
                    ? || iif(has_attachment, ' attachment', '')
             FROM store.message WHERE id = ?",
        )?;
        let [subject, sender, recipient, tags, flags] =
            select.query_row(params![EVERY_MESSAGE, id], |row| {
                let column = |column| row.get(column).map(|text: String| fold_for_search(&text));
                Ok([column(0)?, column(1)?, column(2)?, column(3)?, column(4)?])
            })?;
        let source = message_source_in(&self.connection, "store", id)?.unwrap_or_default();
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO words (rowid, subject, sender, recipient, body, tags, headers, links, flags)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?;
        let SearchableText {
            body,
            headers,
            links,
        } = SearchableText::new(&source);
        insert.execute(params![
            id, subject, sender, recipient, body, tags, headers, links, flags
        ])?;
        Ok(())
    }

    /// Checks the next entries, starting again after the last one, and removes those whose message was
    /// deleted. Returns how many, and the last checked entry.
    fn remove_deleted(&self) -> rusqlite::Result<(usize, i64)> {
        let mut select = self.connection.prepare_cached(
            "SELECT id, EXISTS (SELECT 1 FROM store.message WHERE message.id = words_docsize.id)
             FROM words_docsize WHERE id > ? ORDER BY id LIMIT ?",
        )?;
        let entries: Vec<(i64, bool)> = select
            .query_map(params![self.last_checked.get(), CHECKED_ENTRIES], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?
            .collect::<Result<_, _>>()?;
        let mut delete = self
            .connection
            .prepare_cached("DELETE FROM words WHERE rowid = ?")?;
        let deleted = entries.iter().filter(|(_, exists)| !exists);
        let removed = deleted
            .map(|(id, _)| delete.execute([id]))
            .sum::<Result<_, _>>()?;
        let last = entries
            .last()
            .filter(|_| entries.len() == CHECKED_ENTRIES as usize);
        Ok((removed, last.map_or(0, |(id, _)| *id)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::gateway::store::{
        FILE_NAME, NewMessage, SEARCH_INDEX_FILE_NAME, insert_message, open,
    };

    /// An indexer without a thread, and a connection that writes messages.
    fn indexer(dir: &std::path::Path) -> (Indexer, Connection) {
        let path = dir.join(FILE_NAME);
        let writer = open::writer(&path).expect("a store");
        let indexer = Indexer {
            connection: open::search_index(&path, &dir.join(SEARCH_INDEX_FILE_NAME))
                .expect("an index"),
            committed: std::sync::mpsc::channel().1,
            indexed: watch::channel(0).0,
            last_checked: Cell::new(0),
        };
        (indexer, writer)
    }

    fn insert(writer: &Connection, uid: usize) -> i64 {
        let message = NewMessage {
            uid: uid.to_string(),
            tags: "[]".to_owned(),
            ..NewMessage::default()
        };
        insert_message(writer, &message).expect("written")
    }

    fn indexed(indexer: &Indexer) -> Vec<i64> {
        let sql = "SELECT id FROM words_docsize ORDER BY id";
        let mut select = indexer.connection.prepare(sql).expect("a table");
        let ids = select.query_map([], |row| row.get(0)).expect("entries");
        ids.map(|id| id.expect("an ID")).collect()
    }

    #[test]
    fn deleted_messages_are_removed_though_older_ones_stay() {
        let dir = tempfile::tempdir().expect("a folder");
        let (indexer, writer) = indexer(dir.path());
        let many = 2 * CHECKED_ENTRIES as usize + 10;
        writer.execute_batch("BEGIN").expect("begun");
        (0..many).for_each(|uid| assert_eq!(insert(&writer, uid), uid as i64 + 1));
        writer.execute_batch("COMMIT").expect("committed");
        while indexer.batch().expect("a batch") > 0 {}
        assert_eq!(indexed(&indexer).len(), many);
        let last = many as i64;
        let deleted = writer.execute("DELETE FROM message WHERE id NOT IN (1, ?)", [last]);
        assert_eq!(deleted.expect("deleted"), many - 2);
        // One round more than needed, whatever the first checked entry is.
        (0..4).for_each(|_| assert!(indexer.batch().expect("a batch") <= CHECKED_ENTRIES as usize));
        assert_eq!(indexed(&indexer), [1, last]);
    }

    #[test]
    fn a_message_may_be_deleted_at_any_time() {
        let dir = tempfile::tempdir().expect("a folder");
        let (indexer, writer) = indexer(dir.path());
        writer
            .pragma_update(None, "synchronous", "OFF")
            .expect("a setting");
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let over = &over;
            scope.spawn(move || {
                for uid in 0.. {
                    let id = insert(&writer, uid);
                    let deleted = writer.execute("DELETE FROM message WHERE id = ?", [id]);
                    assert_eq!(deleted.expect("deleted"), 1);
                    if over.load(Ordering::Relaxed) {
                        return;
                    }
                }
            });
            let all = (0..3000).try_for_each(|_| indexer.batch().map(drop));
            over.store(true, Ordering::Relaxed);
            assert_eq!(all, Ok(()));
        });
    }
}
