//! The tags of HTML as a template has them, and which of them makes an element of a message.

use std::ops::{ControlFlow, Range};

use crate::html::marks::{self, before_marks};
use crate::html::{NodeKind, Page, Token, tokenize};

/// What stands for a template's tags in what is read of a tag of HTML: [`before_marks`] ends there.
const FILLED: char = marks::BEGIN;

/// A start tag, as a template has it.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) name: String,
    pub(super) span: Range<usize>,
    attributes: Vec<(String, String)>,
    /// Whether a template's tags between its attributes may give it more of them, or fewer.
    is_open: bool,
}

/// How well a tag fits an element, the most telling first.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fit {
    /// It has the element's attributes and no others.
    all: bool,
    /// It has the attribute that the finding is about.
    asked: bool,
    /// The same text comes behind it.
    text: bool,
    /// Its style is the element's: styles from elsewhere may have come to that.
    style: bool,
}

/// The tags of a template, those in comments left out.
pub(super) fn written(text: &str) -> Vec<Written> {
    let begins = text.match_indices('<').filter_map(|(at, _)| {
        let rest = &text[at + 1..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | ':'));
        let name = &rest[..end.unwrap_or(rest.len())];
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic());
        is_name.then(|| (at, name.to_ascii_lowercase()))
    });
    let tags = begins.map(|(start, name)| {
        let span = start..tag_end(text, start);
        let attributes = attributes(&text[span.clone()]);
        let (open, attributes): (Vec<_>, Vec<_>) = attributes
            .into_iter()
            .partition(|(name, _)| name.contains(FILLED));
        Written {
            name,
            span,
            attributes,
            is_open: !open.is_empty(),
        }
    });
    tags.collect()
}

impl Written {
    /// How well it fits an element of a page; `asked` is the attribute that the finding is about, and
    /// `text` all of the template.
    pub(super) fn fit(&self, page: &Page, index: usize, asked: Option<&str>, text: &str) -> Fit {
        let Some(element) = page.element(index) else {
            return Fit::default();
        };
        let has = |name: &str| {
            let value = self.get(name);
            value.is_some_and(|value| element.get(name).is_some_and(|it| is_like(value, it)))
        };
        let own = element.attributes.iter().map(|(name, _)| name.as_str());
        let mut own = own.filter(|name| *name != "style");
        let mut written = self.attributes.iter().map(|(name, _)| name.as_str());
        let all = own.all(|name| has(name) || self.is_open && self.get(name).is_none())
            && written.all(|name| name == "style" || self.is_open || element.has(name));
        Fit {
            all,
            asked: asked.is_some_and(has),
            text: text_behind(page, index).is_some_and(|behind| {
                let rest = text[self.span.end..].trim_start();
                rest.starts_with(behind) && (!behind.is_empty() || rest.starts_with("{{"))
            }),
            style: has("style"),
        }
    }

    fn get(&self, name: &str) -> Option<&str> {
        let mut attributes = self.attributes.iter();
        attributes
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Whether a value is made of what is written: as far as neither has a row's own value in it.
fn is_like(written: &str, value: &str) -> bool {
    let (begin, made) = (before_marks(written), before_marks(value));
    match (begin.len() < written.len(), made.len() < value.len()) {
        (false, false) => written == value,
        (true, false) => value.starts_with(begin),
        (false, true) => written.starts_with(made),
        (true, true) => begin.starts_with(made) || made.starts_with(begin),
    }
}

/// The beginning of the text that comes right behind an element's start tag, as it may be written in
/// a template; nothing is left of it where a row's value comes first.
fn text_behind(page: &Page, index: usize) -> Option<&str> {
    let NodeKind::Text(text) = &page.nodes.get(index + 1)?.kind else {
        return None;
    };
    let text = text.trim_start();
    let text = text.split(['&', '<', '>', '\u{a0}', FILLED]).next()?;
    let end = text.char_indices().nth(24).map_or(text.len(), |(at, _)| at);
    Some(text[..end].trim_end())
}

/// The end of a tag that begins at `start`; a `>` in quotes or in a template's tag is none.
fn tag_end(text: &str, start: usize) -> usize {
    let mut quote = None;
    let mut braces = 0_usize;
    for (at, c) in text[start..].char_indices() {
        match (c, quote) {
            ('{', _) => braces += 1,
            ('}', _) => braces = braces.saturating_sub(1),
            ('"' | '\'', None) if braces == 0 => quote = Some(c),
            (c, Some(open)) if c == open && braces == 0 => quote = None,
            ('>', None) if braces == 0 => return start + at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The attributes of a tag, with [`FILLED`] for a template's tags.
fn attributes(tag: &str) -> Vec<(String, String)> {
    let mut attributes = Vec::new();
    tokenize(&filled(tag), |token| {
        if let Token::StartTag(tag) = token {
            attributes.extend(tag.to_attributes());
        }
        ControlFlow::Continue(())
    });
    attributes
}

fn filled(tag: &str) -> String {
    let mut filled = String::with_capacity(tag.len());
    let mut rest = tag;
    while let Some(at) = rest.find("{{").into_iter().chain(rest.find("{%")).min() {
        let close = if rest[at..].starts_with("{{") {
            "}}"
        } else {
            "%}"
        };
        let Some(length) = rest[at..].find(close) else {
            break;
        };
        filled.push_str(&rest[..at]);
        filled.push(FILLED);
        rest = &rest[at + length + close.len()..];
    }
    filled.push_str(rest);
    filled
}

/// A template with spaces in the place of its comments, those of HTML and those of Tera, so that all
/// else stands where it stood. What is for Outlook alone is no comment.
pub(super) fn without_comments(text: &str) -> String {
    let mut bare = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("<!--").into_iter().chain(rest.find("{#")).min() {
        let of_html = rest[at..].starts_with("<!--");
        let (begin, close) = if of_html {
            ("<!--", "-->")
        } else {
            ("{#", "#}")
        };
        let inner = at + begin.len();
        let is_condition = of_html && rest[inner..].trim_start().starts_with("[if");
        bare.push_str(&rest[..at]);
        let end = match rest[inner..].find(close) {
            _ if is_condition => inner,
            Some(length) => inner + length + close.len(),
            None => rest.len(),
        };
        if is_condition {
            bare.push_str(&rest[at..end]);
        } else {
            let blank = |byte: u8| if byte == b'\n' { '\n' } else { ' ' };
            bare.extend(rest[at..end].bytes().map(blank));
        }
        rest = &rest[end..];
    }
    bare.push_str(rest);
    bare
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_blank_and_all_else_stands_where_it_stood() {
        let text = "a<!-- ż -->b{# c\nd #}<!--[if mso]><p><![endif]--><!-- e";
        let bare = "a           b    \n    <!--[if mso]><p><![endif]-->      ";
        let wanted: String = without_comments(text);
        assert_eq!(wanted.len(), text.len());
        assert_eq!(wanted.trim_end(), bare.trim_end());
    }

    #[test]
    fn tags_have_their_attributes_whatever_a_template_puts_in() {
        let text =
            "<a href=\"https://x/{{ a > b }}&amp;c\" {% if x %}title='y'{% endif %}>1</a><V:rect>";
        let tags = written(text);
        assert_eq!(tags.len(), 2);
        assert_eq!(tags[0].get("href"), Some("https://x/\u{fdd0}&c"));
        assert!(tags[0].is_open);
        assert_eq!((&*tags[1].name, tags[1].is_open), ("v:rect", false));
        assert!(is_like("https://x/\u{fdd0}", "https://x/1"));
        assert!(is_like("https://x/\u{fdd0}", "https://\u{fdd0}0\u{fdd1}"));
        assert!(!is_like("http://x/blog", "http://x"));
    }
}
