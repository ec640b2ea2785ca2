//! How many attempts may be repetitions: a server that fails as a whole is not stormed.

use std::time::Duration;

use tokio::time::Instant;

/// What a new request earns.
const EARNED: f64 = 0.1;
/// What a request that the server took earns.
const TAKEN: f64 = 1.0;
/// What there is at the start.
const START: f64 = 10.0;
/// The most that is saved up.
const MOST: f64 = 1000.0;
/// A repetition that nothing was earned for may go this long after the one before.
const FLOOR: Duration = Duration::from_secs(1);

/// What repetitions are paid from.
#[derive(Debug)]
pub(super) struct Budget {
    left: f64,
    next_unpaid: Option<Instant>,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            left: START,
            next_unpaid: None,
        }
    }
}

impl Budget {
    /// A request is posted for the first time.
    pub(super) fn posted(&mut self) {
        self.left = (self.left + EARNED).min(MOST);
    }

    /// The server took a request.
    pub(super) fn taken(&mut self) {
        self.left = (self.left + TAKEN).min(MOST);
    }

    /// Pays for a repetition, or says when there may be one.
    pub(super) fn repeat(&mut self, now: Instant) -> Result<(), Instant> {
        if self.left >= 1.0 {
            self.left -= 1.0;
            self.next_unpaid = Some(now + FLOOR);
            return Ok(());
        }
        let next = *self.next_unpaid.get_or_insert(now + FLOOR);
        if next > now {
            return Err(next);
        }
        self.next_unpaid = Some(now + FLOOR);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_server_that_takes_nothing_a_tenth_is_repeated() {
        let (mut budget, now) = (Budget::default(), Instant::now());
        let mut repeated = 0;
        for _ in 0..1000 {
            budget.posted();
            repeated += u32::from(budget.repeat(now).is_ok());
        }
        assert!((105..=111).contains(&repeated), "{repeated}");
    }

    #[test]
    fn without_anything_new_there_is_one_a_second() {
        let (mut budget, mut now) = (Budget::default(), Instant::now());
        while budget.repeat(now).is_ok() {}
        for _ in 0..3 {
            let next = budget.repeat(now).expect_err("nothing is left");
            assert_eq!(next - now, FLOOR);
            now = next;
            assert_eq!(budget.repeat(now), Ok(()));
        }
    }

    #[test]
    fn a_server_that_takes_half_of_all_has_the_others_repeated() {
        let (mut budget, now) = (Budget::default(), Instant::now());
        for _ in 0..1000 {
            budget.posted();
            budget.posted();
            budget.taken();
            assert_eq!(budget.repeat(now), Ok(()));
        }
    }
}
