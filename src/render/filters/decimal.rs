//! Reads numbers as spreadsheets, databases and people write them. Text is never converted to a float.

use fixed_decimal::Decimal;
use tera::value::ValueKind;
use tera::{Kwargs, TeraResult, Value};

use super::arguments::{empty_cell, fault, quoted};

/// The most characters of a number.
const LONGEST: usize = 60;

#[derive(Debug, PartialEq, Eq)]
enum UnreadNumber {
    Empty,
    NotANumber,
    /// Digits are missing: `1,23E+09`.
    Scientific,
    /// The separator may group thousands or stand before the decimals: `1,234`.
    Ambiguous(char),
}

/// The number in a value. The argument `decimal` says which character stands before the decimals in a text.
pub(super) fn decimal(value: &Value, kwargs: &Kwargs) -> TeraResult<Decimal> {
    let mark = decimal_mark(kwargs)?;
    if let Some(text) = value.as_str() {
        return parse(text, mark).map_err(|unread| unread.error(text));
    }
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => Err(empty_cell()),
        ValueKind::F64 => from_float(value.as_f64().unwrap_or(f64::NAN)),
        _ if value.is_number() => {
            parse(&value.to_string(), Some('.')).map_err(|unread| unread.error(&value.to_string()))
        }
        _ => Err(fault(
            format!("this is not a number; its type is {}", value.name()),
            "use it for a number, or for a text that is one",
        )),
    }
}

fn decimal_mark(kwargs: &Kwargs) -> TeraResult<Option<char>> {
    match kwargs.get::<&str>("decimal")? {
        None => Ok(None),
        Some(".") => Ok(Some('.')),
        Some(",") => Ok(Some(',')),
        Some(other) => Err(fault(
            format!("decimal: {} is neither \".\" nor \",\"", quoted(other)),
            "name the character that stands before the decimals in the cells: decimal=\",\"",
        )),
    }
}

/// A float with 15 significant digits, as spreadsheets show it: 0.1 + 0.2 is 0.3.
fn from_float(float: f64) -> TeraResult<Decimal> {
    let rounded: f64 = format!("{float:.14e}").parse().unwrap_or(float);
    // `Display` of a float never has an exponent.
    Decimal::try_from_str(&rounded.to_string())
        .map_err(|_| fault(format!("{float} is not a number"), "check the calculation"))
}

impl UnreadNumber {
    fn error(&self, text: &str) -> tera::Error {
        let cell = quoted(text);
        match self {
            Self::Empty => empty_cell(),
            Self::NotANumber => fault(
                format!("{cell} is not a number"),
                "write digits, such as 1234.50 or 1 234,50, without a currency or a unit",
            ),
            Self::Scientific => fault(
                format!("{cell} is a rounded number in scientific notation"),
                "format the column as a number in the spreadsheet and export it again: digits are missing",
            ),
            Self::Ambiguous(mark) => {
                let group = if *mark == ',' { '.' } else { ',' };
                let whole: String = text.chars().filter(|c| c != mark).collect();
                let decimals = text.replace(*mark, ".");
                fault(
                    format!("{cell} may be {} or {}", whole.trim(), decimals.trim()),
                    format!(
                        "say which character stands before the decimals in the cells: decimal=\"{group}\" reads {}, decimal=\"{mark}\" reads {}",
                        whole.trim(),
                        decimals.trim()
                    ),
                )
            }
        }
    }
}

fn parse(text: &str, mark: Option<char>) -> Result<Decimal, UnreadNumber> {
    let number = plain(text.trim(), mark)?;
    let mut number = Decimal::try_from_str(&number).map_err(|_| UnreadNumber::NotANumber)?;
    number.absolute.trim_start();
    Ok(number)
}

/// The number with nothing but digits, `-` and `.`.
fn plain(text: &str, mark: Option<char>) -> Result<String, UnreadNumber> {
    if text.is_empty() {
        return Err(UnreadNumber::Empty);
    }
    let (sign, digits) = match text.strip_prefix(['-', '\u{2212}']) {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    if let Some(odd) = digits
        .chars()
        .find(|c| !c.is_ascii_digit() && separator(*c).is_none())
    {
        let is_scientific =
            matches!(odd, 'e' | 'E') && text.replace(',', ".").parse::<f64>().is_ok();
        return Err(if is_scientific {
            UnreadNumber::Scientific
        } else {
            UnreadNumber::NotANumber
        });
    }
    if digits.len() > LONGEST || !digits.ends_with(|c: char| c.is_ascii_digit()) {
        return Err(UnreadNumber::NotANumber);
    }
    let mark = match mark {
        Some(mark) => digits.contains(mark).then_some(mark),
        None => mark_of(digits)?,
    };
    let (whole, decimals) = match mark {
        Some(mark) => digits.split_once(mark).ok_or(UnreadNumber::NotANumber)?,
        None => (digits, ""),
    };
    if !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(UnreadNumber::NotANumber);
    }
    let whole = match (whole, mark) {
        ("", Some(_)) => "0".to_owned(),
        _ => ungrouped(whole).ok_or(UnreadNumber::NotANumber)?,
    };
    match decimals {
        "" => Ok(format!("{sign}{whole}")),
        _ => Ok(format!("{sign}{whole}.{decimals}")),
    }
}

/// The kind of a separator: different characters of one kind mean the same.
fn separator(c: char) -> Option<char> {
    match c {
        '.' | ',' => Some(c),
        ' ' | '\u{a0}' | '\u{202f}' | '\u{2009}' => Some(' '),
        '\'' | '\u{2019}' => Some('\''),
        _ => None,
    }
}

/// The character before the decimals, if there is only one way to read the number.
fn mark_of(digits: &str) -> Result<Option<char>, UnreadNumber> {
    let count = |mark: char| digits.matches(mark).count();
    let mark = match (count('.'), count(',')) {
        (0, 0) => return Ok(None),
        (1, 0) => '.',
        (0, 1) => ',',
        // Both: the last one stands before the decimals.
        (1.., 1..) => return Ok(digits.chars().rev().find(|c| matches!(c, '.' | ','))),
        // Several of one: they group.
        _ => return Ok(None),
    };
    let (whole, decimals) = digits.split_once(mark).unwrap_or((digits, ""));
    let may_group = decimals.len() == 3
        && (1..=3).contains(&whole.len())
        && !whole.starts_with('0')
        && whole.bytes().all(|byte| byte.is_ascii_digit());
    match may_group {
        true => Err(UnreadNumber::Ambiguous(mark)),
        false => Ok(Some(mark)),
    }
}

/// A whole number without separators, if these group its digits: by three, or as in 12,34,567.
fn ungrouped(whole: &str) -> Option<String> {
    let kinds: Vec<char> = whole.chars().filter_map(separator).collect();
    let Some(kind) = kinds.first() else {
        return (!whole.is_empty()).then(|| whole.to_owned());
    };
    let groups: Vec<&str> = whole.split(|c| separator(c).is_some()).collect();
    let (last, rest) = groups.split_last()?;
    let (first, middle) = rest.split_first()?;
    let is_right = kinds.iter().all(|other| other == kind)
        && last.len() == 3
        && (1..=3).contains(&first.len())
        && (middle.iter().all(|group| group.len() == 3)
            || *kind == ',' && first.len() < 3 && middle.iter().all(|group| group.len() == 2));
    is_right.then(|| groups.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, UnreadNumber> {
        parse(text, None).map(|number| number.to_string())
    }

    #[test]
    fn numbers_are_read_as_they_are_written() {
        for (text, number) in [
            ("34.3", "34.3"),
            ("34,3", "34.3"),
            (" 1 234,50 ", "1234.50"),
            ("1\u{a0}234,50", "1234.50"),
            ("1\u{202f}234\u{202f}567,5", "1234567.5"),
            ("1'234'567.50", "1234567.50"),
            ("1’234.50", "1234.50"),
            ("1.234,50", "1234.50"),
            ("1,234.50", "1234.50"),
            ("1,234.567", "1234.567"),
            ("1.234.567", "1234567"),
            ("1,234,567", "1234567"),
            ("12,34,567.89", "1234567.89"),
            ("1 234,567", "1234.567"),
            ("1234567.891", "1234567.891"),
            ("1234.567", "1234.567"),
            ("0.125", "0.125"),
            ("0,125", "0.125"),
            (".5", "0.5"),
            ("-7,25", "-7.25"),
            ("\u{2212}7", "-7"),
            ("+7", "7"),
            ("007", "7"),
            ("0", "0"),
            ("1.0000", "1.0000"),
            ("12345678901234567890123.45", "12345678901234567890123.45"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(number), "{text}");
        }
    }

    #[test]
    fn nothing_is_guessed() {
        for (text, unread) in [
            ("", UnreadNumber::Empty),
            (" ", UnreadNumber::Empty),
            ("1,234", UnreadNumber::Ambiguous(',')),
            ("1.234", UnreadNumber::Ambiguous('.')),
            ("-12.345", UnreadNumber::Ambiguous('.')),
            ("999,999", UnreadNumber::Ambiguous(',')),
            ("1,23E+09", UnreadNumber::Scientific),
            ("1e5", UnreadNumber::Scientific),
            ("abc", UnreadNumber::NotANumber),
            ("12 zł", UnreadNumber::NotANumber),
            ("$34.30", UnreadNumber::NotANumber),
            ("5 %", UnreadNumber::NotANumber),
            ("1 2", UnreadNumber::NotANumber),
            ("1,2,3", UnreadNumber::NotANumber),
            ("1.234.56", UnreadNumber::NotANumber),
            ("12,34.50", UnreadNumber::NotANumber),
            ("1.5,2.5", UnreadNumber::NotANumber),
            ("1 234.567 890", UnreadNumber::NotANumber),
            ("1'234 567", UnreadNumber::NotANumber),
            ("5.", UnreadNumber::NotANumber),
            ("-", UnreadNumber::NotANumber),
            ("--5", UnreadNumber::NotANumber),
            ("- 5", UnreadNumber::NotANumber),
            (".", UnreadNumber::NotANumber),
            ("1234,567,890", UnreadNumber::NotANumber),
            ("２３", UnreadNumber::NotANumber),
            ("#N/A", UnreadNumber::NotANumber),
            ("2026-01-05", UnreadNumber::NotANumber),
        ] {
            assert_eq!(read(text), Err(unread), "{text}");
        }
        assert_eq!(read(&"9".repeat(61)), Err(UnreadNumber::NotANumber));
    }

    #[test]
    fn the_campaign_can_say_how_numbers_are_written() {
        let of = |text: &str, mark| parse(text, Some(mark)).map(|number| number.to_string());
        assert_eq!(of("1,234", ',').as_deref(), Ok("1.234"));
        assert_eq!(of("1,234", '.').as_deref(), Ok("1234"));
        assert_eq!(of("1.234", ',').as_deref(), Ok("1234"));
        assert_eq!(of("1.234", '.').as_deref(), Ok("1.234"));
        assert_eq!(of("34,3", '.'), Err(UnreadNumber::NotANumber));
        assert_eq!(of("1,234,5", ','), Err(UnreadNumber::NotANumber));
        assert_eq!(of("1234", ',').as_deref(), Ok("1234"));
    }

    #[test]
    fn floats_have_no_noise() {
        for (float, number) in [
            (0.1 + 0.2, "0.3"),
            (34.3 * 3.0, "102.9"),
            (1.005, "1.005"),
            (-0.0, "-0"),
            (1e21, "1000000000000000000000"),
            (1234567.891, "1234567.891"),
        ] {
            assert_eq!(from_float(float).expect("a number").to_string(), number);
        }
        assert!(from_float(f64::NAN).is_err());
        assert!(from_float(f64::INFINITY).is_err());
    }
}
