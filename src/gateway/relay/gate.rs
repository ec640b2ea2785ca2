//! Whether an account's server is tried: after a failure to reach it, not for a while.

use std::time::Duration;

use tokio::time::Instant;

use crate::pace::backoff;

/// The most of the first pause; it doubles with every failure.
const FIRST: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(300);

/// The pause of an account.
#[derive(Debug, Default)]
pub(super) struct Gate {
    failures: u32,
    closed_until: Option<Instant>,
}

impl Gate {
    /// Until when nothing is tried, if that is later than `now`.
    pub(super) fn closed(&self, now: Instant) -> Option<Instant> {
        self.closed_until.filter(|until| *until > now)
    }

    /// Whether the last attempt failed: then one at a time is enough.
    pub(super) fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// The server was not reached. Gives the pause that begins, if none was there: what was tried at
    /// the same time fails for the same reason.
    pub(super) fn failed(&mut self, now: Instant, chance: f64) -> Option<Duration> {
        if self.closed(now).is_some() {
            return None;
        }
        self.failures += 1;
        // At least half of it, so that a server that is down is left alone.
        let pause = backoff(self.failures, FIRST, LONGEST, 0.5 + chance / 2.0);
        self.closed_until = Some(now + pause);
        Some(pause)
    }

    /// The server was reached.
    pub(super) fn reached(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_until_the_server_is_reached() {
        let mut gate = Gate::default();
        let mut now = Instant::now();
        assert!(!gate.is_failing());
        let pauses = (0..12).map(|_| {
            let pause = gate.failed(now, 1.0).expect("a pause");
            assert_eq!(gate.failed(now, 1.0), None);
            assert_eq!(gate.closed(now), Some(now + pause));
            now += pause;
            assert_eq!(gate.closed(now), None);
            pause.as_secs()
        });
        let pauses: Vec<_> = pauses.collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        assert!(gate.is_failing());
        gate.reached();
        assert!(!gate.is_failing());
        assert_eq!(gate.failed(now, 0.0), Some(FIRST / 2));
    }
}
