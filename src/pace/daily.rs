//! A limit on the last 24 hours, counted by the minute.

use std::collections::VecDeque;

use jiff::Timestamp;

/// In minutes.
const DAY: i64 = 24 * 60;

pub(super) struct DailyLimit {
    limit: u64,
    /// Minutes since 1970 with the recipients posted in them, oldest first.
    minutes: VecDeque<(i64, u64)>,
}

impl DailyLimit {
    pub(super) fn new(limit: u64, posted: Vec<(i64, u64)>) -> Self {
        Self {
            limit,
            minutes: posted.into(),
        }
    }

    /// When the limit lets `recipients` through; `None` if it does so now.
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
                // The whole minute must be over: the second in which they were posted is unknown.
                return Timestamp::from_second((posted + DAY + 1) * 60).ok();
            }
            over -= count;
        }
        None
    }

    /// Counts `recipients` that are posted now. After the clock was set back, they count in the newest
    /// minute, so that the wait is too long rather than too short.
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
        let mut limit = DailyLimit::new(10, posted);
        assert_eq!(limit.full_until(1, at(now)), None);
        let first = at((1_000_000 - 100 + DAY + 1) * 60);
        assert_eq!(limit.full_until(2, at(now)), Some(first));
        assert_eq!(limit.full_until(7, at(now)), Some(first));
        let second = at((1_000_000 - 50 + DAY + 1) * 60);
        assert_eq!(limit.full_until(8, at(now)), Some(second));
        assert_eq!(limit.full_until(2, first), None);
    }

    #[test]
    fn posted_recipients_count_against_the_day() {
        let mut limit = DailyLimit::new(5, Vec::new());
        for _ in 0..5 {
            assert_eq!(limit.full_until(1, at(60)), None);
            limit.count(1, at(60));
        }
        assert_eq!(limit.full_until(1, at(61)), Some(at((1 + DAY + 1) * 60)));
    }

    #[test]
    fn a_clock_that_is_set_back_shortens_no_wait() {
        let mut limit = DailyLimit::new(2, Vec::new());
        limit.count(1, at(7200));
        limit.count(1, at(3600));
        let full = Some(at((120 + DAY + 1) * 60));
        assert_eq!(limit.full_until(1, at(3600)), full);
        assert_eq!(limit.full_until(1, at(3600 + 86_400)), full);
        assert_eq!(limit.full_until(1, at(7260 + 86_400)), None);
    }
}
