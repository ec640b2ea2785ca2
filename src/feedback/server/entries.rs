//! Entries of the journal.

use crate::api::TrackingEvent;

/// A click on a link to unsubscribe, or its undoing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Click {
    /// With its `@`.
    pub(super) list: String,
    pub(super) address: String,
    pub(super) run: String,
    pub(super) row: u32,
    /// Of the click, in milliseconds since 1970. It identifies the click.
    pub(super) at: i64,
    pub(super) is_undo: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClickEntry {
    pub(super) seq: i64,
    pub(super) click: Click,
    /// Whether the list has it.
    pub(super) listed: bool,
    /// Whether the events of the run have it.
    pub(super) recorded: bool,
}

/// An event of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EventEntry {
    pub(super) seq: i64,
    pub(super) message_id: String,
    pub(super) address: String,
    pub(super) kind: String,
    pub(super) at: Option<i64>,
    pub(super) description: String,
}

/// The content of one request of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WebhookBatch {
    /// Identifies the request among all that are kept.
    pub(super) request: String,
    pub(super) events: Vec<TrackingEvent>,
    /// Why an item is no event, and the item.
    pub(super) unreadable: Vec<(&'static str, String)>,
}

/// What became of an entry, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AppliedMark {
    /// The list has the click.
    Listed(i64),
    /// The events of the run have the click.
    Recorded(i64),
    /// The events of the run have the event.
    Matched(i64),
    /// No run has the event's message.
    Parked(i64),
}
