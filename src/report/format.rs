//! Numbers and durations, as users see them.

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
