//! Tells the page, as server-sent events, when the campaign was saved. What it is then, the page asks.

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

use super::site::Site;
use crate::web::Stopping;

/// How long nothing is said at most, so that a lost connection is noticed.
const HEARTBEAT: Duration = Duration::from_secs(15);

pub(super) async fn events(
    State(site): State<Arc<Site>>,
    Extension(stopping): Extension<Stopping>,
    headers: HeaderMap,
) -> impl IntoResponse {
    let known = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let telling = Telling {
        version: site.version.subscribe(),
        begun: site.begun.clone(),
        known: known.unwrap_or_default().to_owned(),
        stopping,
        first: true,
    };
    Sse::new(telling.stream()).keep_alive(KeepAlive::new().interval(HEARTBEAT))
}

/// One page that is told.
struct Telling {
    version: watch::Receiver<u64>,
    begun: String,
    /// The last event that the page has got, by its ID.
    known: String,
    stopping: Stopping,
    first: bool,
}

impl Telling {
    /// Events until the server stops. The first comes at once, unless the page knows it.
    fn stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        unfold(self, async |mut telling| {
            let stopping = telling.stopping.clone();
            tokio::select! {
                id = telling.next() => {
                    let id = id?;
                    let event = Event::default().event("saved").id(&*id).data(&*id);
                    Some((Ok(event), telling))
                }
                () = stopping.wait() => None,
            }
        })
    }

    /// The ID of the next event; nothing when the site is gone.
    async fn next(&mut self) -> Option<String> {
        loop {
            if !std::mem::take(&mut self.first) {
                self.version.changed().await.ok()?;
            }
            let id = format!("{}-{}", self.begun, *self.version.borrow_and_update());
            if id != self.known {
                self.known.clone_from(&id);
                return Some(id);
            }
        }
    }
}
