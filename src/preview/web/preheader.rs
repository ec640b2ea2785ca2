//! What an inbox shows beside the subject: the first words of the HTML, hidden ones as well.

use std::cell::{Cell, RefCell};

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::{Rawtext, Rcdata};
use html5ever::tokenizer::{
    BufferQueue, CharacterTokens, EndTag, StartTag, Tag, TagToken, Token, TokenSink,
    TokenSinkResult, Tokenizer, TokenizerOpts,
};

use crate::web::cut;

/// How many bytes of it are shown.
const SHOWN: usize = 160;
/// How far it is looked for, in bytes of HTML.
const FAR: usize = 64 * 1024;
/// How much is read at a time.
const CHUNK: usize = 2048;
/// Elements whose text is not read.
const UNREAD: [&str; 4] = ["style", "script", "title", "textarea"];

/// The first words of an HTML body, with a space for each run of white space.
pub(super) fn preheader(html: &str) -> String {
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
    let text = tokenizer.sink.text.take();
    cut(&text, SHOWN).trim().to_owned()
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
                '\u{ad}' | '\u{34f}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}'
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
                    <!-- no --><div style=display:none>Only\n today &amp;&nbsp;now\u{200c}\u{200c}</div><p>Hello,<b>Jan</b>";
        assert_eq!(preheader(html), "Only today & now Hello, Jan");
        assert_eq!(preheader(""), "");
        let long = preheader(&format!("<p>{}</p>", "żółw ".repeat(10_000)));
        assert!(
            long.len() <= SHOWN && long.starts_with("żółw żółw"),
            "{long}"
        );
        assert_eq!(preheader(&"<br>".repeat(100_000)), "");
        assert_eq!(preheader("<textarea>x</textarea>y <scr"), "y");
    }
}
