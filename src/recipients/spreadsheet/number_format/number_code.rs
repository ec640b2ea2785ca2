//! The code of a format, such as `#,##0.00`.

use ssfmt::ast::{DatePart, FormatPart, Section};
use ssfmt::{FormatOptions, NumberFormat};

use super::{CellFormat, MAX_DAY, general};
use crate::recipients::spreadsheet::language;

/// From here on, `ssfmt` writes other digits than those of the number.
const MAX_NUMBER: f64 = 1e16;
/// Stands for a `/` that is text, which `ssfmt` would take for the line of a fraction.
const SLASH: char = '\u{e000}';
/// From here on, `ssfmt` writes other denominators.
const MAX_FRACTION: f64 = 2_147_483_648.0;
/// The days from the first day of 1900 to that of 1904, as Excel counts them.
const DAYS_TO_1904: f64 = 1462.0;

pub(super) struct NumberCode {
    format: NumberFormat,
    options: FormatOptions,
    /// How many days after that of 1900 the first day of the workbook is, for a format with a day.
    days_before: f64,
    /// Whether the sections for positive numbers, negative ones and zero show nothing.
    shows_nothing: [bool; 3],
    /// It has a date or a time.
    is_date: bool,
    /// It has a date or a time without fractions of seconds.
    in_seconds: bool,
    /// It rounds numbers to some decimals, and has no conditions.
    is_decimal: bool,
    /// It shows whole thousands or millions, such as `#,##0,`.
    is_scaled: bool,
}

/// The format with a code.
pub(super) fn cell_format(code: &str, is_1904: bool) -> CellFormat {
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
    let readable = readable(code);
    let separator = language::date_separator(&readable);
    let Ok(format) = NumberFormat::parse(separator.as_deref().unwrap_or(&readable)) else {
        return CellFormat::General;
    };
    let mut options = FormatOptions::default();
    if has_names(&format)
        && let Some(language) = language_of(&format)
    {
        match language::names(language) {
            Some(locale) => options.locale = locale,
            None => return CellFormat::OwnDate,
        }
    }
    let is_day = format.is_date_format() && !has_part(&format, is_elapsed);
    CellFormat::Code(Box::new(NumberCode {
        shows_nothing: shows_nothing(code),
        days_before: if is_1904 && is_day { DAYS_TO_1904 } else { 0.0 },
        is_date: format.is_date_format(),
        in_seconds: in_seconds(&format),
        is_decimal: is_decimal(&format),
        is_scaled: is_scaled(&format),
        format,
        options,
    }))
}

impl NumberCode {
    /// A number in a cell with this format.
    pub(super) fn show(&self, value: f64) -> String {
        // White space of a format is the width of other characters.
        self.formatted(value).trim().replace(SLASH, "/")
    }

    fn formatted(&self, value: f64) -> String {
        let section = match value {
            value if value > 0.0 => 0,
            value if value < 0.0 => 1,
            _ => 2,
        };
        if self.shows_nothing[section] {
            return String::new();
        }
        let section_of_value = self.section(value);
        let parts = &section_of_value.parts;
        if parts.is_empty() || parts.contains(&FormatPart::GeneralNumber) {
            return self.general(parts, value);
        }
        let mantissa = Mantissa::of(section_of_value);
        let value = value + self.days_before;
        // Excel shows `####` for a time before its first day or after its last one.
        let is_shown = match self.is_date {
            true => (self.days_before..=MAX_DAY).contains(&value),
            false if parts.iter().any(is_fraction) => value.abs() < MAX_FRACTION,
            false => mantissa.is_some() || value.abs() < MAX_NUMBER,
        };
        if !is_shown {
            return general(value - self.days_before);
        }
        if let Some(mantissa) = mantissa {
            let value = mantissa.rounded(value);
            let text = self.format.try_format(value, &self.options);
            return text.unwrap_or_else(|_| general(value));
        }
        // Rounded to seconds, perhaps to the next day.
        let value = match self.in_seconds {
            true => (value * 86_400.0).round() / 86_400.0,
            false if self.is_decimal && (self.is_scaled || value.fract() != 0.0) => half_up(value),
            false => value,
        };
        let text = self.format.try_format(value, &self.options);
        text.unwrap_or_else(|_| general(value - self.days_before))
    }

    /// A text in a cell with this format; `None` if it is shown as it is.
    pub(super) fn text(&self, text: &str) -> Option<String> {
        let sections = self.format.sections();
        let section = match sections.len() {
            4.. => &sections[3],
            _ => sections.last().filter(|it| it.has_text_placeholder())?,
        };
        let parts = section.parts.iter().map(|part| match part {
            FormatPart::TextPlaceholder => text.to_owned(),
            FormatPart::Literal(literal) | FormatPart::EscapedLiteral(literal) => {
                literal.replace(SLASH, "/")
            }
            _ => String::new(),
        });
        Some(parts.collect())
    }

    /// The section for a number.
    fn section(&self, value: f64) -> &Section {
        let sections = self.format.sections();
        let matches = |section: &&Section| {
            let condition = section.condition.as_ref();
            condition.is_none_or(|condition| condition.evaluate(value))
        };
        let by_sign = match sections.len() {
            2 if value < 0.0 => 1,
            3.. if value < 0.0 => 1,
            3.. if value == 0.0 => 2,
            _ => 0,
        };
        let section = match self.format.has_condition() {
            true => sections.iter().find(matches).or(sections.last()),
            false => sections.get(by_sign),
        };
        // A format has a section.
        section.unwrap_or(&sections[0])
    }

    /// A number in a section that shows it without a format, such as `General" kg"`.
    fn general(&self, parts: &[FormatPart], value: f64) -> String {
        // A section for negative numbers has a sign of its own.
        let has_own_sign = self.format.sections().len() > 1 && !self.format.has_condition();
        let mut text = match value < 0.0 && !has_own_sign {
            true => "-".to_owned(),
            false => String::new(),
        };
        let number = general(value.abs());
        if parts.is_empty() {
            text.push_str(&number);
        }
        for part in parts {
            match part {
                FormatPart::GeneralNumber => text.push_str(&number),
                FormatPart::Literal(literal) | FormatPart::EscapedLiteral(literal) => {
                    text.push_str(literal);
                }
                FormatPart::Locale(locale) => {
                    text.push_str(locale.currency.as_deref().unwrap_or_default());
                }
                FormatPart::Percent => text.push('%'),
                FormatPart::Skip(_) => text.push(' '),
                _ => {}
            }
        }
        text
    }
}

/// How many digits the mantissa of a format with an exponent has.
struct Mantissa {
    whole: usize,
    decimals: usize,
}

impl Mantissa {
    fn of(section: &Section) -> Option<Self> {
        let is_exponent = |part: &FormatPart| matches!(part, FormatPart::Scientific { .. });
        let end = section.parts.iter().position(is_exponent)?;
        let parts = &section.parts[..end];
        let is_point = |part: &FormatPart| matches!(part, FormatPart::DecimalPoint);
        let point = parts.iter().position(is_point).unwrap_or(end);
        let digits = |parts: &[FormatPart]| {
            let digits = parts.iter();
            let digits = digits.filter(|part| matches!(part, FormatPart::Digit(_)));
            digits.count()
        };
        Some(Self {
            whole: digits(&parts[..point]).max(1),
            decimals: digits(&parts[point..]),
        })
    }

    /// The number with the digits that are shown: `ssfmt` would show 0.9999999 as 10.00E-01.
    fn rounded(&self, value: f64) -> f64 {
        if value == 0.0 {
            return value;
        }
        let exponent = value.abs().log10().floor() as i64;
        // The exponent that is shown is a multiple of `whole`.
        let before_point = exponent.rem_euclid(self.whole as i64) as usize;
        let digits = before_point + self.decimals;
        let rounded = format!("{:.digits$e}", half_up(value));
        rounded.parse().unwrap_or(value)
    }
}

/// A decimal such as 1.005 is stored as a number that is a little smaller, but is rounded to 1.01.
fn half_up(value: f64) -> f64 {
    value * (1.0 + 4.0 * f64::EPSILON)
}

/// The code as `ssfmt` reads it without a mistake. A section that ends with `General` goes on after it: the number in
/// `"No. "General` would be lost.
fn readable(code: &str) -> String {
    let mut sections = sections(code);
    for section in &mut sections {
        if section.to_lowercase().ends_with("general") {
            section.push_str("\"\"");
        }
    }
    sections.join(";")
}

/// The sections of a code that are empty, such as the third one of `0;-0;`. With conditions, numbers choose their
/// section otherwise.
fn shows_nothing(code: &str) -> [bool; 3] {
    let sections = sections(code);
    let is_empty = |index: usize| sections.get(index).is_some_and(String::is_empty);
    let has_condition = code.contains(['<', '>', '=']);
    match sections.len() {
        _ if has_condition => [false; 3],
        1 => [false; 3],
        2 => [is_empty(0), is_empty(1), is_empty(0)],
        _ => [is_empty(0), is_empty(1), is_empty(2)],
    }
}

/// The sections of a code, which semicolons separate, with [`SLASH`] in texts.
fn sections(code: &str) -> Vec<String> {
    let (mut sections, mut characters) = (vec![String::new()], code.chars());
    let mut in_quotes = false;
    while let Some(mut character) = characters.next() {
        let mut escaped = None;
        match character {
            '"' => in_quotes = !in_quotes,
            '\\' if !in_quotes => escaped = characters.next(),
            '/' if in_quotes => character = SLASH,
            ';' if !in_quotes => {
                sections.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(section) = sections.last_mut() {
            section.push(character);
            section.extend(escaped.map(|c| if c == '/' { SLASH } else { c }));
        }
    }
    sections
}

fn has_part(format: &NumberFormat, is_it: impl Fn(&FormatPart) -> bool) -> bool {
    let mut parts = format.sections().iter().flat_map(|section| &section.parts);
    parts.any(is_it)
}

/// Such as `[h]`.
fn is_elapsed(part: &FormatPart) -> bool {
    matches!(part, FormatPart::Elapsed(_))
}

fn in_seconds(format: &NumberFormat) -> bool {
    let is_fraction =
        |part: &FormatPart| matches!(part, FormatPart::DatePart(DatePart::SubSecond(_)));
    let is_time = |part: &FormatPart| matches!(part, FormatPart::DatePart(_)) || is_elapsed(part);
    has_part(format, is_time) && !has_part(format, is_fraction)
}

fn is_fraction(part: &FormatPart) -> bool {
    matches!(part, FormatPart::Fraction { .. })
}

fn is_decimal(format: &NumberFormat) -> bool {
    let is_other = |part: &FormatPart| {
        part.is_date_part() || is_fraction(part) || matches!(part, FormatPart::Scientific { .. })
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
