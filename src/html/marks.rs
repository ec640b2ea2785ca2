//! Marks: in HTML that many rows share, each row's value is replaced by its number between two reserved
//! characters.
//!
//! The characters are Unicode noncharacters (Unicode 23.7), which no text should contain.

use std::borrow::Cow;
use std::collections::BTreeSet;

/// Begins a mark.
pub(crate) const BEGIN: char = '\u{fdd0}';
/// Ends a mark.
pub(crate) const END: char = '\u{fdd1}';

/// The mark of a value.
pub(crate) fn mark(number: usize) -> String {
    format!("{BEGIN}{number}{END}")
}

/// Whether a text contains one of the reserved characters, as a mark or on its own.
pub(crate) fn has_reserved(text: &str) -> bool {
    text.contains([BEGIN, END])
}

/// Whether part of a text differs from row to row.
pub(crate) fn is_marked(text: &str) -> bool {
    text.contains(BEGIN)
}

/// The numbers of the values whose marks a text contains, in the order of the text.
pub(crate) fn mark_numbers(text: &str) -> impl Iterator<Item = usize> {
    let parts = text.split(BEGIN).skip(1);
    parts.filter_map(|part| part.split_once(END)?.0.parse().ok())
}

/// The same numbers, sorted and each once.
pub(crate) fn values_in(text: &str) -> BTreeSet<usize> {
    mark_numbers(text).collect()
}

/// The part of a text before its first mark.
pub(crate) fn before_marks(text: &str) -> &str {
    text.split(BEGIN).next().unwrap_or_default()
}

/// Replaces the marks in a text with a row's values.
pub(crate) fn fill<'a>(text: &'a str, values: &[Cow<'_, str>]) -> Cow<'a, str> {
    if !is_marked(text) {
        return Cow::Borrowed(text);
    }
    let mut filled = String::with_capacity(text.len());
    let mut parts = text.split(BEGIN);
    filled.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let value = part
            .split_once(END)
            .and_then(|(number, after)| Some((values.get(number.parse::<usize>().ok()?)?, after)));
        match value {
            Some((value, after)) => {
                filled.push_str(value);
                filled.push_str(after);
            }
            None => filled.push_str(part),
        }
    }
    Cow::Owned(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_marks_with_values() {
        let text = "https://x/\u{fdd0}0\u{fdd1}?a&\u{fdd0}1\u{fdd1}";
        assert_eq!(before_marks(text), "https://x/");
        let values = ["u".into(), "é".into()];
        assert_eq!(fill(text, &values), "https://x/u?a&é");
        assert_eq!(fill("none", &values), "none");
        assert_eq!(values_in(text), [0, 1].into());
        assert_eq!(fill("\u{fdd0}7\u{fdd1}", &values), "7\u{fdd1}");
    }
}
