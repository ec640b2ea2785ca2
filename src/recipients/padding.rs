//! White space around cells.

/// A cell without white space at its ends. This includes no-break and zero-width spaces, which
/// spreadsheets and web pages leave behind.
pub fn trimmed(cell: &str) -> &str {
    let is_zero_width = |c: char| matches!(c, '\u{200b}' | '\u{2060}' | '\u{feff}');
    cell.trim_matches(|c: char| c.is_whitespace() || is_zero_width(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_ends_of_a_cell_are_trimmed() {
        assert_eq!(
            trimmed("\u{feff} \u{a0}Ann\u{a0}B. \u{200b}\u{3000}\n"),
            "Ann\u{a0}B."
        );
        assert_eq!(trimmed(" \u{200b}\t"), "");
    }
}
