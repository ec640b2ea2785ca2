//! The first words of a message, as lists show them.

use mail_parser::decoders::html::html_to_text;

use crate::web::truncate;

/// The maximum length of a snippet.
const MAX_CHARS: usize = 140;
/// The maximum number of HTML bytes that are searched for text.
const MAX_HTML: usize = 4096;
/// The bytes of an HTML body that usually contain enough text.
const USUAL_HTML: usize = 512;

/// The first text of a message, in one line.
pub(in crate::gateway) fn snippet(text: Option<&str>, html: Option<&str>) -> String {
    match (text, html) {
        (Some(text), _) => one_line(text),
        (None, Some(html)) => {
            let html = start_of_body(html);
            // Only whole tags, so that the rest of the HTML cannot change their text.
            let start = truncate(html, USUAL_HTML);
            let start = &start[..start.rfind('<').unwrap_or_default()];
            let line = one_line(&html_to_text(start));
            if line.chars().count() == MAX_CHARS {
                line
            } else {
                one_line(&html_to_text(html))
            }
        }
        (None, None) => String::new(),
    }
}

/// The HTML from `<body` on, at most [`MAX_HTML`] bytes: the head can be long and has no visible text.
fn start_of_body(html: &str) -> &str {
    let body = html.match_indices('<').map(|(at, _)| at).find(|at| {
        let tag = html.as_bytes().get(at + 1..at + 5);
        tag.is_some_and(|tag| tag.eq_ignore_ascii_case(b"body"))
    });
    truncate(&html[body.unwrap_or_default()..], MAX_HTML)
}

fn one_line(text: &str) -> String {
    let words = text.split_whitespace().flat_map(|word| [" ", word]);
    let characters = words.skip(1).flat_map(str::chars);
    characters
        .filter(|character| !character.is_control())
        .take(MAX_CHARS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snippet_is_one_line_of_visible_text() {
        let html = "<html><head><style>p { color: red }</style></head>\n<BODY class=x><p>Zażółć\n  gęślą</p><p>jaźń</p></BODY>";
        assert_eq!(snippet(None, Some(html)), "Zażółć gęślą jaźń");
        assert_eq!(snippet(Some("a\n\n b"), Some(html)), "a b");
        assert_eq!(one_line(&"ż".repeat(500)).chars().count(), MAX_CHARS);
    }

    #[test]
    fn a_snippet_uses_more_html_if_the_start_has_little_text() {
        let html = format!(
            "<body><p>a<br{}>b</p>{}",
            " ".repeat(1000),
            "<p>c</p>".repeat(200)
        );
        let line = snippet(None, Some(&html));
        assert!(line.starts_with("a b c c"), "{line}");
        assert_eq!(line.chars().count(), MAX_CHARS);
    }
}
