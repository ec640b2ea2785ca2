//! Reads dates as spreadsheets and people write them.

use std::sync::LazyLock;

use jiff::civil::{Date, DateTime, Time};
use jiff::fmt::strtime::BrokenDownTime;
use jiff::{SignedDuration, civil};
use regex::Regex;

use super::arguments::{empty_cell, fault, quoted};

/// Why a text is not read as a date.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum UnreadDate {
    Empty,
    NotADate,
    /// The day and the month may be swapped; the separator.
    Ambiguous(char),
    /// The year has two digits. The text is a suitable `input`.
    ShortYear(String),
    /// It is not written as `input` says.
    OtherInput(String),
    /// `input` is not a pattern.
    InvalidInput(String, char),
    /// `input` is a pattern without a month.
    NoMonth(String),
    /// `input` has an hour up to 12, and nothing that says which half of the day it is in.
    NoHalf(String),
}

impl UnreadDate {
    pub(super) fn error(&self, text: &str) -> tera::Error {
        let cell = quoted(text);
        match self {
            Self::Empty => empty_cell(),
            Self::NotADate => {
                let is_seconds = text.len() > 8 && text.bytes().all(|byte| byte.is_ascii_digit());
                let help = match is_seconds {
                    true => "if it is a number of seconds since 1970, write `| int | date`",
                    false => {
                        "write it as 2026-01-05 or 05.01.2026, or say how the cells are written, for example date(input=\"d MMM y\")"
                    }
                };
                fault(format!("{cell} is not a date"), help)
            }
            Self::Ambiguous(mark) => fault(
                format!("{cell} may be a day and a month, or a month and a day"),
                format!(
                    "say how the cells are written: date(input=\"d{mark}M{mark}y\") if the day comes first, date(input=\"M{mark}d{mark}y\") if the month does"
                ),
            ),
            Self::ShortYear(input) => fault(
                format!("{cell} has a year with two digits"),
                format!(
                    "say how the cells are written: date(input=\"{input}\") reads 00 to 68 as 2000 to 2068, and 69 to 99 as 1969 to 1999"
                ),
            ),
            Self::OtherInput(input) => fault(
                format!("{cell} is not written as input=\"{input}\" says"),
                "fix the cell; `input` must fit all rows",
            ),
            Self::InvalidInput(input, letter) => fault(
                format!("input=\"{input}\": there is no field `{letter}`"),
                "use d, M (MMM for Jan, MMMM for January), y (yy for two digits), E, H, h, m, s and a, for example \"d/M/y\"",
            ),
            Self::NoMonth(input) => fault(
                format!("input=\"{input}\" has no month"),
                "write `M` for the month, for example \"d/M/y\"; `m` is for minutes",
            ),
            Self::NoHalf(input) => fault(
                format!("input=\"{input}\": the hour goes up to 12, without AM or PM"),
                "write `H` for an hour from 0 to 23, or `a` where AM or PM stands: \"M/d/y h:mm a\"",
            ),
        }
    }
}

/// A date that is written as `input` says.
pub(super) fn by_input(text: &str, input: &str) -> Result<DateTime, UnreadDate> {
    let text = text.trim();
    if text.is_empty() {
        return Err(UnreadDate::Empty);
    }
    let format = match input.contains('%') {
        true => input.to_owned(),
        false => {
            strptime(input).map_err(|letter| UnreadDate::InvalidInput(input.to_owned(), letter))?
        }
    };
    if !input.contains(['%', 'M']) {
        return Err(UnreadDate::NoMonth(input.to_owned()));
    }
    let has = |directives: &[&str]| directives.iter().any(|it| format.contains(it));
    if has(&["%I", "%-I", "%l"]) && !has(&["%p", "%P"]) {
        return Err(UnreadDate::NoHalf(input.to_owned()));
    }
    let text = text.replace(['\u{a0}', '\u{202f}'], " ");
    let other = || UnreadDate::OtherInput(input.to_owned());
    let read = BrokenDownTime::parse(&format, &text).map_err(|_| other())?;
    let date = read.to_date().map_err(|_| other())?;
    if date.year() < 1000 {
        return Err(UnreadDate::ShortYear(input.replace("yyyy", "yy").replacen(
            'y',
            "yy",
            usize::from(!input.contains("yy")),
        )));
    }
    let time = read.to_time().unwrap_or(Time::midnight());
    Ok(date.to_datetime(time))
}

/// A pattern of UTS 35, such as `d/M/y`, as one of `strptime`; or the letter in it that is unknown.
fn strptime(pattern: &str) -> Result<String, char> {
    let mut format = String::new();
    let mut rest = pattern;
    while let Some(letter) = rest.chars().next() {
        let end = rest.find(|c| c != letter).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        rest = after;
        let field = match (letter, run.len()) {
            ('d', 1 | 2) => "%d",
            ('M', 1 | 2) => "%m",
            ('M', 3) => "%b",
            ('M', 4) => "%B",
            ('y', 2) => "%y",
            ('y', 1 | 4) => "%Y",
            ('E', 1..=3) => "%a",
            ('E', 4) => "%A",
            ('H', 1 | 2) => "%H",
            ('h', 1 | 2) => "%I",
            ('m', 1 | 2) => "%M",
            ('s', 1 | 2) => "%S",
            ('a', 1) => "%p",
            (letter, _) if letter.is_ascii_alphabetic() => return Err(letter),
            _ => run,
        };
        format.push_str(field);
    }
    Ok(format)
}

/// A date that can be read in one way only: with digits, as the serial number of a spreadsheet, or with an English month.
pub(super) fn unambiguous(text: &str) -> Result<DateTime, UnreadDate> {
    let text = text.trim();
    if text.is_empty() {
        return Err(UnreadDate::Empty);
    }
    if let Some(date) = serial(text) {
        return Ok(date);
    }
    match DIGITS.captures(text) {
        Some(parts) => digits(&parts),
        None => month_name(text),
    }
}

static DIGITS: LazyLock<Regex> = LazyLock::new(|| {
    let date =
        r"(?P<a>\d{1,4})\s*(?P<m1>[./-])\s*(?P<b>\d{1,2})\s*(?P<m2>[./-])\s*(?P<c>\d{1,4})\.?";
    let time = r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?(?:\s*(?P<half>[AaPp])\.?[Mm]\.?)?";
    Regex::new(&format!(r"^{date}(?:(?:,?\s+|T){time})?$")).expect("a valid expression")
});

fn digits(parts: &regex::Captures<'_>) -> Result<DateTime, UnreadDate> {
    let part = |name: &str| parts.name(name).map_or("", |part| part.as_str());
    let number = |name: &str| part(name).parse::<i16>().map_err(|_| UnreadDate::NotADate);
    let mark = part("m1").chars().next().unwrap_or('.');
    if part("m2") != part("m1") {
        return Err(UnreadDate::NotADate);
    }
    let (a, b, c) = (number("a")?, number("b")?, number("c")?);
    let (year, month, day) = match (part("a").len(), part("c").len()) {
        (4, 1 | 2) => (a, b, c),
        // Nobody writes a month, a point and a day.
        (1 | 2, 4) if mark == '.' => (c, b, a),
        (1 | 2, 4) if a == b || a > 12 => (c, b, a),
        (1 | 2, 4) if b > 12 => (c, a, b),
        (1 | 2, 4) if (1..=12).contains(&a) && (1..=12).contains(&b) => {
            return Err(UnreadDate::Ambiguous(mark));
        }
        (1 | 2, 1 | 2) => return Err(UnreadDate::ShortYear(format!("d{mark}M{mark}yy"))),
        _ => return Err(UnreadDate::NotADate),
    };
    let small = |number: i16| i8::try_from(number).map_err(|_| UnreadDate::NotADate);
    let date = Date::new(year, small(month)?, small(day)?).map_err(|_| UnreadDate::NotADate)?;
    if part("hour").is_empty() {
        return Ok(date.to_datetime(Time::midnight()));
    }
    let hour = number("hour")?;
    let hour = match part("half") {
        "" => hour,
        _ if !(1..=12).contains(&hour) => return Err(UnreadDate::NotADate),
        "a" | "A" => hour % 12,
        _ => hour % 12 + 12,
    };
    let second = if part("second").is_empty() {
        0
    } else {
        number("second")?
    };
    let time = Time::new(small(hour)?, small(number("minute")?)?, small(second)?, 0);
    Ok(date.to_datetime(time.map_err(|_| UnreadDate::NotADate)?))
}

/// The serial number of a day in a spreadsheet (in the system that begins with 1900), with the part of the day that has
/// passed: `45662`, `45662.5625`. Only from 1927 to 2099: other numbers are hardly dates.
fn serial(text: &str) -> Option<DateTime> {
    let (days, part) = text.split_once('.').unwrap_or((text, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if days.len() != 5 || !is_digits(days) || !is_digits(part) {
        return None;
    }
    let days: i64 = days
        .parse()
        .ok()
        .filter(|days| (10_000..=73_050).contains(days))?;
    let part: f64 = format!("0.{part}").parse().ok()?;
    // Rounding to a second removes the noise of a time such as 0.562499999997.
    let seconds = days * 86_400 + (part * 86_400.0).round() as i64;
    let first = civil::date(1899, 12, 30).to_datetime(Time::midnight());
    first.checked_add(SignedDuration::from_secs(seconds)).ok()
}

fn month_name(text: &str) -> Result<DateTime, UnreadDate> {
    const FORMATS: [(&str, &str); 8] = [
        ("%d-%b-%Y", "d-MMM-yy"),
        ("%d %b %Y", "d MMM yy"),
        ("%d %B %Y", "d MMMM yy"),
        ("%b %d, %Y", "MMM d, yy"),
        ("%B %d, %Y", "MMMM d, yy"),
        ("%A, %d %B %Y", "EEEE, d MMMM yy"),
        ("%A, %B %d, %Y", "EEEE, MMMM d, yy"),
        ("%a, %d %b %Y", "E, d MMM yy"),
    ];
    let text = text.replace(['\u{a0}', '\u{202f}'], " ");
    for (format, short) in FORMATS {
        let read = BrokenDownTime::parse(format, &text);
        if let Some(date) = read.ok().and_then(|read| read.to_date().ok()) {
            return match date.year() < 1000 {
                true => Err(UnreadDate::ShortYear(short.to_owned())),
                false => Ok(date.to_datetime(Time::midnight())),
            };
        }
    }
    Err(UnreadDate::NotADate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_with_one_meaning_are_read() {
        for (text, expected) in [
            ("05.01.2026", "2026-01-05T00:00:00"),
            ("5.1.2026", "2026-01-05T00:00:00"),
            ("5. 1. 2026", "2026-01-05T00:00:00"),
            ("31.12.2026", "2026-12-31T00:00:00"),
            ("2026. 01. 05.", "2026-01-05T00:00:00"),
            ("2026/01/05", "2026-01-05T00:00:00"),
            ("2026-1-5", "2026-01-05T00:00:00"),
            ("2026-01-05 9:30", "2026-01-05T09:30:00"),
            ("05.01.2026 13:30", "2026-01-05T13:30:00"),
            ("05.01.2026 13:30:15", "2026-01-05T13:30:15"),
            ("13/1/2026", "2026-01-13T00:00:00"),
            ("1/13/2026", "2026-01-13T00:00:00"),
            ("1/13/2026 1:30 PM", "2026-01-13T13:30:00"),
            ("1/13/2026 12:05 am", "2026-01-13T00:05:00"),
            ("5/5/2026", "2026-05-05T00:00:00"),
            ("13-01-2026", "2026-01-13T00:00:00"),
            ("5-Jan-2026", "2026-01-05T00:00:00"),
            ("5 January 2026", "2026-01-05T00:00:00"),
            ("January 5, 2026", "2026-01-05T00:00:00"),
            ("Jan 5, 2026", "2026-01-05T00:00:00"),
            ("Monday, January 5, 2026", "2026-01-05T00:00:00"),
            ("45662", "2025-01-05T00:00:00"),
            ("46027", "2026-01-05T00:00:00"),
            ("46027.5625", "2026-01-05T13:30:00"),
            ("46027.562499999997", "2026-01-05T13:30:00"),
            ("46027.999999", "2026-01-06T00:00:00"),
        ] {
            assert_eq!(
                unambiguous(text).map(|date| date.to_string()).as_deref(),
                Ok(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn no_date_is_guessed() {
        let short = |input: &str| UnreadDate::ShortYear(input.to_owned());
        for (text, unread) in [
            ("", UnreadDate::Empty),
            ("5/1/2026", UnreadDate::Ambiguous('/')),
            ("05-01-2026", UnreadDate::Ambiguous('-')),
            ("5/1/26", short("d/M/yy")),
            ("05.01.26", short("d.M.yy")),
            ("5-Jan-26", short("d-MMM-yy")),
            ("31.02.2026", UnreadDate::NotADate),
            ("13/13/2026", UnreadDate::NotADate),
            ("0/5/2026", UnreadDate::NotADate),
            ("2026/13/01", UnreadDate::NotADate),
            ("5.1/2026", UnreadDate::NotADate),
            ("05.01.2026 25:00", UnreadDate::NotADate),
            ("1/13/2026 13:00 PM", UnreadDate::NotADate),
            ("Tuesday, January 5, 2026", UnreadDate::NotADate),
            ("02110", UnreadDate::NotADate),
            ("99999", UnreadDate::NotADate),
            ("4566", UnreadDate::NotADate),
            ("1782720453", UnreadDate::NotADate),
            ("soon", UnreadDate::NotADate),
            ("1.5", UnreadDate::NotADate),
        ] {
            assert_eq!(unambiguous(text), Err(unread), "{text}");
        }
    }

    #[test]
    fn input_says_how_a_date_is_written() {
        let of = |text: &str, input: &str| by_input(text, input).map(|date| date.to_string());
        for (text, input, expected) in [
            ("5/1/2026", "d/M/y", "2026-01-05T00:00:00"),
            ("5/1/2026", "M/d/y", "2026-05-01T00:00:00"),
            ("05/01/2026", "dd/MM/yyyy", "2026-01-05T00:00:00"),
            ("5/1/26", "d/M/yy", "2026-01-05T00:00:00"),
            ("5/1/69", "d/M/yy", "1969-01-05T00:00:00"),
            ("5-Jan-26", "d-MMM-yy", "2026-01-05T00:00:00"),
            ("5/1/2026 1:30 PM", "M/d/y h:mm a", "2026-05-01T13:30:00"),
            ("20260105", "%Y%m%d", "2026-01-05T00:00:00"),
        ] {
            assert_eq!(of(text, input).as_deref(), Ok(expected), "{text} {input}");
        }
        assert_eq!(
            of("13/1/2026", "M/d/y"),
            Err(UnreadDate::OtherInput("M/d/y".to_owned()))
        );
        assert_eq!(
            of("2026-01-05", "d/M/y"),
            Err(UnreadDate::OtherInput("d/M/y".to_owned()))
        );
        assert_eq!(
            of("5/1/26", "d/M/y"),
            Err(UnreadDate::ShortYear("d/M/yy".to_owned()))
        );
        assert_eq!(
            of("5/1/2026", "d/m/q"),
            Err(UnreadDate::InvalidInput("d/m/q".to_owned(), 'q'))
        );
        assert_eq!(
            of("5/1/2026", "dd/mm/yyyy"),
            Err(UnreadDate::NoMonth("dd/mm/yyyy".to_owned()))
        );
        for input in ["M/d/y h:mm", "%m/%d/%Y %I:%M"] {
            assert_eq!(
                of("5/1/2026 1:30", input),
                Err(UnreadDate::NoHalf(input.to_owned()))
            );
        }
        assert_eq!(of(" ", "d/M/y"), Err(UnreadDate::Empty));
    }
}
