//! Which values in HTML have no say in how it is built, so that CSS matches the same whatever they
//! are: those in text, in scripts, and in attributes that no selector and no layout looks at; also where
//! comments have them for Outlook.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

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
        comment,
        without_quotes: without_quotes(html, marks),
        text: RefCell::default(),
        free: RefCell::new(vec![false; count]),
        in_attributes: RefCell::default(),
        in_css: RefCell::default(),
        bare: RefCell::default(),
        raw: Cell::default(),
        selected: RefCell::new(Some(Vec::new())),
    };
    let mut judged = tokenized(html, judge).verdict();
    for number in in_syntax(html, marks) {
        set(&mut judged.free, number, false);
    }
    judged
}

/// What has taken all tokens of HTML.
fn tokenized<S: TokenSink>(html: &str, sink: S) -> S {
    let input = BufferQueue::default();
    input.push_back(StrTendril::from(html));
    let tokenizer = Tokenizer::new(sink, TokenizerOpts::default());
    while !input.is_empty() {
        let _ = tokenizer.feed(&input);
    }
    tokenizer.end();
    tokenizer.sink
}

/// The values that may be a part of what makes HTML of text: `&§;`, `<§>`.
fn in_syntax(html: &str, marks: Marks) -> impl Iterator<Item = usize> {
    let mut before = "";
    html.split(marks.begin).filter_map(move |part| {
        let fixed = before.trim_end_matches(|c: char| c.is_ascii_alphanumeric());
        let fixed = fixed.strip_suffix('#').unwrap_or(fixed);
        let begins = ["<", "</", "<!", "<!-", "<?"];
        let in_syntax = fixed.ends_with('&') || begins.iter().any(|it| before.ends_with(it));
        let (number, after) = part.split_once(marks.end).unwrap_or(("", part));
        before = after;
        number.parse().ok().filter(|_| in_syntax)
    })
}

/// The values in attributes that have no quotes: a space behind such a value is none of the attribute.
fn without_quotes(html: &str, marks: Marks) -> BTreeSet<usize> {
    let spaced = html.replace(marks.end, &format!("{} ", marks.end));
    let spaces = Spaces {
        marks,
        found: RefCell::default(),
    };
    tokenized(&spaced, spaces).found.into_inner()
}

struct Spaces {
    marks: Marks,
    found: RefCell<BTreeSet<usize>>,
}

impl TokenSink for Spaces {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let TagToken(tag) = token else {
            return TokenSinkResult::Continue;
        };
        for attribute in &tag.attrs {
            if attribute.value.ends_with(self.marks.end) {
                let numbers = self.marks.numbers(&attribute.value);
                self.found.borrow_mut().extend(numbers);
            }
        }
        inside(&tag)
    }
}

/// How the text inside an element is read.
fn inside(tag: &Tag) -> TokenSinkResult<()> {
    match &*tag.name {
        _ if tag.kind != StartTag => TokenSinkResult::Continue,
        "title" | "textarea" => TokenSinkResult::RawData(RawKind::Rcdata),
        "script" => TokenSinkResult::RawData(RawKind::ScriptData),
        "style" | "xmp" | "iframe" | "noembed" | "noframes" => {
            TokenSinkResult::RawData(RawKind::Rawtext)
        }
        _ => TokenSinkResult::Continue,
    }
}

struct Judge {
    marks: Marks,
    comment: bool,
    without_quotes: BTreeSet<usize>,
    /// The text since the last tag or comment: it comes in pieces.
    text: RefCell<String>,
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

impl Judge {
    fn verdict(self) -> Judged {
        self.end_of_text();
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

    fn end_of_text(&self) {
        let text = self.text.take();
        match self.raw.get() {
            _ if text.is_empty() => {}
            // Some parsers see elements in a `noscript`.
            Some("style" | "noscript") => self.css(&text),
            // What could end a script is escaped.
            None | Some("script") => {
                let mut free = self.free.borrow_mut();
                for number in self.marks.numbers(&text) {
                    set(&mut free, number, true);
                }
            }
            Some(_) => {}
        }
    }

    fn css(&self, css: &str) {
        self.in_css.borrow_mut().extend(self.marks.numbers(css));
        let mut known = self.selected.borrow_mut();
        *known = known
            .take()
            .zip(selected(css, self.marks))
            .map(|(mut known, more)| {
                known.extend(more);
                known
            });
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

    /// Whether what an attribute has is free.
    fn is_free(&self, element: &str, attribute: &str) -> bool {
        let is_data = attribute.starts_with("data-") && attribute != "data-css-inline";
        FREE.contains(&attribute)
            || (is_data && !self.marks.are_in(attribute))
            || (attribute == "name" && element == "a")
            // Sizes of images are looked at.
            || (self.comment && element != "img")
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
            if !self.is_free(name, own) {
                continue;
            }
            for number in self.marks.numbers(&attribute.value) {
                match self.without_quotes.contains(&number) {
                    true if self.comment => continue,
                    true => self.bare.borrow_mut().push(number),
                    false => {}
                }
                let named = (own.to_owned(), number);
                self.in_attributes.borrow_mut().push(named);
            }
        }
        if self.raw.get().is_none() {
            self.raw.set(RAW.into_iter().find(|raw| *raw == name));
        }
        inside(tag)
    }
}

impl TokenSink for Judge {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        if let CharacterTokens(text) = &token {
            self.text.borrow_mut().push_str(text);
            return TokenSinkResult::Continue;
        }
        self.end_of_text();
        match token {
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
    use super::super::skeleton::MARKS;
    use super::*;

    #[test]
    fn what_selectors_look_at_is_told_over_lines() {
        let free = |html: &str| judge(&html.replace('§', "\u{fdd0}0\u{fdd1}"), MARKS, 1).free;
        for html in [
            "<style>#a\n{\n color: red;\n}\n</style><p id='§'>x</p>",
            "<style>#a,\r\n.b {color: red}</style><p id='§'>x</p>",
            "<style>/* it's\n don't */ #a {color:red}</style><p id='§'>x</p>",
            "<noscript>it's <style>#a{color:red}</style></noscript><p id='§'>x</p>",
            "<p>a &§; b</p>",
            "<a href='https://x/?a=1&§'>x</a>",
            "<p>&#x§;</p>",
            "<§>x",
            "</§ >",
            "<!-§ x -->",
            "<p data-§='§'>",
            "<!--[if mso]><img src=a width='§'><p class=§><![endif]-->",
        ] {
            assert_eq!(free(html), [false], "{html}");
        }
        for html in [
            "<style>.a\n{\n color: #222;\n}\n</style><p id='§'>x</p>",
            "<a href='https://x/?a=1&amp;b=§'>x</a>",
            "<p>&amp;§</p>",
            "<p>Hello&nbsp;§</p>",
            "<!--[if mso]><p class='§'><![endif]-->",
        ] {
            assert_eq!(free(html), [true], "{html}");
        }
    }

    #[test]
    fn attributes_without_quotes_are_known() {
        let bare = |html: &str| judge(&html.replace('§', "\u{fdd0}0\u{fdd1}"), MARKS, 1).bare;
        for html in [
            "<a href=§>x",
            "<a class=b HREF = https://x/?a=§&b>x",
            "<a title='x' href=§>",
            "<a href=https://x/?q=\"§\">",
            "<a href=https://x/it's§>",
            "<img src=a alt=10\u{a0}§>",
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
