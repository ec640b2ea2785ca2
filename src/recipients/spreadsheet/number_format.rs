//! Numbers and dates as a sheet shows them, by the format of their cell (ECMA-376, 18.8.30 and 18.8.31).
//!
//! Three things are not as the sheet shows them, because a workbook doesn't say how: decimal and thousands
//! separators are those of English, a date in the computer's own format is written as `2026-01-05`, and
//! so is one with names in a language that is not in [`language`](super::language).

use jiff::civil::{Date, DateTime};
use ssfmt::ast::{DatePart, FormatPart};
use ssfmt::{DateSystem, FormatOptions, NumberFormat};

use super::language;

/// Numbers with more digits have lost some.
const MAX_DIGITS: usize = 15;
/// From here on, `ssfmt` writes other digits than those of the number.
const MAX_NUMBER: f64 = 1e16;
/// The last day that Excel knows: 31 December 9999.
const MAX_DAY: f64 = 2_958_465.0;

/// The formats of a workbook, by the index of a cell's style.
pub(super) struct CellFormats {
    formats: Vec<CellFormat>,
    is_1904: bool,
}

enum CellFormat {
    General,
    /// In the computer's own format.
    OwnDate,
    OwnTime,
    OwnDateTime,
    Code(Box<NumberCode>),
}

struct NumberCode {
    format: NumberFormat,
    options: FormatOptions,
    /// Whether the sections for positive numbers, negative ones and zero show nothing.
    shows_nothing: [bool; 3],
    /// It has a date or a time.
    is_date: bool,
    /// It has a date or a time without fractions of seconds.
    in_seconds: bool,
    /// It has an exponent.
    is_scientific: bool,
    /// It rounds numbers to some decimals, and has no conditions.
    is_decimal: bool,
    /// It shows whole thousands or millions, such as `#,##0,`.
    is_scaled: bool,
}

impl CellFormats {
    pub(super) fn new(is_1904: bool) -> Self {
        Self {
            formats: Vec::new(),
            is_1904,
        }
    }

    /// Adds the format of the next style: its number, and its code if the workbook has one.
    pub(super) fn add(&mut self, id: u32, code: Option<&str>) {
        self.formats.push(self.format(id, code));
    }

    fn format(&self, id: u32, code: Option<&str>) -> CellFormat {
        match id {
            14 | 27..=31 | 36 | 50..=54 | 57 | 58 => return CellFormat::OwnDate,
            22 => return CellFormat::OwnDateTime,
            32..=35 | 55 | 56 => return CellFormat::OwnTime,
            _ => {}
        }
        let code = code.or_else(|| ssfmt::format_code_from_id(id).or_else(|| currency(id)));
        code.map_or(CellFormat::General, |code| self.of_code(code))
    }

    /// The format with a code.
    fn of_code(&self, code: &str) -> CellFormat {
        let lower = code.to_lowercase();
        if lower.contains("[$-f800]") || lower.contains("[$-x-sysdate]") {
            return CellFormat::OwnDate;
        }
        if lower.contains("[$-f400]") || lower.contains("[$-x-systime]") {
            return CellFormat::OwnTime;
        }
        if matches!(lower.as_str(), "" | "general" | "@" | "standard") {
            return CellFormat::General;
        }
        let separator = language::date_separator(code);
        let Ok(format) = NumberFormat::parse(separator.as_deref().unwrap_or(code)) else {
            return CellFormat::General;
        };
        let mut options = FormatOptions {
            date_system: match self.is_1904 {
                true => DateSystem::Date1904,
                false => DateSystem::Date1900,
            },
            ..FormatOptions::default()
        };
        if has_names(&format)
            && let Some(language) = language_of(&format)
        {
            match language::names(language) {
                Some(locale) => options.locale = locale,
                None => return CellFormat::OwnDate,
            }
        }
        CellFormat::Code(Box::new(NumberCode {
            shows_nothing: shows_nothing(code),
            is_date: format.is_date_format(),
            in_seconds: in_seconds(&format),
            is_scientific: has_part(&format, |part| {
                matches!(part, FormatPart::Scientific { .. })
            }),
            is_decimal: is_decimal(&format),
            is_scaled: is_scaled(&format),
            format,
            options,
        }))
    }

    /// A number in a cell with this style.
    pub(super) fn number(&self, style: usize, value: f64) -> String {
        let Some(format) = self.formats.get(style) else {
            return general(value);
        };
        match format {
            CellFormat::General => general(value),
            CellFormat::OwnDate => self.date(value).unwrap_or_else(|| general(value)),
            CellFormat::OwnTime => time(value).unwrap_or_else(|| general(value)),
            CellFormat::OwnDateTime => self.date_time(value).unwrap_or_else(|| general(value)),
            CellFormat::Code(code) => code.show(value),
        }
    }

    /// A text in a cell with this style.
    pub(super) fn text(&self, style: usize, text: &str) -> Option<String> {
        match self.formats.get(style) {
            Some(CellFormat::Code(code)) if code.format.sections().len() > 3 => {
                Some(code.format.format_text(text, &code.options))
            }
            Some(CellFormat::Code(code)) => {
                let last = code.format.sections().last();
                let last = last.filter(|section| section.has_text_placeholder())?;
                let parts = last.parts.iter().map(|part| match part {
                    FormatPart::TextPlaceholder => text,
                    FormatPart::Literal(literal) | FormatPart::EscapedLiteral(literal) => {
                        literal.as_str()
                    }
                    _ => "",
                });
                Some(parts.collect())
            }
            _ => None,
        }
    }

    /// A date that the cell has as text of ISO 8601.
    pub(super) fn iso_date(&self, style: usize, text: &str) -> Option<String> {
        let serial = self.serial(text)?;
        if self.is_general(style) {
            return match serial.fract() == 0.0 {
                true => self.date(serial),
                false => self.date_time(serial),
            };
        }
        Some(self.number(style, serial))
    }

    /// Whether numbers with this style are written as they are.
    pub(super) fn is_general(&self, style: usize) -> bool {
        matches!(self.formats.get(style), None | Some(CellFormat::General))
    }

    /// The serial number of a date as ISO 8601 writes it.
    fn serial(&self, text: &str) -> Option<f64> {
        let date: DateTime = text.trim_end_matches('Z').parse().ok()?;
        let days = date.date().since(self.epoch()).ok()?.get_days();
        let midnight = date.date().to_datetime(jiff::civil::Time::midnight());
        let seconds = date.duration_since(midnight).as_secs_f64();
        Some(f64::from(days) + seconds / 86_400.0)
    }

    fn epoch(&self) -> Date {
        match self.is_1904 {
            true => jiff::civil::date(1904, 1, 1),
            false => jiff::civil::date(1899, 12, 30),
        }
    }

    /// Excel counts 29 February 1900, a day that did not exist. Dates before it are a day later than they should be.
    fn date(&self, value: f64) -> Option<String> {
        let mut days = value.floor();
        if !(0.0..=MAX_DAY).contains(&days) {
            return None;
        }
        if !self.is_1904 && days < 60.0 {
            days += 1.0;
        }
        let date = self
            .epoch()
            .checked_add(jiff::Span::new().days(days as i64));
        Some(date.ok()?.to_string())
    }

    fn date_time(&self, value: f64) -> Option<String> {
        // Seconds are rounded, perhaps to the next day.
        let rounded = (value * 86_400.0).round() / 86_400.0;
        let (date, time) = (self.date(rounded)?, time(rounded)?);
        Some(format!("{date} {time}"))
    }
}

fn time(value: f64) -> Option<String> {
    let seconds = (value.rem_euclid(1.0) * 86_400.0).round() as u32 % 86_400;
    let (minutes, second) = (seconds / 60, seconds % 60);
    let time = format!("{:02}:{:02}", minutes / 60, minutes % 60);
    (value >= 0.0).then(|| match second {
        0 => time,
        second => format!("{time}:{second:02}"),
    })
}

/// The formats of currencies in English, if a workbook has them without their code.
fn currency(id: u32) -> Option<&'static str> {
    match id {
        5 | 6 => Some("\"$\"#,##0;\\-\"$\"#,##0"),
        7 | 8 | 44 => Some("\"$\"#,##0.00;\\-\"$\"#,##0.00"),
        41 => Some("#,##0"),
        42 => Some("\"$\"#,##0"),
        43 => Some("#,##0.00"),
        _ => None,
    }
}

impl NumberCode {
    fn show(&self, value: f64) -> String {
        let section = match value {
            value if value > 0.0 => 0,
            value if value < 0.0 => 1,
            _ => 2,
        };
        if self.shows_nothing[section] {
            return String::new();
        }
        // Excel shows `####` for a time before its first day or after its last one.
        let is_shown = match self.is_date {
            true => (0.0..=MAX_DAY).contains(&value),
            false => self.is_scientific || value.abs() < MAX_NUMBER,
        };
        if !is_shown {
            return general(value);
        }
        // Rounded to seconds, perhaps to the next day.
        let value = match self.in_seconds {
            true => (value * 86_400.0).round() / 86_400.0,
            // A decimal such as 1.005 is stored as a number that is a little smaller, but is rounded to 1.01.
            false if self.is_decimal && (self.is_scaled || value.fract() != 0.0) => {
                value * (1.0 + 4.0 * f64::EPSILON)
            }
            false => value,
        };
        match self.format.try_format(value, &self.options) {
            // White space of a format is the width of other characters.
            Ok(text) => text.trim().to_owned(),
            Err(_) => general(value),
        }
    }
}

/// The sections of a code that are empty, such as the third one of `0;-0;`. With conditions, numbers choose their
/// section otherwise.
fn shows_nothing(code: &str) -> [bool; 3] {
    let (mut sections, mut characters) = (vec![String::new()], code.chars());
    let mut in_quotes = false;
    while let Some(character) = characters.next() {
        match character {
            '"' => in_quotes = !in_quotes,
            '\\' if !in_quotes => {
                characters.next();
            }
            ';' if !in_quotes => {
                sections.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(section) = sections.last_mut() {
            section.push(character);
        }
    }
    let is_empty = |index: usize| sections.get(index).is_some_and(String::is_empty);
    let has_condition = code.contains(['<', '>', '=']);
    match sections.len() {
        _ if has_condition => [false; 3],
        1 => [false; 3],
        2 => [is_empty(0), is_empty(1), is_empty(0)],
        _ => [is_empty(0), is_empty(1), is_empty(2)],
    }
}

fn has_part(format: &NumberFormat, is_it: impl Fn(&FormatPart) -> bool) -> bool {
    let mut parts = format.sections().iter().flat_map(|section| &section.parts);
    parts.any(is_it)
}

fn in_seconds(format: &NumberFormat) -> bool {
    let is_fraction =
        |part: &FormatPart| matches!(part, FormatPart::DatePart(DatePart::SubSecond(_)));
    let is_time =
        |part: &FormatPart| matches!(part, FormatPart::DatePart(_) | FormatPart::Elapsed(_));
    has_part(format, is_time) && !has_part(format, is_fraction)
}

fn is_decimal(format: &NumberFormat) -> bool {
    let is_other = |part: &FormatPart| {
        part.is_date_part()
            || matches!(
                part,
                FormatPart::Fraction { .. } | FormatPart::Scientific { .. }
            )
    };
    !format.has_condition() && !has_part(format, is_other)
}

/// Whether a section has a comma after its last digit.
fn is_scaled(format: &NumberFormat) -> bool {
    format.sections().iter().any(|section| {
        let mut parts = section.parts.iter().rev();
        let last = parts
            .find(|part| matches!(part, FormatPart::Digit(_) | FormatPart::ThousandsSeparator));
        matches!(last, Some(FormatPart::ThousandsSeparator))
    })
}

fn has_names(format: &NumberFormat) -> bool {
    use DatePart::{DayAbbr, DayFull, MonthAbbr, MonthFull, MonthLetter};
    let parts = format.sections().iter().flat_map(|section| &section.parts);
    let mut parts = parts.filter_map(|part| match part {
        FormatPart::DatePart(part) => Some(part),
        _ => None,
    });
    parts.any(|part| {
        matches!(
            part,
            DayAbbr | DayFull | MonthAbbr | MonthFull | MonthLetter
        )
    })
}

/// The language that the code of a format names, as a Windows LCID.
fn language_of(format: &NumberFormat) -> Option<u32> {
    let parts = format.sections().iter().flat_map(|section| &section.parts);
    let mut lcids = parts.filter_map(|part| match part {
        FormatPart::Locale(locale) => locale.lcid,
        _ => None,
    });
    lcids.find(|lcid| *lcid != 0)
}

/// A number as a wide enough cell without a format shows it: all digits of a whole number, and about ten digits of any
/// other.
pub(super) fn general(value: f64) -> String {
    let size = value.abs();
    if value.fract() == 0.0 && size < 1e15 {
        return format!("{}", value as i64);
    }
    if (1e9..1e15).contains(&size) {
        let whole = format!("{:.0}", size.trunc()).len();
        let text = format!("{value:.*}", MAX_DIGITS.saturating_sub(whole));
        return match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => text,
        };
    }
    ssfmt::format_default(value, "General").unwrap_or_else(|_| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(code: &str, value: f64) -> String {
        let mut formats = CellFormats::new(false);
        formats.add(164, Some(code));
        formats.number(0, value)
    }

    #[test]
    fn numbers_without_a_format() {
        for (value, text) in [
            (100_000.0, "100000"),
            (5_901_234_123_457.0, "5901234123457"),
            (0.1 + 0.2, "0.3"),
            (7.000_000_000_000_001, "7"),
            (1234.5, "1234.5"),
            (-0.25, "-0.25"),
            (1.0 / 3.0, "0.333333333"),
            (12_345_678_901.25, "12345678901.25"),
            (1e15, "1E+15"),
            (1.5e-10, "1.5E-10"),
            (-0.0, "0"),
        ] {
            assert_eq!(general(value), text, "{value}");
        }
    }

    #[test]
    fn numbers_by_their_format() {
        for (code, value, text) in [
            ("00000", 950.0, "00950"),
            ("00-000", 950.0, "00-950"),
            ("0.00", 34.3, "34.30"),
            ("#,##0.00", 1234.5, "1,234.50"),
            ("0%", 0.23, "23%"),
            ("#,##0.00\\ \"zł\"", 1234.5, "1,234.50 zł"),
            ("#,##0.00\\ [$€-407]", -3.0, "-3.00 €"),
            (
                "_-* #,##0.00\\ \"zł\"_-;\\-* #,##0.00\\ \"zł\"_-",
                12.0,
                "12.00 zł",
            ),
            ("0.00E+00", 12_345.0, "1.23E+04"),
            ("[>=1000000000]000\\-000\\-000;General", 48.0, "48"),
            ("yyyy\\-mm\\-dd;@", 46_027.0, "2026-01-05"),
            ("dd.mm.yyyy", 46_027.0, "05.01.2026"),
            ("d/m/yyyy\\ h:mm", 46_027.5, "5/1/2026 12:00"),
            ("[h]:mm", 1.25, "30:00"),
            (
                "yyyy-mm-dd hh:mm:ss",
                46_027.999_999_9,
                "2026-01-06 00:00:00",
            ),
            ("0.00", 1.005, "1.01"),
            ("0.00", 0.285, "0.29"),
            ("0%", 0.285, "29%"),
            ("0.00", -1_234_567.005, "-1234567.01"),
            ("0.00", 0.284_999_999, "0.28"),
            ("#,##0", 5_901_234_123_457.0, "5,901,234,123,457"),
            ("#,##0,", 123_456_789.0, "123,457"),
            ("#,##0,", 400.0, "0"),
            ("0", 1.140_2e25, "1.1402E+25"),
            ("0.00E+00", 1e20, "1.00E+20"),
            ("dd.mm.yyyy", -1.0, "-1"),
            ("[h]:mm", -0.5, "-0.5"),
            (";;;", 5.0, ""),
            ("0;-0;;@", 0.0, ""),
            ("0;-0;;@", 7.0, "7"),
            ("[$-407]d/\\ mmmm\\ yyyy;@", 46_027.0, "5. Januar 2026"),
            ("dd/mm/yyyy", 46_027.0, "05/01/2026"),
            ("[$-415]d\\ mmmm\\ yyyy", 46_027.0, "5 stycznia 2026"),
            ("[$-409]d\\-mmm\\-yy", 46_027.0, "5-Jan-26"),
            ("[$-419]d\\ mmmm\\ yyyy", 46_027.0, "2026-01-05"),
            (
                "[$-F800]dddd\\,\\ mmmm\\ dd\\,\\ yyyy",
                46_027.0,
                "2026-01-05",
            ),
        ] {
            assert_eq!(shown(code, value), text, "{code}");
        }
    }

    #[test]
    fn texts_by_their_format() {
        for (code, text) in [
            ("\"Mr. \"@", Some("Mr. Bob")),
            ("dd.mm.yyyy;@", Some("Bob")),
            ("0;-0;0;@\" B.\"", Some("Bob B.")),
            ("0.00", None),
            ("@", None),
        ] {
            let mut formats = CellFormats::new(false);
            formats.add(164, Some(code));
            assert_eq!(formats.text(0, "Bob").as_deref(), text, "{code}");
        }
    }

    #[test]
    fn dates_in_the_computers_own_format() {
        let mut formats = CellFormats::new(false);
        formats.add(14, None);
        formats.add(22, None);
        assert_eq!(formats.number(0, 46_027.0), "2026-01-05");
        assert_eq!(formats.number(0, 1.0), "1900-01-01");
        assert_eq!(formats.number(0, 61.0), "1900-03-01");
        assert_eq!(formats.number(1, 46_027.75), "2026-01-05 18:00");
        assert_eq!(formats.number(1, 46_027.999_999_9), "2026-01-06 00:00");
        let mut formats = CellFormats::new(true);
        formats.add(14, None);
        assert_eq!(formats.number(0, 44_565.0), "2026-01-05");
        assert_eq!(formats.serial("2026-01-05T06:00:00"), Some(44_565.25));
    }
}
