//! The elements that the Markdown in a template makes.

use std::ops::Range;

use pulldown_cmark::{Event, Parser, Tag, TagEnd};

use super::template_tags::{PLACEHOLDER, TemplateTag, first_of};
use crate::render::markdown_options;

/// The elements of a template without comments. Those in HTML are left out.
pub(super) fn markdown_tags(text: &str) -> Vec<TemplateTag> {
    let markdown = with_placeholders(text);
    let mut tags: Vec<TemplateTag> = Vec::new();
    // The elements whose content has not begun, and the images whose text goes on.
    let (mut begun, mut images) = (0, Vec::new());
    for (event, range) in Parser::new_ext(&markdown, markdown_options()).into_offset_iter() {
        for tag in &mut tags[begun..] {
            tag.content = range.start;
        }
        begun = tags.len();
        match &event {
            Event::Text(text) | Event::Code(text) => {
                for image in &images {
                    let tag: &mut TemplateTag = &mut tags[*image];
                    tag.attributes[1].1.push_str(text);
                }
            }
            Event::Start(Tag::Image { .. }) => images.push(tags.len()),
            Event::End(TagEnd::Image) => drop(images.pop()),
            _ => {}
        }
        tags.extend(tag_of(event, &range, text));
    }
    tags
}

fn tag_of(event: Event<'_>, range: &Range<usize>, text: &str) -> Option<TemplateTag> {
    let heading;
    let (name, attributes) = match event {
        Event::Start(Tag::Link {
            dest_url, title, ..
        }) => ("a", vec![("href", dest_url), ("title", title)]),
        Event::Start(Tag::Image {
            dest_url, title, ..
        }) => (
            "img",
            vec![("src", dest_url), ("alt", "".into()), ("title", title)],
        ),
        Event::Start(Tag::Heading { level, .. }) => {
            heading = level.to_string();
            (heading.as_str(), Vec::new())
        }
        Event::Start(tag) => (plain_name(&tag)?, Vec::new()),
        Event::Code(_) => ("code", Vec::new()),
        Event::Rule => ("hr", Vec::new()),
        _ => return None,
    };
    let mut attributes = attributes.into_iter();
    let attributes = attributes
        .by_ref()
        .filter(|(name, value)| *name != "title" || !value.is_empty());
    let line = text.get(range.clone()).unwrap_or_default().find('\n');
    Some(TemplateTag {
        span: range.start..line.map_or(range.end, |length| range.start + length),
        content: range.end,
        attributes: attributes
            .map(|(name, value)| (name.to_owned(), value.to_string()))
            .collect(),
        is_open: false,
        name: name.to_owned(),
    })
}

/// The name of an element that has no attributes.
fn plain_name(tag: &Tag<'_>) -> Option<&'static str> {
    Some(match tag {
        Tag::Paragraph => "p",
        Tag::BlockQuote(_) => "blockquote",
        Tag::CodeBlock(_) => "pre",
        Tag::List(None) => "ul",
        Tag::List(Some(_)) => "ol",
        Tag::Item => "li",
        Tag::Table(_) => "table",
        Tag::Emphasis => "em",
        Tag::Strong => "strong",
        Tag::Strikethrough => "del",
        _ => return None,
    })
}

/// The text with a word in place of each Tera tag, so that everything else keeps its place. A line that has only
/// statements is blank.
fn with_placeholders(text: &str) -> String {
    let mut replaced = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let words = with_words(line);
        let is_blank = words.is_statements;
        match is_blank {
            true => replaced.extend(line.bytes().map(|b| if b == b'\n' { '\n' } else { ' ' })),
            false => replaced.push_str(&words.line),
        }
    }
    replaced
}

struct Words {
    line: String,
    /// Whether a line has only statements.
    is_statements: bool,
}

fn with_words(line: &str) -> Words {
    let mut replaced = String::with_capacity(line.len());
    let (mut statements, mut others) = (false, false);
    let mut rest = line;
    while let Some((at, close)) = first_of(rest, [("{{", "}}"), ("{%", "%}")]) {
        let Some(length) = rest[at..].find(close) else {
            break;
        };
        let length = length + close.len();
        match close {
            "%}" => statements = true,
            _ => others = true,
        }
        others |= !rest[..at].trim().is_empty();
        replaced.push_str(&rest[..at]);
        replaced.push(PLACEHOLDER);
        replaced.extend(std::iter::repeat_n('x', length - PLACEHOLDER.len_utf8()));
        rest = &rest[at + length..];
    }
    others |= !rest.trim().is_empty();
    Words {
        line: replaced + rest,
        is_statements: statements && !others,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_makes_elements() {
        let text = "# Hi {{ name }}\n\n{% if a %}\n- [a *b*](https://x.example/{{ token | urlencode }} \"t\")\n{% endif %}\n\n\
                    ![An {{ a }} image](cid:x.png)\n| a | b |\n|---|---|\n| c | `d` |\n";
        let tags = markdown_tags(text);
        let found: Vec<_> = tags
            .iter()
            .map(|tag| (tag.name.as_str(), &text[tag.span.clone()]))
            .collect();
        let expected = [
            ("h1", "# Hi {{ name }}"),
            (
                "ul",
                "- [a *b*](https://x.example/{{ token | urlencode }} \"t\")",
            ),
            (
                "li",
                "- [a *b*](https://x.example/{{ token | urlencode }} \"t\")",
            ),
            (
                "a",
                "[a *b*](https://x.example/{{ token | urlencode }} \"t\")",
            ),
            ("em", "*b*"),
            ("p", "![An {{ a }} image](cid:x.png)"),
            ("img", "![An {{ a }} image](cid:x.png)"),
        ];
        assert_eq!(found[..expected.len()], expected);
        let link = &tags[3];
        let href = link.attributes[0].1.split(PLACEHOLDER).next();
        assert_eq!(href, Some("https://x.example/"));
        assert!(text[link.content..].starts_with("a *b*"));
        let alt = &tags[6].attributes[1];
        assert!(
            alt.1.starts_with("An ") && alt.1.ends_with(" image"),
            "{alt:?}"
        );
    }
}
