//! When a run may send: from a moment on, until a moment, and in weekly windows, each in a time zone. No I/O.

mod forecast;
mod gate;
mod moment;
mod window;
mod zone;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

pub(crate) use forecast::{DayLimit, Forecast, ForecastInputs, forecast};
pub(crate) use gate::Gate;
pub(crate) use moment::{Moment, civil_moment};
pub(crate) use window::WeeklyWindow;
pub(crate) use zone::Zone;

/// When a run may send. A run keeps the schedule that it was planned with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Schedule {
    pub(crate) start: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
    pub(crate) window: Option<WeeklyWindow>,
    /// The campaign's zone, in which times are shown, and then those of rows that have another one. A row knows its
    /// zone by the place in this list.
    pub(crate) zones: Vec<Zone>,
}

/// Whether the schedule allows requests to begin at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opening {
    /// Requests may begin until this time, or at any later time if there is none.
    Open(Option<Timestamp>),
    /// No request may begin before this time.
    Closed(Timestamp),
    /// No request may begin any more.
    Over,
}

/// The form in which a run keeps its schedule.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    start: Option<Timestamp>,
    until: Option<Timestamp>,
    window: Option<String>,
    zones: Vec<String>,
}

impl Schedule {
    /// The campaign's zone.
    pub(crate) fn zone(&self) -> &Zone {
        &self.zones[0]
    }

    /// The same zones, in which requests may begin at any time.
    pub(crate) fn always(self) -> Self {
        Self {
            start: None,
            until: None,
            window: None,
            zones: self.zones,
        }
    }

    /// For rows in the `zone`th zone.
    pub(crate) fn opening(&self, zone: usize, now: Timestamp) -> Opening {
        let time_zone = &self.zones[zone.min(self.zones.len() - 1)].time_zone;
        self.opening_in(time_zone, now)
    }

    fn opening_in(&self, zone: &TimeZone, now: Timestamp) -> Opening {
        let earliest = self.start.map_or(now, |start| start.max(now));
        let opens = match &self.window {
            Some(window) if !window.is_open(earliest, zone) => {
                match window.next_change(earliest, zone) {
                    Some(opens) => opens,
                    None => return Opening::Over,
                }
            }
            _ => earliest,
        };
        if self.until.is_some_and(|until| opens >= until) {
            return Opening::Over;
        }
        if opens > now {
            return Opening::Closed(opens);
        }
        let window = self.window.as_ref();
        let closes = window.and_then(|window| window.next_change(now, zone));
        Opening::Open(closes.into_iter().chain(self.until).min())
    }

    /// For rows in any of these zones: open if one is.
    pub(crate) fn first_opening(
        &self,
        zones: impl IntoIterator<Item = usize>,
        now: Timestamp,
    ) -> Opening {
        let mut first = Opening::Over;
        for zone in zones {
            first = match (first, self.opening(zone, now)) {
                (Opening::Open(a), Opening::Open(b)) => {
                    Opening::Open(a.zip(b).map(|(a, b)| a.max(b)))
                }
                (open @ Opening::Open(_), _) | (_, open @ Opening::Open(_)) => open,
                (Opening::Closed(a), Opening::Closed(b)) => Opening::Closed(a.min(b)),
                (closed @ Opening::Closed(_), _) | (_, closed) => closed,
            };
        }
        first
    }

    /// Whether no request may begin any more, in whatever time zone.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        let earliest = self.start.map_or(now, |start| start.max(now));
        self.until.is_some_and(|until| earliest >= until)
    }

    /// Why nothing is sent any more.
    pub(crate) fn why_over(&self) -> String {
        match self.until {
            Some(until) if self.window.is_some() => format!(
                "the window does not open before the end of the schedule, {}",
                self.show(until)
            ),
            Some(until) => format!("the schedule ends at {}", self.show(until)),
            None => "the window never opens".to_owned(),
        }
    }

    /// A time as users see it, in the campaign's zone.
    pub(crate) fn show(&self, time: Timestamp) -> String {
        self.zone().show(time)
    }

    pub(crate) fn to_toml(&self) -> Result<String, String> {
        let stored = Stored {
            start: self.start,
            until: self.until,
            window: self.window.as_ref().map(ToString::to_string),
            zones: self.zones.iter().map(|zone| zone.name.clone()).collect(),
        };
        toml::to_string(&stored).map_err(|error| error.to_string())
    }

    /// # Errors
    /// Why it can't be read.
    pub(crate) fn from_toml(text: &str) -> Result<Self, String> {
        let stored: Stored = toml::from_str(text).map_err(|error| error.to_string())?;
        let window = stored.window.map(|window| window.parse());
        let zones = stored.zones.iter().map(|name| Zone::named(name));
        let zones: Vec<Zone> = zones
            .collect::<Result<_, _>>()
            .map_err(|it| it.to_string())?;
        if zones.is_empty() {
            return Err("it has no time zone".to_owned());
        }
        Ok(Self {
            start: stored.start,
            until: stored.until,
            window: window
                .transpose()
                .map_err(|error: window::WindowError| error.to_string())?,
            zones,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn schedule(
        start: Option<&str>,
        until: Option<&str>,
        window: Option<&str>,
        zones: &[&str],
    ) -> Schedule {
        Schedule {
            start: start.map(at),
            until: until.map(at),
            window: window.map(|window| window.parse().expect("a window")),
            zones: zones
                .iter()
                .map(|name| Zone::named(name).expect("a zone"))
                .collect(),
        }
    }

    #[test]
    fn start_until_and_the_window_hold_together() {
        let all = schedule(
            Some("2026-12-01T10:30:00Z"),
            Some("2026-12-02T15:00:00Z"),
            Some("Mon-Fri 09:00-17:00"),
            &["Europe/Warsaw"],
        );
        let opening = |now| all.opening(0, at(now));
        assert_eq!(
            opening("2026-11-30T10:00:00Z"),
            Opening::Closed(at("2026-12-01T10:30:00Z"))
        );
        assert_eq!(
            opening("2026-12-01T10:30:00Z"),
            Opening::Open(Some(at("2026-12-01T16:00:00Z")))
        );
        assert_eq!(
            opening("2026-12-01T16:00:00Z"),
            Opening::Closed(at("2026-12-02T08:00:00Z"))
        );
        assert_eq!(
            opening("2026-12-02T08:00:00Z"),
            Opening::Open(Some(at("2026-12-02T15:00:00Z")))
        );
        assert_eq!(opening("2026-12-02T15:00:00Z"), Opening::Over);
    }

    #[test]
    fn without_a_window_it_is_open_from_start_to_until() {
        let now = at("2026-12-01T00:00:00Z");
        let open = schedule(None, None, None, &["UTC"]);
        assert_eq!(open.opening(0, now), Opening::Open(None));
        let later = schedule(Some("2026-12-02T00:00:00Z"), None, None, &["UTC"]);
        assert_eq!(
            later.opening(0, now),
            Opening::Closed(at("2026-12-02T00:00:00Z"))
        );
        let over = schedule(None, Some("2026-12-01T00:00:00Z"), None, &["UTC"]);
        assert_eq!(over.opening(0, now), Opening::Over);
    }

    #[test]
    fn several_zones_are_open_if_one_is() {
        let zones = ["Europe/Warsaw", "America/New_York"];
        let two = schedule(None, None, Some("09:00-17:00"), &zones);
        let first = |now| two.first_opening([0, 1], at(now));
        // 9:00 in Warsaw, 15:00 there and 9:00 in New York, 17:00 in New York.
        assert_eq!(
            first("2026-12-01T07:00:00Z"),
            Opening::Closed(at("2026-12-01T08:00:00Z"))
        );
        assert_eq!(
            first("2026-12-01T14:30:00Z"),
            Opening::Open(Some(at("2026-12-01T22:00:00Z")))
        );
        assert_eq!(
            first("2026-12-01T22:00:00Z"),
            Opening::Closed(at("2026-12-02T08:00:00Z"))
        );
        assert_eq!(
            two.first_opening([], at("2026-12-01T14:30:00Z")),
            Opening::Over
        );
    }

    #[test]
    fn it_is_the_same_after_it_was_stored() {
        let all = schedule(
            Some("2026-12-01T10:30:00Z"),
            Some("2026-12-02T15:00:00Z"),
            Some("Mon-Fri 09:00-17:00, Sat 10:00-12:00"),
            &["Europe/Warsaw", "+02:00", "America/New_York"],
        );
        let stored = all.to_toml().expect("TOML");
        assert_eq!(Schedule::from_toml(&stored), Ok(all), "{stored}");
        let bare = schedule(None, None, None, &["UTC"]);
        let stored = bare.to_toml().expect("TOML");
        assert_eq!(Schedule::from_toml(&stored), Ok(bare), "{stored}");
    }
}
