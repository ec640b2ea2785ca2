//! Server-sent events that tell a page to fetch what has changed.

use std::convert::Infallible;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{Stream, unfold};

use super::Stopping;

/// The longest silence: it lets both sides notice a lost connection.
const HEARTBEAT: Duration = Duration::from_secs(15);

pub(crate) trait ChangeSource: Send + 'static {
    /// Waits for a change; `None` means that there will be no more.
    fn changed(&mut self) -> impl Future<Output = Option<()>> + Send;

    /// Identifies the present state. No other state has this ID, nor any state of another process.
    fn id(&mut self) -> String;
}

/// Sends an event with this name for each change, until the server stops. The first is sent at once,
/// unless the page's `Last-Event-ID` header says that it knows the present state.
pub(crate) fn events<S: ChangeSource>(
    name: &'static str,
    headers: &HeaderMap,
    stopping: Stopping,
    source: S,
) -> impl IntoResponse + use<S> {
    let last_id = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let subscriber = Subscriber {
        name,
        source,
        last_id: last_id.unwrap_or_default().to_owned(),
        stopping,
        is_first: true,
    };
    Sse::new(subscriber.stream()).keep_alive(KeepAlive::new().interval(HEARTBEAT))
}

/// One page.
struct Subscriber<S> {
    name: &'static str,
    source: S,
    /// The ID of the last event that the page has received.
    last_id: String,
    stopping: Stopping,
    is_first: bool,
}

impl<S: ChangeSource> Subscriber<S> {
    fn stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        unfold(self, async |mut subscriber| {
            let stopping = subscriber.stopping.clone();
            tokio::select! {
                id = subscriber.next_id() => {
                    let id = id?;
                    // Browsers ignore an event without data.
                    let event = Event::default().event(subscriber.name).id(&*id).data(&*id);
                    Some((Ok(event), subscriber))
                }
                () = stopping.wait() => None,
            }
        })
    }

    async fn next_id(&mut self) -> Option<String> {
        loop {
            if !std::mem::take(&mut self.is_first) {
                self.source.changed().await?;
            }
            let id = self.source.id();
            if id != self.last_id {
                self.last_id.clone_from(&id);
                return Some(id);
            }
        }
    }
}
