//! The HTML tags in a template, and how well each fits an element of a message.

use std::ops::{ControlFlow, Range};

use crate::html::marks::{self, before_marks};
use crate::html::{NodeKind, Page, Token, tokenize};

/// Replaces a Tera tag inside an HTML tag, so that [`before_marks`] ends there.
pub(super) const PLACEHOLDER: char = marks::BEGIN;
/// How many characters of the text after a tag are compared.
const COMPARED: usize = 24;
/// How often a template is read to find the ends of its tags. Tags that are never closed overlap.
const MAX_READ: usize = 8;

/// A start tag in a template.
#[derive(Debug)]
pub(super) struct TemplateTag {
    pub(super) name: String,
    pub(super) span: Range<usize>,
    /// Where the element's content begins.
    pub(super) content: usize,
    pub(super) attributes: Vec<(String, String)>,
    /// Whether Tera tags between the attributes may add some or leave some out.
    pub(super) is_open: bool,
}

/// How well a tag fits an element, the most significant criterion first.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fit {
    /// It has the element's attributes and no others.
    attributes: bool,
    /// It has the attribute that the finding is about.
    attribute: bool,
    /// The same text follows it.
    text: bool,
    /// It has the element's style. CSS inlining may have changed that.
    style: bool,
}

impl Fit {
    /// Whether nothing can fit better, as far as attributes tell.
    pub(super) fn is_certain(&self, attribute: Option<&str>) -> bool {
        self.attributes && (self.attribute || attribute.is_none())
    }
}

/// The tags of a template without comments.
pub(super) fn template_tags(text: &str) -> Vec<TemplateTag> {
    let starts = text.match_indices('<').filter_map(|(start, _)| {
        let rest = &text[start + 1..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | ':'));
        let name = &rest[..end.unwrap_or(rest.len())];
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic());
        is_name.then(|| (start, name.to_ascii_lowercase()))
    });
    let mut read = 0;
    let tags = starts.map(|(start, name)| {
        let is_allowed = read <= MAX_READ * text.len();
        let end = is_allowed.then(|| tag_end(text, start)).flatten();
        read += end.unwrap_or(text.len()) - start;
        let end = end.unwrap_or_else(|| {
            let next = memchr::memchr2(b'<', b'>', &text.as_bytes()[start + 1..]);
            next.map_or(text.len(), |length| start + 1 + length)
        });
        let span = start..end;
        let mut attributes = attributes(&text[span.clone()]);
        let all = attributes.len();
        attributes.retain(|(name, _)| !name.contains(PLACEHOLDER));
        TemplateTag {
            name,
            content: span.end,
            span,
            is_open: attributes.len() < all,
            attributes,
        }
    });
    tags.collect()
}

impl TemplateTag {
    /// How well it fits an element of a page. `attribute` is the one that the finding is about, and
    /// `template` the text that the tag is in.
    pub(super) fn fit(
        &self,
        page: &Page,
        index: usize,
        attribute: Option<&str>,
        template: &str,
    ) -> Fit {
        let Some(element) = page.element(index) else {
            return Fit::default();
        };
        let fits = |name: &str| {
            let value = self.get(name).zip(element.get(name));
            value.is_some_and(|(template, rendered)| may_render_as(template, rendered))
        };
        let (rendered, written) = (&element.attributes, &self.attributes);
        let has_all = rendered.iter().enumerate().all(|(at, (name, value))| {
            name == "style"
                || match get_near(written, name, at) {
                    Some(template) => may_render_as(template, value),
                    None => self.is_open,
                }
        });
        let has = |(at, (name, _)): (usize, &(String, String))| {
            name == "style" || get_near(rendered, name, at).is_some()
        };
        let has_no_others = self.is_open || has_all && written.iter().enumerate().all(has);
        Fit {
            attributes: has_all && has_no_others,
            attribute: attribute.is_some_and(fits),
            text: text_after(page, index).is_some_and(|text| {
                let rest = template.get(self.content..).unwrap_or_default();
                let rest = rest.trim_start();
                rest.starts_with(text) && (!text.is_empty() || rest.starts_with("{{"))
            }),
            style: fits("style"),
        }
    }

    fn get(&self, attribute: &str) -> Option<&str> {
        let mut attributes = self.attributes.iter();
        let (_, value) = attributes.find(|(name, _)| name == attribute)?;
        Some(value)
    }
}

/// The value of an attribute that is probably at this index: most tags have their attributes in the order of the element.
fn get_near<'a>(attributes: &'a [(String, String)], name: &str, index: usize) -> Option<&'a str> {
    let is_it = |(other, _): &&(String, String)| other == name;
    let near = attributes.get(index).filter(is_it);
    let found = near.or_else(|| attributes.iter().find(is_it));
    found.map(|(_, value)| value.as_str())
}

/// Whether a value in a template may give a value in a message. What follows a placeholder or mark is not
/// compared.
fn may_render_as(template: &str, rendered: &str) -> bool {
    let (fixed, known) = (before_marks(template), before_marks(rendered));
    match (fixed.len() < template.len(), known.len() < rendered.len()) {
        (false, false) => template == rendered,
        (true, false) => rendered.starts_with(fixed),
        (false, true) => template.starts_with(known),
        (true, true) => fixed.starts_with(known) || known.starts_with(fixed),
    }
}

/// The beginning of the text right after an element's start tag, as far as a template has the same. It is
/// empty if a row's value comes first.
fn text_after(page: &Page, index: usize) -> Option<&str> {
    let NodeKind::Text(text) = &page.nodes.get(index + 1)?.kind else {
        return None;
    };
    let text = text.trim_start();
    let text = text.split(['&', '<', '>', '\u{a0}', marks::BEGIN]).next()?;
    let end = text.char_indices().nth(COMPARED);
    Some(text[..end.map_or(text.len(), |(at, _)| at)].trim_end())
}

/// The end of the tag that begins at `start`, skipping any `>` in quotes or in a Tera tag; `None` if there is none.
fn tag_end(text: &str, start: usize) -> Option<usize> {
    let mut quote = None;
    let mut braces = 0_usize;
    for (at, c) in text[start..].char_indices() {
        match (c, quote) {
            ('{', _) => braces += 1,
            ('}', _) => braces = braces.saturating_sub(1),
            ('"' | '\'', None) if braces == 0 => quote = Some(c),
            (c, Some(open)) if c == open && braces == 0 => quote = None,
            ('>', None) if braces == 0 => return Some(start + at + 1),
            _ => {}
        }
    }
    None
}

/// The attributes of a tag, with [`PLACEHOLDER`] for each Tera tag.
fn attributes(tag: &str) -> Vec<(String, String)> {
    let mut attributes = Vec::new();
    tokenize(&with_placeholders(tag), |token| {
        if let Token::StartTag(tag) = token {
            attributes.extend(tag.to_attributes());
        }
        ControlFlow::Continue(())
    });
    attributes
}

fn with_placeholders(tag: &str) -> String {
    let mut replaced = String::with_capacity(tag.len());
    let mut rest = tag;
    while let Some((at, close)) = first_of(rest, [("{{", "}}"), ("{%", "%}")]) {
        let Some(length) = rest[at..].find(close) else {
            break;
        };
        replaced.push_str(&rest[..at]);
        replaced.push(PLACEHOLDER);
        rest = &rest[at + length + close.len()..];
    }
    replaced + rest
}

/// Where the first of two openers is, and what closes it.
pub(super) fn first_of<'a>(text: &str, pairs: [(&str, &'a str); 2]) -> Option<(usize, &'a str)> {
    // One search for both: a search for each would read to the end of the text for one that is missing.
    let [first, second] = pairs.map(|(open, _)| open.as_bytes()[0]);
    memchr::memchr2_iter(first, second, text.as_bytes()).find_map(|at| {
        let mut pairs = pairs.iter();
        let (_, close) = pairs.find(|(open, _)| text[at..].starts_with(open))?;
        Some((at, *close))
    })
}

/// A template with spaces in place of its comments, both HTML and Tera comments, so that everything else
/// keeps its place. Conditional comments for Outlook stay.
pub(super) fn without_comments(text: &str) -> String {
    let mut blanked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, close)) = first_of(rest, [("<!--", "-->"), ("{#", "#}")]) {
        let opener = if close == "-->" { "<!--" } else { "{#" };
        let inner = at + opener.len();
        blanked.push_str(&rest[..at]);
        if close == "-->" && rest[inner..].trim_start().starts_with("[if") {
            blanked.push_str(opener);
            rest = &rest[inner..];
            continue;
        }
        let length = rest[inner..].find(close);
        let end = length.map_or(rest.len(), |length| inner + length + close.len());
        let blank = |byte: u8| if byte == b'\n' { '\n' } else { ' ' };
        blanked.extend(rest[at..end].bytes().map(blank));
        rest = &rest[end..];
    }
    blanked + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_become_spaces() {
        let text = "a<!-- ż -->b{# c\nd #}<!--[if mso]><p><![endif]--><!-- e";
        let bare = "a           b    \n    <!--[if mso]><p><![endif]-->      ";
        let blanked = without_comments(text);
        assert_eq!(blanked.len(), text.len());
        assert_eq!(blanked.trim_end(), bare.trim_end());
    }

    #[test]
    fn tags_have_attributes_with_tera_tags_in_them() {
        let text =
            "<a href=\"https://x/{{ a > b }}&amp;c\" {% if x %}title='y'{% endif %}>1</a><V:rect>";
        let tags = template_tags(text);
        assert_eq!(tags.len(), 2);
        assert_eq!(tags[0].get("href"), Some("https://x/\u{fdd0}&c"));
        assert!(tags[0].is_open);
        assert_eq!((&*tags[1].name, tags[1].is_open), ("v:rect", false));
        assert!(may_render_as("https://x/\u{fdd0}", "https://x/1"));
        assert!(may_render_as(
            "https://x/\u{fdd0}",
            "https://\u{fdd0}0\u{fdd1}"
        ));
        assert!(!may_render_as("http://x/blog", "http://x"));
    }
}
