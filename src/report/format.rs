//! Numbers, durations and text from data, as users see them.

use std::borrow::Cow;
use std::time::Duration;

use indicatif::HumanCount;

/// `1,234,567`
pub(crate) fn grouped(number: u64) -> String {
    HumanCount(number).to_string()
}

/// `1 row`, `2,000 rows`
pub(crate) fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(number), plural_s(number))
}

/// The ending of a noun after this number.
pub(crate) fn plural_s(number: u64) -> &'static str {
    if number == 1 { "" } else { "s" }
}

/// The verb after this number of things.
pub(crate) fn is_or_are(number: u64) -> &'static str {
    if number == 1 { "is" } else { "are" }
}

/// In the two largest units: `2h 5m`.
pub(crate) fn duration(time: Duration) -> String {
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

/// Text from data that a terminal can show: control characters are made visible.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
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

/// [`printable`] text in one line, so that it can't look like several.
pub(crate) fn printable_line(text: &str) -> String {
    printable(&text.replace(['\n', '\t'], " ")).into_owned()
}

/// Characters that change the direction of the text after them (Unicode UAX 9, explicit formatting).
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
