//! Where events are kept.

use std::collections::HashMap;
use std::path::PathBuf;

use jiff::Timestamp;

use super::event::{RowEvent, StateCounts, StoredEvent};
use super::mailbox::MailboxError;
use crate::api::EventKind;
use crate::ledger::{LedgerError, PostgresError};

#[derive(Debug, thiserror::Error)]
pub(crate) enum EventsError {
    #[error("{} is not a file with events", .0.display())]
    NotEvents(PathBuf),
    #[error("{} was made by {} mailrun: its version is {found}, this mailrun reads {known}", path.display(), if found < known { "an older" } else { "a newer" })]
    Version {
        path: PathBuf,
        found: i64,
        known: i64,
    },
    #[error("the events: {0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("the events are damaged: {0}")]
    Damaged(String),
    /// SQLite stays in another journal mode.
    #[error("the events can't use a write-ahead log (SQLite stays in journal mode “{0}”)")]
    NoWriteAhead(String),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Index(#[from] crate::spill::SpillError),
    #[error(transparent)]
    Mailbox(#[from] MailboxError),
}

impl From<PostgresError> for EventsError {
    fn from(error: PostgresError) -> Self {
        Self::Ledger(error.into())
    }
}

/// How far a run was followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Followed {
    /// When the API was asked last; `None` if it never answered.
    pub(crate) at: Option<Timestamp>,
    /// All events before this time are known.
    pub(crate) known_before: Option<Timestamp>,
}

/// The events of a run. All methods fail if they can't be read or written.
pub(crate) trait EventStore: Send {
    /// The same store on a connection of its own, for reading.
    fn reopen(&self) -> Result<Box<dyn EventStore>, EventsError>;

    /// Adds events that are not known yet, and updates the states of their rows. Returns the number of new events. All of
    /// them are durable when this returns.
    fn add(&mut self, events: &[RowEvent], now: Timestamp) -> Result<u64, EventsError>;

    /// Removes the event with this row, kind and time, if it is there, and updates the state of its row.
    fn remove(&mut self, event: &RowEvent) -> Result<(), EventsError>;

    /// The states of the rows after `after` up to `last`. A row without events has none.
    fn states(&self, after: u32, last: u32) -> Result<HashMap<u32, EventKind>, EventsError>;

    /// The states of the messages of these rows.
    fn states_of(&self, rows: &[u32]) -> Result<HashMap<u32, EventKind>, EventsError>;

    fn counts(&self) -> Result<StateCounts, EventsError>;

    /// The events of the rows after `after` up to `last`, by row and time.
    fn events(&self, after: u32, last: u32) -> Result<Vec<StoredEvent>, EventsError>;

    fn followed(&self) -> Result<Followed, EventsError>;

    fn set_followed(&mut self, followed: Followed) -> Result<(), EventsError>;
}

pub(super) fn parse_kind(name: &str) -> Result<EventKind, EventsError> {
    EventKind::parse(name).ok_or_else(|| EventsError::Damaged(format!("unknown event “{name}”")))
}

pub(super) fn from_millis(millis: i64) -> Result<Timestamp, EventsError> {
    Timestamp::from_millisecond(millis).map_err(|error| EventsError::Damaged(error.to_string()))
}
