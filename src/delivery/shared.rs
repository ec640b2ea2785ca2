//! What all requests in flight share: whether to go on, and the pause after a server's refusal.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::job::Job;

/// After so long without a success the run stops.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// What the dispatcher waits for, for those who watch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Waiting {
    /// Nothing, or the pace alone.
    #[default]
    Going,
    /// The server, which would not take requests; until then.
    Server {
        /// When the pause ends.
        until: Instant,
        /// What the server said.
        reason: String,
    },
    /// The day's limit; until then.
    Day(jiff::Timestamp),
}

/// The state behind the lock.
#[derive(Default)]
struct State {
    stop: Option<String>,
    pause_until: Option<Instant>,
    /// Failures of the server in a row, one a pause.
    failures: u32,
    /// Since when there has been no success.
    trouble_since: Option<Instant>,
    /// An HTTP answer of the API was seen in this process.
    proven: bool,
    retries: BinaryHeap<Reverse<Retry>>,
}

/// What the requests of a run share.
pub(super) struct Shared {
    state: Mutex<State>,
    /// Told whenever a request has ended.
    pub(super) ended: Notify,
    stopped: watch::Sender<bool>,
    waiting: watch::Sender<Waiting>,
}

/// A request that will be tried again.
struct Retry {
    due: Instant,
    job: Job,
}

impl PartialEq for Retry {
    fn eq(&self, other: &Self) -> bool {
        self.due == other.due
    }
}

impl Eq for Retry {}

impl PartialOrd for Retry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Retry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.due.cmp(&other.due)
    }
}

impl Shared {
    pub(super) fn new(waiting: watch::Sender<Waiting>) -> Self {
        Self {
            state: Mutex::default(),
            ended: Notify::new(),
            stopped: watch::Sender::new(false),
            waiting,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops the run; the first reason stands.
    pub(super) fn stop(&self, reason: String) {
        self.state().stop.get_or_insert(reason);
        self.stopped.send_replace(true);
    }

    pub(super) fn stop_reason(&self) -> Option<String> {
        self.state().stop.clone()
    }

    /// Ready once the run is to stop.
    pub(super) async fn stopped(&self) {
        let mut stopped = self.stopped.subscribe();
        // The sender lives as long as `self`.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    }

    /// Whether the API has answered anything in this process.
    pub(super) fn proven(&self) -> bool {
        self.state().proven
    }

    /// An answer came that settled rows.
    pub(super) fn answered(&self, accepted: bool) {
        let mut state = self.state();
        state.proven = true;
        if accepted {
            state.failures = 0;
            state.trouble_since = None;
        }
    }

    /// The server took nothing: all pause. `launched` is when the request left, so that requests
    /// which were in flight together count as one failure. `backoff` gives the pause for the
    /// number of failures in a row.
    pub(super) fn server_failed(
        &self,
        launched: Instant,
        wait: Option<Duration>,
        reason: &str,
        backoff: impl Fn(u32) -> Duration,
    ) {
        let now = Instant::now();
        let mut state = self.state();
        let since = *state.trouble_since.get_or_insert(now);
        if now.duration_since(since) > PATIENCE {
            drop(state);
            return self.stop(format!(
                "nothing was taken for {} minutes: {reason}",
                PATIENCE.as_secs() / 60
            ));
        }
        if state.pause_until.is_none_or(|until| launched >= until) {
            state.failures += 1;
            let pause = wait.unwrap_or_else(|| backoff(state.failures));
            state.pause_until = Some(now + pause);
        } else if let Some(wait) = wait {
            state.pause_until = state.pause_until.max(Some(now + wait));
        }
        let until = state.pause_until.unwrap_or(now);
        self.waiting.send_replace(Waiting::Server {
            until,
            reason: reason.to_owned(),
        });
    }

    /// Waits until no pause holds.
    pub(super) async fn no_pause(&self) {
        loop {
            let until = self
                .state()
                .pause_until
                .filter(|until| *until > Instant::now());
            match until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => return self.going(),
            }
        }
    }

    pub(super) fn paused(&self) -> bool {
        self.state()
            .pause_until
            .is_some_and(|until| until > Instant::now())
    }

    /// Tells that nothing but the pace is waited for.
    pub(super) fn going(&self) {
        self.tell(Waiting::Going);
    }

    /// Tells what is waited for.
    pub(super) fn tell(&self, waiting: Waiting) {
        self.waiting.send_if_modified(|now| {
            let changed = *now != waiting;
            *now = waiting;
            changed
        });
    }

    /// Puts a request off.
    pub(super) fn retry_at(&self, due: Instant, job: Job) {
        self.state().retries.push(Reverse(Retry { due, job }));
    }

    /// When all pauses that hold now are over.
    pub(super) fn pause_ends(&self) -> Instant {
        self.state().pause_until.unwrap_or_else(Instant::now)
    }

    /// The first request that is due, or when there will be one.
    pub(super) fn due(&self) -> Due {
        let mut state = self.state();
        match state.retries.peek() {
            None => Due::None,
            Some(Reverse(first)) if first.due > Instant::now() => Due::At(first.due),
            Some(_) => state
                .retries
                .pop()
                .map_or(Due::None, |Reverse(retry)| Due::Now(retry.job)),
        }
    }

    pub(super) fn put_off(&self) -> usize {
        self.state().retries.len()
    }
}

/// What is due of the requests that were put off.
pub(super) enum Due {
    /// There are none.
    None,
    /// The first is due then.
    At(Instant),
    /// This one is due.
    Now(Job),
}
