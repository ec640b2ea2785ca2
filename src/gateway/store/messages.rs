//! Messages as they are read.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};

/// A whole message, as it would go out: of the row, or of the file that it names. None when there is
/// no such message, or its file is gone.
///
/// # Errors
/// What SQLite says.
pub fn source(connection: &Connection, id: i64) -> rusqlite::Result<Option<Vec<u8>>> {
    source_in(connection, "main", id)
}

/// The same, of the messages in the database of this name.
pub(super) fn source_in(
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
        Some((_, _, Some(path))) => std::fs::read(Path::new(&path)).ok(),
        Some((mut head, body, None)) => {
            head.extend_from_slice(&body);
            Some(head)
        }
    })
}
