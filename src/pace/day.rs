//! A limit of the last 24 hours, counted in minutes.

use std::collections::VecDeque;

use jiff::Timestamp;

/// A day, in minutes.
const DAY: i64 = 24 * 60;

/// How many recipients were posted in the last 24 hours.
#[derive(Debug)]
pub(super) struct Day {
    limit: u64,
    /// Minutes since 1970 with what was posted in them, oldest first.
    minutes: VecDeque<(i64, u64)>,
}

impl Day {
    pub(super) fn new(limit: u64, posted: Vec<(i64, u64)>) -> Self {
        Self {
            limit,
            minutes: posted.into(),
        }
    }

    /// When the limit lets `recipients` through, if that is later than `now`.
    pub(super) fn full_until(&mut self, recipients: u64, now: Timestamp) -> Option<Timestamp> {
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

    /// Counts `recipients` that are posted now. A clock that was set back counts in the newest
    /// minute: rather too long than too short.
    pub(super) fn count(&mut self, recipients: u64, now: Timestamp) {
        let minute = minute(now);
        match self.minutes.back_mut() {
            Some((last, count)) if *last >= minute => *count += recipients,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    #[test]
    fn a_day_is_full_until_its_oldest_minutes_are_24_hours_old() {
        let now = 1_000_000 * 60;
        let posted = vec![(1_000_000 - 100, 6), (1_000_000 - 50, 3)];
        let mut day = Day::new(10, posted);
        assert_eq!(day.full_until(1, at(now)), None);
        let first = at((1_000_000 - 100 + DAY + 1) * 60);
        assert_eq!(day.full_until(2, at(now)), Some(first));
        assert_eq!(day.full_until(7, at(now)), Some(first));
        let second = at((1_000_000 - 50 + DAY + 1) * 60);
        assert_eq!(day.full_until(8, at(now)), Some(second));
        assert_eq!(day.full_until(2, first), None);
    }

    #[test]
    fn what_is_posted_counts_against_the_day() {
        let mut day = Day::new(5, Vec::new());
        for _ in 0..5 {
            assert_eq!(day.full_until(1, at(60)), None);
            day.count(1, at(60));
        }
        assert_eq!(day.full_until(1, at(61)), Some(at((1 + DAY + 1) * 60)));
    }

    #[test]
    fn a_clock_that_is_set_back_lets_nobody_through_too_early() {
        let mut day = Day::new(2, Vec::new());
        day.count(1, at(7200));
        day.count(1, at(3600));
        let full = Some(at((120 + DAY + 1) * 60));
        assert_eq!(day.full_until(1, at(3600)), full);
        assert_eq!(day.full_until(1, at(3600 + 86_400)), full);
        assert_eq!(day.full_until(1, at(7260 + 86_400)), None);
    }
}
