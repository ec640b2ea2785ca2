//! MJML in one text, with what it includes, and with marks in place of HTML and of the tags of Tera.

mod elements;
mod include;
mod start_tag;

use std::ops::Range;

use self::elements::{has_content, misplaced, unknown};
use super::{MjmlError, SourcePlace};
use crate::render::tags::{Tag, TagKind, tags};

/// The characters before and after the number in a mark. The library escapes other characters in attributes, as Rust does.
pub(super) const MARK: &str = "mailrun-kept-";
pub(super) const MARK_END: char = '-';
/// Around the mark of a `<mj-raw>` where the library takes only comments.
pub(super) const COMMENT: &str = "<!-- ";
pub(super) const COMMENT_END: &str = " -->";
/// The elements in which `<mj-raw>` becomes a comment.
const RAW_AS_COMMENT: [&str; 3] = ["mj-accordion", "mj-navbar", "mj-social"];
/// Begins the class that has the number of an element.
pub(super) const CLASS: &str = "mailrun-element-";
/// How deep elements and includes may be nested.
const MAX_DEPTH: usize = 100;
/// The most bytes of a letter with all that it includes. A message may have 15,000,000.
const MAX_SIZE: usize = 16 << 20;

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
            size: 0,
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
    /// The bytes of all files that were read, each as often as it is included.
    size: usize,
    errors: Vec<MjmlError>,
    /// The elements that are open, with their start tags.
    open: Vec<(String, SourcePlace)>,
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
        if let Some((message, help)) = unknown(tag.name) {
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
        if self.is_misplaced(tag.name, &tag.span) {
            return None;
        }
        let is_comment = self.is_comment(tag.name);
        if !is_comment {
            self.push_start_tag(&tag, text, tera);
        }
        if tag.is_empty {
            return Some(tag.span.end);
        }
        let mut end = tag.span.end;
        if has_content(tag.name) {
            let close = format!("</{}", tag.name);
            let Some(length) = text[end..].find(&close) else {
                let message = format!("<{}> is never closed", tag.name);
                self.error(tag.span, message, &format!("write {close}> where it ends"));
                return None;
            };
            if !text[end..end + length].trim().is_empty() {
                let kept = self.kept(end..end + length, text);
                match is_comment {
                    true => self.push_comment(&kept),
                    false => self.push(&kept),
                }
            }
            end += length;
        }
        if is_comment {
            return Some(end + text[end..].find('>')? + 1);
        }
        let place = self.place(tag.span);
        self.open.push((tag.name.to_owned(), place));
        Some(end)
    }

    fn parent(&self) -> &str {
        self.open.last().map_or("", |(name, _)| name.as_str())
    }

    /// Whether an element may not stand in the one that is open. This is an error.
    fn is_misplaced(&mut self, name: &str, span: &Range<usize>) -> bool {
        let misplaced = misplaced(name, self.parent());
        let is_misplaced = misplaced.is_some();
        if let Some((message, help)) = misplaced {
            self.error(span.clone(), message, &help);
        }
        is_misplaced
    }

    /// Whether an element becomes a comment where it stands.
    fn is_comment(&self, name: &str) -> bool {
        name == "mj-raw" && RAW_AS_COMMENT.contains(&self.parent())
    }

    fn push_comment(&mut self, kept: &str) {
        self.push(&format!("{COMMENT}{kept}{COMMENT_END}"));
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

    fn push(&mut self, text: &str) {
        self.flat.text.push_str(text);
        self.flat.numbered.push_str(text);
    }
}

/// The tag of Tera that begins at a place.
fn tag_at(tags: &[Tag], at: usize) -> Option<&Tag> {
    let index = tags.binary_search_by_key(&at, |tag| tag.span.start);
    tags.get(index.ok()?)
}
