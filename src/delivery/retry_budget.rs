//! How many requests may be retries: a server that fails as a whole is not flooded.

use std::time::Duration;

use tokio::time::Instant;

/// What a new request adds; a retry costs 1.
const PER_POSTED: f64 = 0.1;
/// What an accepted request adds.
const PER_ACCEPTED: f64 = 1.0;
const AT_START: f64 = 10.0;
const MAX: f64 = 1000.0;
/// With an empty budget, a retry may go this long after the one before.
const UNPAID_INTERVAL: Duration = Duration::from_secs(1);

pub(super) struct RetryBudget {
    left: f64,
    next_unpaid: Option<Instant>,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self {
            left: AT_START,
            next_unpaid: None,
        }
    }
}

impl RetryBudget {
    /// A request is posted for the first time.
    pub(super) fn posted(&mut self) {
        self.left = (self.left + PER_POSTED).min(MAX);
    }

    pub(super) fn accepted(&mut self) {
        self.left = (self.left + PER_ACCEPTED).min(MAX);
    }

    /// Pays for a retry, or says when the next one may go.
    pub(super) fn spend(&mut self, now: Instant) -> Result<(), Instant> {
        if self.left >= 1.0 {
            self.left -= 1.0;
            self.next_unpaid = Some(now + UNPAID_INTERVAL);
            return Ok(());
        }
        let next = *self.next_unpaid.get_or_insert(now + UNPAID_INTERVAL);
        if next > now {
            return Err(next);
        }
        self.next_unpaid = Some(now + UNPAID_INTERVAL);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_the_requests_is_retried_if_the_server_takes_nothing() {
        let (mut budget, now) = (RetryBudget::default(), Instant::now());
        let mut retried = 0;
        for _ in 0..1000 {
            budget.posted();
            retried += u32::from(budget.spend(now).is_ok());
        }
        assert!((105..=111).contains(&retried), "{retried}");
    }

    #[test]
    fn without_new_requests_there_is_one_retry_a_second() {
        let (mut budget, mut now) = (RetryBudget::default(), Instant::now());
        while budget.spend(now).is_ok() {}
        for _ in 0..3 {
            let next = budget.spend(now).expect_err("nothing is left");
            assert_eq!(next - now, UNPAID_INTERVAL);
            now = next;
            assert_eq!(budget.spend(now), Ok(()));
        }
    }

    #[test]
    fn if_the_server_takes_half_the_other_half_is_retried() {
        let (mut budget, now) = (RetryBudget::default(), Instant::now());
        for _ in 0..1000 {
            budget.posted();
            budget.posted();
            budget.accepted();
            assert_eq!(budget.spend(now), Ok(()));
        }
    }
}
