//! Where in a message's HTML its row's own values stand: marks in the place of the values, and the
//! attributes that have some.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeSet;

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, CommentToken, StartTag, Tag, TagToken, Token, TokenSink, TokenSinkResult,
    Tokenizer, TokenizerOpts,
};

use super::shape::for_outlook;
use super::skeleton::MARKS;

/// What a mark begins with; no text has it.
pub const MARK: char = MARKS.begin;

/// An attribute whose value is in part a row's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hole {
    /// The element's name, in lower case.
    pub element: String,
    /// The attribute's name, in lower case.
    pub attribute: String,
    /// The attribute's value, with marks: [`fill`] puts a row's values in.
    pub value: String,
}

/// Whether a text has a mark: something of it is a row's own.
pub fn is_marked(text: &str) -> bool {
    text.contains(MARKS.begin)
}

/// A text with marks, with a row's values in their place.
pub fn fill<'a>(text: &'a str, values: &[Cow<'_, str>]) -> Cow<'a, str> {
    if !is_marked(text) {
        return Cow::Borrowed(text);
    }
    let mut filled = String::with_capacity(text.len());
    let mut parts = text.split(MARKS.begin);
    filled.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let known = part
            .split_once(MARKS.end)
            .and_then(|(number, after)| Some((values.get(number.parse::<usize>().ok()?)?, after)));
        match known {
            Some((value, after)) => {
                filled.push_str(value);
                filled.push_str(after);
            }
            None => filled.push_str(part),
        }
    }
    Cow::Owned(filled)
}

/// The numbers of the values whose marks a text has.
pub fn values_in(text: &str) -> BTreeSet<usize> {
    let marks = text.split(MARKS.begin).skip(1);
    let numbers = marks.filter_map(|part| part.split_once(MARKS.end)?.0.parse().ok());
    numbers.collect()
}

/// The part of a text before its first mark.
pub fn before_marks(text: &str) -> &str {
    text.split(MARKS.begin).next().unwrap_or_default()
}

/// The attributes of HTML with marks in which there are some, those for Outlook among them.
pub(super) fn in_html(html: &str) -> Vec<Hole> {
    let input = BufferQueue::default();
    input.push_back(StrTendril::from(html));
    let tokenizer = Tokenizer::new(Finder::default(), TokenizerOpts::default());
    while !input.is_empty() {
        let _ = tokenizer.feed(&input);
    }
    tokenizer.end();
    tokenizer.sink.found.into_inner()
}

#[derive(Default)]
struct Finder {
    found: RefCell<Vec<Hole>>,
}

impl Finder {
    fn tag(&self, tag: &Tag) -> TokenSinkResult<()> {
        if tag.kind != StartTag {
            return TokenSinkResult::Continue;
        }
        let marked = tag.attrs.iter().filter(|attr| is_marked(&attr.value));
        let holes = marked.map(|attribute| Hole {
            element: tag.name.to_string(),
            attribute: attribute.name.local.to_string(),
            value: attribute.value.to_string(),
        });
        self.found.borrow_mut().extend(holes);
        match &*tag.name {
            "title" | "textarea" => TokenSinkResult::RawData(RawKind::Rcdata),
            "script" => TokenSinkResult::RawData(RawKind::ScriptData),
            "style" | "xmp" | "iframe" | "noembed" | "noframes" => {
                TokenSinkResult::RawData(RawKind::Rawtext)
            }
            _ => TokenSinkResult::Continue,
        }
    }
}

impl TokenSink for Finder {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        match token {
            TagToken(tag) => return self.tag(&tag),
            CommentToken(text) => {
                let inner = for_outlook(&text).map(in_html);
                self.found.borrow_mut().extend(inner.into_iter().flatten());
            }
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_in_attributes_and_put_in() {
        let html = "<style>a[href='\u{fdd0}9\u{fdd1}']{}</style><A HREF='https://x/\u{fdd0}0\u{fdd1}?a&amp;\u{fdd0}1\u{fdd1}' title=y>\u{fdd0}2\u{fdd1}</a>";
        let holes = in_html(html);
        assert_eq!(holes.len(), 1);
        let hole = &holes[0];
        assert_eq!((&*hole.element, &*hole.attribute), ("a", "href"));
        assert_eq!(before_marks(&hole.value), "https://x/");
        let values = ["u".into(), "é".into()];
        assert_eq!(fill(&hole.value, &values), "https://x/u?a&é");
        assert_eq!(fill("none", &values), "none");
        assert_eq!(values_in(&hole.value), [0, 1].into());
        assert_eq!(fill("\u{fdd0}7\u{fdd1}", &values), "7\u{fdd1}");
    }
}
