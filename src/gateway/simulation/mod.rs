//! What happens to captured messages after they were accepted, as at the vendor: deliveries, bounces, complaints, opens
//! and clicks. Recipients' names ask for it, and `--chaos` draws it.
//!
//! Events that happen at once are stored with their message. Later ones wait in `upcoming_event`.

mod outcome;
mod upcoming;

use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;

use self::outcome::{DELIVERED, Step};
use super::lists::blacklist;
use super::store::{EventKind, NewEvent, Status, insert_event};
use crate::api::BlacklistReason;

pub(super) use self::outcome::{SimulatedOutcome, recipient_name};
pub(crate) use self::upcoming::happen;

/// A captured message in the store.
pub(super) struct SimulatedMessage<'a> {
    /// The row ID.
    pub(super) id: i64,
    pub(super) account: &'a str,
    /// The recipient's address, normalized.
    pub(super) recipient: &'a str,
    pub(super) at: Timestamp,
}

/// The status of a message right after it was captured.
pub(super) fn first_status(outcome: Option<SimulatedOutcome>) -> Status {
    let mut at_once = steps(outcome).iter().filter(|step| step.after.is_zero());
    match at_once.next_back().map(|step| step.kind) {
        Some(EventKind::Status(status)) => status,
        _ => Status::Injected,
    }
}

/// Stores the events of a captured message, and those that are still to happen.
pub(super) fn insert_events(
    connection: &Connection,
    message: &SimulatedMessage<'_>,
    outcome: Option<SimulatedOutcome>,
) -> rusqlite::Result<()> {
    for step in steps(outcome) {
        if step.after.is_zero() {
            add(connection, message, step.kind, step.description)?;
        } else {
            let at = message.at.checked_add(step.after).unwrap_or(message.at);
            upcoming::insert(connection, message, step, at)?;
        }
    }
    Ok(())
}

fn steps(outcome: Option<SimulatedOutcome>) -> &'static [Step] {
    outcome.map_or(DELIVERED, SimulatedOutcome::steps)
}

/// Adds an event. After a hard bounce and a complaint, the account sends nothing more to the address.
fn add(
    connection: &Connection,
    message: &SimulatedMessage<'_>,
    kind: EventKind,
    description: &str,
) -> rusqlite::Result<()> {
    let event = NewEvent {
        message: message.id,
        account: message.account,
        copy: None,
        kind,
        at: message.at,
        description,
    };
    insert_event(connection, &event)?;
    let reason = match kind {
        EventKind::Status(Status::Hardbounce) => BlacklistReason::Hardbounce,
        EventKind::Feedback => BlacklistReason::SpamComplaint,
        _ => return Ok(()),
    };
    let SimulatedMessage {
        account,
        recipient,
        at,
        ..
    } = *message;
    blacklist::add_if_missing(connection, account, recipient, reason, description, at)
}

const fn millis(millis: i64) -> SignedDuration {
    SignedDuration::from_millis(millis)
}
