//! Why messages came back, in the words of servers, without what differs from message to message.

use std::sync::LazyLock;

use regex::Regex;

use crate::terminal_text::printable_line;

/// The longest reason, in characters.
const MAX: usize = 160;
/// A shorter local part may be a word of the sentence.
const MIN_LOCAL: usize = 3;

/// An answer of a server with its numbers and addresses replaced by `…`. Codes such as `550` and `5.1.1` stay, since they
/// say what happened. `local` and `domain` are the parts of the recipient's address.
pub(super) fn bounce_reason(text: &str, local: &str, domain: &str) -> String {
    let text = printable_line(text);
    let mut words: Vec<&str> = Vec::new();
    for (place, word) in text.split_whitespace().enumerate() {
        let word = match is_variable(word, place, local, domain) {
            true => "…",
            false => word,
        };
        if word != "…" || words.last() != Some(&"…") {
            words.push(word);
        }
    }
    let mut reason = words.join(" ");
    if let Some((end, _)) = reason.char_indices().nth(MAX) {
        reason.truncate(end);
        reason.push('…');
    }
    reason
}

fn is_variable(word: &str, place: usize, local: &str, domain: &str) -> bool {
    static CODE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^[#(\[]*([245]\d\d-)?[245]\.\d{1,3}\.\d{1,3}[)\]:;,]*$").expect("a pattern")
    });
    static REPLY: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"^[245]\d\d[-:]?$").expect("a pattern"));
    if word.contains('@') {
        return true;
    }
    if CODE.is_match(word) || place <= 3 && REPLY.is_match(word) {
        return false;
    }
    let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
    let is_local = local.len() >= MIN_LOCAL
        && (bare.eq_ignore_ascii_case(local)
            || word.to_lowercase().contains(&local.to_lowercase()) && local.len() > 5);
    let is_domain = !domain.is_empty() && word.to_lowercase().contains(domain);
    is_local || is_domain || word.contains(|c: char| c.is_numeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_addresses_are_replaced() {
        for (text, expected) in [
            (
                "550 5.1.1 <ann.smith@acme.example>: Recipient address rejected: User unknown",
                "550 5.1.1 … Recipient address rejected: User unknown",
            ),
            (
                "550-5.1.1 The email account does not exist. h12-20020a05600c si1234 - gsmtp",
                "550-5.1.1 The email account does not exist. … - gsmtp",
            ),
            (
                "550 ann.smith: mailbox unavailable",
                "550 … mailbox unavailable",
            ),
            (
                "452 4.2.2 Mailbox of 'Ann.Smith' is full, 104857600 bytes",
                "452 4.2.2 Mailbox of … is full, … bytes",
            ),
            (
                "smtp; 550 (5.7.1) blocked [192.0.2.7]",
                "smtp; 550 (5.7.1) blocked …",
            ),
            ("host mx.acme.example said: no", "host … said: no"),
            ("on the blacklist", "on the blacklist"),
            ("", ""),
        ] {
            assert_eq!(bounce_reason(text, "ann.smith", "acme.example"), expected);
        }
        // A word of the sentence stays, although somebody is called so.
        assert_eq!(
            bounce_reason("no such user", "no", "a.example"),
            "no such user"
        );
        assert_eq!(
            bounce_reason("no such user", "user", "a.example"),
            "no such …"
        );
        let long = "word ".repeat(100);
        assert_eq!(
            bounce_reason(&long, "ann", "a.example").chars().count(),
            MAX + 1
        );
    }
}
