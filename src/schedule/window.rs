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
mod tests;
