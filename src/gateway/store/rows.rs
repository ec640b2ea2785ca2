//! What goes into the store: rows as they are written, and the statements that write them.

use jiff::Timestamp;
use rusqlite::{Connection, ToSql, params, types::ToSqlOutput};

/// What is the state of a message, as `emails` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Status {
    /// Taken; it is on its way.
    #[default]
    Injected,
    /// Captured here, or taken by the SMTP server.
    Ok,
    /// Refused for a time.
    Softbounce,
    /// Refused for good.
    Hardbounce,
    /// Refused as spam.
    Spambounce,
    /// Not sent: its recipient is on the blacklist.
    Dropped,
}

impl Status {
    /// Its name in the store and on the wire.
    pub fn as_str(self) -> &'static str {
        EventKind::Status(self).as_str()
    }
}

/// What an event tells: that a message got a status, or that somebody complained of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// It got this status.
    Status(Status),
    /// Its recipient complained (a feedback loop's report).
    Feedback,
}

impl EventKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Status(Status::Injected),
        Self::Status(Status::Ok),
        Self::Status(Status::Softbounce),
        Self::Status(Status::Hardbounce),
        Self::Status(Status::Spambounce),
        Self::Status(Status::Dropped),
        Self::Feedback,
    ];

    /// The kind of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Its name in the store and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Status(Status::Injected) => "injected",
            Self::Status(Status::Ok) => "ok",
            Self::Status(Status::Softbounce) => "softbounce",
            Self::Status(Status::Hardbounce) => "hardbounce",
            Self::Status(Status::Spambounce) => "spambounce",
            Self::Status(Status::Dropped) => "dropped",
            Self::Feedback => "feedback",
        }
    }
}

/// The words of an event as they are shown, in SQL: they begin with whose copy it is about.
pub const WORDS_OF_EVENT: &str = "iif(event.copy IS NULL, event.description, 'copy to ' || event.copy || ': ' || event.description)";

impl ToSql for Status {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

impl ToSql for EventKind {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

/// A request that was taken.
#[derive(Debug, Clone)]
pub struct NewRequest {
    /// The answer's name for it.
    pub req_id: String,
    /// The endpoint, such as `sendmail`.
    pub endpoint: &'static str,
    /// When it came.
    pub at: Timestamp,
    /// Who asked.
    pub remote: Option<String>,
    /// The form as it was sent, a JSON array of `[name, value]`; instead of an attachment's content
    /// its size in words.
    pub fields: String,
}

/// A message as it is captured.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewMessage {
    /// The request that it came with.
    pub request: Option<i64>,
    /// What it has in common with other messages of the request.
    pub body: Option<i64>,
    /// The headers before that.
    pub head: Vec<u8>,
    /// Instead of both: its file in a Maildir.
    pub path: Option<String>,
    /// Its public name: 32 hexadecimal digits.
    pub uid: String,
    /// Its message ID without angle brackets.
    pub message_id: String,
    /// The SMTP account.
    pub account: String,
    /// The envelope's sender.
    pub envelope_from: String,
    /// The sender's address.
    pub from_address: String,
    /// The sender's name, or nothing.
    pub from_name: String,
    /// The recipient's address.
    pub to_address: String,
    /// The recipient's name, or nothing.
    pub to_name: String,
    /// Who else is in the envelope, a JSON array.
    pub copies: String,
    /// The subject.
    pub subject: String,
    /// The tags, a JSON array.
    pub tags: String,
    /// When it came.
    pub created_at: Timestamp,
    /// The bytes of the whole message.
    pub size: usize,
    /// Whether it has attachments, other than images in its HTML.
    pub has_attachment: bool,
    /// Its state.
    pub status: Status,
    /// How its text begins.
    pub snippet: String,
}

/// Inserts a request, and gives its ID.
///
/// # Errors
/// What SQLite says.
pub fn insert_request(connection: &Connection, request: &NewRequest) -> rusqlite::Result<i64> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO request (req_id, endpoint, at, remote, fields) VALUES (?, ?, ?, ?, ?)",
    )?;
    insert.insert(params![
        request.req_id,
        request.endpoint,
        request.at.as_millisecond(),
        request.remote,
        request.fields
    ])
}

/// Inserts what messages of a request have in common, and gives its ID.
///
/// # Errors
/// What SQLite says.
pub fn insert_body(connection: &Connection, request: i64, bytes: &[u8]) -> rusqlite::Result<i64> {
    let mut insert =
        connection.prepare_cached("INSERT INTO body (request, bytes) VALUES (?, ?)")?;
    insert.insert(params![request, bytes])
}

/// Inserts a message, and gives its ID.
///
/// # Errors
/// What SQLite says.
pub fn insert_message(connection: &Connection, message: &NewMessage) -> rusqlite::Result<i64> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO message (
           request, body, head, path, uid, message_id, account, envelope_from, from_address, from_name,
           to_address, to_name, copies, subject, tags, created_at, updated_at, size, has_attachment,
           status, snippet
         ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    let created_at = message.created_at.as_millisecond();
    insert.insert(params![
        message.request,
        message.body,
        message.head,
        message.path,
        message.uid,
        message.message_id,
        message.account,
        message.envelope_from,
        message.from_address,
        message.from_name,
        message.to_address,
        message.to_name,
        message.copies,
        message.subject,
        message.tags,
        created_at,
        created_at,
        message.size as i64,
        message.has_attachment,
        message.status,
        message.snippet,
    ])
}

/// What became of a message, or of a copy of it.
#[derive(Debug, Clone, Copy)]
pub struct NewEvent<'a> {
    /// The message.
    pub message: i64,
    /// The message's account.
    pub account: &'a str,
    /// Whose copy (`cc`, `bcc`) it is about; none when it is about the message's own recipient.
    pub copy: Option<&'a str>,
    /// What happened.
    pub kind: EventKind,
    /// When.
    pub at: Timestamp,
    /// Why, in words.
    pub description: &'a str,
}

/// Adds an event to a message.
///
/// # Errors
/// What SQLite says.
pub fn insert_event(connection: &Connection, event: &NewEvent<'_>) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO event (message, account, copy, kind, at, description) VALUES (?, ?, ?, ?, ?, ?)",
    )?;
    insert.insert(params![
        event.message,
        event.account,
        event.copy,
        event.kind,
        event.at.as_millisecond(),
        event.description,
    ])?;
    Ok(())
}

/// Gives a message a status.
///
/// # Errors
/// What SQLite says.
pub fn set_status(
    connection: &Connection,
    message: i64,
    status: Status,
    at: Timestamp,
) -> rusqlite::Result<()> {
    let mut update =
        connection.prepare_cached("UPDATE message SET status = ?, updated_at = ? WHERE id = ?")?;
    update.execute(params![status, at.as_millisecond(), message])?;
    Ok(())
}
