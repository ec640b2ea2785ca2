//! Texts cut to a length, and as the search has them.

/// The beginning of a text, of no more bytes than `most`; no character is cut.
pub(super) fn cut(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The text with the letter that the index does not take for the accented one that it is to Poles.
pub(super) fn folded(text: &str) -> String {
    text.replace('ł', "l").replace('Ł', "L")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_between_characters() {
        assert_eq!(cut("żółw", 3), "ż");
        assert_eq!(cut("żółw", 4), "żó");
        assert_eq!(cut("żółw", 99), "żółw");
    }
}
