//! Exports all stored messages into a Maildir.

use std::io;
use std::path::Path;

use jiff::Timestamp;
use rusqlite::Connection;

use super::maildir::Maildir;
use super::store::{Readers, StoreError, message_source};
use crate::address::Address;
use crate::message::mime::envelope_headers;

/// How many messages are listed at a time.
const CHUNK: u32 = 500;

/// Why an export failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot write the Maildir: {0}")]
    Maildir(#[from] io::Error),
}

/// Writes all messages in a gateway's folder into a Maildir, oldest first, each with the headers of an
/// outbox before it. Returns the number of messages. A gateway may be using the folder.
///
/// # Errors
/// If a message cannot be read or written. Messages written before that are complete.
pub(crate) fn export(data: &Path, maildir: &Path) -> Result<u64, ExportError> {
    let readers = Readers::open(data)?;
    let maildir = Maildir::open(maildir)?;
    let (mut after, mut count) = (0, 0);
    loop {
        let chunk = readers.read(|connection| messages(connection, after))?;
        let Some(last) = chunk.last() else {
            return Ok(count);
        };
        after = last.id;
        for message in &chunk {
            // `None` if it was removed meanwhile.
            let source = readers.read(|connection| message_source(connection, message.id))?;
            if let Some(source) = source {
                maildir.store(&[&message.envelope_headers(), &source], message.created_at)?;
                count += 1;
            }
        }
    }
}

struct StoredMessage {
    id: i64,
    envelope_from: String,
    to: String,
    copies: Vec<String>,
    account: String,
    tags: Vec<String>,
    created_at: Timestamp,
}

impl StoredMessage {
    fn envelope_headers(&self) -> Vec<u8> {
        // As in an SMTP envelope.
        let ascii = |text: &String| {
            Address::parse(text).map_or_else(|_| text.clone(), |address| address.to_ascii())
        };
        let to = std::iter::once(&self.to).chain(&self.copies);
        let to: Vec<_> = to.map(ascii).collect();
        envelope_headers(&ascii(&self.envelope_from), &to, &self.account, &self.tags)
    }
}

fn messages(connection: &Connection, after: i64) -> rusqlite::Result<Vec<StoredMessage>> {
    let mut select = connection.prepare_cached(
        "SELECT id, envelope_from, to_address, copies, account, tags, created_at
         FROM message WHERE id > ? ORDER BY id LIMIT ?",
    )?;
    let list = |text: String| serde_json::from_str(&text).unwrap_or_default();
    let rows = select.query_map([after, i64::from(CHUNK)], |row| {
        Ok(StoredMessage {
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
