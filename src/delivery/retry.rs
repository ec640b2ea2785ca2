//! How long to wait before the next attempt: pure, the chance is passed in.

use std::time::Duration;

/// The most of the first wait; it doubles with every attempt.
const BASE: Duration = Duration::from_secs(1);

/// Full jitter: a part `chance` (0 to 1) of the most that the `attempt`th wait (from 1) may be.
pub fn backoff(attempt: u32, max_delay: Duration, chance: f64) -> Duration {
    let most = BASE
        .saturating_mul(1 << attempt.saturating_sub(1).min(20))
        .min(max_delay);
    most.mul_f64(chance.clamp(0.0, 1.0))
}
