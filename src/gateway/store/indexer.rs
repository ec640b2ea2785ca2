//! Fills the index for the search behind the commits, on a thread of its own and in a database of its
//! own: nobody who posts a message waits for it.

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

    /// Indexes the next messages; gives how many.
    fn batch(&self) -> rusqlite::Result<usize> {
        let mut select = self.connection.prepare_cached(
            "SELECT id FROM kept.message
             WHERE id > (SELECT coalesce(max(id), 0) FROM words_docsize) ORDER BY id LIMIT ?",
        )?;
        let ids: Vec<i64> = select
            .query_map([BATCH], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        // Not IMMEDIATE, which would lock the messages as well.
        self.connection.execute_batch("BEGIN")?;
        ids.iter().try_for_each(|id| self.index(*id))?;
        self.forget()?;
        self.connection.execute_batch("COMMIT")?;
        Ok(ids.len())
    }

    fn index(&self, id: i64) -> rusqlite::Result<()> {
        let mut select = self.connection.prepare_cached(
            "SELECT subject, from_address || ' ' || from_name, to_address || ' ' || to_name,
                    (SELECT coalesce(group_concat(value, ' / '), '') FROM json_each(tags)),
                    iif(has_attachment, 'attachment', '')
             FROM kept.message WHERE id = ?",
        )?;
        let [subject, sender, recipient, tags, flags] = select.query_row([id], |row| {
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

    /// Takes out of the index what is older than all messages that are left.
    fn forget(&self) -> rusqlite::Result<()> {
        let mut delete = self.connection.prepare_cached(
            "DELETE FROM words WHERE rowid < (SELECT coalesce(min(id), 9223372036854775807) FROM kept.message)",
        )?;
        delete.execute([]).map(drop)
    }
}

/// The text of a message: its text part, else its HTML without tags.
fn text(source: &[u8]) -> String {
    let message = MessageParser::new().with_mime_headers().parse(source);
    let text = message.as_ref().and_then(|message| message.body_text(0));
    cut(&text.unwrap_or_default(), MOST).to_owned()
}
