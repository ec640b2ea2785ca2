//! The tokens of HTML, one after another, without building a tree.

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;

use html5ever::LocalName;
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    self, BufferQueue, TagKind, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};

/// How many bytes are tokenized before the visitor can stop.
const CHUNK: usize = 4096;

/// A part of HTML. Names of elements and attributes are in lower case.
#[derive(Debug)]
pub(crate) enum Token<'a> {
    /// Text with its character references decoded. A long text comes in several tokens.
    Text(&'a str),
    Comment(&'a str),
    StartTag(StartTag<'a>),
    EndTag(&'a str),
}

#[derive(Debug)]
pub(crate) struct StartTag<'a>(&'a tokenizer::Tag);

impl StartTag<'_> {
    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    pub(super) fn local_name(&self) -> &LocalName {
        &self.0.name
    }

    /// The attributes with their values, in the order of the tag.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        let attributes = self.0.attrs.iter();
        attributes.map(|attribute| (&*attribute.name.local, &*attribute.value))
    }

    /// Owned copies of the attributes.
    pub(crate) fn to_attributes(&self) -> Vec<(String, String)> {
        let attributes = self.attributes();
        attributes
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }
}

/// Calls `visit` with each token of the HTML, in order, until `visit` returns [`ControlFlow::Break`].
pub(crate) fn tokenize(html: &str, visit: impl FnMut(Token<'_>) -> ControlFlow<()>) {
    let visitor = Visitor {
        visit: RefCell::new(visit),
        stopped: Cell::new(false),
    };
    let tokenizer = Tokenizer::new(visitor, TokenizerOpts::default());
    let input = BufferQueue::default();
    for chunk in chunks(html, CHUNK) {
        input.push_back(StrTendril::from(chunk));
        while !input.is_empty() {
            let _ = tokenizer.feed(&input);
        }
        if tokenizer.sink.stopped.get() {
            return;
        }
    }
    tokenizer.end();
}

/// Splits a text into parts of about `size` bytes, between characters.
pub(super) fn chunks(text: &str, size: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = (size..rest.len()).find(|at| rest.is_char_boundary(*at));
        let (chunk, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after;
        (!chunk.is_empty()).then_some(chunk)
    })
}

struct Visitor<F> {
    visit: RefCell<F>,
    stopped: Cell<bool>,
}

impl<F: FnMut(Token<'_>) -> ControlFlow<()>> TokenSink for Visitor<F> {
    type Handle = ();

    fn process_token(&self, token: tokenizer::Token, _line: u64) -> TokenSinkResult<()> {
        let mut result = TokenSinkResult::Continue;
        let token = match &token {
            tokenizer::CharacterTokens(text) => Token::Text(text),
            tokenizer::CommentToken(text) => Token::Comment(text),
            tokenizer::TagToken(tag) if tag.kind == TagKind::StartTag => {
                result = content_of(&tag.name);
                Token::StartTag(StartTag(tag))
            }
            tokenizer::TagToken(tag) => Token::EndTag(&tag.name),
            _ => return result,
        };
        if !self.stopped.get() {
            let flow = (self.visit.borrow_mut())(token);
            self.stopped.set(flow.is_break());
        }
        result
    }
}

/// How the content of an element is tokenized: raw text has no tags (HTML 13.2.6.4).
fn content_of(element: &str) -> TokenSinkResult<()> {
    match element {
        "title" | "textarea" => TokenSinkResult::RawData(RawKind::Rcdata),
        "script" => TokenSinkResult::RawData(RawKind::ScriptData),
        "style" | "xmp" | "iframe" | "noembed" | "noframes" => {
            TokenSinkResult::RawData(RawKind::Rawtext)
        }
        "plaintext" => TokenSinkResult::Plaintext,
        _ => TokenSinkResult::Continue,
    }
}

/// The HTML in a conditional comment, which only Outlook for Windows reads: `<!--[if mso]>…<![endif]-->`.
pub(crate) fn outlook_html(comment: &str) -> Option<&str> {
    let (_, html) = comment.trim_start().strip_prefix("[if")?.split_once("]>")?;
    html.split("<![endif]").next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(html: &str) -> Vec<String> {
        let mut tokens = Vec::new();
        tokenize(html, |token| {
            tokens.push(match token {
                Token::Text(text) => text.to_owned(),
                Token::Comment(text) => format!("<!--{text}-->"),
                Token::StartTag(tag) => format!("<{} {:?}>", tag.name(), tag.to_attributes()),
                Token::EndTag(name) => format!("</{name}>"),
            });
            ControlFlow::Continue(())
        });
        tokens
    }

    #[test]
    fn raw_text_has_no_tags() {
        assert_eq!(
            tokens("<STYLE>p > a{}<b></STYLE><A Href='x&amp;y'><!--z-->").concat(),
            "<style []>p > a{}<b></style><a [(\"href\", \"x&y\")]><!--z-->"
        );
        assert_eq!(tokens("<plaintext>a<b>").concat(), "<plaintext []>a<b>");
    }

    #[test]
    fn chunks_end_between_characters() {
        let text = "żółw".repeat(10_000);
        assert_eq!(tokens(&text).concat(), text);
        assert!(chunks(&text, 1024).all(|chunk| chunk.len() <= 1025));
        assert_eq!(chunks("", 9).count(), 0);
    }

    #[test]
    fn a_visitor_stops() {
        let mut visited = 0;
        tokenize(&"<br>".repeat(100_000), |_| {
            visited += 1;
            ControlFlow::Break(())
        });
        assert_eq!(visited, 1);
    }
}
