//! An estimate of when a run begins, pauses and ends.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{Gate, Opening, Schedule};

/// The length of a step. All rows of a step count against the limit per day as if they were posted at its end.
const STEP: SignedDuration = SignedDuration::from_mins(10);
/// The most steps: a few years.
const MAX_STEPS: usize = 200_000;
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// A shorter wait is no pause.
const SHORT: SignedDuration = SignedDuration::from_mins(1);

pub(crate) struct ForecastInputs<'a> {
    pub(crate) schedule: &'a Schedule,
    /// The rows to send, by the place of their zone.
    pub(crate) rows: Vec<(usize, u64)>,
    /// Without the limits per day; `None` if there is no limit.
    pub(crate) per_second: Option<f64>,
    /// The limit of the 24 hours before a time.
    pub(crate) per_day: &'a mut dyn FnMut(Timestamp) -> Option<DayLimit>,
    /// The minutes since 1970 in which recipients were posted in the last 24 hours, with their number.
    pub(crate) posted: Vec<(i64, u64)>,
    pub(crate) now: Timestamp,
}

/// The limit of 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DayLimit {
    pub(crate) recipients: u64,
    /// When it is higher, if that is before the 24 hours are over.
    pub(crate) grows: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Forecast {
    /// `None` if it never does.
    pub(crate) begins: Option<Timestamp>,
    /// The first pause, and when it goes on.
    pub(crate) pause: Option<(Timestamp, Timestamp)>,
    /// When the last row is sent, or when the last opening ends if rows are left.
    pub(crate) ends: Option<Timestamp>,
    /// How many rows are left then.
    pub(crate) left: u64,
}

pub(crate) fn forecast(inputs: ForecastInputs<'_>) -> Forecast {
    let ForecastInputs {
        schedule,
        rows,
        per_second,
        per_day,
        posted,
        mut now,
    } = inputs;
    let schedule = Arc::new(schedule.clone());
    let zones = rows.into_iter();
    let zones = zones.map(|(zone, rows)| (Gate::new(Some(Arc::clone(&schedule)), zone), rows));
    let mut zones: Vec<(Gate, u64)> = zones.collect();
    let day = posted.into_iter();
    let day =
        day.filter_map(|(minute, rows)| Some((Timestamp::from_second(minute * 60).ok()?, rows)));
    let mut day: VecDeque<(Timestamp, u64)> = day.collect();
    let mut forecast = Forecast {
        begins: None,
        pause: None,
        ends: None,
        left: 0,
    };
    for _ in 0..MAX_STEPS {
        zones.retain(|(_, rows)| *rows > 0);
        forecast.left = zones.iter().map(|(_, rows)| rows).sum();
        if forecast.left == 0 {
            forecast.ends = Some(now);
            break;
        }
        let mut next: Option<Timestamp> = None;
        let mut open = 0;
        for (gate, rows) in &mut zones {
            let change = match gate.opening(now) {
                Opening::Open(closes) => {
                    open += *rows;
                    closes
                }
                Opening::Closed(opens) => Some(opens),
                Opening::Over => None,
            };
            next = next.into_iter().chain(change).min();
        }
        if open == 0 {
            let Some(opens) = next else {
                // Nothing opens again: the run ends with the last row that was sent.
                forecast.ends = Some(now);
                break;
            };
            forecast.pause(now, opens);
            now = opens;
            continue;
        }
        while day.front().is_some_and(|(at, _)| *at + DAY <= now) {
            day.pop_front();
        }
        let used: u64 = day.iter().map(|(_, rows)| rows).sum();
        let limit = per_day(now);
        let allowed = limit.map_or(u64::MAX, |limit| limit.recipients.saturating_sub(used));
        if allowed == 0 {
            let Some((oldest, _)) = day.front() else {
                break;
            };
            let grows = limit.and_then(|limit| limit.grows);
            let free = grows.into_iter().chain([*oldest + DAY]).min();
            let free = free.unwrap_or(now);
            let wake = next.into_iter().chain([free]).min().unwrap_or(free);
            if wake == free {
                forecast.pause(now, wake);
            }
            now = wake;
            continue;
        }
        let end = next
            .into_iter()
            .chain([now + STEP])
            .min()
            .unwrap_or(now + STEP);
        let most = match per_second {
            Some(rate) => ((end.duration_since(now).as_secs_f64() * rate) as u64).max(1),
            None => u64::MAX,
        };
        let sent = open.min(allowed).min(most);
        let seconds = per_second.map_or(0.0, |rate| sent as f64 / rate);
        forecast.begins.get_or_insert(now);
        let mut rest = sent;
        for (gate, rows) in &mut zones {
            if matches!(gate.opening(now), Opening::Open(_)) {
                let here = rest.min(*rows);
                *rows -= here;
                rest -= here;
            }
        }
        let took = SignedDuration::try_from_secs_f64(seconds).unwrap_or(STEP);
        now = now.saturating_add(took).unwrap_or(Timestamp::MAX);
        day.push_back((now, sent));
    }
    forecast
}

impl Forecast {
    /// Notes the first pause.
    fn pause(&mut self, from: Timestamp, until: Timestamp) {
        if self.begins.is_some() && self.pause.is_none() && until.duration_since(from) > SHORT {
            self.pause = Some((from, until));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Zone;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn schedule(until: Option<&str>, window: Option<&str>) -> Schedule {
        let zones = ["Europe/Warsaw", "America/New_York"];
        Schedule {
            start: Some(at("2026-12-01T08:00:00Z")),
            until: until.map(at),
            window: window.map(|window| window.parse().expect("a window")),
            zones: zones.map(|name| Zone::named(name).expect("a zone")).into(),
        }
    }

    fn of(
        schedule: &Schedule,
        rows: &[(usize, u64)],
        per_second: Option<f64>,
        per_day: Option<u64>,
    ) -> Forecast {
        let grows = None;
        let per_day = per_day.map(|recipients| DayLimit { recipients, grows });
        with_limits(schedule, rows, per_second, &mut |_| per_day)
    }

    fn with_limits(
        schedule: &Schedule,
        rows: &[(usize, u64)],
        per_second: Option<f64>,
        per_day: &mut dyn FnMut(Timestamp) -> Option<DayLimit>,
    ) -> Forecast {
        forecast(ForecastInputs {
            schedule,
            rows: rows.to_vec(),
            per_second,
            per_day,
            posted: Vec::new(),
            now: at("2026-12-01T00:00:00Z"),
        })
    }

    #[test]
    fn a_rate_in_a_window() {
        let window = schedule(None, Some("Mon-Fri 09:00-17:00"));
        // 8 hours at 1/s are 28,800 rows.
        let estimate = of(&window, &[(0, 36_000)], Some(1.0), None);
        assert_eq!(
            estimate,
            Forecast {
                begins: Some(at("2026-12-01T08:00:00Z")),
                pause: Some((at("2026-12-01T16:00:00Z"), at("2026-12-02T08:00:00Z"))),
                ends: Some(at("2026-12-02T10:00:00Z")),
                left: 0,
            }
        );
        assert_eq!(
            of(&window, &[(0, 100)], None, None).ends,
            Some(at("2026-12-01T08:00:00Z"))
        );
    }

    #[test]
    fn each_zone_has_its_own_window() {
        let window = schedule(None, Some("09:00-10:00"));
        let estimate = of(&window, &[(0, 3600), (1, 1800)], Some(1.0), None);
        assert_eq!(estimate.begins, Some(at("2026-12-01T08:00:00Z")));
        assert_eq!(
            estimate.pause,
            Some((at("2026-12-01T09:00:00Z"), at("2026-12-01T14:00:00Z")))
        );
        assert_eq!(estimate.ends, Some(at("2026-12-01T14:30:00Z")));
    }

    #[test]
    fn a_limit_a_day_pauses_for_a_day() {
        let open = schedule(None, None);
        let estimate = of(&open, &[(0, 250)], None, Some(100));
        assert_eq!(
            estimate.pause,
            Some((at("2026-12-01T08:00:00Z"), at("2026-12-02T08:00:00Z")))
        );
        assert_eq!(estimate.ends, Some(at("2026-12-03T08:00:00Z")));
    }

    #[test]
    fn a_limit_that_grows_at_midnight_ends_the_pause() {
        let open = schedule(None, None);
        let midnight = at("2026-12-01T23:00:00Z");
        let estimate = with_limits(&open, &[(0, 250)], None, &mut |now| {
            Some(match now < midnight {
                true => DayLimit {
                    recipients: 100,
                    grows: Some(midnight),
                },
                false => DayLimit {
                    recipients: 200,
                    grows: None,
                },
            })
        });
        assert_eq!(estimate.pause, Some((at("2026-12-01T08:00:00Z"), midnight)));
        assert_eq!(estimate.ends, Some(at("2026-12-02T08:00:00Z")));
    }

    #[test]
    fn what_is_left_at_the_end() {
        let ends = schedule(Some("2026-12-01T09:00:00Z"), None);
        let estimate = of(&ends, &[(0, 5000)], Some(1.0), None);
        assert_eq!(
            (estimate.ends, estimate.left),
            (Some(at("2026-12-01T09:00:00Z")), 1400)
        );
        let never = schedule(Some("2026-12-01T08:00:00Z"), None);
        assert_eq!(of(&never, &[(0, 1)], None, None).begins, None);
        assert_eq!(of(&never, &[], None, None).left, 0);
    }
}
