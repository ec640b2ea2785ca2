//! Fills the index for the search behind the commits, on a thread of its own and in a database of its
//! own: nobody who posts a message waits for it.

use std::cell::Cell;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use mail_parser::MessageParser;
use rusqlite::{Connection, params};
use tokio::sync::watch;

use super::StoreError;
use super::messages::source_in;
use crate::gateway::text::{cut, folded};

/// How many messages are indexed in one commit at most.
const BATCH: u32 = 200;
/// How many entries are looked at in one commit, whether their messages are still there.
const LOOKED_AT: u32 = 1000;
/// A word of every message's flags, to which a search without a word can be held. It is a letter of
/// nobody's: in no message, and typed by no one.
pub const EVERY: &str = "\u{e000}";
/// The most bytes of a message's text that are indexed.
const MOST: usize = 100_000;
/// While messages keep coming the indexer rests so many times as long as it worked.
const REST: u32 = 4;
/// The longest that it rests.
const LONGEST_REST: Duration = Duration::from_millis(500);

/// Starts the thread. It catches up with what was not indexed before, and ends when `committed` is
/// closed. Gives a number that changes whenever more can be found.
pub(super) fn start(
    connection: Connection,
    committed: Receiver<()>,
) -> Result<watch::Receiver<u64>, StoreError> {
    let (indexed, told) = watch::channel(0);
    let indexer = Indexer {
        connection,
        committed,
        looked: Cell::new(0),
        indexed,
    };
    std::thread::Builder::new()
        .name("indexer".to_owned())
        .spawn(move || indexer.run())
        .map(|_| told)
        .map_err(|error| StoreError::Stopped(error.to_string()))
}

struct Indexer {
    connection: Connection,
    committed: Receiver<()>,
    /// The last entry of which it was looked whether its message is still there.
    looked: Cell<i64>,
    /// Changes whenever more can be found.
    indexed: watch::Sender<u64>,
}

impl Indexer {
    fn run(self) {
        loop {
            let begun = Instant::now();
            match self.batch() {
                Ok(0) => {
                    if self.committed.recv().is_err() {
                        return;
                    }
                }
                Ok(_) => {
                    self.indexed.send_modify(|indexed| *indexed += 1);
                    // Messages that come in have the machine first.
                    if self.committed.try_recv().is_ok() {
                        std::thread::sleep((begun.elapsed() * REST).min(LONGEST_REST));
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "the index for the search could not be written");
                    if !self.connection.is_autocommit() {
                        let _ = self.connection.execute_batch("ROLLBACK");
                    }
                    // Perhaps there is room again after another commit.
                    if self.committed.recv().is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Indexes the next messages, and forgets some that are gone; gives how many.
    fn batch(&self) -> rusqlite::Result<usize> {
        // Before anything is read, so that no message goes between. Not IMMEDIATE, which would lock the
        // messages as well.
        self.connection.execute_batch("BEGIN")?;
        let mut select = self.connection.prepare_cached(
            "SELECT id FROM kept.message
             WHERE id > (SELECT coalesce(max(id), 0) FROM words_docsize) ORDER BY id LIMIT ?",
        )?;
        let ids: Vec<i64> = select
            .query_map([BATCH], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        ids.iter().try_for_each(|id| self.index(*id))?;
        let (forgotten, looked) = self.forget()?;
        self.connection.execute_batch("COMMIT")?;
        self.looked.set(looked);
        Ok(ids.len() + forgotten)
    }

    fn index(&self, id: i64) -> rusqlite::Result<()> {
        let mut select = self.connection.prepare_cached(
            "SELECT subject, from_address || ' ' || from_name, to_address || ' ' || to_name,
                    (SELECT coalesce(group_concat(value, ' / '), '') FROM json_each(tags)),
                    ? || iif(has_attachment, ' attachment', '')
             FROM kept.message WHERE id = ?",
        )?;
        let [subject, sender, recipient, tags, flags] =
            select.query_row(params![EVERY, id], |row| {
                let column = |column| row.get(column).map(|text: String| folded(&text));
                Ok([column(0)?, column(1)?, column(2)?, column(3)?, column(4)?])
            })?;
        let source = source_in(&self.connection, "kept", id)?.unwrap_or_default();
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO words (rowid, subject, sender, recipient, body, tags, flags)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )?;
        let body = folded(&text(&source));
        insert.execute(params![id, subject, sender, recipient, body, tags, flags])?;
        Ok(())
    }

    /// Takes entries out of the index of which the message is gone. Only the next ones are looked at, and
    /// after the last the first again; gives how many went, and the last that was looked at.
    fn forget(&self) -> rusqlite::Result<(usize, i64)> {
        let mut select = self.connection.prepare_cached(
            "SELECT id, EXISTS (SELECT 1 FROM kept.message WHERE message.id = words_docsize.id)
             FROM words_docsize WHERE id > ? ORDER BY id LIMIT ?",
        )?;
        let entries: Vec<(i64, bool)> = select
            .query_map(params![self.looked.get(), LOOKED_AT], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?
            .collect::<Result<_, _>>()?;
        let mut delete = self
            .connection
            .prepare_cached("DELETE FROM words WHERE rowid = ?")?;
        let gone = entries.iter().filter(|(_, is_kept)| !is_kept);
        let forgotten = gone
            .map(|(id, _)| delete.execute([id]))
            .sum::<Result<_, _>>()?;
        let last = entries
            .last()
            .filter(|_| entries.len() == LOOKED_AT as usize);
        Ok((forgotten, last.map_or(0, |(id, _)| *id)))
    }
}

/// The text of a message: its text part, else its HTML without tags.
fn text(source: &[u8]) -> String {
    let message = MessageParser::new().with_mime_headers().parse(source);
    let text = message.as_ref().and_then(|message| message.body_text(0));
    cut(&text.unwrap_or_default(), MOST).to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::gateway::store::{FILE_NAME, NewMessage, WORDS, insert_message, open};

    /// An indexer that does nothing by itself, and a connection that writes messages.
    fn indexer(dir: &std::path::Path) -> (Indexer, Connection) {
        let path = dir.join(FILE_NAME);
        let writer = open::writer(&path).expect("a store");
        let indexer = Indexer {
            connection: open::words(&path, &dir.join(WORDS)).expect("an index"),
            committed: std::sync::mpsc::channel().1,
            indexed: watch::channel(0).0,
            looked: Cell::new(0),
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
    fn what_is_gone_is_forgotten_though_something_older_stays() {
        let dir = tempfile::tempdir().expect("a folder");
        let (indexer, writer) = indexer(dir.path());
        let many = 2 * LOOKED_AT as usize + 10;
        writer.execute_batch("BEGIN").expect("begun");
        (0..many).for_each(|uid| assert_eq!(insert(&writer, uid), uid as i64 + 1));
        writer.execute_batch("COMMIT").expect("committed");
        while indexer.batch().expect("a batch") > 0 {}
        assert_eq!(indexed(&indexer).len(), many);
        let last = many as i64;
        let gone = writer.execute("DELETE FROM message WHERE id NOT IN (1, ?)", [last]);
        assert_eq!(gone.expect("removed"), many - 2);
        // One more round than it takes, wherever it begins.
        (0..4).for_each(|_| assert!(indexer.batch().expect("a batch") <= LOOKED_AT as usize));
        assert_eq!(indexed(&indexer), [1, last]);
    }

    #[test]
    fn a_message_may_go_at_any_time() {
        let dir = tempfile::tempdir().expect("a folder");
        let (indexer, writer) = indexer(dir.path());
        writer
            .pragma_update(None, "synchronous", "OFF")
            .expect("quick");
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let over = &over;
            scope.spawn(move || {
                for uid in 0.. {
                    let id = insert(&writer, uid);
                    let gone = writer.execute("DELETE FROM message WHERE id = ?", [id]);
                    assert_eq!(gone.expect("removed"), 1);
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
