//! Reads a start tag, and writes it for the library.

use std::ops::Range;

use super::{CLASS, Reader, tag_at};
use crate::render::tags::Tag;

/// A start tag.
pub(super) struct StartTag<'t> {
    pub(super) name: &'t str,
    pub(super) span: Range<usize>,
    /// The value of each attribute, without its quotes.
    pub(super) attributes: Vec<(&'t str, Range<usize>)>,
    /// Whether it ends with `/>`.
    pub(super) is_empty: bool,
}

impl Reader<'_, '_> {
    pub(super) fn start_tag<'t>(
        &mut self,
        at: usize,
        text: &'t str,
        tera: &[Tag],
    ) -> Option<StartTag<'t>> {
        let bytes = text.as_bytes();
        let is_name = |b: &u8| !b.is_ascii_whitespace() && !b"/>=\"'<{".contains(b);
        let name_from = |from: usize| {
            let length = bytes[from..].iter().take_while(|b| is_name(b)).count();
            from..from + length
        };
        let name = name_from(at + 1);
        let mut attributes = Vec::new();
        let mut end = name.end;
        loop {
            match *bytes.get(end)? {
                b if b.is_ascii_whitespace() => end += 1,
                b'>' => break,
                b'/' if bytes.get(end + 1) == Some(&b'>') => break,
                b'{' => {
                    let tag = tag_at(tera, end);
                    let span = tag.map_or(end..end + 1, |tag| tag.span.clone());
                    self.error(
                        span,
                        "a tag of the template stands between attributes",
                        "in MJML it can stand in the value of an attribute: color=\"{% if a %}red{% else %}blue{% endif %}\"",
                    );
                    return None;
                }
                _ => {
                    let key = name_from(end);
                    let equals = key.end + white_space(&bytes[key.end..]);
                    let quote = equals + 1 + white_space(bytes.get(equals + 1..)?);
                    let is_quoted = bytes.get(equals) == Some(&b'=')
                        && matches!(bytes.get(quote), Some(b'"' | b'\''));
                    if key.is_empty() || !is_quoted {
                        self.error(
                            end..key.end.max(end + 1),
                            "this is not an attribute with a value in quotes",
                            "write name=\"value\"",
                        );
                        return None;
                    }
                    let close = end_of_value(text, quote, tera)?;
                    let name = &text[key];
                    // As in HTML, the first of two attributes of a name counts.
                    if !attributes.iter().any(|(other, _)| *other == name) {
                        attributes.push((name, quote + 1..close));
                    }
                    end = close + 1;
                }
            }
        }
        let is_empty = bytes[end] == b'/';
        Some(StartTag {
            name: &text[name],
            span: at..end + 1 + usize::from(is_empty),
            attributes,
            is_empty,
        })
    }

    pub(super) fn push_start_tag(&mut self, tag: &StartTag<'_>, text: &str, tera: &[Tag]) {
        let place = self.place(tag.span.clone());
        self.flat.starts.push((self.flat.text.len(), place.clone()));
        self.push(&format!("<{}", tag.name));
        // <mj-raw> makes no element, and takes no attribute.
        let is_numbered =
            tag.name != "mj-raw" && self.open.iter().any(|(name, _)| name == "mj-body");
        let class = format!("{CLASS}{}", self.flat.elements.len());
        let mut has_class = false;
        for (name, value) in &tag.attributes {
            // The CSS of the whole message is inlined later.
            if tag.name == "mj-style" && *name == "inline" {
                continue;
            }
            let place = self.place(value.clone());
            self.flat.starts.push((self.flat.text.len(), place));
            if let Some(value) = with_units(name, &text[value.clone()]) {
                self.push(&format!(" {name}=\"{value}\""));
                continue;
            }
            self.push(&format!(" {name}=\""));
            let mut from = value.start;
            let first = tera.partition_point(|it| it.span.start < value.start);
            let inside = tera[first..].iter();
            for inner in inside.take_while(|it| it.span.end <= value.end) {
                self.push_value(from..inner.span.start, text);
                if is_numbered || tag.name == "mj-body" {
                    self.flat.in_attributes.push(self.flat.kept.len());
                }
                let kept = self.kept(inner.span.clone(), text);
                self.push(&kept);
                from = inner.span.end;
            }
            self.push_value(from..value.end, text);
            if is_numbered && *name == "css-class" {
                has_class = true;
                self.flat.numbered.push_str(&format!(" {class}"));
            }
            self.push("\"");
        }
        if is_numbered {
            if !has_class {
                self.flat
                    .numbered
                    .push_str(&format!(" css-class=\"{class}\""));
            }
            self.flat.elements.push(place);
        } else if matches!(tag.name, "mjml" | "mj-head" | "mj-preview") {
            self.flat.head = Some(place);
        }
        self.push(if tag.is_empty { "/>" } else { ">" });
    }

    /// Adds a part of an attribute's value, with a mark for what the library would escape.
    fn push_value(&mut self, span: Range<usize>, text: &str) {
        let value = text[span.clone()].replace('"', "&quot;");
        let is_escaped = |c: char| c != '\'' && c.escape_debug().len() > 1;
        let value = match value.contains(is_escaped) {
            true => self.kept_as(value, span),
            false => value,
        };
        self.push(&value);
    }
}

fn white_space(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|b| b.is_ascii_whitespace()).count()
}

/// Where the quote is that ends a value. Quotes in tags of Tera don't count.
fn end_of_value(text: &str, open: usize, tera: &[Tag]) -> Option<usize> {
    let quote = text.as_bytes()[open];
    let mut at = open + 1;
    loop {
        at += memchr::memchr2(quote, b'{', &text.as_bytes()[at..])?;
        if text.as_bytes()[at] == quote {
            return Some(at);
        }
        let tag = tag_at(tera, at);
        at = tag.map_or(at + 1, |tag| tag.span.end);
    }
}

/// The value of an attribute with the unit `px`, if it has lengths without one. The library reads `0 25px` as no padding.
fn with_units(name: &str, value: &str) -> Option<String> {
    let is_length = name == "width" || name.starts_with("padding") || name.ends_with("-padding");
    let is_plain =
        |b: u8| b.is_ascii_alphanumeric() || b.is_ascii_whitespace() || b".%-".contains(&b);
    let is_number = |word: &str| word.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let words = || value.split_ascii_whitespace();
    if !is_length || !value.bytes().all(is_plain) || !words().any(is_number) {
        return None;
    }
    let with_unit = |word: &str| match is_number(word) {
        true => format!("{word}px"),
        false => word.to_owned(),
    };
    Some(words().map(with_unit).collect::<Vec<_>>().join(" "))
}
