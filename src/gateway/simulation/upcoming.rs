//! Events that are still to happen.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use tokio::time::sleep;

use super::outcome::Step;
use super::{SimulatedMessage, add};
use crate::clock::Clock;
use crate::gateway::store::{EventKind, Store, StoreError, set_status};

/// The most events that happen in a commit. Clients' writes wait for it.
const BATCH: i64 = 500;
const RETRY: Duration = Duration::from_secs(1);
/// The longest wait until the time is looked at again: the clock may be set.
const MAX_SLEEP: Duration = Duration::from_secs(1);

pub(super) fn insert(
    connection: &Connection,
    message: &SimulatedMessage<'_>,
    step: &Step,
    at: Timestamp,
) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO upcoming_event (message, recipient, kind, at, description) VALUES (?, ?, ?, ?, ?)",
    )?;
    insert.execute(params![
        message.id,
        message.recipient,
        step.kind,
        at.as_millisecond(),
        step.description
    ])?;
    Ok(())
}

/// Lets upcoming events happen when their time has come, also those that a previous process has left. It ends when the
/// store can no longer be written.
pub(crate) async fn happen(store: Store, clock: Clock) {
    let mut changes = store.changes();
    loop {
        // Before the table is read: a later commit then ends the wait.
        changes.borrow_and_update();
        let next = match happen_due(&store, clock.now()).await {
            Ok(next) => next,
            Err(error) => {
                if store.failure().is_some() {
                    return;
                }
                tracing::error!(%error, "simulated events can't be stored");
                sleep(RETRY).await;
                continue;
            }
        };
        let Some(next) = next else {
            if changes.changed().await.is_err() {
                return;
            }
            continue;
        };
        let wait = Duration::try_from(next.duration_since(clock.now())).unwrap_or_default();
        tokio::select! {
            () = sleep(wait.min(MAX_SLEEP)) => {}
            changed = changes.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
    }
}

/// Lets the events happen that are due, and returns when the next one is.
async fn happen_due(store: &Store, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    loop {
        let next = store.read_async(next_at).await?;
        if next.is_none_or(|next| next > now) {
            return Ok(next);
        }
        store
            .write(move |connection| take_due(connection, now))
            .await?;
    }
}

fn next_at(connection: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let mut select =
        connection.prepare_cached("SELECT at FROM upcoming_event ORDER BY at LIMIT 1")?;
    let at = select.query_row([], |row| row.get(0)).optional()?;
    // No time out of range is ever written.
    Ok(at.map(|at| Timestamp::from_millisecond(at).unwrap_or_default()))
}

fn take_due(connection: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    let mut select = connection.prepare_cached(
        "SELECT upcoming_event.id, message.id, account, recipient, kind, at, description
         FROM upcoming_event CROSS JOIN message ON message.id = upcoming_event.message
         WHERE at <= ? ORDER BY at, upcoming_event.id LIMIT ?",
    )?;
    let mut delete = connection.prepare_cached("DELETE FROM upcoming_event WHERE id = ?")?;
    let mut rows = select.query(params![now.as_millisecond(), BATCH])?;
    let mut due = Vec::new();
    while let Some(row) = rows.next()? {
        due.push((
            row.get::<_, i64>(0)?,
            row.get::<_, i64>(1)?,
            row.get::<_, String>(2)?,
            row.get::<_, String>(3)?,
            row.get::<_, String>(4)?,
            row.get::<_, i64>(5)?,
            row.get::<_, String>(6)?,
        ));
    }
    for (upcoming, id, account, recipient, kind, at, description) in due {
        delete.execute([upcoming])?;
        let at = Timestamp::from_millisecond(at).unwrap_or(now);
        let message = SimulatedMessage {
            id,
            account: &account,
            recipient: &recipient,
            at,
        };
        let Some(kind) = EventKind::parse(&kind) else {
            continue;
        };
        add(connection, &message, kind, &description)?;
        if let EventKind::Status(status) = kind {
            set_status(connection, id, status, at)?;
        }
    }
    Ok(())
}
