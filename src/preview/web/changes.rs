//! Tells the page when the campaign was saved. What it is then, the page asks.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use tokio::sync::watch;

use super::site::Site;
use crate::web::{self, Stopping, Watched};

pub(super) async fn events(
    State(site): State<Arc<Site>>,
    Extension(stopping): Extension<Stopping>,
    headers: HeaderMap,
) -> impl IntoResponse {
    let saved = Saved {
        version: site.version.subscribe(),
        begun: site.begun.clone(),
    };
    web::events("saved", &headers, stopping, saved)
}

struct Saved {
    version: watch::Receiver<u64>,
    /// Versions are of one process.
    begun: String,
}

impl Watched for Saved {
    async fn changed(&mut self) -> Option<()> {
        self.version.changed().await.ok()
    }

    fn id(&mut self) -> String {
        format!("{}-{}", self.begun, *self.version.borrow_and_update())
    }
}
