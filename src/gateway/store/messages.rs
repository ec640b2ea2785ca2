//! Messages as they are read.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row};

use super::Status;

/// What a list says of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Its place in the store; what is newer has a greater one.
    pub id: i64,
    /// Its public name.
    pub uid: String,
    /// Its message ID without angle brackets.
    pub message_id: String,
    /// The request that it came with.
    pub request: Option<i64>,
    /// The SMTP account.
    pub account: String,
    /// The sender's address.
    pub from_address: String,
    /// The sender's name, or nothing.
    pub from_name: String,
    /// The recipient's address.
    pub to_address: String,
    /// The recipient's name, or nothing.
    pub to_name: String,
    /// The subject.
    pub subject: String,
    /// The tags.
    pub tags: Vec<String>,
    /// When it came.
    pub created_at: Timestamp,
    /// When its status last changed.
    pub updated_at: Timestamp,
    /// The bytes of the whole message.
    pub size: u64,
    /// Whether it has attachments.
    pub has_attachment: bool,
    /// Whether nobody has looked at it.
    pub unread: bool,
    /// Its state.
    pub status: Status,
    /// How its text begins.
    pub snippet: String,
}

impl Summary {
    /// The columns that [`Summary::from_row`] reads, of the table `message`.
    pub const COLUMNS: &'static str = "message.id, message.uid, message.message_id, message.request, \
        message.account, message.from_address, message.from_name, message.to_address, message.to_name, \
        message.subject, message.tags, message.created_at, message.updated_at, message.size, \
        message.has_attachment, message.unread, message.status, message.snippet";

    /// Reads a row that begins with [`Summary::COLUMNS`].
    ///
    /// # Errors
    /// A row that no gateway wrote.
    pub fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let tags: String = row.get(10)?;
        let status: String = row.get(16)?;
        Ok(Self {
            id: row.get(0)?,
            uid: row.get(1)?,
            message_id: row.get(2)?,
            request: row.get(3)?,
            account: row.get(4)?,
            from_address: row.get(5)?,
            from_name: row.get(6)?,
            to_address: row.get(7)?,
            to_name: row.get(8)?,
            subject: row.get(9)?,
            tags: serde_json::from_str(&tags).map_err(|error| unreadable(10, error))?,
            created_at: time(row, 11)?,
            updated_at: time(row, 12)?,
            size: row.get::<_, i64>(13)?.cast_unsigned(),
            has_attachment: row.get(14)?,
            unread: row.get(15)?,
            status: Status::parse(&status)
                .ok_or_else(|| unreadable(16, format!("there is no status “{status}”")))?,
            snippet: row.get(17)?,
        })
    }
}

/// A time in a row.
fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    Timestamp::from_millisecond(row.get(column)?).map_err(|error| unreadable(column, error))
}

fn unreadable(
    column: usize,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into())
}

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
