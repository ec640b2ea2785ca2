//! The rate that the server bears: halved when it refuses, raised again as it takes.

use std::time::Duration;

use tokio::time::Instant;

use crate::pace::Spaced;

/// What a refusal leaves of the rate.
const CUT: f64 = 0.5;
/// The rate is never cut below this part of what it was.
const FLOOR: f64 = 1.0 / 64.0;
/// How long the rate takes from nothing to what it was, while the server takes what it gets.
const RECOVERY: Duration = Duration::from_secs(10);
/// The shortest time that a rate is measured over.
const SHORTEST: Duration = Duration::from_millis(100);
/// The longest.
const LONGEST: Duration = Duration::from_secs(1);

/// Additive increase, multiplicative decrease of what goes out a second.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    meter: Option<Meter>,
    slowed: Option<Slowed>,
}

/// How many recipients go a second, of late.
#[derive(Debug)]
struct Meter {
    since: Instant,
    posted: u32,
    before: Option<f64>,
}

#[derive(Debug)]
struct Slowed {
    /// The rate before the trouble began.
    full: f64,
    rate: f64,
    /// Until when the rate was raised.
    raised: Instant,
    spaced: Spaced,
}

impl Throttle {
    /// When the next request may go; nothing if that is at once.
    pub(super) fn ready(&self) -> Option<Instant> {
        self.slowed
            .as_ref()
            .and_then(|slowed| slowed.spaced.ready())
    }

    /// `recipients` go now.
    pub(super) fn posted(&mut self, recipients: u32, now: Instant) {
        self.meter
            .get_or_insert(Meter {
                since: now,
                posted: 0,
                before: None,
            })
            .posted(recipients, now);
        if let Some(slowed) = &mut self.slowed {
            slowed.spaced.take(recipients, now);
        }
    }

    /// The server would take no more.
    pub(super) fn refused(&mut self, now: Instant) {
        let Some(meter) = &self.meter else { return };
        let full = self.slowed.as_ref().map_or(meter.rate(now), |it| it.full);
        let rate = self.slowed.as_ref().map_or(full, |it| it.rate);
        self.slow_to((rate * CUT).max(full * FLOOR), full, now);
    }

    /// The server has taken what it got.
    pub(super) fn accepted(&mut self, now: Instant) {
        let Some(slowed) = &self.slowed else { return };
        // A pause is no time in which it took anything.
        let time = now.duration_since(slowed.raised).min(LONGEST);
        let full = slowed.full;
        let rate = slowed.rate + full * time.as_secs_f64() / RECOVERY.as_secs_f64();
        if rate >= full {
            self.slowed = None;
        } else {
            self.slow_to(rate, full, now);
        }
    }

    fn slow_to(&mut self, rate: f64, full: f64, now: Instant) {
        let interval = Duration::from_secs_f64(1.0 / rate);
        let slowed = self.slowed.get_or_insert(Slowed {
            full,
            rate,
            raised: now,
            spaced: Spaced::new(interval),
        });
        slowed.rate = rate;
        slowed.raised = now;
        slowed.spaced.set_interval(interval);
    }
}

impl Meter {
    fn posted(&mut self, recipients: u32, now: Instant) {
        if now.duration_since(self.since) >= LONGEST {
            self.before = Some(self.rate(now));
            self.since = now;
            self.posted = 0;
        }
        self.posted = self.posted.saturating_add(recipients);
    }

    /// Recipients a second; never 0, since it is asked for only after some were posted.
    fn rate(&self, now: Instant) -> f64 {
        let time = now.duration_since(self.since);
        match self.before {
            Some(before) if time < LONGEST => before,
            _ => f64::from(self.posted.max(1)) / time.max(SHORTEST).as_secs_f64(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many go in a second if all that may go does, and whether the server takes them.
    fn second(throttle: &mut Throttle, now: &mut Instant, takes: bool) -> u32 {
        let end = *now + Duration::from_secs(1);
        let mut sent = 0;
        loop {
            let ready = throttle.ready().map_or(*now, |ready| ready.max(*now));
            if ready >= end || sent == 1000 {
                *now = end;
                return sent;
            }
            *now = ready.max(*now + Duration::from_millis(1));
            throttle.posted(1, *now);
            sent += 1;
            if takes {
                throttle.accepted(*now);
            }
        }
    }

    #[test]
    fn a_refusal_halves_the_rate_and_what_is_taken_raises_it_again() {
        let (mut throttle, mut now) = (Throttle::default(), Instant::now());
        assert_eq!(second(&mut throttle, &mut now, true), 1000);
        throttle.refused(now);
        let slow = second(&mut throttle, &mut now, false);
        assert!((480..=520).contains(&slow), "{slow}");
        throttle.refused(now);
        let slower = second(&mut throttle, &mut now, true);
        assert!((250..=330).contains(&slower), "{slower}");
        let seconds = (1..60).find(|_| second(&mut throttle, &mut now, true) == 1000);
        assert!(
            seconds.is_some_and(|seconds| (6..10).contains(&seconds)),
            "{seconds:?}"
        );
        assert_eq!(throttle.ready(), None);
    }

    #[test]
    fn the_rate_is_never_cut_to_nothing() {
        let (mut throttle, mut now) = (Throttle::default(), Instant::now());
        second(&mut throttle, &mut now, true);
        for _ in 0..100 {
            throttle.refused(now);
        }
        let least = second(&mut throttle, &mut now, false);
        assert!((15..=17).contains(&least), "{least}");
    }

    #[test]
    fn a_refusal_of_the_very_first_is_no_rate_of_nothing() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        throttle.refused(now);
        assert_eq!(throttle.ready(), None);
        throttle.posted(1, now);
        throttle.refused(now);
        assert_eq!(throttle.ready(), None);
    }
}
