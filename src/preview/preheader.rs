//! What an inbox shows behind the subject: the first words of the message.

use html2text::config;
use html2text::render::TrivialDecorator;

use crate::clock::Clock;
use crate::frame;
use crate::message::Message;

/// How many characters an inbox shows at most.
const LONGEST: usize = 140;
/// How wide lines are before they are joined.
const LINE: usize = 1000;

/// The first words of a message, those that are hidden in the HTML included: that is how a preheader
/// is written.
pub(super) fn preheader(message: &Message, clock: &Clock) -> String {
    match (&message.html, &message.text) {
        (Some(html), _) => of_html(html, clock),
        (None, Some(text)) => first_words(text),
        (None, None) => String::new(),
    }
}

fn of_html(html: &str, clock: &Clock) -> String {
    let (dom, _) = frame::parse(html, clock);
    // Without the CSS, so that nothing is hidden.
    let config = config::with_decorator(TrivialDecorator::new()).raw_mode(true);
    let text = config
        .dom_to_render_tree(&dom)
        .and_then(|tree| config.render_to_string(tree, LINE));
    first_words(&text.unwrap_or_default())
}

/// The beginning of a text with single spaces, without the invisible characters that fill it up.
fn first_words(text: &str) -> String {
    let seen: String = text.chars().filter(|c| !is_filler(*c)).collect();
    let words = seen.split_whitespace().collect::<Vec<_>>().join(" ");
    words.chars().take(LONGEST).collect()
}

fn is_filler(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(html: &str) -> String {
        of_html(html, &Clock::system())
    }

    #[test]
    fn the_first_words_are_those_of_the_body() {
        let html = "<html><head><title>T</title><style>p{}</style></head><body>\
                    <div style='display:none'>Two&nbsp;minutes &amp; more.</div><p>He<b>ll</b>o</p><p>x</p>";
        assert_eq!(of(html), "Two minutes & more. Hello x");
    }

    #[test]
    fn fillers_are_not_seen() {
        let html = format!(
            "<p>News</p>{}<p>Then",
            "&zwnj;&nbsp;&#847;&shy;".repeat(500)
        );
        assert_eq!(of(&html), "News Then");
        assert_eq!(of("<img src=x>"), "");
    }

    #[test]
    fn it_ends() {
        assert_eq!(of(&"word ".repeat(100_000)).chars().count(), LONGEST);
    }
}
