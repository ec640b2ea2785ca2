//! Server-sent events: `saved` when a file of the campaign changed. The page then requests what it needs.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use tokio::sync::watch;

use super::live_campaign::LiveCampaign;
use crate::web::{self, ChangeSource, Stopping};

pub(super) async fn events(
    State(live): State<Arc<LiveCampaign>>,
    Extension(stopping): Extension<Stopping>,
    headers: HeaderMap,
) -> impl IntoResponse {
    let saved = Saves {
        version: live.version.subscribe(),
        started: live.started.clone(),
    };
    web::events("saved", &headers, stopping, saved)
}

struct Saves {
    version: watch::Receiver<u64>,
    /// Makes event IDs unique to this process.
    started: String,
}

impl ChangeSource for Saves {
    async fn changed(&mut self) -> Option<()> {
        self.version.changed().await.ok()
    }

    fn id(&mut self) -> String {
        format!("{}-{}", self.started, *self.version.borrow_and_update())
    }
}
