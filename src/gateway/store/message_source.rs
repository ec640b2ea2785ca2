//! Reads the MIME source of stored messages.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};

use crate::regular_file;

/// The largest message in an outbox, in bytes. The API allows 15,000,000 before encoding.
pub(crate) const MAX_SIZE: u64 = 64 << 20;

/// The MIME source of a message, from its row or from the file that the row names. `None` if the message
/// or its file does not exist.
///
/// # Errors
/// If SQLite fails.
pub(crate) fn message_source(
    connection: &Connection,
    id: i64,
) -> rusqlite::Result<Option<Vec<u8>>> {
    message_source_in(connection, "main", id)
}

/// As [`message_source`], from the attached database of this name.
pub(super) fn message_source_in(
    connection: &Connection,
    database: &str,
    id: i64,
) -> rusqlite::Result<Option<Vec<u8>>> {
    let sql = format!(
        "SELECT head, bytes, path FROM {database}.message LEFT JOIN {database}.body ON body.id = body
         WHERE message.id = ?"
    );
    let mut select = connection.prepare_cached(&sql)?;
    let parts = select.query_row([id], |row| {
        let (head, body): (Vec<u8>, Option<Vec<u8>>) = (row.get(0)?, row.get(1)?);
        Ok((
            head,
            body.unwrap_or_default(),
            row.get::<_, Option<String>>(2)?,
        ))
    });
    Ok(match parts.optional()? {
        None => None,
        Some((_, _, Some(path))) => regular_file::read_unlinked(Path::new(&path), MAX_SIZE).ok(),
        Some((mut head, body, None)) => {
            head.extend_from_slice(&body);
            Some(head)
        }
    })
}
