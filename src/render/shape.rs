//! Which values in HTML have no say in how it is built, so that CSS matches the same whatever they
//! are: those in text, in scripts, and in attributes that no selector and no layout looks at; also where
//! comments have them for Outlook.

use std::cell::{Cell, RefCell};

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, CharacterTokens, CommentToken, StartTag, Tag, TagToken, Token, TokenSink,
    TokenSinkResult, Tokenizer, TokenizerOpts,
};

use super::selectors::selected;

/// The attributes whose values are free, unless a selector is about them.
const FREE: [&str; 10] = [
    "id",
    "href",
    "src",
    "srcset",
    "alt",
    "title",
    "content",
    "aria-label",
    "background",
    "cite",
];
/// The elements whose text is no text of the page.
const RAW: [&str; 7] = [
    "style", "script", "xmp", "iframe", "noembed", "noframes", "noscript",
];

/// What a comment has for Outlook alone, if it is conditional.
pub fn for_outlook(comment: &str) -> Option<&str> {
    let (_, html) = comment.trim_start().strip_prefix("[if")?.split_once("]>")?;
    html.split("<![endif]").next()
}

/// The characters around the number that stands for a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Marks {
    pub(super) begin: char,
    pub(super) end: char,
}

impl Marks {
    /// What stands for a value.
    pub(super) fn around(self, number: usize) -> String {
        format!("{}{number}{}", self.begin, self.end)
    }

    /// Whether a text has one of the characters, be it a mark or not.
    pub(super) fn are_in(self, text: &str) -> bool {
        text.contains([self.begin, self.end])
    }

    /// The number of the value that a text stands for, if it is a mark and nothing else.
    pub(super) fn number(self, text: &str) -> Option<usize> {
        let inner = text.strip_prefix(self.begin)?.strip_suffix(self.end)?;
        inner.parse().ok()
    }

    /// The values that stand in a text.
    fn numbers(self, text: &str) -> impl Iterator<Item = usize> {
        let parts = text.split(self.begin).skip(1);
        parts.filter_map(move |part| part.split_once(self.end)?.0.parse().ok())
    }
}

/// The values in marked HTML.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Judged {
    /// Which are free.
    pub(super) free: Vec<bool>,
    /// Those in CSS. That holds unless one of them [has a selector](selects) by attributes.
    pub(super) in_css: Vec<usize>,
    /// Those in attributes without quotes. That holds unless one of them [ends its attribute](ends).
    pub(super) bare: Vec<usize>,
}

/// Whether an escaped value ends an attribute that has no quotes (HTML 13.2.5.38).
pub(super) fn ends(value: &str) -> bool {
    value.contains(|c: char| c.is_ascii_whitespace())
}

/// Judges the `count` values in marked HTML.
pub(super) fn judge(html: &str, marks: Marks, count: usize) -> Judged {
    judge_in(html, marks, count, false)
}

/// The same for what is in a comment, where it shapes nothing but for Outlook.
fn judge_in(html: &str, marks: Marks, count: usize, comment: bool) -> Judged {
    let judge = Judge {
        marks,
        html,
        comment,
        free: RefCell::new(vec![false; count]),
        in_attributes: RefCell::default(),
        in_css: RefCell::default(),
        bare: RefCell::default(),
        raw: Cell::default(),
        selected: RefCell::new(Some(Vec::new())),
    };
    let input = BufferQueue::default();
    input.push_back(StrTendril::from(html));
    let tokenizer = Tokenizer::new(judge, TokenizerOpts::default());
    while !input.is_empty() {
        let _ = tokenizer.feed(&input);
    }
    tokenizer.end();
    tokenizer.sink.verdict()
}

struct Judge<'a> {
    marks: Marks,
    html: &'a str,
    comment: bool,
    free: RefCell<Vec<bool>>,
    /// Values in free attributes, with the attributes' names.
    in_attributes: RefCell<Vec<(String, usize)>>,
    in_css: RefCell<Vec<usize>>,
    bare: RefCell<Vec<usize>>,
    /// The element whose text is no text of the page.
    raw: Cell<Option<&'static str>>,
    /// The attributes that CSS looks at; nothing if that can't be told.
    selected: RefCell<Option<Vec<String>>>,
}

impl Judge<'_> {
    fn verdict(self) -> Judged {
        let mut free = self.free.into_inner();
        // What styles elements looks into no comment.
        let selected = self.selected.into_inner();
        let selected = if self.comment {
            Some(Vec::new())
        } else {
            selected
        };
        if let Some(selected) = selected {
            for (attribute, number) in self.in_attributes.into_inner() {
                set(&mut free, number, !selected.contains(&attribute));
            }
        }
        Judged {
            free,
            in_css: self.in_css.into_inner(),
            bare: self.bare.into_inner(),
        }
    }

    fn text(&self, text: &str) {
        match self.raw.get() {
            // Some parsers see elements in a `noscript`.
            Some("style" | "noscript") => {
                self.in_css.borrow_mut().extend(self.marks.numbers(text));
                let mut known = self.selected.borrow_mut();
                *known = known
                    .take()
                    .zip(selected(text, self.marks))
                    .map(|(mut known, more)| {
                        known.extend(more);
                        known
                    });
            }
            // What could end a script is escaped.
            None | Some("script") => {
                let mut free = self.free.borrow_mut();
                for number in self.marks.numbers(text) {
                    set(&mut free, number, true);
                }
            }
            Some(_) => {}
        }
    }

    /// Nothing but a value's own end could end a comment, as what values have of `>` is escaped.
    fn comment(&self, text: &str) {
        let count = self.free.borrow().len();
        let inner = match for_outlook(text) {
            Some(html) => {
                let judged = judge_in(html, self.marks, count, true);
                self.in_css.borrow_mut().extend(judged.in_css);
                judged.free
            }
            // It may be what the condition asks for.
            None if text.trim_start().starts_with("[if") => return,
            None => vec![true; count],
        };
        let mut free = self.free.borrow_mut();
        for number in self.marks.numbers(text) {
            let mark = self.marks.around(number);
            let after = text.split_once(&mark).map_or("", |(_, after)| after);
            // What a comment begins with may decide that it is none: `</§>`.
            let may_end = text.starts_with(&mark)
                || after.is_empty()
                || after.starts_with(['-', '>', '!', self.marks.begin]);
            set(
                &mut free,
                number,
                inner.get(number) == Some(&true) && !may_end,
            );
        }
    }

    /// Whether a value seems to stand in an attribute of this name that has no quotes.
    fn is_bare(&self, number: usize, attribute: &str) -> bool {
        let mark = self.marks.around(number);
        let before = self.html.split(&mark).next().unwrap_or_default();
        let begin = before.rfind(['"', '\'', '<', '>']).map_or(0, |at| at + 1);
        let before = before[begin..].to_ascii_lowercase();
        let mut names = before.match_indices(attribute);
        names.any(|(at, _)| {
            let value = before[at + attribute.len()..]
                .trim_start()
                .strip_prefix('=');
            value.is_some_and(|value| !value.trim_start().contains(char::is_whitespace))
        })
    }

    fn tag(&self, tag: &Tag) -> TokenSinkResult<()> {
        let name: &str = &tag.name;
        if tag.kind != StartTag {
            if self.raw.get() == Some(name) {
                self.raw.set(None);
            }
            return TokenSinkResult::Continue;
        }
        for attribute in &tag.attrs {
            let own: &str = &attribute.name.local;
            let is_data = own.starts_with("data-") && own != "data-css-inline";
            let is_anchor = own == "name" && name == "a";
            if self.comment || FREE.contains(&own) || is_data || is_anchor {
                for number in self.marks.numbers(&attribute.value) {
                    let named = (own.to_owned(), number);
                    self.in_attributes.borrow_mut().push(named);
                    if !self.comment && self.is_bare(number, own) {
                        self.bare.borrow_mut().push(number);
                    }
                }
            }
        }
        if self.raw.get().is_none() {
            self.raw.set(RAW.into_iter().find(|raw| *raw == name));
        }
        match name {
            "title" | "textarea" => TokenSinkResult::RawData(RawKind::Rcdata),
            "script" => TokenSinkResult::RawData(RawKind::ScriptData),
            "style" | "xmp" | "iframe" | "noembed" | "noframes" => {
                TokenSinkResult::RawData(RawKind::Rawtext)
            }
            _ => TokenSinkResult::Continue,
        }
    }
}

impl TokenSink for Judge<'_> {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        match token {
            CharacterTokens(text) => self.text(&text),
            TagToken(tag) => return self.tag(&tag),
            CommentToken(text) => self.comment(&text),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

fn set(free: &mut [bool], number: usize, is: bool) {
    if let Some(free) = free.get_mut(number) {
        *free = is;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKS: Marks = Marks {
        begin: '\u{fdd0}',
        end: '\u{fdd1}',
    };

    #[test]
    fn attributes_without_quotes_are_known() {
        let bare = |html: &str| judge(&html.replace('§', "\u{fdd0}0\u{fdd1}"), MARKS, 1).bare;
        for html in [
            "<a href=§>x",
            "<a class=b HREF = https://x/?a=§&b>x",
            "<a title='x' href=§>",
        ] {
            assert_eq!(bare(html), [0], "{html}");
        }
        for html in [
            "<a href='§'>x",
            "<a title=\"Hi b §\">",
            "<a href=\"https://x/?a=§\">",
            "§",
        ] {
            assert_eq!(bare(html), [0; 0], "{html}");
        }
    }
}
