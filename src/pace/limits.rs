//! Limits that hold together: how fast recipients go.

use std::num::NonZeroU32;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::day::Day;
use super::rate::{Per, Rate};
use super::spaced::Spaced;

/// Lets recipients through as fast as every limit allows.
#[derive(Debug)]
pub struct Pace {
    spaced: Vec<Spaced>,
    day: Option<Day>,
}

/// Now, as the two clocks have it: the steady one spaces, the calendar's counts days.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// As the steady clock has it.
    pub instant: Instant,
    /// As the calendar's has it.
    pub time: Timestamp,
}

/// When a request may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// At once.
    Now,
    /// When a spaced limit lets it through.
    At(Instant),
    /// The day's limit is reached.
    Day(Timestamp),
}

impl Pace {
    /// The limits of `rates`; `posted` is how many went in each minute since 1970 of the last 24
    /// hours, oldest first.
    pub fn new(rates: &[Rate], posted: Vec<(i64, u64)>) -> Self {
        let days = rates.iter().filter(|rate| rate.per == Per::Day);
        let limit = days.map(|rate| u64::from(rate.recipients.get())).min();
        Self {
            spaced: rates
                .iter()
                .filter_map(|rate| rate.interval())
                .map(Spaced::new)
                .collect(),
            day: limit.map(|limit| Day::new(limit, posted)),
        }
    }

    /// Whether there is any limit.
    pub fn is_limited(&self) -> bool {
        !self.spaced.is_empty() || self.day.is_some()
    }

    /// When all limits let `recipients` through.
    pub fn turn(&mut self, recipients: u32, now: Now) -> Turn {
        let day = self.day.as_mut();
        if let Some(until) = day.and_then(|day| day.full_until(recipients.into(), now.time)) {
            return Turn::Day(until);
        }
        let ready = self.spaced.iter().filter_map(Spaced::ready).max();
        match ready.filter(|ready| *ready > now.instant) {
            Some(ready) => Turn::At(ready),
            None => Turn::Now,
        }
    }

    /// `recipients` go now.
    pub fn take(&mut self, recipients: u32, now: Now) {
        for spaced in &mut self.spaced {
            spaced.take(recipients, now.instant);
        }
        if let Some(day) = &mut self.day {
            day.count(recipients.into(), now.time);
        }
    }
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

    #[test]
    fn a_batch_is_no_more_than_a_second_of_the_tightest_rate() {
        let batch = NonZeroU32::new(200).expect("not zero");
        assert_eq!(batch_size(batch, &[]), 200);
        assert_eq!(batch_size(batch, &rates(&["50/s", "20000/day"])), 50);
        assert_eq!(batch_size(batch, &rates(&["50/s", "600/min"])), 10);
        assert_eq!(batch_size(batch, &rates(&["6/min"])), 1);
        assert_eq!(batch_size(batch, &rates(&["20/day"])), 20);
    }

    #[test]
    fn all_limits_hold_at_once() {
        let mut pace = Pace::new(&rates(&["1000/s", "6000/min", "40/day"]), Vec::new());
        let start = Instant::now();
        let mut now = Now {
            instant: start,
            time: Timestamp::UNIX_EPOCH,
        };
        let mut sent = 0;
        let full = loop {
            match pace.turn(1, now) {
                Turn::Now => {
                    pace.take(1, now);
                    sent += 1;
                }
                Turn::At(ready) => now.instant = ready,
                Turn::Day(until) => break until,
            }
        };
        // 100 a second, of which a burst of two goes at once.
        assert_eq!(
            (sent, now.instant - start),
            (40, Duration::from_millis(370))
        );
        assert_eq!(full, Timestamp::from_second(86_460).expect("a time"));
    }
}
