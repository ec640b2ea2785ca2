//! Times on the page, all in UTC.

use jiff::Timestamp;

/// Distances of ticks, in minutes.
const STEPS: [i64; 18] = [
    1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 7200, 10_080, 20_160, 43_200, 129_600,
];

/// At most `most` round times between two minutes.
pub(super) fn ticks(from: i64, to: i64, most: usize) -> Vec<f64> {
    let most = most.max(1) as i64;
    let fits = |step: &i64| (to - from) / *step < most;
    let step = STEPS
        .into_iter()
        .find(fits)
        .unwrap_or_else(|| (to - from) / most + 1);
    let first = from.div_euclid(step) * step;
    (0..)
        .map(|n| first + n * step)
        .skip_while(|tick| *tick < from)
        .take_while(|tick| *tick <= to)
        .map(|tick| tick as f64)
        .collect()
}

/// The text of a tick on an axis of `length` minutes.
pub(super) fn tick_text(minute: f64, length: i64) -> String {
    let format = match length {
        ..=1440 => "%H:%M",
        1441..=4320 => "%b %-d, %H:%M",
        _ => "%b %-d",
    };
    format_minute(minute as i64, format)
}

/// `2026-12-01 10:05`
pub(super) fn minute(minute: i64) -> String {
    format_minute(minute, "%Y-%m-%d %H:%M")
}

fn format_minute(minute: i64, format: &str) -> String {
    let time = Timestamp::from_second(minute.saturating_mul(60));
    time.map_or_else(|_| String::new(), |time| time.strftime(format).to_string())
}

/// `1 December 2026, 10:05 UTC`
pub(super) fn long(time: Timestamp) -> String {
    time.strftime("%-d %B %Y, %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_few_and_round() {
        assert_eq!(ticks(603, 640, 7), [610.0, 620.0, 630.0, 640.0]);
        assert_eq!(ticks(603, 604, 4), [603.0, 604.0]);
        for (from, to) in [
            (7, 8),
            (29_000_001, 29_000_099),
            (29_000_001, 29_060_000),
            (0, 10_000_000),
        ] {
            for most in [4, 7] {
                let count = ticks(from, to, most).len();
                assert!((1..=most).contains(&count), "{from} to {to}: {count}");
            }
        }
        assert_eq!(tick_text(600.0, 100), "10:00");
        assert_eq!(tick_text(600.0, 2000), "Jan 1, 10:00");
        assert_eq!(tick_text(600.0, 9000), "Jan 1");
        assert_eq!(minute(1441), "1970-01-02 00:01");
    }
}
