//! Limits that hold together: how fast recipients go.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::Quota;
use jiff::Timestamp;
use tokio::time::Instant;

use super::daily::DailyLimit;
use super::rate::{Period, Rate};
use super::spaced::SpacedLimit;

/// Decides when recipients go.
pub(crate) trait RateLimit: Send + Sync {
    /// When `recipients` may go. Nothing is counted yet.
    fn turn(&mut self, recipients: u32, now: Timestamp) -> Turn;

    /// Counts `recipients` that go now, whose [`RateLimit::turn`] was `Now`.
    fn take(&mut self, recipients: u32, now: Timestamp);
}

/// Lets recipients through as fast as every limit allows.
pub(crate) struct RateLimits {
    spaced: Option<SpacedLimit>,
    daily: Option<DailyLimit>,
}

/// When a request may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    Now,
    /// Then, by the spaced limit.
    At(Instant),
    /// The daily limit is reached until then.
    Day(Timestamp),
    /// The schedule allows no request until then.
    Closed(Timestamp),
}

impl Turn {
    /// The earlier of two turns. Instants come before times of day, because instants are only seconds away.
    pub(crate) fn sooner(self, other: Self) -> Self {
        match (self, other) {
            (Self::At(a), Self::At(b)) if b < a => other,
            (Self::Day(a) | Self::Closed(a), Self::Day(b) | Self::Closed(b)) if b < a => other,
            (Self::Now, _) | (Self::At(_), Self::At(_) | Self::Day(_) | Self::Closed(_)) => self,
            (_, Self::Now | Self::At(_)) => other,
            _ => self,
        }
    }
}

impl RateLimits {
    /// `batch` is the most recipients of a request. `posted` is how many recipients were posted in
    /// each minute since 1970 of the last 24 hours, oldest first.
    pub(crate) fn new(rates: &[Rate], batch: NonZeroU32, posted: Vec<(i64, u64)>) -> Self {
        // The spaced limit with the longest interval also has the smallest burst. What it lets
        // through, all the others do.
        let tightest = rates
            .iter()
            .filter_map(|rate| rate.quota())
            .max_by_key(Quota::replenish_interval);
        let days = rates.iter().filter(|rate| rate.per == Period::Day);
        let limit = days.map(|rate| u64::from(rate.recipients.get())).min();
        Self {
            spaced: tightest.map(|quota| SpacedLimit::new(quota, batch)),
            daily: limit.map(|limit| DailyLimit::new(limit, posted)),
        }
    }

    pub(crate) fn is_limited(&self) -> bool {
        self.spaced.is_some() || self.daily.is_some()
    }
}

impl RateLimit for RateLimits {
    fn turn(&mut self, recipients: u32, now: Timestamp) -> Turn {
        let daily = self.daily.as_mut();
        if let Some(until) = daily.and_then(|daily| daily.full_until(recipients.into(), now)) {
            return Turn::Day(until);
        }
        let spaced = self.spaced.as_mut();
        spaced
            .and_then(|spaced| spaced.ready(recipients))
            .map_or(Turn::Now, Turn::At)
    }

    fn take(&mut self, recipients: u32, now: Timestamp) {
        if let Some(spaced) = &mut self.spaced {
            spaced.take(recipients);
        }
        if let Some(daily) = &mut self.daily {
            daily.count(recipients.into(), now);
        }
    }
}

/// The most recipients of a request: no more than a second of the tightest spaced rate, nor than a
/// daily limit, and at least one.
pub(crate) fn batch_size(batch: NonZeroU32, rates: &[Rate]) -> NonZeroU32 {
    let second = Duration::from_secs(1).as_nanos();
    let most = rates.iter().map(|rate| match rate.quota() {
        Some(quota) => (second / quota.replenish_interval().as_nanos().max(1)) as u32,
        None => rate.recipients.get(),
    });
    let tightest = most.min().unwrap_or(u32::MAX);
    NonZeroU32::new(tightest).map_or(NonZeroU32::MIN, |most| most.min(batch))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(texts: &[&str]) -> Vec<Rate> {
        texts
            .iter()
            .map(|text| text.parse().expect("a rate"))
            .collect()
    }

    #[test]
    fn a_batch_is_no_more_than_a_second_of_the_tightest_rate() {
        let size = |texts: &[&str]| {
            let batch = NonZeroU32::new(200).expect("not zero");
            batch_size(batch, &rates(texts)).get()
        };
        assert_eq!(size(&[]), 200);
        assert_eq!(size(&["50/s", "20000/day"]), 50);
        assert_eq!(size(&["50/s", "600/min"]), 10);
        assert_eq!(size(&["6/min"]), 1);
        assert_eq!(size(&["20/day"]), 20);
    }

    #[tokio::test(start_paused = true)]
    async fn all_limits_hold_at_once() {
        let rates = rates(&["1000/s", "6000/min", "40/day"]);
        let mut limits = RateLimits::new(&rates, NonZeroU32::MIN, Vec::new());
        let start = Instant::now();
        let mut sent = 0;
        let full = loop {
            match limits.turn(1, Timestamp::UNIX_EPOCH) {
                Turn::Now => {
                    limits.take(1, Timestamp::UNIX_EPOCH);
                    sent += 1;
                }
                Turn::At(ready) => tokio::time::advance(ready - Instant::now()).await,
                Turn::Day(until) | Turn::Closed(until) => break until,
            }
        };
        // 100 a second, of which a burst of three goes at once.
        assert_eq!((sent, start.elapsed()), (40, Duration::from_millis(370)));
        assert_eq!(full, Timestamp::from_second(86_460).expect("a time"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_tightest_of_several_rates_holds_for_all() {
        let texts = ["2000/s", "18000/min", "500/s"];
        for batch in [1, 50] {
            let batch = NonZeroU32::new(batch).expect("not zero");
            let mut limits = RateLimits::new(&rates(&texts), batch, Vec::new());
            let mut each: Vec<_> = texts
                .map(|text| RateLimits::new(&rates(&[text]), batch, Vec::new()))
                .into();
            let start = Instant::now();
            for _ in 0..300 {
                while let Turn::At(ready) = limits.turn(1, Timestamp::UNIX_EPOCH) {
                    tokio::time::advance(ready - Instant::now()).await;
                }
                for limit in each.iter_mut().chain([&mut limits]) {
                    assert_eq!(limit.turn(1, Timestamp::UNIX_EPOCH), Turn::Now);
                    limit.take(1, Timestamp::UNIX_EPOCH);
                }
            }
            let millis = start.elapsed().as_millis();
            assert!((970..=1000).contains(&millis), "300 at 300/s: {millis}");
        }
    }
}
