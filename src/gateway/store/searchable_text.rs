//! The text of a message that the search index contains, and how it is split into words.

use std::ops::ControlFlow;

use crate::html::{Token, tokenize};
use crate::web::{Mail, truncate};

/// The maximum number of bytes of a message's text that are indexed.
const MAX_TEXT: usize = 100_000;
/// The maximum number of bytes of headers, and of links.
const MAX_DETAILS: usize = 20_000;
/// The maximum number of bytes of HTML that are searched for links.
const MAX_HTML: usize = 1_000_000;

/// Headers whose values are in other columns of the index, or that nobody searches for.
const OTHER_HEADERS: [&str; 10] = [
    "From",
    "To",
    "Cc",
    "Bcc",
    "Subject",
    "Date",
    "Message-ID",
    "MIME-Version",
    "Received",
    "Return-Path",
];
const OTHER_PREFIXES: [&str; 2] = ["content-", "x-mailrun-"];

/// The indexed parts of a message's source.
#[derive(Debug, Default)]
pub(super) struct SearchableText {
    /// The text part, otherwise the HTML without tags.
    pub(super) body: String,
    /// The values of the other headers.
    pub(super) headers: String,
    /// Where the links of the HTML lead.
    pub(super) links: String,
}

impl SearchableText {
    pub(super) fn new(source: &[u8]) -> Self {
        let Some(mail) = Mail::parse(source) else {
            return Self::default();
        };
        let body = mail.message().body_text(0).unwrap_or_default();
        Self {
            body: fold_for_search(truncate(&body, MAX_TEXT)),
            headers: fold_for_search(&headers(&mail)),
            links: fold_for_search(&mail.html().map(links).unwrap_or_default()),
        }
    }
}

fn headers(mail: &Mail<'_>) -> String {
    let mut values = String::new();
    for header in mail.headers() {
        let lower = header.name.to_ascii_lowercase();
        let is_other = OTHER_HEADERS
            .iter()
            .any(|other| other.eq_ignore_ascii_case(&header.name))
            || OTHER_PREFIXES
                .iter()
                .any(|prefix| lower.starts_with(prefix));
        if !is_other && values.len() < MAX_DETAILS {
            values.push_str(truncate(header.text(), MAX_DETAILS));
            values.push('\n');
        }
    }
    values
}

fn links(html: &str) -> String {
    let mut links = String::new();
    tokenize(truncate(html, MAX_HTML), |token| {
        if let Token::StartTag(tag) = token
            && ["a", "area"].contains(&tag.name())
            && let Some((_, link)) = tag.attributes().find(|(name, _)| *name == "href")
        {
            links.push_str(truncate(link, MAX_DETAILS));
            links.push('\n');
        }
        if links.len() < MAX_DETAILS {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    links
}

/// Prepares a text for the index, or a search for it. SQLite's tokenizer splits words at spaces only, so
/// each character of a script without spaces becomes a word: a search for consecutive words then finds
/// any part of a text. `ł` is replaced: Polish readers search for it with `l`, but the tokenizer does not
/// count it as an accented letter.
pub(crate) fn fold_for_search(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            'ł' => folded.push('l'),
            'Ł' => folded.push('L'),
            c if is_word_by_itself(c) => folded.extend([' ', c, ' ']),
            c => folded.push(c),
        }
    }
    folded
}

/// Chinese characters and Japanese kana.
fn is_word_by_itself(c: char) -> bool {
    matches!(c,
        '\u{3005}'..='\u{3007}' | '\u{3041}'..='\u{3096}' | '\u{309d}'..='\u{309f}'
        | '\u{30a1}'..='\u{30fa}' | '\u{30fc}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{ff66}'..='\u{ff9d}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_and_links_are_searchable() {
        let source = "From: a@x.example\r\nX-Campaign-Id: 74f4\r\nX-Name: =?utf-8?q?=C5=81=C3=B3d=C5=BA?=\r\n\
            Content-Type: text/html; charset=utf-8\r\n\r\n\
            <a href=\"https://x.example/?a=1&amp;b=2\">Hi</a><img src=\"https://x.example/i.png\">\r\n";
        let text = SearchableText::new(source.as_bytes());
        assert_eq!(text.headers, "74f4\nLódź\n");
        assert_eq!(text.links, "https://x.example/?a=1&b=2\n");
        assert_eq!(text.body.trim(), "Hi");
    }

    #[test]
    fn long_headers_and_links_are_truncated() {
        let link = format!("<a href=\"{}\">", "x".repeat(5000));
        let source = format!(
            "X-A: {}\r\nContent-Type: text/html\r\n\r\n{}",
            "y".repeat(900),
            link.repeat(100)
        );
        let text = SearchableText::new(source.as_bytes());
        assert!((MAX_DETAILS..2 * MAX_DETAILS).contains(&text.links.len()));
        assert_eq!(text.headers.len(), 901);
    }

    #[test]
    fn chinese_and_japanese_is_split_into_characters() {
        assert_eq!(fold_for_search("aニュ b"), "a ニ  ュ  b");
        assert_eq!(fold_for_search("Łódź"), "Lódź");
    }
}
