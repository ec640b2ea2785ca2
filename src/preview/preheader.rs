//! The preheader: the first words of a message, which an inbox shows after the subject.

use std::ops::ControlFlow;

use crate::html::{Token, tokenize};
use crate::message::Message;
use crate::web::truncate;

/// The most bytes of a preheader that are shown.
const SHOWN: usize = 160;
/// How many bytes of HTML are searched for it.
const SEARCHED: usize = 64 * 1024;
/// Elements whose text is not shown.
const NOT_SHOWN: [&str; 7] = [
    "style", "script", "title", "textarea", "iframe", "noembed", "noframes",
];
/// Elements that do not end a word.
const INLINE: [&str; 14] = [
    "a", "abbr", "b", "big", "code", "em", "font", "i", "s", "small", "span", "strong", "sub", "u",
];

/// The first words of a message, each white space as one space. Hidden HTML counts, because senders hide
/// their preheaders.
pub(super) fn preheader(message: &Message) -> String {
    match (&message.html, &message.text) {
        (Some(html), _) => of_html(html),
        (None, Some(text)) => {
            let mut words = String::new();
            add(&mut words, truncate(text, SEARCHED));
            finish(&words)
        }
        (None, None) => String::new(),
    }
}

fn of_html(html: &str) -> String {
    let mut words = String::new();
    let mut is_shown = true;
    tokenize(truncate(html, SEARCHED), |token| {
        match token {
            Token::Text(text) if is_shown => add(&mut words, text),
            Token::StartTag(tag) if NOT_SHOWN.contains(&tag.name()) => is_shown = false,
            Token::EndTag(name) if NOT_SHOWN.contains(&name) => is_shown = true,
            Token::StartTag(tag) if !INLINE.contains(&tag.name()) => add(&mut words, " "),
            Token::EndTag(name) if !INLINE.contains(&name) => add(&mut words, " "),
            _ => {}
        }
        match words.len() {
            0..SHOWN => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    });
    finish(&words)
}

fn finish(words: &str) -> String {
    truncate(words, SHOWN).trim().to_owned()
}

/// Appends a text with single spaces and without invisible characters, as far as it is shown.
fn add(words: &mut String, text: &str) {
    for c in text.chars() {
        if words.len() >= SHOWN {
            return;
        }
        // Senders fill the rest of the line with characters of no width.
        let is_invisible = matches!(
            c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}'
        );
        if c.is_whitespace() {
            if !words.is_empty() && !words.ends_with(' ') {
                words.push(' ');
            }
        } else if !is_invisible {
            words.push(c);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_words_are_shown_even_hidden_ones() {
        let html = "<!doctype html><html><head><title>T &amp; t</title><style>p > b{}</style></head><body>\
                    <!-- no --><div style=display:none>Only\n today &amp;&nbsp;now\u{200c}\u{200c}</div><p>He<b>ll</b>o<p>x";
        assert_eq!(of_html(html), "Only today & now Hello x");
        assert_eq!(of_html("<textarea>x</textarea>y <scr"), "y");
    }

    #[test]
    fn fillers_are_skipped() {
        let filler = "&zwnj;&nbsp;&#847;&shy;".repeat(500);
        assert_eq!(of_html(&format!("<p>News</p>{filler}<p>Then")), "News Then");
        assert_eq!(of_html("<img src=x>"), "");
        assert_eq!(of_html(""), "");
    }

    #[test]
    fn long_html_is_cut() {
        let long = of_html(&format!("<p>{}</p>", "żółw ".repeat(10_000)));
        assert!(
            long.len() <= SHOWN && long.starts_with("żółw żółw"),
            "{long}"
        );
        assert_eq!(of_html(&"<br>".repeat(100_000)), "");
    }
}
