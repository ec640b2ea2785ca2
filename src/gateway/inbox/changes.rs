//! Tells the page when something has changed. What it is, the page asks.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use tokio::sync::watch;
use tokio::time::sleep;

use super::Inbox;
use crate::web::{self, Stopping, Watched};

/// How often a page is told at most.
const SELDOM: Duration = Duration::from_millis(200);

pub(super) async fn events(
    State(inbox): State<Arc<Inbox>>,
    Extension(stopping): Extension<Stopping>,
    headers: HeaderMap,
) -> impl IntoResponse {
    let changes = Changes {
        changes: inbox.store.changes(),
        indexed: inbox.store.indexed(),
        begun: inbox.begun.clone(),
    };
    web::events("changed", &headers, stopping, changes)
}

struct Changes {
    changes: watch::Receiver<u64>,
    indexed: watch::Receiver<u64>,
    /// Numbers of changes are of one process.
    begun: String,
}

impl Watched for Changes {
    async fn changed(&mut self) -> Option<()> {
        sleep(SELDOM).await;
        tokio::select! {
            changed = self.changes.changed() => changed.ok(),
            indexed = self.indexed.changed() => indexed.ok(),
        }
    }

    fn id(&mut self) -> String {
        let changes = *self.changes.borrow_and_update();
        let indexed = *self.indexed.borrow_and_update();
        format!("{}-{changes}-{indexed}", self.begun)
    }
}
