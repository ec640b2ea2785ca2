//! What the workers of a run tell each other, and the heartbeat that keeps this one alive.

use std::sync::Arc;

use tokio::time::Instant;

use super::state::DeliveryState;
use crate::ledger::LiveCounts;
use crate::ledger::postgres::{HEARTBEAT, News, Worker};

/// Runs until it is aborted.
pub(super) async fn run(worker: Arc<Worker>, state: Arc<DeliveryState>, counts: Arc<LiveCounts>) {
    // What the others learned before this worker joined does not count.
    let mut before: Option<News> = None;
    let mut posted = (0, Instant::now());
    loop {
        let mut news = state.news();
        let (total, now) = (state.posted_recipients(), Instant::now());
        let seconds = now.duration_since(posted.1).as_secs_f64();
        news.rate = (total - posted.0) as f64 / seconds.max(0.1);
        posted = (total, now);
        match worker.heartbeat(&news, &counts).await {
            Ok(news) => {
                if let Some(reason) = news.stop {
                    // Requests in flight end normally, if the worker is alive until then.
                    state.stop(reason);
                } else {
                    let known = before.get_or_insert_with(|| News {
                        pause: None,
                        ..news.clone()
                    });
                    state.learn(known, &news);
                    before = Some(news);
                }
            }
            Err(error) if error.is_transient() => {
                tracing::debug!(%error, "no heartbeat");
            }
            Err(error) => return state.stop(error.to_string()),
        }
        tokio::time::sleep(HEARTBEAT).await;
    }
}
