//! Font sizes in CSS pixels.

use super::super::css::{Component, components, leading_number};
use super::super::marks::is_marked;

/// Computes a `font-size`, given that of the parent.
pub(super) fn font_size(value: &str, parent: Option<f32>) -> Option<f32> {
    let keyword = match value {
        "inherit" => return parent,
        "larger" => return parent.map(|size| size * 1.2),
        "smaller" => return parent.map(|size| size / 1.2),
        "xx-small" => Some(9.0),
        "x-small" => Some(10.0),
        "small" => Some(13.0),
        "medium" => Some(16.0),
        "large" => Some(18.0),
        "x-large" => Some(24.0),
        "xx-large" => Some(32.0),
        _ => None,
    };
    if keyword.is_some() {
        return keyword;
    }
    let number = leading_number(value).filter(|_| !is_marked(value))?;
    let of_parent = parent.map(|parent| parent * number);
    if value.ends_with('%') {
        return of_parent;
    }
    match components(value).first() {
        Some(Component::Unit(unit)) => match unit.as_str() {
            "px" => Some(number),
            "pt" => Some(number * 4.0 / 3.0),
            "em" => of_parent,
            "rem" => Some(number * 16.0),
            _ => None,
        },
        None if number == 0.0 => Some(0.0),
        _ => None,
    }
}

/// The font size in a value of `font`: the first size in it.
pub(super) fn size_in_font(value: &str, parent: Option<f32>) -> Option<f32> {
    let mut words = value.split_whitespace();
    words.find_map(|word| {
        let word = word.split('/').next().unwrap_or_default();
        font_size(word, parent)
    })
}

/// The size that `<font size>` means (HTML 15.3.4).
pub(super) fn size_of_font_element(value: &str) -> Option<f32> {
    let sizes = [10.0, 13.0, 16.0, 18.0, 24.0, 32.0, 48.0];
    match value.trim().as_bytes() {
        [digit @ b'1'..=b'7'] => Some(sizes[usize::from(digit - b'1')]),
        _ => None,
    }
}
