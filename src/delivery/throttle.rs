//! The rate that the server can take: halved when it refuses, raised again while it accepts.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::Quota;
use tokio::time::Instant;

use crate::pace::SpacedLimit;

/// Each refusal goes a step down, which halves the rate: to 1/64 at the lowest.
const LOWEST: u32 = 6;
/// Recipients a second: slower than this, the rate would take minutes to rise again, and pauses protect the
/// server already.
const SLOWEST: f64 = 1.0;
/// How long the rate takes to rise from nothing to full while the server accepts.
const RECOVERY: Duration = Duration::from_secs(10);
/// The shortest and the longest time that a rate is measured over.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(1);

pub(super) struct Throttle {
    /// The most recipients of a request.
    batch_size: NonZeroU32,
    meter: Option<Meter>,
    slowed: Option<Slowed>,
    /// Something was posted since the last refusal.
    posted_since: bool,
}

/// How many recipients were posted a second lately.
struct Meter {
    since: Instant,
    last: Instant,
    posted: u32,
    before: Option<f64>,
}

struct Slowed {
    /// Recipients a second before the refusals began.
    full: f64,
    /// The rate is `full` / 2^`step`.
    step: u32,
    limit: SpacedLimit,
    /// The recipients of the last request on this step.
    last: u32,
    /// How long the server has accepted on this step, until `accepted_until`.
    accepting: Duration,
    accepted_until: Instant,
}

impl Throttle {
    pub(super) fn new(batch_size: NonZeroU32) -> Self {
        Self {
            batch_size,
            meter: None,
            slowed: None,
            posted_since: false,
        }
    }

    /// When the next request may go; `None` if it may go now.
    pub(super) fn ready(&mut self, recipients: u32) -> Option<Instant> {
        self.slowed.as_mut()?.limit.ready(recipients)
    }

    /// Counts recipients that are posted now.
    pub(super) fn posted(&mut self, recipients: u32) {
        let now = Instant::now();
        let meter = self.meter.get_or_insert(Meter {
            since: now,
            last: now,
            posted: 0,
            before: None,
        });
        meter.posted(recipients, now);
        self.posted_since = true;
        if let Some(slowed) = &mut self.slowed {
            slowed.limit.take(recipients);
            slowed.last = recipients;
        }
    }

    /// The server refused to take more for now.
    pub(super) fn refused(&mut self) {
        let Some(meter) = &self.meter else { return };
        self.posted_since = false;
        match &self.slowed {
            None => self.slow_to(meter.rate(Instant::now()), 1),
            Some(slowed) => self.slow_to(slowed.full, LOWEST.min(slowed.step + 1)),
        }
    }

    /// The server refused to take more from another worker. That can't slow down a worker again and again that
    /// posts nothing meanwhile.
    pub(super) fn refused_elsewhere(&mut self) {
        if self.posted_since {
            self.refused();
        }
    }

    /// The server accepted a request.
    pub(super) fn accepted(&mut self) {
        let Some(slowed) = &mut self.slowed else {
            return;
        };
        let now = Instant::now();
        // A pause is no time in which it accepted anything.
        slowed.accepting += now.duration_since(slowed.accepted_until).min(LONGEST);
        slowed.accepted_until = now;
        if slowed.accepting < RECOVERY / 2u32.pow(slowed.step) {
            return;
        }
        let (full, step) = (slowed.full, slowed.step - 1);
        if step == 0 {
            self.slowed = None;
        } else {
            self.slow_to(full, step);
        }
    }

    fn slow_to(&mut self, full: f64, step: u32) {
        let rate = (full / f64::from(2u32.pow(step))).max(SLOWEST);
        let quota = Quota::with_period(Duration::from_secs_f64(1.0 / rate));
        // A rate too fast to be limited needs no limit.
        self.slowed = quota.map(|quota| {
            let mut limit = SpacedLimit::new(quota, self.batch_size);
            // Otherwise each step would begin with a burst of its own.
            let last = self.slowed.take().map_or(0, |slowed| slowed.last);
            limit.take(last);
            Slowed {
                full,
                step,
                limit,
                last,
                accepting: Duration::ZERO,
                accepted_until: Instant::now(),
            }
        });
    }
}

impl Meter {
    fn posted(&mut self, recipients: u32, now: Instant) {
        if now.duration_since(self.since) >= LONGEST {
            self.before = Some(self.rate(now));
            self.since = now;
            self.posted = 0;
        }
        self.last = now;
        self.posted = self.posted.saturating_add(recipients);
    }

    /// Recipients a second; never 0. Time in which nothing was posted says nothing about the server.
    fn rate(&self, now: Instant) -> f64 {
        let idle = now.duration_since(self.last) >= LONGEST;
        let end = if idle { self.last } else { now };
        let time = end.duration_since(self.since);
        match self.before {
            Some(before) if time < LONGEST => before,
            _ => f64::from(self.posted.max(1)) / time.max(SHORTEST).as_secs_f64(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many go in a second if all that may go does, and whether the server takes them.
    async fn second(throttle: &mut Throttle, accepts: bool) -> u32 {
        let end = Instant::now() + Duration::from_secs(1);
        let mut sent = 0;
        loop {
            let now = Instant::now();
            let ready = throttle.ready(1).map_or(now, |ready| ready.max(now));
            if ready >= end || sent == 1000 {
                tokio::time::advance(end - now).await;
                return sent;
            }
            tokio::time::advance(ready.max(now + Duration::from_millis(1)) - now).await;
            throttle.posted(1);
            sent += 1;
            if accepts {
                throttle.accepted();
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_halves_the_rate_and_accepted_requests_raise_it_again() {
        let mut throttle = Throttle::new(NonZeroU32::MIN);
        assert_eq!(second(&mut throttle, true).await, 1000);
        throttle.refused();
        let slow = second(&mut throttle, false).await;
        assert!((480..=520).contains(&slow), "{slow}");
        throttle.refused();
        let slower = second(&mut throttle, true).await;
        assert!((250..=330).contains(&slower), "{slower}");
        let mut seconds = 1;
        while second(&mut throttle, true).await < 1000 {
            seconds += 1;
        }
        assert!((6..10).contains(&seconds), "{seconds}");
        assert_eq!(throttle.ready(1), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_rate_is_never_cut_to_nothing() {
        let mut throttle = Throttle::new(NonZeroU32::MIN);
        second(&mut throttle, true).await;
        for _ in 0..100 {
            throttle.refused();
        }
        let least = second(&mut throttle, false).await;
        assert!((15..=17).contains(&least), "{least}");
    }

    #[tokio::test(start_paused = true)]
    async fn time_without_requests_does_not_lower_the_rate() {
        for posts_first in [false, true] {
            let mut throttle = Throttle::new(NonZeroU32::MIN);
            second(&mut throttle, true).await;
            second(&mut throttle, true).await;
            tokio::time::advance(Duration::from_secs(3600)).await;
            if posts_first {
                throttle.posted(1);
            }
            throttle.refused();
            let slow = second(&mut throttle, false).await;
            assert!((480..=520).contains(&slow), "{slow}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_elsewhere_slow_down_only_once_for_a_request() {
        let mut throttle = Throttle::new(NonZeroU32::MIN);
        second(&mut throttle, true).await;
        for _ in 0..100 {
            throttle.refused_elsewhere();
        }
        let slow = second(&mut throttle, false).await;
        assert!((480..=520).contains(&slow), "{slow}");
        throttle.refused_elsewhere();
        let slower = second(&mut throttle, false).await;
        assert!((240..=260).contains(&slower), "{slower}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_of_the_very_first_is_no_rate_of_nothing() {
        let mut throttle = Throttle::new(NonZeroU32::MIN);
        throttle.refused();
        assert_eq!(throttle.ready(1), None);
        throttle.posted(1);
        throttle.refused();
        assert_eq!(throttle.ready(1), None);
    }

    #[tokio::test(start_paused = true)]
    async fn no_rate_is_slower_than_one_a_second() {
        let mut throttle = Throttle::new(NonZeroU32::MIN);
        for _ in 0..10 {
            throttle.posted(1);
            tokio::time::advance(Duration::from_secs(1)).await;
            throttle.refused();
        }
        throttle.posted(1);
        let ready = throttle.ready(1).expect("a wait");
        assert!(ready - Instant::now() <= Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn another_step_grants_no_burst() {
        let mut throttle = Throttle::new(NonZeroU32::new(50).expect("not zero"));
        second(&mut throttle, true).await;
        throttle.refused();
        assert_eq!(throttle.ready(50), None);
        throttle.posted(50);
        throttle.refused();
        let ready = throttle.ready(50).expect("a wait");
        let wait = (ready - Instant::now()).as_millis();
        assert!((195..=200).contains(&wait), "50 at 250 a second: {wait} ms");
    }
}
