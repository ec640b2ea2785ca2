//! A rate whose recipients are spaced evenly.

use std::time::Duration;

use tokio::time::Instant;

/// How much earlier than exactly spaced a recipient may go, so that a late one is made up for.
const BURST: Duration = Duration::from_millis(20);

/// A spaced limit: the generic cell rate algorithm (ITU-T I.371), with a request of several
/// recipients paid for after it has gone.
#[derive(Debug, Clone)]
pub struct Spaced {
    interval: Duration,
    /// When the next recipient goes if all are spaced exactly.
    next: Option<Instant>,
}

impl Spaced {
    /// A limit with this time between two recipients.
    pub fn new(interval: Duration) -> Self {
        Self {
            interval,
            next: None,
        }
    }

    /// From now on with another time between two recipients.
    pub fn set_interval(&mut self, interval: Duration) {
        self.interval = interval;
    }

    /// When the next request may go; nothing if that is at once.
    pub fn ready(&self) -> Option<Instant> {
        self.next.and_then(|next| next.checked_sub(BURST))
    }

    /// `recipients` go now.
    pub fn take(&mut self, recipients: u32, now: Instant) {
        let from = self.next.map_or(now, |next| next.max(now));
        self.next = Some(from + self.interval * recipients);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When each of `requests` of `size` recipients goes, in milliseconds; the sender is `late`.
    fn goes(spaced: &mut Spaced, requests: usize, size: u32, late: Duration) -> Vec<u128> {
        let start = Instant::now();
        let mut now = start;
        let mut times = Vec::new();
        for _ in 0..requests {
            now = spaced.ready().map_or(now, |ready| ready.max(now)) + late;
            spaced.take(size, now);
            times.push((now - start).as_millis());
        }
        times
    }

    #[test]
    fn slow_rates_go_one_by_one() {
        let mut spaced = Spaced::new(Duration::from_secs(1));
        let times = goes(&mut spaced, 4, 1, Duration::ZERO);
        assert_eq!(times, [0, 980, 1980, 2980]);
    }

    #[test]
    fn a_sender_that_is_a_little_late_keeps_the_mean() {
        let mut spaced = Spaced::new(Duration::from_millis(1));
        let times = goes(&mut spaced, 10_001, 1, Duration::from_micros(900));
        assert!(
            (9_970..=10_001).contains(&times[10_000]),
            "{}",
            times[10_000]
        );
    }

    #[test]
    fn no_window_has_more_than_the_rate_and_its_burst() {
        let mut spaced = Spaced::new(Duration::from_millis(2));
        let times = goes(&mut spaced, 1000, 1, Duration::ZERO);
        for window in times.windows(101) {
            // 100 intervals of 2 ms, less the burst.
            assert!(window[100] - window[0] >= 180, "{window:?}");
        }
    }

    #[test]
    fn a_batch_is_paid_for_after_it_has_gone() {
        let mut spaced = Spaced::new(Duration::from_millis(100));
        assert_eq!(goes(&mut spaced, 3, 10, Duration::ZERO), [0, 980, 1980]);
    }
}
