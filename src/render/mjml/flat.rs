//! MJML in one text, with what it includes, and with marks in place of HTML and of the tags of Tera.

use std::ops::Range;

use super::{MjmlError, SourcePlace};
use crate::file_name::composed;
use crate::finding::nearest;
use crate::render::tags::{Tag, TagKind, tags};

/// The characters before and after the number in a mark. The library escapes other characters in attributes, as Rust does.
pub(super) const MARK: &str = "mailrun-kept-";
pub(super) const MARK_END: char = '-';
/// Begins the class that has the number of an element.
pub(super) const CLASS: &str = "mailrun-element-";
/// How deep elements and includes may be nested.
const MAX_DEPTH: usize = 100;

/// The elements whose content is not MJML.
const WITH_CONTENT: [&str; 11] = [
    "mj-accordion-text",
    "mj-accordion-title",
    "mj-button",
    "mj-navbar-link",
    "mj-preview",
    "mj-raw",
    "mj-social-element",
    "mj-style",
    "mj-table",
    "mj-text",
    "mj-title",
];
/// The other elements.
const OTHERS: [&str; 23] = [
    "mjml",
    "mj-accordion",
    "mj-accordion-element",
    "mj-all",
    "mj-attributes",
    "mj-body",
    "mj-breakpoint",
    "mj-carousel",
    "mj-carousel-image",
    "mj-class",
    "mj-column",
    "mj-divider",
    "mj-font",
    "mj-group",
    "mj-head",
    "mj-hero",
    "mj-image",
    "mj-include",
    "mj-navbar",
    "mj-section",
    "mj-social",
    "mj-spacer",
    "mj-wrapper",
];

#[derive(Default)]
pub(super) struct Flat {
    /// The MJML for the library.
    pub(super) text: String,
    /// The same with the number of each element as a class.
    pub(super) numbered: String,
    /// The part of the file behind each mark: its place and its text.
    pub(super) kept: Vec<(SourcePlace, String)>,
    /// The numbers of the marks for tags of Tera in attributes of the body.
    pub(super) in_attributes: Vec<usize>,
    /// The start tags of the elements of the body.
    pub(super) elements: Vec<SourcePlace>,
    /// The start tag of the head or of the preview, as the place of HTML that is made from them.
    pub(super) head: Option<SourcePlace>,
    /// Where tags begin in `text`, and where that is in the files. In order.
    starts: Vec<(usize, SourcePlace)>,
}

impl Flat {
    pub(super) fn read<'a>(
        file: &str,
        read: &dyn Fn(&str) -> Option<&'a str>,
    ) -> Result<Self, Vec<MjmlError>> {
        let mut flat = Self::default();
        let mut reader = Reader {
            flat: &mut flat,
            read,
            files: Vec::new(),
            errors: Vec::new(),
            open: Vec::new(),
        };
        reader.file(file);
        match reader.errors {
            errors if errors.is_empty() => Ok(flat),
            errors => Err(errors),
        }
    }

    /// An error at a place in `text`.
    pub(super) fn error_at(&self, at: usize, message: String) -> MjmlError {
        let start = self.starts.partition_point(|(start, _)| *start <= at);
        let place = start.checked_sub(1).and_then(|it| self.starts.get(it));
        let place = place.or(self.starts.first()).map(|(_, place)| place);
        MjmlError {
            place: place.cloned().unwrap_or_else(|| SourcePlace {
                file: String::new(),
                span: 0..0,
            }),
            message,
            help: None,
        }
    }
}

struct Reader<'r, 'a> {
    flat: &'r mut Flat,
    read: &'r dyn Fn(&str) -> Option<&'a str>,
    /// The files that are being read, each included by the one before it.
    files: Vec<String>,
    errors: Vec<MjmlError>,
    /// The elements that are open, with their start tags.
    open: Vec<(String, SourcePlace)>,
}

/// A start tag.
struct StartTag<'t> {
    name: &'t str,
    span: Range<usize>,
    /// The value of each attribute, without its quotes.
    attributes: Vec<(&'t str, Range<usize>)>,
    /// Whether it ends with `/>`.
    is_empty: bool,
}

impl Reader<'_, '_> {
    fn place(&self, span: Range<usize>) -> SourcePlace {
        let file = self.files.last().cloned().unwrap_or_default();
        SourcePlace { file, span }
    }

    fn error(&mut self, span: Range<usize>, message: impl Into<String>, help: &str) {
        let place = self.place(span);
        self.errors.push(MjmlError {
            place,
            message: message.into(),
            help: (!help.is_empty()).then(|| help.to_owned()),
        });
    }

    fn file(&mut self, name: &str) {
        let Some(text) = (self.read)(name) else {
            return;
        };
        self.files.push(name.to_owned());
        let outer = self.open.len();
        let tera = tags(text);
        if tera.is_none() {
            let help = "close it with }}, %} or #}";
            self.error(0..0, "a tag of the template is never closed", help);
        }
        let is_read = tera.is_some_and(|tera| self.text(text, &tera).is_some());
        let open = self.open.split_off(outer);
        for (name, place) in open.into_iter().filter(|_| is_read) {
            let message = format!("<{name}> is never closed");
            let help = Some(format!("write </{name}> where it ends"));
            self.errors.push(MjmlError {
                place,
                message,
                help,
            });
        }
        self.files.pop();
    }

    /// Reads MJML until its end. `None` if an error makes the rest uncertain.
    fn text(&mut self, text: &str, tera: &[Tag]) -> Option<()> {
        let mut at = 0;
        while let Some(length) = memchr::memchr2(b'<', b'{', &text.as_bytes()[at..]) {
            let found = at + length;
            self.between(at..found, text);
            let rest = &text[found..];
            let end = if rest.starts_with('{') {
                self.tera_between(found, text, tera)
            } else if rest.starts_with("<!--") {
                rest.find("-->").map(|end| found + end + 3)
            } else if rest.starts_with("<?") || rest.starts_with("<!") {
                rest.find('>').map(|end| found + end + 1)
            } else if rest.starts_with("</") {
                self.end_tag(found, text)
            } else {
                self.element(found, text, tera)
            };
            match end {
                Some(end) => at = end,
                None => {
                    if self.errors.is_empty() {
                        self.error(
                            found..found + 1,
                            "this tag is never closed",
                            "close it with `>`",
                        );
                    }
                    return None;
                }
            }
        }
        self.between(at..text.len(), text);
        Some(())
    }

    /// Nothing but white space may stand between elements.
    fn between(&mut self, span: Range<usize>, text: &str) {
        let between = &text[span.clone()];
        let words = between.trim();
        if words.is_empty() {
            return;
        }
        let start = span.start + between.find(words).unwrap_or_default();
        let line = words.lines().next().unwrap_or_default().len();
        self.error(
            start..start + line,
            "this text is not in an element that shows text",
            "put it into <mj-text>, or into <mj-raw> if it is HTML",
        );
    }

    /// A comment, or a tag of Tera where it can't be. Returns its end.
    fn tera_between(&mut self, at: usize, text: &str, tera: &[Tag]) -> Option<usize> {
        if text[at..].starts_with("{#") {
            let end = text[at..].find("#}")?;
            return Some(at + end + 2);
        }
        let Some(tag) = tag_at(tera, at) else {
            self.between(at..at + 1, text);
            return Some(at + 1);
        };
        let written = &text[tag.span.clone()];
        let help = match tag.kind {
            TagKind::Statement => format!("write <mj-raw>{written}</mj-raw>"),
            TagKind::Print => {
                format!("write <mj-text>{written}</mj-text>, or <mj-raw> if it prints HTML")
            }
        };
        let message = format!("{written} stands between elements, where MJML allows no text");
        self.error(tag.span.clone(), message, &help);
        Some(tag.span.end)
    }

    fn end_tag(&mut self, at: usize, text: &str) -> Option<usize> {
        let end = at + text[at..].find('>')? + 1;
        let name = text[at + 2..end - 1].trim();
        let place = self.place(at..end);
        // A file can't close what the file that includes it opened.
        let is_own = |(_, start): &mut (String, SourcePlace)| start.file == place.file;
        match self.open.pop_if(is_own) {
            Some((open, _)) if open == name => {
                self.flat.starts.push((self.flat.text.len(), place));
                self.push(&format!("</{name}>"));
            }
            Some((open, start)) => {
                let line = text[..start.span.start].matches('\n').count() + 1;
                let message = format!("</{name}> stands where </{open}> is expected");
                let help = format!("close <{open}> in line {line} first");
                self.error(at..end, message, &help);
                return None;
            }
            None => {
                let message = format!("</{name}> closes nothing");
                self.error(
                    at..end,
                    message,
                    &format!("delete it, or write <{name}> before it"),
                );
                return None;
            }
        }
        Some(end)
    }

    /// A start tag, and the content of an element that has some. Returns where they end.
    fn element(&mut self, at: usize, text: &str, tera: &[Tag]) -> Option<usize> {
        let tag = self.start_tag(at, text, tera)?;
        let is_known = WITH_CONTENT.contains(&tag.name) || OTHERS.contains(&tag.name);
        if !is_known {
            let known = WITH_CONTENT.into_iter().chain(OTHERS);
            let help = match nearest(tag.name, known) {
                Some(near) if tag.name.starts_with("mj") => format!("did you mean <{near}>?"),
                _ => "put HTML into <mj-raw>, or into <mj-text> if it is text".to_owned(),
            };
            let message = format!("<{}> is not an element of MJML", tag.name);
            self.error(tag.span, message, &help);
            return None;
        }
        if self.open.len() + self.files.len() > MAX_DEPTH {
            let message = format!("elements are nested more than {MAX_DEPTH} deep");
            self.error(tag.span, message, "close the elements that stay open");
            return None;
        }
        if tag.name == "mj-include" {
            return self.include(&tag, text);
        }
        self.push_start_tag(&tag, text, tera);
        if tag.is_empty {
            return Some(tag.span.end);
        }
        let mut end = tag.span.end;
        if WITH_CONTENT.contains(&tag.name) {
            let close = format!("</{}", tag.name);
            let Some(length) = text[end..].find(&close) else {
                let message = format!("<{}> is never closed", tag.name);
                self.error(tag.span, message, &format!("write {close}> where it ends"));
                return None;
            };
            if !text[end..end + length].trim().is_empty() {
                let kept = self.kept(end..end + length, text);
                self.push(&kept);
            }
            end += length;
        }
        let place = self.place(tag.span);
        self.open.push((tag.name.to_owned(), place));
        Some(end)
    }

    fn start_tag<'t>(&mut self, at: usize, text: &'t str, tera: &[Tag]) -> Option<StartTag<'t>> {
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

    fn push_start_tag(&mut self, tag: &StartTag<'_>, text: &str, tera: &[Tag]) {
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

    /// The mark for a part of the file.
    fn kept(&mut self, span: Range<usize>, text: &str) -> String {
        let written = text[span.clone()].to_owned();
        self.kept_as(written, span)
    }

    /// The mark for a part of the file that becomes another text.
    fn kept_as(&mut self, text: String, span: Range<usize>) -> String {
        let place = self.place(span);
        self.flat.kept.push((place, text));
        format!("{MARK}{}{MARK_END}", self.flat.kept.len() - 1)
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

    fn push(&mut self, text: &str) {
        self.flat.text.push_str(text);
        self.flat.numbered.push_str(text);
    }

    /// Reads an included file, and returns the end of `<mj-include>`.
    fn include(&mut self, tag: &StartTag<'_>, text: &str) -> Option<usize> {
        let end = match tag.is_empty {
            true => tag.span.end,
            false => {
                let close = text[tag.span.end..].find("</mj-include>")?;
                tag.span.end + close + "</mj-include>".len()
            }
        };
        let value = |wanted: &str| {
            let mut attributes = tag.attributes.iter();
            let (_, span) = attributes.find(|(name, _)| *name == wanted)?;
            Some(span.clone())
        };
        let Some(path) = value("path") else {
            let help = "write <mj-include path=\"header.mjml\" />";
            self.error(
                tag.span.clone(),
                "<mj-include> has no attribute `path`",
                help,
            );
            return Some(end);
        };
        let folder = self.files.last().map_or("", String::as_str);
        let Some(name) = resolved(folder, &text[path.clone()]) else {
            let help = "mailrun reads only files in templates/. Write a path relative to this file, such as \"parts/header.mjml\"";
            self.error(path, "the path leads out of templates/", help);
            return Some(end);
        };
        if (self.read)(&name).is_none() {
            let message = format!("there is no file templates/{name}");
            self.error(path, message, "write a path relative to this file");
            return Some(end);
        }
        if self.files.contains(&name) {
            let message = format!("{name} includes itself");
            self.error(path, message, "remove one of the <mj-include>");
            return Some(end);
        }
        let kind = value("type").map_or("mjml", |span| &text[span]);
        let element = match kind {
            "mjml" => {
                self.file(&name);
                return Some(end);
            }
            "css" => "mj-style",
            "html" => "mj-raw",
            _ => {
                let span = value("type").unwrap_or(path);
                self.error(span, "the type is unknown", "write mjml, html or css");
                return Some(end);
            }
        };
        let include = format!("{{% include {name:?} %}}");
        let kept = self.kept_as(include, tag.span.clone());
        self.push(&format!("<{element}>{kept}</{element}>"));
        Some(end)
    }
}

/// The tag of Tera that begins at a place.
fn tag_at(tags: &[Tag], at: usize) -> Option<&Tag> {
    let index = tags.binary_search_by_key(&at, |tag| tag.span.start);
    tags.get(index.ok()?)
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

/// The name of a file in `templates/` that a path in another file leads to. `None` if it leads out of it.
fn resolved(from: &str, path: &str) -> Option<String> {
    if path.starts_with('/') || path.contains(['\\', ':']) {
        return None;
    }
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(composed(&parts.join("/")).into_owned())
}
