//! What all requests in flight share: whether to go on, the pause after a server's refusal, the
//! requests that were put off.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::breaker::Breaker;
use super::budget::Budget;
use super::job::Job;
use super::throttle::Throttle;
use crate::ledger::Settlement;

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
struct State {
    stop: Option<String>,
    pause_until: Option<Instant>,
    /// Failures of the server in a row, one a pause.
    failures: u32,
    /// Since when there has been no success.
    trouble_since: Option<Instant>,
    /// The API has answered since the process began, and since it last failed as a whole.
    proven: bool,
    throttle: Throttle,
    budget: Budget,
    breaker: Breaker,
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
    pub(super) fn new(breaker: Breaker, waiting: watch::Sender<Waiting>) -> Self {
        let state = State {
            stop: None,
            pause_until: None,
            failures: 0,
            trouble_since: None,
            proven: false,
            throttle: Throttle::default(),
            budget: Budget::default(),
            breaker,
            retries: BinaryHeap::new(),
        };
        Self {
            state: Mutex::new(state),
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

    /// Whether the API is known to answer: until then, requests go alone.
    pub(super) fn proven(&self) -> bool {
        self.state().proven
    }

    /// An answer came that settled rows so.
    pub(super) fn settled(&self, settlements: &[Settlement]) {
        let mut state = self.state();
        let is = |wanted: fn(&Settlement) -> bool| settlements.iter().filter(move |s| wanted(s));
        let accepted = is(|s| matches!(s, Settlement::Accepted { .. })).count();
        let unknown = is(|s| matches!(s, Settlement::Unknown { .. })).count();
        if unknown < settlements.len() {
            state.proven = true;
        }
        if accepted > 0 {
            state.failures = 0;
            state.trouble_since = None;
            state.throttle.accepted(Instant::now());
            state.budget.taken();
        }
        let breaker = &mut state.breaker;
        let reasons = settlements.iter().filter_map(|one| breaker.count(one));
        if let Some(reason) = reasons.last() {
            drop(state);
            self.stop(reason);
        }
    }

    /// The server took none of a request, for a reason of the request's own.
    pub(super) fn not_taken(&self, reason: &str) {
        self.state().proven = true;
        self.trouble(reason);
    }

    /// The server took nothing: all pause, and then one request goes alone. `launched` is when the
    /// request left, so that requests which were in flight together count as one failure; `busy`
    /// is whether the server said itself that it wants less. `backoff` gives the pause for the
    /// number of failures in a row.
    pub(super) fn server_failed(
        &self,
        launched: Instant,
        busy: bool,
        wait: Option<Duration>,
        reason: &str,
        backoff: impl Fn(u32) -> Duration,
    ) {
        if self.trouble(reason) {
            return;
        }
        let now = Instant::now();
        let mut state = self.state();
        state.proven = false;
        if state.pause_until.is_none_or(|until| launched >= until) {
            state.failures += 1;
            let pause = wait.unwrap_or_else(|| backoff(state.failures));
            state.pause_until = Some(now + pause);
            if busy {
                state.throttle.refused(now);
            }
        } else if let Some(wait) = wait {
            state.pause_until = state.pause_until.max(Some(now + wait));
        }
        let until = state.pause_until.unwrap_or(now);
        self.waiting.send_replace(Waiting::Server {
            until,
            reason: reason.to_owned(),
        });
    }

    /// There has been no success; stops the run when that has been so for too long.
    fn trouble(&self, reason: &str) -> bool {
        let now = Instant::now();
        let since = *self.state().trouble_since.get_or_insert(now);
        let too_long = now.duration_since(since) > PATIENCE;
        if too_long {
            let minutes = PATIENCE.as_secs() / 60;
            self.stop(format!("nothing was taken for {minutes} minutes: {reason}"));
        }
        too_long
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
    pub(super) fn retry_at(&self, due: Instant, mut job: Job) {
        job.again = true;
        self.state().retries.push(Reverse(Retry { due, job }));
    }

    /// When all pauses that hold now are over.
    pub(super) fn pause_ends(&self) -> Instant {
        self.state().pause_until.unwrap_or_else(Instant::now)
    }

    /// The first request that is due again, or when there will be one.
    pub(super) fn due(&self) -> Due {
        let now = Instant::now();
        let mut state = self.state();
        match state.retries.peek() {
            None => return Due::None,
            Some(Reverse(first)) if first.due > now => return Due::At(first.due),
            Some(_) => {}
        }
        if let Err(next) = state.budget.repeat(now) {
            return Due::At(next);
        }
        state
            .retries
            .pop()
            .map_or(Due::None, |Reverse(retry)| Due::Now(retry.job))
    }

    pub(super) fn put_off(&self) -> usize {
        self.state().retries.len()
    }

    /// When the server's refusals let the next request go; nothing if that is at once.
    pub(super) fn throttled(&self) -> Option<Instant> {
        self.state().throttle.ready()
    }

    /// A request goes now.
    pub(super) fn posted(&self, job: &Job, now: Instant) {
        let mut state = self.state();
        state.throttle.posted(job.recipients(), now);
        if !job.again {
            state.budget.posted();
        }
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

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::campaign;

    fn shared() -> Shared {
        let messages = NonZeroU32::MIN;
        let never = campaign::BreakerSettings {
            messages,
            share: 1.0,
        };
        let (waiting, _) = watch::channel(Waiting::Going);
        Shared::new(Breaker::new(never), waiting)
    }

    fn minutes(minutes: u64) -> Duration {
        Duration::from_secs(60 * minutes)
    }

    /// The server would not take a request.
    fn fails(shared: &Shared) {
        let pause = |_| Duration::from_secs(1);
        shared.server_failed(Instant::now(), true, None, "busy", pause);
    }

    #[tokio::test(start_paused = true)]
    async fn half_an_hour_without_a_success_stops_the_run() {
        let failing: [fn(&Shared); 2] = [fails, |shared| shared.not_taken("timed out")];
        for fail in failing {
            let shared = shared();
            for _ in 0..=30 {
                fail(&shared);
                assert_eq!(shared.stop_reason(), None);
                tokio::time::advance(minutes(1)).await;
            }
            fail(&shared);
            let reason = shared.stop_reason().expect("it stops");
            assert!(
                reason.starts_with("nothing was taken for 30 minutes: "),
                "{reason}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_success_begins_the_half_hour_anew() {
        let shared = shared();
        let accepted = Settlement::Accepted {
            message_id: "1@x".to_owned(),
        };
        for _ in 0..5 {
            fails(&shared);
            tokio::time::advance(minutes(29)).await;
            fails(&shared);
            shared.settled(std::slice::from_ref(&accepted));
        }
        assert_eq!(shared.stop_reason(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_with_the_failures_and_those_together_are_one() {
        let shared = shared();
        let grows = |failures: u32| Duration::from_secs(failures.into());
        for failures in 1..4 {
            let launched = Instant::now();
            for _ in 0..8 {
                shared.server_failed(launched, true, None, "busy", grows);
            }
            assert_eq!(shared.pause_ends() - launched, grows(failures));
            tokio::time::advance(grows(failures)).await;
        }
    }
}
