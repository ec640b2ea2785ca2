//! Moments as people write them: `2026-12-01 09:00`, `tomorrow 9:00`, `+2h`.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Span, Timestamp, ToSpan, Zoned};

use super::window::weekday;
use super::zone::Zone;

/// When to begin, as the command line says it. The moment depends on the time zone and on now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Moment {
    Now,
    After(SpanText),
    /// At the next such time of day.
    Time(Time),
    /// That many days after today.
    InDays(i64, Time),
    /// On the next such day of the week, from Monday, which may be today.
    Weekday(usize, Time),
    Civil(DateTime),
    Exact(Timestamp),
}

/// A length of time, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SpanText(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MomentError {
    #[error(
        "“{0}” is not a time: write for example “tomorrow 9:00”, “Mon 9:00”, “2026-12-01 09:00”, “09:00” or “+2h”"
    )]
    Unknown(String),
    #[error("“{0}” is not a time: write for example “2026-12-01 09:00”")]
    NotCivil(String),
    #[error("{0} does not exist in {1}: the clocks are set forward over it")]
    Skipped(DateTime, String),
    #[error("{0} is too far away")]
    TooFar(String),
}

impl Moment {
    /// # Errors
    /// It is none of the known forms.
    pub(crate) fn parse(text: &str) -> Result<Self, MomentError> {
        let unknown = || MomentError::Unknown(text.to_owned());
        let lower = text.trim().to_lowercase();
        if lower == "now" {
            return Ok(Self::Now);
        }
        let after = lower
            .strip_prefix('+')
            .or_else(|| lower.strip_prefix("in "));
        if let Some(after) = after {
            let span: Span = after.trim().parse().map_err(|_| unknown())?;
            return match span.is_negative() {
                true => Err(unknown()),
                false => Ok(Self::After(SpanText(after.trim().to_owned()))),
            };
        }
        if let Ok(exact) = text.trim().parse() {
            return Ok(Self::Exact(exact));
        }
        if let Some(time) = time(&lower) {
            return Ok(Self::Time(time));
        }
        let (day, at) = lower
            .split_once(|c: char| c.is_whitespace() || c == 't' && lower.starts_with('2'))
            .ok_or_else(unknown)?;
        let at = at.trim_start();
        let at = at.strip_prefix("at ").unwrap_or(at);
        let at = time(at.trim()).ok_or_else(unknown)?;
        Ok(match day {
            "today" => Self::InDays(0, at),
            "tomorrow" => Self::InDays(1, at),
            _ => match (weekday(day), day.parse::<Date>()) {
                (Ok(day), _) => Self::Weekday(day, at),
                (_, Ok(date)) => Self::Civil(date.to_datetime(at)),
                _ => return Err(unknown()),
            },
        })
    }

    /// # Errors
    /// The clocks of the zone skip it.
    pub(crate) fn resolve(&self, now: Timestamp, zone: &Zone) -> Result<Timestamp, MomentError> {
        let local = now.to_zoned(zone.time_zone.clone());
        let today = local.date();
        let on = |days: i64, time: Time| {
            let date = today.checked_add(days.days());
            let date = date.map_err(|_| MomentError::TooFar(format!("a day in {days} days")))?;
            instant(date.to_datetime(time), zone)
        };
        match self {
            Self::Now => Ok(now),
            Self::Exact(exact) => Ok(*exact),
            Self::Civil(civil) => instant(*civil, zone),
            Self::InDays(days, time) => on(*days, *time),
            Self::After(SpanText(text)) => after(text, &local),
            Self::Time(time) => match on(0, *time) {
                Ok(today) if today > now => Ok(today),
                Err(skipped @ MomentError::Skipped(..)) if *time > local.time() => Err(skipped),
                _ => on(1, *time),
            },
            Self::Weekday(day, time) => {
                let today = usize::from(today.weekday().to_monday_zero_offset().unsigned_abs());
                let days = ((day + 7 - today) % 7) as i64;
                match on(days, *time) {
                    Ok(past) if past <= now => on(days + 7, *time),
                    moment => moment,
                }
            }
        }
    }
}

fn after(text: &str, now: &Zoned) -> Result<Timestamp, MomentError> {
    let too_far = || MomentError::TooFar(text.to_owned());
    let span: Span = text.parse().map_err(|_| too_far())?;
    let then = now.checked_add(span).map_err(|_| too_far())?;
    Ok(then.timestamp())
}

/// `9:00`, `09:00` or `09:00:30`
fn time(text: &str) -> Option<Time> {
    let mut numbers = text.split(':').map(|part| {
        let is_number = (1..=2).contains(&part.len()) && part.bytes().all(|it| it.is_ascii_digit());
        is_number.then(|| part.parse::<i8>().ok()).flatten()
    });
    let (hour, minute) = (numbers.next()??, numbers.next()??);
    let second = numbers.next().unwrap_or(Some(0))?;
    let has_more = numbers.next().is_some();
    let time = Time::new(hour, minute, second, 0).ok()?;
    (!has_more).then_some(time)
}

/// A moment by a date and a time in the zone, or an RFC 3339 time with an offset.
///
/// # Errors
/// It is neither, or the clocks of the zone skip it.
pub(crate) fn civil_moment(text: &str, zone: &Zone) -> Result<Timestamp, MomentError> {
    match Moment::parse(text) {
        Ok(Moment::Exact(exact)) => Ok(exact),
        Ok(Moment::Civil(civil)) => instant(civil, zone),
        _ => Err(MomentError::NotCivil(text.to_owned())),
    }
}

/// When the clocks of the zone show this; the first time if they show it twice.
fn instant(local: DateTime, zone: &Zone) -> Result<Timestamp, MomentError> {
    let time_zone: &TimeZone = &zone.time_zone;
    let ambiguous = time_zone.to_ambiguous_timestamp(local);
    if matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. }) {
        return Err(MomentError::Skipped(local, zone.name.clone()));
    }
    let earlier = ambiguous.earlier();
    earlier.map_err(|_| MomentError::TooFar(local.to_string()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn warsaw() -> Zone {
        Zone::named("Europe/Warsaw").expect("a zone")
    }

    /// At 10:00 on Tuesday, 1 December 2026, in Warsaw.
    fn resolved(text: &str) -> String {
        let now = "2026-12-01T09:00:00Z".parse().expect("a time");
        let moment = Moment::parse(text).expect(text);
        warsaw().show(moment.resolve(now, &warsaw()).expect(text))
    }

    #[test]
    fn moments_as_people_write_them() {
        for (text, shown) in [
            ("now", "Tue 2026-12-01 10:00 +01:00"),
            ("tomorrow 9:00", "Wed 2026-12-02 09:00 +01:00"),
            ("Tomorrow at 09:00", "Wed 2026-12-02 09:00 +01:00"),
            ("today 17:30", "Tue 2026-12-01 17:30 +01:00"),
            ("today 9:00", "Tue 2026-12-01 09:00 +01:00"),
            ("11:00", "Tue 2026-12-01 11:00 +01:00"),
            ("10:00", "Wed 2026-12-02 10:00 +01:00"),
            ("09:00", "Wed 2026-12-02 09:00 +01:00"),
            ("tue 11:00", "Tue 2026-12-01 11:00 +01:00"),
            ("tuesday 9:00", "Tue 2026-12-08 09:00 +01:00"),
            ("Thu 9:00", "Thu 2026-12-03 09:00 +01:00"),
            ("mon 9:00", "Mon 2026-12-07 09:00 +01:00"),
            ("2026-12-24 08:15", "Thu 2026-12-24 08:15 +01:00"),
            ("2026-12-24T08:15:30", "Thu 2026-12-24 08:15:30 +01:00"),
            ("2026-12-24T08:15Z", "Thu 2026-12-24 09:15 +01:00"),
            ("2026-12-24T08:15:00-05:00", "Thu 2026-12-24 14:15 +01:00"),
            ("+2h", "Tue 2026-12-01 12:00 +01:00"),
            ("+90min", "Tue 2026-12-01 11:30 +01:00"),
            ("in 2 hours", "Tue 2026-12-01 12:00 +01:00"),
            ("in 1 day 30 minutes", "Wed 2026-12-02 10:30 +01:00"),
        ] {
            assert_eq!(resolved(text), format!("{shown} (Europe/Warsaw)"), "{text}");
        }
    }

    #[test]
    fn other_words_are_not_moments() {
        for text in [
            "",
            "soon",
            "9",
            "9am",
            "25:00",
            "12:60",
            "tomorrow",
            "tomorrow 9",
            "+",
            "+2",
            "-2h",
            "+-2h",
            "in",
            "2026-13-01 09:00",
            "2026-12-01",
            "someday 9:00",
            "9:00:00:00",
            "1:2:3:4",
            "+99999999999999y",
        ] {
            assert!(Moment::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_that_clocks_skip_or_show_twice() {
        let at = |text| civil_moment(text, &warsaw());
        let skipped = at("2026-03-29 02:30").expect_err("skipped").to_string();
        assert_eq!(
            skipped,
            "2026-03-29T02:30:00 does not exist in Europe/Warsaw: the clocks are set forward over it"
        );
        let first = at("2026-10-25 02:30").expect("a time");
        assert_eq!(
            warsaw().show(first),
            "Sun 2026-10-25 02:30 +02:00 (Europe/Warsaw)"
        );
        assert!(at("tomorrow 9:00").is_err() && at("+2h").is_err() && at("09:00").is_err());
    }

    #[test]
    fn a_day_is_a_day_when_clocks_change() {
        let now = "2026-03-28T09:00:00Z".parse().expect("a time");
        let tomorrow = |text| {
            warsaw().show(
                Moment::parse(text)
                    .expect(text)
                    .resolve(now, &warsaw())
                    .expect(text),
            )
        };
        assert_eq!(
            tomorrow("tomorrow 10:00"),
            "Sun 2026-03-29 10:00 +02:00 (Europe/Warsaw)"
        );
        assert_eq!(
            tomorrow("in 1 day"),
            "Sun 2026-03-29 10:00 +02:00 (Europe/Warsaw)"
        );
        assert_eq!(
            tomorrow("+24h"),
            "Sun 2026-03-29 11:00 +02:00 (Europe/Warsaw)"
        );
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-z0-9:+ T-]{0,24}") {
            if let Ok(moment) = Moment::parse(&text) {
                let _ = moment.resolve(Timestamp::UNIX_EPOCH, &warsaw());
            }
        }
    }
}
