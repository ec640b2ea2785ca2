//! `date`, and the tests `before` and `after`.

use jiff::fmt::temporal::{DateTimeParser, Pieces};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use tera::value::ValueKind;
use tera::{Kwargs, TeraResult, Value};

use super::arguments::{empty_cell, fault, language};
use super::date_format::formatted;
use super::date_input::{by_input, unambiguous};
use crate::language::Language;

pub(super) fn date(
    value: &Value,
    kwargs: &Kwargs,
    campaign: Option<&Language>,
) -> TeraResult<String> {
    let zone = time_zone(kwargs)?;
    let mut zoned = zoned(value, kwargs, zone.as_ref())?;
    if let Some(zone) = zone {
        zoned = zoned.with_time_zone(zone);
    }
    let language = language(kwargs, campaign)?;
    let format = kwargs.get::<&str>("format")?;
    formatted(&zoned, format, language.as_ref())
}

/// Whether a date is before the argument `other`.
pub(super) fn is_before(value: &Value, kwargs: &Kwargs) -> TeraResult<bool> {
    let (zoned, other, inclusive) = compared(value, kwargs)?;
    Ok(zoned < other || inclusive && zoned == other)
}

/// Whether a date is after the argument `other`.
pub(super) fn is_after(value: &Value, kwargs: &Kwargs) -> TeraResult<bool> {
    let (zoned, other, inclusive) = compared(value, kwargs)?;
    Ok(zoned > other || inclusive && zoned == other)
}

fn compared(value: &Value, kwargs: &Kwargs) -> TeraResult<(Zoned, Zoned, bool)> {
    let other = kwargs.must_get::<&Value>("other")?;
    let inclusive = kwargs.get::<bool>("inclusive")?.unwrap_or(false);
    // `input` is about the cell, not about what it is compared with.
    let other = zoned(other, &Kwargs::default(), None)?;
    Ok((zoned(value, kwargs, None)?, other, inclusive))
}

fn time_zone(kwargs: &Kwargs) -> TeraResult<Option<TimeZone>> {
    let name = kwargs.get::<&str>("timezone")?;
    let zone = name.map(|name| {
        TimeZone::get(name).map_err(|_| tera::Error::message(format!("Unknown timezone: {name}")))
    });
    zone.transpose()
}

/// The date and time in a value: a text, or the seconds since 1970.
fn zoned(value: &Value, kwargs: &Kwargs, zone: Option<&TimeZone>) -> TeraResult<Zoned> {
    let zone = zone.cloned().unwrap_or(TimeZone::UTC);
    if let Some(text) = value.as_str() {
        let civil = match kwargs.get::<&str>("input")? {
            Some(input) => by_input(text, input),
            None => match machine_readable(text, &zone) {
                Some(zoned) => return Ok(zoned),
                None => unambiguous(text),
            },
        };
        let civil = civil.map_err(|unread| unread.error(text))?;
        return civil.to_zoned(zone).map_err(tera::Error::message);
    }
    if matches!(value.kind(), ValueKind::Undefined | ValueKind::None) {
        return Err(empty_cell());
    }
    let Some(seconds) = value.as_i64() else {
        return Err(fault(
            format!("this is not a date; its type is {}", value.name()),
            "use it for a text, or for a whole number of seconds since 1970",
        ));
    };
    let time = Timestamp::new(seconds, 0)
        .map_err(|error| tera::Error::message(format!("Invalid timestamp: {error}")))?;
    Ok(time.to_zoned(zone))
}

/// RFC 3339, RFC 9557 and ISO 8601.
fn machine_readable(text: &str, zone: &TimeZone) -> Option<Zoned> {
    const PARSER: DateTimeParser = DateTimeParser::new();
    let text = text.trim();
    let timestamp = || {
        let time = PARSER.parse_timestamp(text).ok()?;
        let offset = Pieces::parse(text).ok()?.to_numeric_offset();
        Some(time.to_zoned(offset.map_or_else(|| zone.clone(), TimeZone::fixed)))
    };
    let civil = || {
        PARSER
            .parse_datetime(text)
            .ok()?
            .to_zoned(zone.clone())
            .ok()
    };
    let day = || PARSER.parse_date(text).ok()?.to_zoned(zone.clone()).ok();
    PARSER
        .parse_zoned(text)
        .ok()
        .or_else(timestamp)
        .or_else(civil)
        .or_else(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(day: &str, arguments: &[(&'static str, &'static str)]) -> String {
        let mut map = tera::Map::new();
        for (name, value) in arguments {
            map.insert((*name).into(), (*value).into());
        }
        let kwargs = Kwargs::new(std::sync::Arc::new(map));
        date(&Value::from(day), &kwargs, None).unwrap_or_else(|error| error.to_string())
    }

    #[test]
    fn formats_mean_what_they_always_meant() {
        for (day, arguments, expected) in [
            ("2026-05-01", &[][..], "2026-05-01"),
            (
                "2026-05-01",
                &[("format", "%A, %-d %B %Y")],
                "Friday, 1 May 2026",
            ),
            ("1985-04-12T23:20:50.52Z", &[], "1985-04-12"),
            (
                "1996-12-19T16:39:57[-08:00]",
                &[("format", "%Y-%m-%d %z")],
                "1996-12-19 -0800",
            ),
            (
                "1996-12-19T16:39:57-08:00",
                &[("format", "%H:%M %z")],
                "16:39 -0800",
            ),
            (
                "2019-09-19T01:48:44.581Z",
                &[("timezone", "America/New_York")],
                "2019-09-18",
            ),
            (
                "2026-08-24",
                &[("format", "d MMMM y"), ("locale", "fr_FR")],
                "24 août 2026",
            ),
            (
                "2026-08-24",
                &[("format", "y年M月d日"), ("locale", "ja")],
                "2026年8月24日",
            ),
            (
                "2026-08-24T14:35:00",
                &[
                    ("format", "MMMM d y [zzz]"),
                    ("locale", "it"),
                    ("timezone", "America/New_York"),
                ],
                "agosto 24 2026 [GMT-4]",
            ),
        ] {
            assert_eq!(written(day, arguments), expected);
        }
    }

    #[test]
    fn letters_of_other_libraries_are_errors() {
        for (format, help) in [
            ("dd/mm/yyyy", "`m` is for minutes"),
            ("dd/mm/yyyy HH:mm", "`m` is for minutes"),
            ("dd.mm.", "`m` is for minutes"),
            ("DD.MM.yyyy", "`D` is the day of the year"),
            ("YYYY-MM-DD", "write `y` for the year"),
            ("d.m.Y", "write `y` for the year"),
        ] {
            let error = written("2026-05-01", &[("format", format)]);
            assert!(error.contains(help), "{format}: {error}");
        }
        for (format, expected) in [
            ("dd/MM/yyyy", "01/05/2026"),
            ("d, HH:mm", "1, 13:30"),
            ("mm", "30"),
            ("d 'MY' MMMM", "1 MY May"),
        ] {
            assert_eq!(written("2026-05-01 13:30", &[("format", format)]), expected);
        }
    }

    #[test]
    fn directives_that_depend_on_the_language_are_errors() {
        for (format, help) in [
            ("%c", "%d.%m.%Y %H:%M"),
            ("on %x", "\"short\""),
            ("%-r", "%-I:%M:%S %p"),
        ] {
            let error = written("2026-05-01", &[("format", format), ("locale", "pl")]);
            assert!(error.contains(help), "{format}: {error}");
        }
        assert!(written("2026-05-01", &[("format", "%x")]).contains("\"short\""));
        assert_eq!(
            written("2026-05-01 13:30", &[("format", "%r")]),
            "1:30:00 PM"
        );
    }

    #[test]
    fn months_have_the_case_that_a_day_needs() {
        for (locale, with_day, alone) in [
            ("pl", "5 stycznia 2026", "styczeń 2026"),
            ("cs", "5 ledna 2026", "leden 2026"),
            ("uk", "5 січня 2026", "січень 2026"),
            ("ru", "5 января 2026", "январь 2026"),
            ("de", "5 Januar 2026", "Januar 2026"),
        ] {
            let day = |format| written("2026-01-05", &[("format", format), ("locale", locale)]);
            assert_eq!(day("%-d %B %Y"), with_day);
            assert_eq!(day("%B %Y"), alone);
        }
    }

    #[test]
    fn names_and_styles_are_those_of_the_language() {
        for (format, locale, expected) in [
            ("full", "en-US", "Friday, May 1, 2026"),
            ("full", "en-GB", "Friday, 1 May 2026"),
            ("full", "pl", "piątek, 1 maja 2026"),
            ("long", "pl", "1 maja 2026"),
            ("long", "de", "1. Mai 2026"),
            ("medium", "en", "May 1, 2026"),
            ("short", "de", "01.05.26"),
            ("%^a %d/%m, 100%%", "pl", "PT. 01/05, 100%"),
            ("%I:%M %p", "en", "12:00 AM"),
            ("%Y-%m-%d", "pl", "2026-05-01"),
            ("100%%c", "pl", "100%c"),
        ] {
            assert_eq!(
                written("2026-05-01", &[("format", format), ("locale", locale)]),
                expected
            );
        }
        assert_eq!(written("2026-05-01", &[("locale", "pl")]), "1 maja 2026");
        assert_eq!(
            written("2026-05-01", &[("format", "full")]),
            "Friday, May 1, 2026"
        );
        assert_eq!(
            written("2026-05-01", &[("format", "d MMM y")]),
            "1 May 2026"
        );
    }
}
