//! Everything that is kept, as a Maildir.

use std::io;
use std::path::Path;

use jiff::Timestamp;
use rusqlite::Connection;

use super::maildir::Maildir;
use super::store::{Reader, StoreError, source};
use crate::address::Address;
use crate::message::mime::trace;

/// How many messages are looked up at a time.
const CHUNK: u32 = 500;

/// Why not everything was written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// What is kept can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The Maildir can't be written.
    #[error("the Maildir could not be written: {0}")]
    Maildir(#[from] io::Error),
}

/// Writes all messages of a gateway's folder into a Maildir, in the order in which they came, with the
/// headers of an outbox before them; gives how many. A gateway may be running there.
///
/// # Errors
/// What can't be read or written; what was written by then is whole.
pub fn export(data: &Path, maildir: &Path) -> Result<u64, ExportError> {
    let reader = Reader::open(data)?;
    let maildir = Maildir::open(maildir)?;
    let (mut after, mut count) = (0, 0);
    loop {
        let chunk = reader.read(|connection| messages(connection, after))?;
        let Some(last) = chunk.last() else {
            return Ok(count);
        };
        after = last.id;
        for message in &chunk {
            // It may have been removed meanwhile.
            if let Some(source) = reader.read(|connection| source(connection, message.id))? {
                maildir.store(&[&message.trace(), &source], message.created_at)?;
                count += 1;
            }
        }
    }
}

struct Message {
    id: i64,
    envelope_from: String,
    to: String,
    copies: Vec<String>,
    account: String,
    tags: Vec<String>,
    created_at: Timestamp,
}

impl Message {
    fn trace(&self) -> Vec<u8> {
        // As SMTP has them.
        let ascii = |text: &String| {
            Address::parse(text).map_or_else(|_| text.clone(), |address| address.to_ascii())
        };
        let to = std::iter::once(&self.to).chain(&self.copies);
        let to: Vec<_> = to.map(ascii).collect();
        trace(&ascii(&self.envelope_from), &to, &self.account, &self.tags)
    }
}

fn messages(connection: &Connection, after: i64) -> rusqlite::Result<Vec<Message>> {
    let mut select = connection.prepare_cached(
        "SELECT id, envelope_from, to_address, copies, account, tags, created_at
         FROM message WHERE id > ? ORDER BY id LIMIT ?",
    )?;
    let list = |text: String| serde_json::from_str(&text).unwrap_or_default();
    let rows = select.query_map([after, i64::from(CHUNK)], |row| {
        Ok(Message {
            id: row.get(0)?,
            envelope_from: row.get(1)?,
            to: row.get(2)?,
            copies: list(row.get(3)?),
            account: row.get(4)?,
            tags: list(row.get(5)?),
            created_at: Timestamp::from_millisecond(row.get(6)?).unwrap_or_default(),
        })
    })?;
    rows.collect()
}
