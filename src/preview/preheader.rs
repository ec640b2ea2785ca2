//! What an inbox shows beside the subject: the first words of the message.

use std::cell::{Cell, RefCell};

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::{Rawtext, Rcdata};
use html5ever::tokenizer::{
    BufferQueue, CharacterTokens, EndTag, StartTag, Tag, TagToken, Token, TokenSink,
    TokenSinkResult, Tokenizer, TokenizerOpts,
};

use crate::message::Message;
use crate::web::cut;

/// How many bytes of it are shown.
const SHOWN: usize = 160;
/// How far it is looked for, in bytes of HTML.
const FAR: usize = 64 * 1024;
/// How much is read at a time.
const CHUNK: usize = 2048;
/// Elements whose text is not read.
const UNREAD: [&str; 4] = ["style", "script", "title", "textarea"];

/// Elements that do not end a word.
const INLINE: [&str; 14] = [
    "a", "abbr", "b", "big", "code", "em", "font", "i", "s", "small", "span", "strong", "sub", "u",
];

/// The first words of a message, those that are hidden in the HTML included: that is how a preheader
/// is written. White space is one space each.
pub(super) fn preheader(message: &Message) -> String {
    match (&message.html, &message.text) {
        (Some(html), _) => of_html(html),
        (None, Some(text)) => {
            let words = Words::default();
            words.add(cut(text, FAR));
            words.finish()
        }
        (None, None) => String::new(),
    }
}

fn of_html(html: &str) -> String {
    let tokenizer = Tokenizer::new(Words::default(), TokenizerOpts::default());
    let input = BufferQueue::default();
    let mut rest = cut(html, FAR);
    while !rest.is_empty() && tokenizer.sink.text.borrow().len() < SHOWN {
        let chunk = cut(rest, CHUNK);
        rest = &rest[chunk.len()..];
        input.push_back(StrTendril::from(chunk));
        while !input.is_empty() {
            let _ = tokenizer.feed(&input);
        }
    }
    tokenizer.end();
    tokenizer.sink.finish()
}

/// Gathers the words of a text.
#[derive(Default)]
struct Words {
    text: RefCell<String>,
    unread: Cell<bool>,
}

impl TokenSink for Words {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        match token {
            CharacterTokens(text) if !self.unread.get() => self.add(&text),
            TagToken(tag) => return self.tag(&tag),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

impl Words {
    fn finish(&self) -> String {
        cut(&self.text.take(), SHOWN).trim().to_owned()
    }

    fn tag(&self, tag: &Tag) -> TokenSinkResult<()> {
        let unread = UNREAD.contains(&&*tag.name);
        match tag.kind {
            StartTag if unread => {
                self.unread.set(true);
                let is_text = ["title", "textarea"].contains(&&*tag.name);
                let kind = if is_text { Rcdata } else { Rawtext };
                return TokenSinkResult::RawData(kind);
            }
            EndTag if unread => self.unread.set(false),
            StartTag | EndTag if INLINE.contains(&&*tag.name) => {}
            StartTag | EndTag => self.add(" "),
        }
        TokenSinkResult::Continue
    }

    fn add(&self, text: &str) {
        let mut out = self.text.borrow_mut();
        if out.len() >= SHOWN {
            return;
        }
        for c in text.chars() {
            // Senders fill the line with characters of no width.
            let is_nothing = matches!(
                c,
                '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}'
            );
            if is_nothing || (c.is_whitespace() && (out.is_empty() || out.ends_with(' '))) {
                continue;
            }
            out.push(if c.is_whitespace() { ' ' } else { c });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_words_are_shown_hidden_ones_too() {
        let html = "<!doctype html><html><head><title>T &amp; t</title><style>p > b{}</style></head><body>\
                    <!-- no --><div style=display:none>Only\n today &amp;&nbsp;now\u{200c}\u{200c}</div><p>He<b>ll</b>o<p>x";
        assert_eq!(of_html(html), "Only today & now Hello x");
        assert_eq!(of_html("<textarea>x</textarea>y <scr"), "y");
    }

    #[test]
    fn fillers_are_not_seen() {
        let filler = "&zwnj;&nbsp;&#847;&shy;".repeat(500);
        assert_eq!(of_html(&format!("<p>News</p>{filler}<p>Then")), "News Then");
        assert_eq!(of_html("<img src=x>"), "");
        assert_eq!(of_html(""), "");
    }

    #[test]
    fn it_ends() {
        let long = of_html(&format!("<p>{}</p>", "żółw ".repeat(10_000)));
        assert!(
            long.len() <= SHOWN && long.starts_with("żółw żółw"),
            "{long}"
        );
        assert_eq!(of_html(&"<br>".repeat(100_000)), "");
    }
}
