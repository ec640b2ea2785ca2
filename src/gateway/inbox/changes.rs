//! Tells the page, as server-sent events, when something has changed. What it is, the page asks.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{Stream, unfold};
use tokio::sync::watch;
use tokio::time::sleep;

use super::Inbox;
use crate::web::Stopping;

/// How often a page is told at most.
const SELDOM: Duration = Duration::from_millis(200);
/// How long nothing is said at most, so that a lost connection is noticed.
const HEARTBEAT: Duration = Duration::from_secs(15);

pub(super) async fn events(
    State(inbox): State<Arc<Inbox>>,
    Extension(stopping): Extension<Stopping>,
    headers: HeaderMap,
) -> impl IntoResponse {
    let known = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let telling = Telling {
        changes: inbox.store.changes(),
        indexed: inbox.store.indexed(),
        begun: inbox.begun.clone(),
        known: known.unwrap_or_default().to_owned(),
        stopping,
        first: true,
    };
    Sse::new(telling.stream()).keep_alive(KeepAlive::new().interval(HEARTBEAT))
}

/// One page that is told.
struct Telling {
    changes: watch::Receiver<u64>,
    indexed: watch::Receiver<u64>,
    /// Numbers of changes are of one process.
    begun: String,
    /// The last event that the page has got, by its ID.
    known: String,
    stopping: Stopping,
    first: bool,
}

impl Telling {
    /// Events until the gateway stops. The first comes at once, unless the page knows it.
    fn stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        unfold(self, async |mut telling| {
            let stopping = telling.stopping.clone();
            tokio::select! {
                id = telling.next() => {
                    let id = id?;
                    // An event without data is none to a browser.
                    let event = Event::default().event("changed").id(&*id).data(&*id);
                    Some((Ok(event), telling))
                }
                () = stopping.wait() => None,
            }
        })
    }

    /// The ID of the next event; nothing when the store is gone.
    async fn next(&mut self) -> Option<String> {
        loop {
            if !std::mem::take(&mut self.first) {
                sleep(SELDOM).await;
                tokio::select! {
                    changed = self.changes.changed() => changed.ok()?,
                    indexed = self.indexed.changed() => indexed.ok()?,
                }
            }
            let changes = *self.changes.borrow_and_update();
            let indexed = *self.indexed.borrow_and_update();
            let id = format!("{}-{changes}-{indexed}", self.begun);
            if id != self.known {
                self.known.clone_from(&id);
                return Some(id);
            }
        }
    }
}
