//! Events that tell the page when something has changed.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use tokio::sync::watch;
use tokio::time::sleep;

use super::Inbox;
use crate::web::{self, ChangeSource, Stopping};

/// The shortest time between two events.
const MIN_INTERVAL: Duration = Duration::from_millis(200);

pub(super) async fn events(
    State(inbox): State<Arc<Inbox>>,
    Extension(stopping): Extension<Stopping>,
    headers: HeaderMap,
) -> impl IntoResponse {
    let changes = StoreChanges {
        commits: inbox.store.changes(),
        indexed: inbox.store.indexed(),
        process: inbox.process.clone(),
    };
    web::events("changed", &headers, stopping, changes)
}

struct StoreChanges {
    commits: watch::Receiver<u64>,
    indexed: watch::Receiver<u64>,
    /// The numbers above start anew in each process.
    process: String,
}

impl ChangeSource for StoreChanges {
    async fn changed(&mut self) -> Option<()> {
        sleep(MIN_INTERVAL).await;
        tokio::select! {
            changed = self.commits.changed() => changed.ok(),
            changed = self.indexed.changed() => changed.ok(),
        }
    }

    fn id(&mut self) -> String {
        let commits = *self.commits.borrow_and_update();
        let indexed = *self.indexed.borrow_and_update();
        format!("{}-{commits}-{indexed}", self.process)
    }
}
