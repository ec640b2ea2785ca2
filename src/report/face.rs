//! How things are shown: bars on a terminal, lines elsewhere; numbers, times, and text from data.

use std::borrow::Cow;
use std::time::Duration;

/// How progress is shown, on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// Bars, on a terminal.
    Bars,
    /// A line now and then.
    Lines,
    /// Events in the log.
    Log,
    /// Not at all.
    Quiet,
}

/// A number with its thousands apart: `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// So many of a thing: `1 row`, `2,000 rows`.
pub fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(number), s(number))
}

/// What the noun after a number ends with.
pub fn s(number: u64) -> &'static str {
    if number == 1 { "" } else { "s" }
}

/// The verb after [`counted`].
pub fn are(number: u64) -> &'static str {
    if number == 1 { "is" } else { "are" }
}

/// A length of time for people, rounded to its two greatest units: `2h 5m`.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs() + u64::from(time.subsec_millis() >= 500);
    let units = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let Some(first) = units.iter().position(|(_, length)| seconds >= *length) else {
        return if time.is_zero() {
            "0s".to_owned()
        } else {
            "under a second".to_owned()
        };
    };
    let mut left = seconds;
    let mut words = Vec::new();
    for (unit, length) in units.iter().skip(first).take(2) {
        if left / length > 0 {
            words.push(format!("{}{unit}", left / length));
        }
        left %= length;
    }
    words.join(" ")
}

/// Text from data as a terminal may show it: what would control the terminal is made visible.
pub fn printable(text: &str) -> Cow<'_, str> {
    let harmless = |c: char| matches!(c, '\n' | '\t') || !(c.is_control() || is_bidi_control(c));
    if text.chars().all(harmless) {
        return Cow::Borrowed(text);
    }
    let shown = text.chars().map(|c| match c {
        c if harmless(c) => c,
        '\u{7f}' => '␡',
        c if (c as u32) < 0x20 => char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}'),
        _ => '\u{fffd}',
    });
    Cow::Owned(shown.collect())
}

/// The same in a line of its own, so that nothing in it can pass for another line.
pub fn printable_line(text: &str) -> String {
    printable(&text.replace(['\n', '\t'], " ")).into_owned()
}

/// Characters that change the direction of what follows (Unicode UAX 9, explicit formatting).
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
