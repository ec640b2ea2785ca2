//! Texts cut to a length.

/// The beginning of a text, of no more bytes than `most`; no character is cut.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
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
