//! Sizes of text.

use super::super::style::{Piece, number, pieces};
use crate::render::is_marked;

/// A size in CSS pixels; `around` is that of the text around it.
pub(super) fn size(value: &str, around: Option<f32>) -> Option<f32> {
    let word = match value {
        "xx-small" => 9.0,
        "x-small" => 10.0,
        "small" => 13.0,
        "medium" => 16.0,
        "large" => 18.0,
        "x-large" => 24.0,
        "xx-large" => 32.0,
        _ => 0.0,
    };
    if word > 0.0 {
        return Some(word);
    }
    let number = number(value).filter(|_| !is_marked(value))?;
    if value.ends_with('%') {
        return around.map(|around| around * number);
    }
    match pieces(value).into_iter().next() {
        Some(Piece::Unit(unit)) => match unit.as_str() {
            "px" => Some(number),
            "pt" => Some(number * 4.0 / 3.0),
            "em" => around.map(|around| around * number),
            "rem" => Some(number * 16.0),
            _ => None,
        },
        None if number == 0.0 => Some(0.0),
        _ => None,
    }
}

/// The size in a `font`: the first that is one.
pub(super) fn size_in_font(value: &str, around: Option<f32>) -> Option<f32> {
    let mut words = value.split_whitespace();
    words.find_map(|word| {
        let word = word.split('/').next().unwrap_or_default();
        size(word, around).filter(|it| *it > 0.0)
    })
}

/// That of `<font size>` (HTML 15.3.4).
pub(super) fn old_size(value: &str) -> Option<f32> {
    match value.trim() {
        "1" => Some(10.0),
        "2" => Some(13.0),
        "3" => Some(16.0),
        "4" => Some(18.0),
        "5" => Some(24.0),
        "6" => Some(32.0),
        "7" => Some(48.0),
        _ => None,
    }
}
