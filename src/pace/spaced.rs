//! A limit whose recipients are spaced evenly, on `governor`'s generic cell rate algorithm.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{NotKeyed, StateStore};
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

/// How much earlier than evenly spaced a recipient may go, to make up for a late one.
const SLACK: Duration = Duration::from_millis(20);

pub(crate) struct SpacedLimit {
    limiter: RateLimiter<NotKeyed, NextArrival, TokioClock, NoOpMiddleware<std::time::Instant>>,
    next: NextArrival,
    burst: NonZeroU32,
    /// How much of the burst must be free before a request goes: all but the slack. Otherwise
    /// small requests could use up the burst of a whole batch at once.
    free: u32,
}

impl SpacedLimit {
    /// `batch` is the most recipients of a request.
    pub(crate) fn new(quota: Quota, batch: NonZeroU32) -> Self {
        let interval = quota.replenish_interval().as_nanos().max(1);
        let slack = (SLACK.as_nanos() / interval) as u32;
        let burst = batch.max(NonZeroU32::MIN.saturating_add(slack));
        let next = NextArrival::default();
        Self {
            limiter: RateLimiter::new(quota.allow_burst(burst), next.clone(), TokioClock),
            next,
            burst,
            free: burst.get() - slack.min(burst.get() - 1),
        }
    }

    /// When a request may go; `None` if it may go now.
    pub(crate) fn ready(&mut self, recipients: u32) -> Option<Instant> {
        let before = self.next.0.load(Ordering::Relaxed);
        let ready = self.charge(recipients.max(self.free)).err();
        self.next.0.store(before, Ordering::Relaxed);
        ready
    }

    /// Counts a request that goes now, which [`SpacedLimit::ready`] allowed.
    pub(crate) fn take(&mut self, recipients: u32) {
        // A limit that was replaced in between is not charged.
        let _ = self.charge(recipients);
    }

    fn charge(&mut self, recipients: u32) -> Result<(), Instant> {
        let Some(cells) = NonZeroU32::new(recipients.min(self.burst.get())) else {
            return Ok(());
        };
        match self.limiter.check_n(cells) {
            Ok(Err(until)) => Err(Instant::from_std(until.earliest_possible())),
            // `InsufficientCapacity` is for more cells than the burst.
            Ok(Ok(())) | Err(_) => Ok(()),
        }
    }
}

/// tokio's clock, which stands still in tests that pause it.
struct TokioClock;

impl Clock for TokioClock {
    type Instant = std::time::Instant;

    fn now(&self) -> Self::Instant {
        Instant::now().into_std()
    }
}

/// When the next recipient goes if all are spaced evenly, in nanoseconds since the limiter began; 0
/// before the first. Shared with the limiter, so that a charge can be taken back.
#[derive(Clone, Default)]
struct NextArrival(Arc<AtomicU64>);

impl StateStore for NextArrival {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _: &NotKeyed, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        // `SpacedLimit` is changed by one thread at a time.
        let before = self.0.load(Ordering::Relaxed);
        let (decision, next) = decide((before > 0).then(|| before.into()))?;
        self.0.store(next.into(), Ordering::Relaxed);
        Ok(decision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(interval: Duration, batch: u32) -> SpacedLimit {
        let quota = Quota::with_period(interval).expect("not zero");
        SpacedLimit::new(quota, NonZeroU32::new(batch).expect("not zero"))
    }

    /// When each of `requests` of `size` recipients goes, in milliseconds; the sender is `late`.
    async fn times(
        limit: &mut SpacedLimit,
        requests: usize,
        size: u32,
        late: Duration,
    ) -> Vec<u128> {
        let start = Instant::now();
        let mut times = Vec::new();
        for _ in 0..requests {
            let ready = limit.ready(size).unwrap_or_else(Instant::now);
            tokio::time::advance(ready - Instant::now() + late).await;
            limit.take(size);
            times.push(start.elapsed().as_millis());
        }
        times
    }

    #[tokio::test(start_paused = true)]
    async fn slow_rates_go_one_by_one() {
        let mut limit = limit(Duration::from_secs(1), 1);
        let times = times(&mut limit, 4, 1, Duration::ZERO).await;
        assert_eq!(times, [0, 1000, 2000, 3000]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sender_that_is_a_little_late_keeps_the_mean() {
        let mut limit = limit(Duration::from_millis(1), 1);
        let times = times(&mut limit, 10_001, 1, Duration::from_micros(900)).await;
        assert!(
            (9_970..=10_001).contains(&times[10_000]),
            "{}",
            times[10_000]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn no_window_has_more_than_the_rate_and_its_burst() {
        for batch in [1, 100] {
            let mut limit = limit(Duration::from_millis(2), batch);
            let times = times(&mut limit, 1000, 1, Duration::ZERO).await;
            for window in times.windows(101) {
                // 100 intervals of 2 ms, less the slack.
                assert!(window[100] - window[0] >= 180, "{batch}: {window:?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_is_paid_for_after_it_has_gone() {
        let mut limit = limit(Duration::from_millis(100), 10);
        let times = times(&mut limit, 3, 10, Duration::ZERO).await;
        assert_eq!(times, [0, 1000, 2000]);
    }

    #[tokio::test(start_paused = true)]
    async fn asking_when_a_request_may_go_charges_nothing() {
        let mut limit = limit(Duration::from_secs(1), 1);
        for _ in 0..3 {
            assert_eq!(limit.ready(1), None);
        }
        limit.take(1);
        let next = Some(Instant::now() + Duration::from_secs(1));
        assert_eq!([limit.ready(1), limit.ready(1)], [next; 2]);
    }
}
