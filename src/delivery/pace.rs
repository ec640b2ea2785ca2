//! All limits together: how fast recipients are posted.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use jiff::Timestamp;

use crate::campaign::{Per, Rate};

/// A spaced rate may catch up by what it lets through in this time.
const BURST: Duration = Duration::from_millis(20);
/// A day, in the minutes that the ledger counts in.
const DAY: i64 = 24 * 60;

/// Lets recipients through as fast as every limit allows. One dispatcher waits in it.
pub struct Pace {
    /// Slowest first, so that the wait for a slow one does not bunch up a fast one.
    spaced: Vec<DefaultDirectRateLimiter>,
    day: Option<Day>,
}

/// How many were posted in the last 24 hours.
struct Day {
    limit: u64,
    minutes: VecDeque<(i64, u64)>,
}

impl Pace {
    /// The limits of `rates`; `posted` is what the ledger says of the last 24 hours.
    pub fn new(rates: &[Rate], posted: Vec<(i64, u64)>) -> Self {
        let mut intervals: Vec<Duration> =
            rates.iter().filter_map(|rate| rate.interval()).collect();
        intervals.sort_by(|a, b| b.cmp(a));
        let days = rates.iter().filter(|rate| rate.per == Per::Day);
        let limit = days.map(|rate| u64::from(rate.recipients.get())).min();
        Self {
            spaced: intervals.into_iter().filter_map(limiter).collect(),
            day: limit.map(|limit| Day {
                limit,
                minutes: posted.into(),
            }),
        }
    }

    /// When the day's limit lets `recipients` through, if that is later than `now`.
    pub fn day_is_full_until(&mut self, recipients: u32, now: Timestamp) -> Option<Timestamp> {
        self.day
            .as_mut()
            .and_then(|day| day.full_until(u64::from(recipients), now))
    }

    /// Waits until every spaced limit lets `recipients` through.
    pub async fn spaced(&self, recipients: u32) {
        for limiter in &self.spaced {
            for _ in 0..recipients {
                limiter.until_ready().await;
            }
        }
    }

    /// Counts `recipients` that are posted now.
    pub fn count(&mut self, recipients: u32, now: Timestamp) {
        if let Some(day) = &mut self.day {
            day.count(u64::from(recipients), now);
        }
    }
}

fn limiter(interval: Duration) -> Option<DefaultDirectRateLimiter> {
    let burst =
        (BURST.as_nanos() / interval.as_nanos().max(1)).clamp(1, u128::from(u32::MAX)) as u32;
    let quota = Quota::with_period(interval)?.allow_burst(NonZeroU32::new(burst)?);
    Some(RateLimiter::direct(quota))
}

impl Day {
    fn full_until(&mut self, recipients: u64, now: Timestamp) -> Option<Timestamp> {
        let minute = minute(now);
        while self
            .minutes
            .front()
            .is_some_and(|(posted, _)| posted + DAY < minute)
        {
            self.minutes.pop_front();
        }
        let mut over = (self.sum() + recipients)
            .checked_sub(self.limit)
            .filter(|over| *over > 0)?;
        for (posted, count) in &self.minutes {
            if *count >= over {
                // The whole minute must be over, since when in it they were posted is not known.
                return Timestamp::from_second((posted + DAY + 1) * 60).ok();
            }
            over -= count;
        }
        None
    }

    fn count(&mut self, recipients: u64, now: Timestamp) {
        let minute = minute(now);
        match self.minutes.back_mut() {
            Some((last, count)) if *last == minute => *count += recipients,
            _ => self.minutes.push_back((minute, recipients)),
        }
    }

    fn sum(&self) -> u64 {
        self.minutes.iter().map(|(_, count)| count).sum()
    }
}

fn minute(now: Timestamp) -> i64 {
    now.as_second().div_euclid(60)
}

/// The most recipients of a request: no more than a second of the tightest spaced rate, nor than a
/// day's limit, and at least one.
pub fn batch_size(batch: NonZeroU32, rates: &[Rate]) -> u32 {
    let tightest = rates.iter().map(|rate| match rate.interval() {
        Some(interval) => (Duration::from_secs(1).as_nanos() / interval.as_nanos().max(1)) as u32,
        None => rate.recipients.get(),
    });
    tightest.min().unwrap_or(u32::MAX).clamp(1, batch.get())
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

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    #[test]
    fn a_day_is_full_until_its_oldest_minutes_are_24_hours_old() {
        let now = 1_000_000 * 60;
        let posted = vec![(1_000_000 - 100, 6), (1_000_000 - 50, 3)];
        let mut pace = Pace::new(&rates(&["10/day"]), posted);
        assert_eq!(pace.day_is_full_until(1, at(now)), None);
        let first = at((1_000_000 - 100 + DAY + 1) * 60);
        assert_eq!(pace.day_is_full_until(2, at(now)), Some(first));
        assert_eq!(pace.day_is_full_until(7, at(now)), Some(first));
        let second = at((1_000_000 - 50 + DAY + 1) * 60);
        assert_eq!(pace.day_is_full_until(8, at(now)), Some(second));
        assert_eq!(pace.day_is_full_until(2, first), None);
    }

    #[test]
    fn what_is_posted_counts_against_the_day() {
        let mut pace = Pace::new(&rates(&["5/day", "100/day"]), Vec::new());
        for _ in 0..5 {
            assert_eq!(pace.day_is_full_until(1, at(60)), None);
            pace.count(1, at(60));
        }
        assert_eq!(
            pace.day_is_full_until(1, at(61)),
            Some(at((1 + DAY + 1) * 60))
        );
    }

    #[test]
    fn a_batch_is_no_more_than_a_second_of_the_tightest_rate() {
        let batch = NonZeroU32::new(200).expect("not zero");
        assert_eq!(batch_size(batch, &[]), 200);
        assert_eq!(batch_size(batch, &rates(&["50/s", "20000/day"])), 50);
        assert_eq!(batch_size(batch, &rates(&["50/s", "600/min"])), 10);
        assert_eq!(batch_size(batch, &rates(&["6/min"])), 1);
        assert_eq!(batch_size(batch, &rates(&["20/day"])), 20);
    }

    #[tokio::test]
    async fn all_spaced_limits_hold_at_once() {
        let pace = Pace::new(&rates(&["1000/s", "6000/min"]), Vec::new());
        let start = std::time::Instant::now();
        pace.spaced(32).await;
        // 100 a second, of which a burst of two goes at once.
        assert!(start.elapsed() >= Duration::from_millis(290));
    }
}
