//! Hours of a week, such as `Mon-Fri 09:00-17:00, Sat 10:00-12:00`.
//!
//! The crate `opening-hours-syntax` reads the language of OpenStreetMap, with seasons, holidays and sunrise: 3 MB of
//! dependencies for a hundred times more than a window for mail needs.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{DateTime, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan};

const DAY: i32 = 24 * 60;
/// How far ahead a change is looked for. Hours of one day a week may fall into the night in which clocks go forward.
const AHEAD_DAYS: i64 = 16;
const DAY_NAMES: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

/// Hours that repeat every week, by the clocks of a time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WeeklyWindow {
    hours: Vec<Hours>,
    text: String,
}

/// The same hours on several days of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hours {
    /// From Monday.
    days: [bool; 7],
    /// In minutes since midnight.
    from: i32,
    /// The end, which is not part of them: after a day if it is on the next day.
    to: i32,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WindowError {
    #[error("“{0}” is not a time of day: write for example “09:00”")]
    Time(String),
    #[error("“{0}” is not a day of the week: write for example “Mon”, or “Mon-Fri”")]
    Day(String),
    #[error("“{0}” has no hours: write for example “Mon-Fri 09:00-17:00”")]
    NoHours(String),
    #[error("“{0}” begins and ends at the same time: write “00:00-24:00” for a whole day")]
    Empty(String),
}

impl Hours {
    /// At this second of the day.
    fn contain(&self, day: usize, second: i32) -> bool {
        let yesterday = (day + 6) % 7;
        self.days[day] && (self.from * 60..self.to * 60).contains(&second)
            || self.days[yesterday] && second < (self.to - DAY) * 60
    }
}

impl WeeklyWindow {
    pub(crate) fn is_open(&self, time: Timestamp, zone: &TimeZone) -> bool {
        let local = zone.to_datetime(time);
        let day = from_monday(local.weekday());
        let second = i32::from(local.hour()) * 3600
            + i32::from(local.minute()) * 60
            + i32::from(local.second());
        self.hours.iter().any(|hours| hours.contain(day, second))
    }

    /// When it opens if it is closed, or closes if it is open. `None` if it never does.
    pub(crate) fn next_change(&self, time: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let is_open = self.is_open(time, zone);
        let changes = self.possible_changes(time, zone);
        let mut later = changes.into_iter().filter(|change| *change > time);
        later.find(|change| self.is_open(*change, zone) != is_open)
    }

    /// All times at which it may open or close: where hours begin and end, and where clocks are changed.
    fn possible_changes(&self, time: Timestamp, zone: &TimeZone) -> Vec<Timestamp> {
        let mut changes = Vec::new();
        let today = zone.to_datetime(time).date();
        for day in -1..=AHEAD_DAYS {
            let Ok(date) = today.checked_add(day.days()) else {
                continue;
            };
            let weekday = from_monday(date.weekday());
            let hours = self.hours.iter().filter(|hours| hours.days[weekday]);
            for minute in hours.flat_map(|hours| [hours.from, hours.to]) {
                let midnight = date.to_datetime(jiff::civil::Time::midnight());
                let boundary = midnight.checked_add(i64::from(minute).minutes());
                changes.extend(boundary.into_iter().flat_map(|it| instants(it, zone)));
            }
        }
        let end = time.saturating_add(SignedDuration::from_hours(24 * AHEAD_DAYS));
        let end = end.unwrap_or(Timestamp::MAX);
        let transitions = zone
            .following(time)
            .map(|transition| transition.timestamp());
        changes.extend(transitions.take_while(|transition| *transition <= end));
        changes.sort_unstable();
        changes.dedup();
        changes
    }
}

/// When a clock shows this time: twice after it was set back, and never if it was set forward over it.
fn instants(local: DateTime, zone: &TimeZone) -> impl Iterator<Item = Timestamp> {
    let offsets = match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => [Some(offset), None],
        AmbiguousOffset::Fold { before, after } => [Some(before), Some(after)],
        AmbiguousOffset::Gap { .. } => [None, None],
    };
    let offsets = offsets.into_iter().flatten();
    offsets.filter_map(move |offset| offset.to_timestamp(local).ok())
}

fn from_monday(day: Weekday) -> usize {
    usize::from(day.to_monday_zero_offset().unsigned_abs())
}

impl FromStr for WeeklyWindow {
    type Err = WindowError;

    /// Hours, separated by commas. Those without days have the days of the hours before; without any days, they
    /// are for every day.
    fn from_str(text: &str) -> Result<Self, WindowError> {
        let mut hours = Vec::new();
        let mut days = [true; 7];
        // Days that stand alone, such as the first of `Mon, Wed 09:00-12:00`.
        let mut alone: Option<[bool; 7]> = None;
        for part in text.split(',') {
            let part = part.trim();
            let (names, times) = match part.find(|c: char| c.is_ascii_digit()) {
                Some(digit) => part.split_at(digit),
                None => (part, ""),
            };
            if !names.trim().is_empty() {
                let mut named = weekdays(names.trim())?;
                if let Some(alone) = alone.take() {
                    (0..7).for_each(|day| named[day] |= alone[day]);
                }
                match times.is_empty() {
                    true => {
                        alone = Some(named);
                        continue;
                    }
                    false => days = named,
                }
            } else if times.is_empty() || alone.is_some() {
                return Err(WindowError::NoHours(text.to_owned()));
            }
            let (from, to) = times_of(times)?;
            hours.push(Hours { days, from, to });
        }
        if alone.is_some() {
            return Err(WindowError::NoHours(text.to_owned()));
        }
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        Ok(Self { hours, text })
    }
}

/// `Mon`, `Mon-Fri`, `Fri-Mon`
fn weekdays(text: &str) -> Result<[bool; 7], WindowError> {
    let mut days = [false; 7];
    let (first, last) = match text.split_once(['-', '–']) {
        Some((first, last)) => (weekday(first)?, weekday(last)?),
        None => (weekday(text)?, weekday(text)?),
    };
    let count = (last + 7 - first) % 7;
    (0..=count).for_each(|after| days[(first + after) % 7] = true);
    Ok(days)
}

/// From Monday. Names are English, with at least two letters.
pub(super) fn weekday(name: &str) -> Result<usize, WindowError> {
    let name = name.trim();
    let lower = name.to_lowercase();
    let found = DAY_NAMES
        .iter()
        .position(|day| lower.len() >= 2 && day.starts_with(&lower));
    found.ok_or_else(|| WindowError::Day(name.to_owned()))
}

/// `09:00-17:00`
fn times_of(text: &str) -> Result<(i32, i32), WindowError> {
    let no_time = || WindowError::Time(text.to_owned());
    let (from, to) = text.split_once(['-', '–']).ok_or_else(no_time)?;
    let (from, to) = (minutes(from)?, minutes(to)?);
    if from == to || from == DAY {
        return Err(WindowError::Empty(text.to_owned()));
    }
    Ok((from, if to < from { to + DAY } else { to }))
}

/// `09:00`, `9:00` or `24:00`
fn minutes(text: &str) -> Result<i32, WindowError> {
    let parse = || {
        let (hour, minute) = text.trim().split_once(':')?;
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(hour) || !is_number(minute) || minute.len() != 2 {
            return None;
        }
        let (hour, minute): (i32, i32) = (hour.parse().ok()?, minute.parse().ok()?);
        (hour < 24 && minute < 60 || hour == 24 && minute == 0).then_some(hour * 60 + minute)
    };
    parse().ok_or_else(|| WindowError::Time(text.trim().to_owned()))
}

impl fmt::Display for WeeklyWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn window(text: &str) -> WeeklyWindow {
        text.parse().expect("a window")
    }

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).expect("a zone")
    }

    /// When the window opens and closes from a time on.
    fn changes(text: &str, zone_name: &str, from: &str, most: usize) -> Vec<String> {
        let (window, zone) = (window(text), zone(zone_name));
        let mut time: Timestamp = from.parse().expect("a time");
        let mut changes = Vec::new();
        while changes.len() < most
            && let Some(next) = window.next_change(time, &zone)
        {
            let what = match window.is_open(next, &zone) {
                true => "opens",
                false => "closes",
            };
            let local = next.to_zoned(zone.clone());
            changes.push(format!("{what} {}", local.strftime("%a %H:%M %:z")));
            time = next;
        }
        changes
    }

    #[test]
    fn a_week() {
        assert_eq!(
            changes(
                "Mon-Fri 09:00-17:00, Sat 10:00-12:00",
                "UTC",
                "2026-12-03T18:00:00Z",
                6
            ),
            [
                "opens Fri 09:00 +00:00",
                "closes Fri 17:00 +00:00",
                "opens Sat 10:00 +00:00",
                "closes Sat 12:00 +00:00",
                "opens Mon 09:00 +00:00",
                "closes Mon 17:00 +00:00",
            ]
        );
    }

    #[test]
    fn hours_without_days_have_the_days_before_or_all() {
        assert_eq!(
            window("9:00-17:00").hours,
            window("Mon-Sun 09:00-17:00").hours
        );
        assert_eq!(
            window("Mon, Wed 9:00-12:00, 13:00-17:00").hours,
            [(540, 720), (780, 1020)].map(|(from, to)| Hours {
                days: [true, false, true, false, false, false, false],
                from,
                to,
            })
        );
        assert_eq!(
            window("fri-mon 00:00-24:00").hours[0].days,
            [true, false, false, false, true, true, true]
        );
        assert_eq!(
            window("Tuesday 00:00-24:00").hours,
            window("tu 0:00-24:00").hours
        );
        assert_eq!(
            window(" Mon-Fri   09:00-17:00 ").to_string(),
            "Mon-Fri 09:00-17:00"
        );
    }

    #[test]
    fn hours_may_cross_midnight() {
        assert_eq!(
            changes(
                "Fri 22:00-02:00",
                "Europe/Warsaw",
                "2026-12-02T00:00:00Z",
                3
            ),
            [
                "opens Fri 22:00 +01:00",
                "closes Sat 02:00 +01:00",
                "opens Fri 22:00 +01:00"
            ]
        );
    }

    #[test]
    fn all_of_the_time_never_closes() {
        for always in [
            "00:00-24:00",
            "00:00-12:00, 12:00-24:00",
            "Mon-Sun 12:00-00:00, 00:00-12:00",
        ] {
            for zone in ["UTC", "Europe/Warsaw"] {
                assert_eq!(
                    changes(always, zone, "2026-03-28T12:00:00Z", 3),
                    [""; 0],
                    "{always}"
                );
            }
        }
    }

    /// At 02:00 on 29 March 2026, clocks in Warsaw go to 03:00.
    #[test]
    fn the_night_in_which_clocks_go_forward() {
        let night = "2026-03-28T12:00:00Z";
        for (hours, expected) in [
            (
                "Sun 01:30-02:30",
                ["opens Sun 01:30 +01:00", "closes Sun 03:00 +02:00"],
            ),
            (
                "Sun 02:30-04:00",
                ["opens Sun 03:00 +02:00", "closes Sun 04:00 +02:00"],
            ),
            (
                "Sun 02:00-03:00",
                ["opens Sun 02:00 +02:00", "closes Sun 03:00 +02:00"],
            ),
            (
                "Sat 22:00-04:00",
                ["opens Sat 22:00 +01:00", "closes Sun 04:00 +02:00"],
            ),
            (
                "Sun 09:00-17:00",
                ["opens Sun 09:00 +02:00", "closes Sun 17:00 +02:00"],
            ),
        ] {
            assert_eq!(
                changes(hours, "Europe/Warsaw", night, 2),
                expected,
                "{hours}"
            );
        }
        // The hour does not exist on the 29th: the next one is a week later.
        let zone = zone("Europe/Warsaw");
        let skipped = window("Sun 02:00-03:00");
        let opens = skipped.next_change(night.parse().expect("a time"), &zone);
        assert_eq!(opens, Some("2026-04-05T00:00:00Z".parse().expect("a time")));
    }

    /// At 03:00 on 25 October 2026, clocks in Warsaw go back to 02:00.
    #[test]
    fn the_night_in_which_clocks_go_back() {
        let night = "2026-10-24T12:00:00Z";
        for (hours, expected) in [
            (
                "Sun 01:30-02:30",
                vec![
                    "opens Sun 01:30 +02:00",
                    "closes Sun 02:30 +02:00",
                    "opens Sun 02:00 +01:00",
                    "closes Sun 02:30 +01:00",
                ],
            ),
            (
                "Sun 02:30-04:00",
                vec![
                    "opens Sun 02:30 +02:00",
                    "closes Sun 02:00 +01:00",
                    "opens Sun 02:30 +01:00",
                    "closes Sun 04:00 +01:00",
                ],
            ),
            (
                "Sun 02:00-03:00",
                vec!["opens Sun 02:00 +02:00", "closes Sun 03:00 +01:00"],
            ),
            (
                "Sun 09:00-17:00",
                vec!["opens Sun 09:00 +01:00", "closes Sun 17:00 +01:00"],
            ),
        ] {
            let found = changes(hours, "Europe/Warsaw", night, expected.len());
            assert_eq!(found, expected, "{hours}");
        }
    }

    #[test]
    fn both_nights_in_new_york() {
        let all = |from, most| changes("Sun 01:30-03:30", "America/New_York", from, most);
        assert_eq!(
            all("2026-03-07T12:00:00Z", 2),
            ["opens Sun 01:30 -05:00", "closes Sun 03:30 -04:00"]
        );
        assert_eq!(
            all("2026-10-31T12:00:00Z", 4),
            [
                "opens Sun 01:30 -04:00",
                "closes Sun 01:00 -05:00",
                "opens Sun 01:30 -05:00",
                "closes Sun 03:30 -05:00",
            ]
        );
    }

    #[test]
    fn what_is_not_a_window() {
        for text in [
            "",
            "Mon-Fri",
            "Mon-Fri 9-17",
            "Mon 09:00",
            "Mon 25:00-26:00",
            "Mon 09:60-10:00",
            "Mon 09:00-09:00",
            "Mon 24:00-02:00",
            "Noday 09:00-17:00",
            "M 09:00-17:00",
            "Mon 09:00-17:00,",
            "Mon, 09:00-17:00",
            "09:00-17:00 Mon",
            "Mon +9:00-17:00",
            "Mon 9:0-17:00",
        ] {
            assert!(text.parse::<WeeklyWindow>().is_err(), "{text}");
        }
    }

    const ZONES: [&str; 6] = [
        "Europe/Warsaw",
        "America/New_York",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
        "Africa/Casablanca",
        "Pacific/Apia",
    ];
    const WINDOWS: [&str; 6] = [
        "Mon-Fri 09:00-17:00",
        "Fri 22:00-02:00",
        "Sun 02:15-02:45",
        "Sat-Sun 23:30-03:10, Mon 00:00-24:00",
        "00:00-02:30, 03:30-24:00",
        "Mon, Wed 09:00-12:00, 13:00-17:00",
    ];

    proptest! {
        /// Compared with a clock that is read every five minutes.
        #[test]
        fn the_next_change_is_where_the_clock_says_it_is(
            // From 2010 to 2027.
            start in 1_262_304_000i64..1_798_761_600, window_index in 0usize..WINDOWS.len(), zone_index in 0usize..ZONES.len(),
        ) {
            let (window, zone) = (window(WINDOWS[window_index]), zone(ZONES[zone_index]));
            let start = Timestamp::from_second(start / 300 * 300).expect("a time");
            let is_open = window.is_open(start, &zone);
            let five_minutes = SignedDuration::from_mins(5);
            let mut walked = start;
            let changed = loop {
                walked += five_minutes;
                if window.is_open(walked, &zone) != is_open {
                    break Some(walked);
                }
                if walked > start + SignedDuration::from_hours(15 * 24) {
                    break None;
                }
            };
            prop_assert_eq!(window.next_change(start, &zone), changed);
        }

        #[test]
        fn no_text_panics(text in "[MTWFSaueoiontdhr0-9:, –-]{0,30}") {
            let _ = text.parse::<WeeklyWindow>();
        }
    }
}
