//! Numbers and dates as a sheet shows them, by the format of their cell (ECMA-376, 18.8.30 and 18.8.31).
//!
//! Three things are not as the sheet shows them, because a workbook doesn't say how: decimal and thousands
//! separators are those of English, a date in the computer's own format is written as `2026-01-05`, and
//! so is one with names in a language that is not in `language`.

mod number_code;

use jiff::civil::{Date, DateTime};
use number_code::NumberCode;

/// Numbers with more digits have lost some.
const MAX_DIGITS: usize = 15;
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
        code.map_or(CellFormat::General, |code| {
            number_code::cell_format(code, self.is_1904)
        })
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
            Some(CellFormat::Code(code)) => code.text(text),
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
mod tests;
