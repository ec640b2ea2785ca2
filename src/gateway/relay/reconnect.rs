//! How long an account pauses when its server can't be used.

use std::time::Duration;

use tokio::time::Instant;

use crate::pace::backoff;

/// The longest first pause. It doubles with each failure.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(300);

#[derive(Debug, Default)]
pub(super) struct ReconnectPause {
    failures: u32,
    until: Option<Instant>,
}

impl ReconnectPause {
    /// The end of the pause, if it is later than `now`.
    pub(super) fn until(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| *until > now)
    }

    /// Whether the last attempt failed: then one attempt at a time is enough.
    pub(super) fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// The server can't be used. Returns the pause that starts. There is none during a pause, because
    /// attempts made at the same time fail for the same reason.
    pub(super) fn record_failure(&mut self, now: Instant, chance: f64) -> Option<Duration> {
        if self.until(now).is_some() {
            return None;
        }
        self.failures += 1;
        // At least half of the maximum, to leave a server alone that is down.
        let pause = backoff(self.failures, FIRST_PAUSE, MAX_PAUSE, 0.5 + chance / 2.0);
        self.until = Some(now + pause);
        Some(pause)
    }

    pub(super) fn record_success(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_until_the_server_can_be_used() {
        let mut pause = ReconnectPause::default();
        let mut now = Instant::now();
        assert!(!pause.is_failing());
        let pauses = (0..12).map(|_| {
            let length = pause.record_failure(now, 1.0).expect("a pause");
            assert_eq!(pause.record_failure(now, 1.0), None);
            assert_eq!(pause.until(now), Some(now + length));
            now += length;
            assert_eq!(pause.until(now), None);
            length.as_secs()
        });
        let pauses: Vec<_> = pauses.collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        assert!(pause.is_failing());
        pause.record_success();
        assert!(!pause.is_failing());
        assert_eq!(pause.record_failure(now, 0.0), Some(FIRST_PAUSE / 2));
    }
}
