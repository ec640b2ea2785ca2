//! How long to wait before the next attempt: pure, the chance is passed in.

use std::time::Duration;

/// Full jitter: a part `chance` (0 to 1) of the most that the `attempt`th wait (from 1) may be. The
/// most of the first wait is `first`; it doubles with every attempt, up to `longest`.
pub fn backoff(attempt: u32, first: Duration, longest: Duration, chance: f64) -> Duration {
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
        fn a_wait_is_never_longer_than_the_most(attempt: u32, most in 0u64..1_000_000, chance in -1.0f64..2.0) {
            let most = Duration::from_millis(most);
            prop_assert!(backoff(attempt, FIRST, most, chance) <= most);
        }

        #[test]
        fn the_most_doubles_with_every_attempt(attempt in 1u32..15) {
            let most = Duration::from_secs(1 << 30);
            prop_assert_eq!(backoff(attempt + 1, FIRST, most, 1.0), 2 * backoff(attempt, FIRST, most, 1.0));
        }
    }

    #[test]
    fn chance_takes_a_part_of_it() {
        let most = Duration::from_secs(60);
        assert_eq!(backoff(3, FIRST, most, 0.5), Duration::from_secs(2));
        assert_eq!(backoff(3, FIRST, most, 0.0), Duration::ZERO);
    }
}
