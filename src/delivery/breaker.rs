//! Stops a run in which too many messages fail.

use std::collections::VecDeque;

use crate::campaign;
use crate::ledger::Settlement;

pub(super) struct CircuitBreaker {
    limits: campaign::BreakerSettings,
    /// Whether each of the last messages failed, oldest first.
    last: VecDeque<bool>,
    failed: usize,
}

impl CircuitBreaker {
    pub(super) fn new(limits: campaign::BreakerSettings) -> Self {
        Self {
            limits,
            last: VecDeque::new(),
            failed: 0,
        }
    }

    /// Counts a message. Returns the reason to stop if too many of the last ones failed.
    pub(super) fn count(&mut self, settlement: &Settlement) -> Option<String> {
        if matches!(settlement, Settlement::Again { .. }) {
            return None;
        }
        let error = settlement.failure();
        self.push(error.is_some());
        self.reason(error?)
    }

    /// Counts messages of other workers, of which `failed` failed, the last one with `error`. Returns the
    /// reason to stop as well.
    pub(super) fn count_others(
        &mut self,
        accepted: u64,
        failed: u64,
        error: &str,
    ) -> Option<String> {
        let window = u64::from(self.limits.messages.get());
        let all = accepted + failed;
        // More would push each other out of the window.
        let messages = all.min(window);
        for number in 0..messages {
            // Spread evenly: their order is not known.
            let failed_before = |number: u64| number * failed / all;
            self.push(failed_before(number + 1) > failed_before(number));
        }
        (failed > 0).then(|| self.reason(error)).flatten()
    }

    fn push(&mut self, failed: bool) {
        let window = self.limits.messages.get() as usize;
        if self.last.len() == window && self.last.pop_front() == Some(true) {
            self.failed -= 1;
        }
        self.last.push_back(failed);
        self.failed += usize::from(failed);
    }

    fn reason(&self, error: &str) -> Option<String> {
        let window = self.limits.messages.get();
        let too_many = self.failed as f64 > self.limits.share * f64::from(window);
        too_many.then(|| {
            format!(
                "{} of the last {window} messages were rejected, failed or are unknown, more than [breaker] allows. The last error: {error}",
                self.failed
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;

    fn breaker(messages: u32, share: f64) -> CircuitBreaker {
        let messages = NonZeroU32::new(messages).expect("not zero");
        CircuitBreaker::new(campaign::BreakerSettings { messages, share })
    }

    fn accepted() -> Settlement {
        Settlement::Accepted {
            message_id: "1@x".to_owned(),
        }
    }

    fn rejected() -> Settlement {
        Settlement::Rejected {
            code: 500,
            error: "no".to_owned(),
        }
    }

    fn stops_after(
        breaker: &mut CircuitBreaker,
        all: impl Iterator<Item = Settlement>,
    ) -> Option<usize> {
        all.map(|one| breaker.count(&one).is_some())
            .position(|stopped| stopped)
            .map(|before| before + 1)
    }

    #[test]
    fn it_stops_when_more_than_the_share_of_the_last_messages_failed() {
        let all_rejected = || std::iter::repeat_with(rejected).take(1000);
        assert_eq!(
            stops_after(&mut breaker(100, 0.5), all_rejected()),
            Some(51)
        );
        assert_eq!(stops_after(&mut breaker(10, 0.0), all_rejected()), Some(1));
        assert_eq!(stops_after(&mut breaker(100, 1.0), all_rejected()), None);
    }

    #[test]
    fn old_failures_are_forgotten() {
        let mixed = (0..10_000).map(|n| if n % 2 == 0 { rejected() } else { accepted() });
        assert_eq!(stops_after(&mut breaker(100, 0.5), mixed), None);
        let later = (0..).map(|n| if n < 500 { accepted() } else { rejected() });
        assert_eq!(
            stops_after(&mut breaker(100, 0.5), later.take(1000)),
            Some(551)
        );
    }

    #[test]
    fn unknown_and_failed_count_and_a_retry_does_not() {
        let doubt = Settlement::Unknown {
            error: "cut".to_owned(),
        };
        let failed = Settlement::Failed {
            code: None,
            error: "spent".to_owned(),
        };
        let again = Settlement::Again {
            counted: true,
            error: "busy".to_owned(),
        };
        let mut breaker = breaker(4, 0.5);
        assert_eq!(breaker.count(&doubt), None);
        assert_eq!(breaker.count(&failed), None);
        assert_eq!(breaker.count(&again), None);
        let reason = breaker.count(&doubt).expect("three of four");
        assert!(reason.starts_with("3 of the last 4 messages"), "{reason}");
        assert!(reason.ends_with(": cut"), "{reason}");
    }
}
