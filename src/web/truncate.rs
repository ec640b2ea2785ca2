/// The start of a text, at most `max` bytes, without splitting a character.
pub(crate) fn truncate(text: &str, max: usize) -> &str {
    let mut end = max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_splits_a_character() {
        assert_eq!(truncate("żółw", 3), "ż");
        assert_eq!(truncate("żółw", 4), "żó");
        assert_eq!(truncate("żółw", 99), "żółw");
    }
}
