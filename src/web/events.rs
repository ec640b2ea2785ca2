//! Tells a page, as server-sent events, that something has changed. What it is, the page asks.

use std::convert::Infallible;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{Stream, unfold};

use super::Stopping;

/// How long nothing is said at most, so that a lost connection is noticed.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// What changes.
pub(crate) trait Watched: Send + 'static {
    /// Waits for a change; nothing when there will be none any more.
    fn changed(&mut self) -> impl Future<Output = Option<()>> + Send;

    /// What tells it, as it is now, from what it was and from that of other processes.
    fn id(&mut self) -> String;
}

/// Events of a name until the server stops, one for each change. The first comes at once, unless the
/// page knows it: `Last-Event-ID` in the headers of its request.
pub(crate) fn events<W: Watched>(
    name: &'static str,
    headers: &HeaderMap,
    stopping: Stopping,
    watched: W,
) -> impl IntoResponse + use<W> {
    let known = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let telling = Telling {
        name,
        watched,
        known: known.unwrap_or_default().to_owned(),
        stopping,
        first: true,
    };
    Sse::new(telling.stream()).keep_alive(KeepAlive::new().interval(HEARTBEAT))
}

/// One page that is told.
struct Telling<W> {
    name: &'static str,
    watched: W,
    /// The last event that the page has got, by its ID.
    known: String,
    stopping: Stopping,
    first: bool,
}

impl<W: Watched> Telling<W> {
    fn stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        unfold(self, async |mut telling| {
            let stopping = telling.stopping.clone();
            tokio::select! {
                id = telling.next() => {
                    let id = id?;
                    // An event without data is none to a browser.
                    let event = Event::default().event(telling.name).id(&*id).data(&*id);
                    Some((Ok(event), telling))
                }
                () = stopping.wait() => None,
            }
        })
    }

    /// The ID of the next event; nothing when there will be none any more.
    async fn next(&mut self) -> Option<String> {
        loop {
            if !std::mem::take(&mut self.first) {
                self.watched.changed().await?;
            }
            let id = self.watched.id();
            if id != self.known {
                self.known.clone_from(&id);
                return Some(id);
            }
        }
    }
}
