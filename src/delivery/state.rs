//! What all requests in flight share: whether to go on, the pause after the server failed, the
//! retries.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::batch::Batch;
use super::breaker::CircuitBreaker;
use super::retry_budget::RetryBudget;
use super::throttle::Throttle;
use crate::ledger::Settlement;
use crate::ledger::postgres::News;

/// After this long without a success the run stops.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// What the delivery waits for, to be shown to the user.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum WaitReason {
    /// Nothing, or a spaced limit.
    #[default]
    Pace,
    /// The server accepted nothing; the next attempt is made then.
    Server { until: Instant, reason: String },
    /// The daily limit is reached until then.
    DailyLimit(jiff::Timestamp),
    /// The schedule allows no request until then.
    Opening(String),
}

pub(super) struct DeliveryState {
    inner: Mutex<LockedState>,
    /// Notified whenever a request has ended.
    pub(super) ended: Notify,
    stopped: watch::Sender<bool>,
    pub(super) waiting: watch::Sender<WaitReason>,
}

pub(super) struct LockedState {
    pub(super) stop: Option<String>,
    pub(super) pause_until: Option<Instant>,
    /// Failures of the server in a row; those during one pause count once.
    pub(super) failures: u32,
    /// Since when there has been no success.
    pub(super) trouble_since: Option<Instant>,
    /// Since when this process has had no connection to the server, and why.
    pub(super) unconnected: Option<(Instant, String)>,
    /// The API has answered since it last failed as a whole.
    pub(super) proven: bool,
    pub(super) throttle: Throttle,
    pub(super) budget: RetryBudget,
    pub(super) breaker: CircuitBreaker,
    /// The scheduled retries by when they are due, and by row if several are due at once.
    pub(super) retries: BTreeMap<(Instant, u32), Batch>,
    /// The pause that this process found out about, and its reason.
    pub(super) own_pause: Option<(Instant, String)>,
    /// What this process learned about the server.
    pub(super) news: News,
    /// How many recipients were posted.
    pub(super) posted: u64,
}

impl DeliveryState {
    /// `batch_size` is the most recipients of a request.
    pub(super) fn new(
        breaker: CircuitBreaker,
        batch_size: NonZeroU32,
        waiting: watch::Sender<WaitReason>,
    ) -> Self {
        let inner = LockedState {
            stop: None,
            pause_until: None,
            failures: 0,
            trouble_since: None,
            unconnected: None,
            proven: false,
            throttle: Throttle::new(batch_size),
            budget: RetryBudget::default(),
            breaker,
            retries: BTreeMap::new(),
            own_pause: None,
            news: News::default(),
            posted: 0,
        };
        Self {
            inner: Mutex::new(inner),
            ended: Notify::new(),
            stopped: watch::Sender::new(false),
            waiting,
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, LockedState> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops the run. Only the first reason is kept.
    pub(super) fn stop(&self, reason: String) {
        self.lock().stop.get_or_insert(reason);
        self.stopped.send_replace(true);
    }

    pub(super) fn stop_reason(&self) -> Option<String> {
        self.lock().stop.clone()
    }

    /// Returns once the run has to stop.
    pub(super) async fn stopped(&self) {
        let mut stopped = self.stopped.subscribe();
        // The sender lives as long as `self`.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    }

    /// Whether the API is known to answer. Until then, requests go one at a time.
    pub(super) fn proven(&self) -> bool {
        self.lock().proven
    }

    /// An answer settled rows.
    pub(super) fn settled(&self, settlements: &[Settlement]) {
        let mut inner = self.lock();
        inner.unconnected = None;
        let is_unknown = |one: &Settlement| matches!(one, Settlement::Unknown { .. });
        let is_accepted = |one: &Settlement| matches!(one, Settlement::Accepted { .. });
        if !settlements.iter().all(is_unknown) {
            inner.proven = true;
        }
        if settlements.iter().any(is_accepted) {
            inner.failures = 0;
            inner.trouble_since = None;
            inner.throttle.accepted();
            inner.budget.accepted();
        }
        for settlement in settlements {
            match settlement.failure() {
                Some(error) => {
                    inner.news.failed += 1;
                    inner.news.failure = Some(error.to_owned());
                }
                None => inner.news.accepted += u64::from(is_accepted(settlement)),
            }
        }
        let breaker = &mut inner.breaker;
        let reasons = settlements.iter().filter_map(|one| breaker.count(one));
        if let Some(reason) = reasons.last() {
            drop(inner);
            self.stop(reason);
        }
    }

    /// The server did not take a request because of the request itself.
    pub(super) fn not_taken(&self, reason: &str) {
        {
            let mut inner = self.lock();
            inner.proven = true;
            inner.unconnected = None;
        }
        self.stop_after_long_trouble(reason);
    }

    /// The server accepted nothing: all requests pause, and then one goes alone. Requests that were in
    /// flight together count as one failure, so `started` is when this one left. `busy` says whether
    /// the server itself asked for less. `backoff` maps the number of failures in a row to a pause.
    pub(super) fn server_failed(
        &self,
        started: Instant,
        busy: bool,
        wait: Option<Duration>,
        reason: &str,
        backoff: impl Fn(u32) -> Duration,
    ) {
        if self.stop_after_long_trouble(reason) {
            return;
        }
        let now = Instant::now();
        let mut inner = self.lock();
        inner.proven = false;
        if inner.pause_until.is_none_or(|until| started >= until) {
            inner.failures += 1;
            let pause = wait.unwrap_or_else(|| backoff(inner.failures));
            inner.pause_until = Some(now + pause);
            if busy {
                inner.throttle.refused();
                inner.news.refusals += 1;
            }
        } else if let Some(wait) = wait {
            inner.pause_until = inner.pause_until.max(Some(now + wait));
        }
        let until = inner.pause_until.unwrap_or(now);
        if busy {
            inner.own_pause = Some((until, reason.to_owned()));
            inner.unconnected = None;
        } else {
            // The others may have a connection, so this pause is not for them.
            let unconnected = || (now, reason.to_owned());
            inner.unconnected.get_or_insert_with(unconnected);
        }
        self.waiting.send_replace(WaitReason::Server {
            until,
            reason: reason.to_owned(),
        });
    }

    /// Stops the run if there has been no success for too long.
    fn stop_after_long_trouble(&self, reason: &str) -> bool {
        let now = Instant::now();
        let since = *self.lock().trouble_since.get_or_insert(now);
        let too_long = now.duration_since(since) > PATIENCE;
        if too_long {
            let minutes = PATIENCE.as_secs() / 60;
            self.stop(format!(
                "the server accepted nothing for {minutes} minutes: {reason}"
            ));
        }
        too_long
    }

    /// Waits until there is no pause.
    pub(super) async fn no_pause(&self) {
        loop {
            let until = self.lock().pause_until;
            match until.filter(|until| *until > Instant::now()) {
                Some(until) => tokio::time::sleep_until(until).await,
                None => return self.waits_for(WaitReason::Pace),
            }
        }
    }

    /// Shows the user what the delivery waits for.
    pub(super) fn waits_for(&self, reason: WaitReason) {
        self.waiting.send_if_modified(|now| {
            let changed = *now != reason;
            *now = reason;
            changed
        });
    }

    pub(super) fn retry_at(&self, due: Instant, mut batch: Batch) {
        batch.is_retry = true;
        self.add_new(due, batch);
    }

    /// Schedules a request that was not posted before.
    pub(super) fn add_new(&self, due: Instant, batch: Batch) {
        let row = batch.rows.first().map_or(0, |row| row.row);
        self.lock().retries.insert((due, row), batch);
    }

    /// When the pause ends; now if there is none.
    pub(super) fn pause_ends(&self) -> Instant {
        self.lock().pause_until.unwrap_or_else(Instant::now)
    }

    pub(super) fn next_retry(&self) -> NextRetry {
        let now = Instant::now();
        let mut inner = self.lock();
        let Some((&(due, _), batch)) = inner.retries.first_key_value() else {
            return NextRetry::None;
        };
        if due > now {
            return NextRetry::At(due);
        }
        if batch.is_retry
            && let Err(next) = inner.budget.spend(now)
        {
            return NextRetry::At(next);
        }
        let retry = inner.retries.pop_first();
        retry.map_or(NextRetry::None, |(_, batch)| NextRetry::Now(batch))
    }

    pub(super) fn scheduled_retries(&self) -> usize {
        self.lock().retries.len()
    }

    /// When the throttle lets a request go; `None` if it may go now.
    pub(super) fn throttled(&self, recipients: u32) -> Option<Instant> {
        self.lock().throttle.ready(recipients)
    }

    /// A request goes now.
    pub(super) fn posted(&self, batch: &Batch) {
        let mut inner = self.lock();
        inner.throttle.posted(batch.recipients());
        inner.posted += u64::from(batch.recipients());
        if !batch.is_retry {
            inner.budget.posted();
        }
    }
}

/// The first scheduled retry.
pub(super) enum NextRetry {
    None,
    At(Instant),
    Now(Batch),
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::campaign;

    pub(in crate::delivery) fn state() -> DeliveryState {
        let never = campaign::BreakerSettings {
            messages: NonZeroU32::MIN,
            share: 1.0,
        };
        let (waiting, _) = watch::channel(WaitReason::Pace);
        DeliveryState::new(CircuitBreaker::new(never), NonZeroU32::MIN, waiting)
    }

    fn minutes(minutes: u64) -> Duration {
        Duration::from_secs(60 * minutes)
    }

    fn fails(state: &DeliveryState) {
        let pause = |_| Duration::from_secs(1);
        state.server_failed(Instant::now(), true, None, "busy", pause);
    }

    #[tokio::test(start_paused = true)]
    async fn half_an_hour_without_a_success_stops_the_run() {
        let failing: [fn(&DeliveryState); 2] = [fails, |state| state.not_taken("timed out")];
        for fail in failing {
            let state = state();
            for _ in 0..=30 {
                fail(&state);
                assert_eq!(state.stop_reason(), None);
                tokio::time::advance(minutes(1)).await;
            }
            fail(&state);
            let reason = state.stop_reason().expect("it stops");
            assert!(
                reason.starts_with("the server accepted nothing for 30 minutes: "),
                "{reason}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_success_restarts_the_half_hour() {
        let state = state();
        let accepted = Settlement::Accepted {
            message_id: "1@x".to_owned(),
        };
        for _ in 0..5 {
            fails(&state);
            tokio::time::advance(minutes(29)).await;
            fails(&state);
            state.settled(std::slice::from_ref(&accepted));
        }
        assert_eq!(state.stop_reason(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_with_the_failures_and_failures_together_count_once() {
        let state = state();
        let grows = |failures: u32| Duration::from_secs(failures.into());
        for failures in 1..4 {
            let started = Instant::now();
            for _ in 0..8 {
                state.server_failed(started, true, None, "busy", grows);
            }
            assert_eq!(state.pause_ends() - started, grows(failures));
            tokio::time::advance(grows(failures)).await;
        }
    }
}
