//! What the workers of a run tell each other, and the heartbeat that keeps this one alive.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::state::{DeliveryState, WaitReason};
use crate::ledger::LiveCounts;
use crate::ledger::postgres::{HEARTBEAT, News, Worker};

/// After this long without a connection, a worker leaves its rows to others that have one.
const WITHOUT_CONNECTION: Duration = Duration::from_secs(60);

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

impl DeliveryState {
    /// What this process learned about the server since it began.
    pub(super) fn news(&self) -> News {
        let inner = self.lock();
        let left = inner.own_pause.as_ref().map(|(until, reason)| {
            let left = until.saturating_duration_since(Instant::now());
            (left, reason.clone())
        });
        News {
            pause: left.filter(|(left, _)| *left > Duration::ZERO),
            ..inner.news.clone()
        }
    }

    pub(super) fn posted_recipients(&self) -> u64 {
        self.lock().posted
    }

    /// Obeys what other workers learned since `before`.
    pub(super) fn learn(&self, before: &News, news: &News) {
        let now = Instant::now();
        let mut inner = self.lock();
        let paused = inner.pause_until.is_some_and(|until| until > now);
        // Refusals during one pause count once.
        if news.refusals > before.refusals && !paused {
            inner.throttle.refused_elsewhere();
        }
        let accepted = news.accepted.saturating_sub(before.accepted);
        if accepted > 0 {
            inner.trouble_since = None;
        }
        if let Some((pause, reason)) = &news.pause {
            let until = now + *pause;
            if inner.pause_until.is_none_or(|known| known < until) {
                inner.pause_until = Some(until);
                inner.proven = false;
                self.waiting.send_replace(WaitReason::Server {
                    until,
                    reason: reason.clone(),
                });
            }
        }
        let unconnected = inner.unconnected.clone();
        if let Some((since, reason)) = unconnected
            && accepted > 0
            && now.duration_since(since) > WITHOUT_CONNECTION
        {
            drop(inner);
            return self.stop(format!(
                "this machine can't reach the server, although other workers can: {reason}"
            ));
        }
        let failed = news.failed.saturating_sub(before.failed);
        let error = news.failure.as_deref().unwrap_or_default();
        if let Some(reason) = inner.breaker.count_others(accepted, failed, error) {
            drop(inner);
            self.stop(reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::state::tests::state;
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_worker_without_a_connection_pauses_alone_and_leaves() {
        let state = state();
        let pause = |_| Duration::from_secs(40);
        let accepted = |accepted| News {
            accepted,
            ..News::default()
        };
        for number in 0..3 {
            assert_eq!(state.stop_reason(), None);
            state.server_failed(Instant::now(), false, None, "no route", pause);
            assert_eq!(state.news().pause, None);
            tokio::time::advance(Duration::from_secs(40)).await;
            state.learn(&accepted(number), &accepted(number));
        }
        assert_eq!(state.stop_reason(), None, "nobody can reach the server");
        state.learn(&accepted(3), &accepted(4));
        let reason = state.stop_reason().expect("it leaves");
        assert!(reason.ends_with("other workers can: no route"), "{reason}");
    }
}
