//! The breaker: stops a run in which too much goes wrong.

use std::collections::VecDeque;

use crate::campaign;
use crate::ledger::Settlement;

/// What became of the last messages.
#[derive(Debug)]
pub(super) struct Breaker {
    limits: campaign::BreakerSettings,
    /// Whether each of the last messages went wrong, oldest first.
    last: VecDeque<bool>,
    wrong: usize,
}

impl Breaker {
    pub(super) fn new(limits: campaign::BreakerSettings) -> Self {
        Self {
            limits,
            last: VecDeque::new(),
            wrong: 0,
        }
    }

    /// Counts a message. The reason to stop, if too many of the last have gone wrong.
    pub(super) fn count(&mut self, settlement: &Settlement) -> Option<String> {
        let error = match settlement {
            Settlement::Accepted { .. } => None,
            Settlement::Rejected { error, .. }
            | Settlement::Unknown { error }
            | Settlement::Failed { error, .. } => Some(error),
            Settlement::Again { .. } => return None,
        };
        let most = self.limits.messages.get() as usize;
        if self.last.len() == most && self.last.pop_front() == Some(true) {
            self.wrong -= 1;
        }
        self.last.push_back(error.is_some());
        self.wrong += usize::from(error.is_some());
        let too_many = self.wrong as f64 > self.limits.share * most as f64;
        error.filter(|_| too_many).map(|error| {
            format!(
                "{} of the last {most} messages were refused or are in doubt, more than the campaign allows; the last one: {error}",
                self.wrong
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;

    fn breaker(messages: u32, share: f64) -> Breaker {
        let messages = NonZeroU32::new(messages).expect("not zero");
        Breaker::new(campaign::BreakerSettings { messages, share })
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

    fn stops_after(breaker: &mut Breaker, all: impl Iterator<Item = Settlement>) -> Option<usize> {
        all.map(|one| breaker.count(&one).is_some())
            .position(|stopped| stopped)
            .map(|before| before + 1)
    }

    #[test]
    fn it_stops_when_more_than_the_share_of_the_last_went_wrong() {
        let all_wrong = || std::iter::repeat_with(rejected).take(1000);
        assert_eq!(stops_after(&mut breaker(100, 0.5), all_wrong()), Some(51));
        assert_eq!(stops_after(&mut breaker(10, 0.0), all_wrong()), Some(1));
        assert_eq!(stops_after(&mut breaker(100, 1.0), all_wrong()), None);
    }

    #[test]
    fn what_went_wrong_long_ago_is_forgotten() {
        let mixed = (0..10_000).map(|n| if n % 2 == 0 { rejected() } else { accepted() });
        assert_eq!(stops_after(&mut breaker(100, 0.5), mixed), None);
        let later = (0..).map(|n| if n < 500 { accepted() } else { rejected() });
        assert_eq!(
            stops_after(&mut breaker(100, 0.5), later.take(1000)),
            Some(551)
        );
    }

    #[test]
    fn doubt_and_failure_count_and_another_attempt_does_not() {
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
