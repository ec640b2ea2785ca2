//! The rows of the store, and the statements that insert them.

use jiff::Timestamp;
use rusqlite::{Connection, Row, ToSql, params, types::ToSqlOutput};

/// The status of a message, as in `emails`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Status {
    /// Accepted, not delivered yet.
    #[default]
    Injected,
    /// The recipient's server asked for another attempt later.
    Deferred,
    /// Captured here, or accepted by the SMTP server.
    Ok,
    /// Rejected temporarily.
    Softbounce,
    /// Rejected permanently.
    Hardbounce,
    /// Rejected as spam.
    Spambounce,
    /// Not sent, because the recipient is on the blacklist.
    Dropped,
}

impl Status {
    /// The name in the store and in the API.
    pub(crate) fn as_str(self) -> &'static str {
        EventKind::Status(self).as_str()
    }
}

/// An event of a message: a new status, or what its recipient did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum EventKind {
    Status(Status),
    Opened,
    /// The recipient followed a link.
    Clicked,
    /// The recipient complained (a report of a feedback loop).
    Feedback,
}

impl EventKind {
    pub(crate) const ALL: [Self; 10] = [
        Self::Status(Status::Injected),
        Self::Status(Status::Deferred),
        Self::Status(Status::Ok),
        Self::Status(Status::Softbounce),
        Self::Status(Status::Hardbounce),
        Self::Status(Status::Spambounce),
        Self::Status(Status::Dropped),
        Self::Opened,
        Self::Clicked,
        Self::Feedback,
    ];

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The name in the store and in the API.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Status(Status::Injected) => "injected",
            Self::Status(Status::Deferred) => "deferred",
            Self::Status(Status::Ok) => "ok",
            Self::Status(Status::Softbounce) => "softbounce",
            Self::Status(Status::Hardbounce) => "hardbounce",
            Self::Status(Status::Spambounce) => "spambounce",
            Self::Status(Status::Dropped) => "dropped",
            Self::Opened => "open",
            Self::Clicked => "track",
            Self::Feedback => "feedback",
        }
    }
}

/// An SQL expression for the description of an event. If the event is about a copy, it names the copy's
/// address.
pub(crate) const EVENT_DESCRIPTION: &str = "iif(event.copy IS NULL, event.description, 'copy to ' || event.copy || ': ' || event.description)";

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

#[derive(Debug, Clone)]
pub(crate) struct NewRequest {
    pub(crate) req_id: String,
    /// The endpoint, such as `sendmail`.
    pub(crate) endpoint: &'static str,
    pub(crate) at: Timestamp,
    /// The client's address and port.
    pub(crate) remote: Option<String>,
    /// The form as a JSON array of `[name, value]`, without the content of attachments.
    pub(crate) fields: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct NewMessage {
    /// The ID of the request's row.
    pub(crate) request: Option<i64>,
    /// The ID of the row with the headers and the body that it shares with other messages.
    pub(crate) body: Option<i64>,
    /// The headers before the shared ones.
    pub(crate) head: Vec<u8>,
    /// The message's file in a Maildir, in place of `body` and `head`.
    pub(crate) path: Option<String>,
    /// The public ID: 32 hexadecimal digits.
    pub(crate) uid: String,
    /// Without angle brackets.
    pub(crate) message_id: String,
    pub(crate) account: String,
    pub(crate) envelope_from: String,
    pub(crate) from_address: String,
    pub(crate) from_name: String,
    pub(crate) to_address: String,
    pub(crate) to_name: String,
    /// The addresses in `cc` and `bcc`, a JSON array.
    pub(crate) copies: String,
    pub(crate) subject: String,
    /// A JSON array.
    pub(crate) tags: String,
    pub(crate) created_at: Timestamp,
    /// The bytes of the whole message.
    pub(crate) size: usize,
    /// Not counting inline images.
    pub(crate) has_attachment: bool,
    pub(crate) status: Status,
    /// The first words of the text.
    pub(crate) snippet: String,
}

/// Inserts a request and returns its row ID.
///
/// # Errors
/// If SQLite fails.
pub(crate) fn insert_request(
    connection: &Connection,
    request: &NewRequest,
) -> rusqlite::Result<i64> {
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

/// Inserts the headers and the body that messages of a request share, and returns the row ID.
///
/// # Errors
/// If SQLite fails.
pub(crate) fn insert_body(
    connection: &Connection,
    request: i64,
    bytes: &[u8],
) -> rusqlite::Result<i64> {
    let mut insert =
        connection.prepare_cached("INSERT INTO body (request, bytes) VALUES (?, ?)")?;
    insert.insert(params![request, bytes])
}

/// Inserts a message and returns its row ID.
///
/// # Errors
/// If SQLite fails.
pub(crate) fn insert_message(
    connection: &Connection,
    message: &NewMessage,
) -> rusqlite::Result<i64> {
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

/// An event of a message or of a copy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewEvent<'a> {
    /// The row ID of the message.
    pub(crate) message: i64,
    /// The message's account.
    pub(crate) account: &'a str,
    /// The address in `cc` or `bcc`; `None` for the message's own recipient.
    pub(crate) copy: Option<&'a str>,
    pub(crate) kind: EventKind,
    pub(crate) at: Timestamp,
    pub(crate) description: &'a str,
}

/// # Errors
/// If SQLite fails.
pub(crate) fn insert_event(connection: &Connection, event: &NewEvent<'_>) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO event (message, account, copy, kind, at, description) VALUES (?, ?, ?, ?, ?, ?)",
    )?;
    let id = insert.insert(params![
        event.message,
        event.account,
        event.copy,
        event.kind,
        event.at.as_millisecond(),
        event.description,
    ])?;
    let mut count = connection.prepare_cached(
        "INSERT INTO event_total (kind, events) VALUES (?, 1)
         ON CONFLICT (kind) DO UPDATE SET events = events + 1",
    )?;
    count.execute([event.kind])?;
    if event.kind != EventKind::Status(Status::Injected) {
        // The table `webhook` has a row while there is a webhook.
        let mut queue =
            connection.prepare_cached("INSERT INTO webhook_event (event) SELECT ? FROM webhook")?;
        queue.execute([id])?;
    }
    Ok(())
}

/// How many events of each kind there were.
///
/// # Errors
/// If SQLite fails.
pub(crate) fn event_totals(connection: &Connection) -> rusqlite::Result<Vec<(String, u64)>> {
    let mut select = connection.prepare_cached("SELECT kind, events FROM event_total")?;
    let total = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned()));
    select.query_map([], total)?.collect()
}

/// # Errors
/// If SQLite fails.
pub(crate) fn set_status(
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
