//! How long to wait before the next attempt.

use std::time::Duration;

/// Exponential back-off with full jitter: the share `chance` (0 to 1) of the longest wait before the
/// `attempt`th retry (from 1). That is `first` for the first retry, and doubles with every attempt up
/// to `longest`.
pub(crate) fn backoff(attempt: u32, first: Duration, longest: Duration, chance: f64) -> Duration {
    let most = first
        .saturating_mul(1 << attempt.saturating_sub(1).min(20))
        .min(longest);
    most.mul_f64(chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FIRST: Duration = Duration::from_secs(1);

    proptest! {
        #[test]
        fn a_wait_is_never_longer_than_the_longest(attempt: u32, most in 0u64..1_000_000, chance in -1.0f64..2.0) {
            let most = Duration::from_millis(most);
            prop_assert!(backoff(attempt, FIRST, most, chance) <= most);
        }

        #[test]
        fn the_wait_doubles_with_every_attempt(attempt in 1u32..15) {
            let most = Duration::from_secs(1 << 30);
            prop_assert_eq!(backoff(attempt + 1, FIRST, most, 1.0), 2 * backoff(attempt, FIRST, most, 1.0));
        }
    }

    #[test]
    fn chance_takes_a_share_of_the_wait() {
        let most = Duration::from_secs(60);
        assert_eq!(backoff(3, FIRST, most, 0.5), Duration::from_secs(2));
        assert_eq!(backoff(3, FIRST, most, 0.0), Duration::ZERO);
    }
}
