//! Writes dates, in a language.

use icu_calendar::{Gregorian, Iso};
use icu_datetime::FixedCalendarDateTimeFormatter;
use icu_datetime::fieldsets::enums::CompositeFieldSet;
use icu_datetime::fieldsets::{YMD, YMDE};
use icu_datetime::pattern::{DateTimePattern, FixedCalendarDateTimeNames};
use icu_time::zone::models::AtTime;
use icu_time::{TimeZoneInfo, ZonedDateTime};
use jiff::Zoned;
use jiff_icu::ConvertFrom;
use tera::TeraResult;
use writeable::TryWriteable;

use super::arguments::fault;
use crate::language::Language;

/// A date as `format` says. Without it: as is usual in the language, or in digits.
pub(super) fn formatted(
    zoned: &Zoned,
    format: Option<&str>,
    language: Option<&Language>,
) -> TeraResult<String> {
    let in_language = || language.cloned().unwrap_or_else(Language::english);
    match (format, language) {
        (None, None) => strftime("%Y-%m-%d", zoned),
        (None, Some(language)) => styled("long", zoned, language),
        (Some(style @ ("full" | "long" | "medium" | "short")), _) => {
            styled(style, zoned, &in_language())
        }
        (Some(format), language) if format.contains('%') => {
            if let Some(help) = without_language(format, language.is_some()) {
                let message = format!("the format `{format}` is not the same in all languages");
                return Err(fault(message, help));
            }
            match language {
                Some(language) => strftime(&with_names(format, zoned, language)?, zoned),
                None => strftime(format, zoned),
            }
        }
        (Some(pattern), _) => by_pattern(pattern, zoned, &in_language()),
    }
}

/// Help for a format whose directives stand for what is usual in a language. The library knows none.
fn without_language(format: &str, has_language: bool) -> Option<&'static str> {
    directives(format).iter().find_map(|it| match it.kind {
        'c' => Some("write what `%c` stands for, such as \"%d.%m.%Y %H:%M\", or \"long\" for the date"),
        'x' => Some("write what `%x` stands for, such as \"%d.%m.%Y\", or \"short\" for the date as is usual in the language"),
        'r' if has_language => Some("write \"%-I:%M:%S %p\" for `%r`"),
        _ => None,
    })
}

fn strftime(format: &str, zoned: &Zoned) -> TeraResult<String> {
    jiff::fmt::strtime::format(format, zoned)
        .map_err(|error| tera::Error::message(format!("Invalid date format `{format}`: {error}")))
}

/// A date as is usual in a language, without the time.
fn styled(style: &str, zoned: &Zoned, language: &Language) -> TeraResult<String> {
    let date = icu_date(zoned).date;
    let formatted = match style {
        "full" => FixedCalendarDateTimeFormatter::<Gregorian, _>::try_new(
            language.locale().into(),
            YMDE::long(),
        )
        .map(|formatter| formatter.format(&date).to_string()),
        _ => {
            let fields = match style {
                "long" => YMD::long(),
                "medium" => YMD::medium(),
                _ => YMD::short(),
            };
            FixedCalendarDateTimeFormatter::<Gregorian, _>::try_new(
                language.locale().into(),
                fields,
            )
            .map(|formatter| formatter.format(&date).to_string())
        }
    };
    formatted.map_err(tera::Error::message)
}

/// A format of `strftime` in which the names of months and weekdays, and AM and PM, are replaced by those of a language.
fn with_names(format: &str, zoned: &Zoned, language: &Language) -> TeraResult<String> {
    let directives = directives(format);
    // "5 stycznia 2026", but "styczeń 2026".
    let has_day = directives.iter().any(|it| matches!(it.kind, 'd' | 'e'));
    let mut localized = String::new();
    let mut copied = 0;
    for directive in directives {
        let pattern = match (directive.kind, has_day) {
            ('B', true) => "MMMM",
            ('B', false) => "LLLL",
            ('b' | 'h', true) => "MMM",
            ('b' | 'h', false) => "LLL",
            ('A', _) => "EEEE",
            ('a', _) => "EEE",
            ('p' | 'P', _) => "a",
            _ => continue,
        };
        let name = by_pattern(pattern, zoned, language)?;
        let name = match directive.kind {
            'P' => name.to_lowercase(),
            _ if directive.text(format).contains(['^', '#']) => name.to_uppercase(),
            _ => name,
        };
        localized.push_str(&format[copied..directive.start]);
        localized.push_str(&name.replace('%', "%%"));
        copied = directive.end;
    }
    localized.push_str(&format[copied..]);
    Ok(localized)
}

/// A conversion in a format of `strftime`, such as `%-d`.
struct Directive {
    kind: char,
    start: usize,
    end: usize,
}

impl Directive {
    fn text<'a>(&self, format: &'a str) -> &'a str {
        &format[self.start..self.end]
    }
}

fn directives(format: &str) -> Vec<Directive> {
    let mut directives = Vec::new();
    let mut characters = format.char_indices();
    while let Some((start, c)) = characters.next() {
        if c != '%' {
            continue;
        }
        let is_flag = |c: char| matches!(c, '-' | '_' | '0'..='9' | '^' | '#' | ':' | '.');
        if let Some((at, kind)) = characters.find(|(_, c)| !is_flag(*c)) {
            directives.push(Directive {
                kind,
                start,
                end: at + kind.len_utf8(),
            });
        }
    }
    directives
}

/// A date by a pattern of UTS 35, such as `d MMMM y`.
fn by_pattern(format: &str, zoned: &Zoned, language: &Language) -> TeraResult<String> {
    if let Some(help) = mistaken_letter(format) {
        return Err(fault(format!("Invalid date format `{format}`"), help));
    }
    let pattern = DateTimePattern::try_from_pattern_str(format).map_err(|error| {
        fault(
            format!("Invalid date format `{format}`: {error}"),
            "write \"long\", a pattern such as \"d MMMM y\", or one of strftime such as \"%d.%m.%Y\"",
        )
    })?;
    let invalid = |error: &dyn std::fmt::Display| {
        tera::Error::message(format!("Invalid date format `{format}`: {error}"))
    };
    let mut names = FixedCalendarDateTimeNames::<Gregorian, CompositeFieldSet>::try_new(
        language.locale().into(),
    )
    .map_err(tera::Error::message)?;
    let formatter = names
        .include_for_pattern(&pattern)
        .map_err(|error| invalid(&error))?;
    let date = icu_date(zoned);
    let formatted = formatter.format(&date);
    match formatted.try_write_to_string() {
        Ok(text) => Ok(text.into_owned()),
        Err((error, _)) => Err(invalid(&error)),
    }
}

/// Help for a pattern with letters as in spreadsheets and other libraries. It would print the minutes as the month, the day
/// of the year, or the letter Y.
fn mistaken_letter(pattern: &str) -> Option<&'static str> {
    // Every second part is a text in quotes.
    let fields: String = pattern.split('\'').step_by(2).collect();
    let has = |letters: &[char]| fields.contains(letters);
    let has_month = has(&['M', 'L']);
    let is_date = has(&['y']) || has(&['d']) && !has(&['H', 'h', 'K', 'k']);
    if has(&['Y']) {
        Some("write `y` for the year: \"dd.MM.y\"")
    } else if has(&['D']) && has_month {
        Some("write `d` for the day of the month; `D` is the day of the year")
    } else if has(&['m']) && !has_month && is_date {
        Some("write `M` for the month; `m` is for minutes")
    } else {
        None
    }
}

fn icu_date(zoned: &Zoned) -> ZonedDateTime<Gregorian, TimeZoneInfo<AtTime>> {
    let iso = ZonedDateTime::<Iso, TimeZoneInfo<AtTime>>::convert_from(zoned);
    ZonedDateTime {
        date: iso.date.to_calendar(Gregorian),
        time: iso.time,
        zone: iso.zone,
    }
}
