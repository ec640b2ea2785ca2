//! From something in a message to its place in the templates.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::page::{Element, Page};
use crate::campaign::TEMPLATES;
use crate::finding::{Excerpt, Finding, Place};
use crate::render::{Engine, before_marks};

/// Finds what is in a message in the templates that it is made of.
#[derive(Debug)]
pub(super) struct Locator {
    /// The template of the HTML is the first.
    files: Vec<File>,
}

#[derive(Debug)]
struct File {
    path: PathBuf,
    /// All of it: findings are pieces of this, so that they don't hold a copy each.
    whole: Excerpt,
    /// Its text, in small letters as far as they are ASCII.
    lower: String,
}

impl File {
    fn new(path: PathBuf, text: &str) -> Self {
        Self {
            whole: Excerpt::new(&path.display().to_string(), text, 0..0),
            lower: text.to_ascii_lowercase(),
            path,
        }
    }

    fn text(&self) -> &str {
        self.whole.text()
    }
}

impl Locator {
    pub(super) fn new(engine: &Engine, dir: &Path) -> Self {
        let files = engine.templates().into_iter();
        let files = files.map(|(name, text)| File::new(dir.join(TEMPLATES).join(name), text));
        Self {
            files: files.collect(),
        }
    }

    /// A finding with the place of an element, as nearly as it can be told: the one in the templates
    /// that has this attribute with this value, or the same name.
    pub(super) fn at_element(
        &self,
        finding: Finding,
        page: &Page,
        index: usize,
        attribute: Option<&str>,
    ) -> Finding {
        let Some(element) = page.element(index) else {
            return self.somewhere(finding);
        };
        let value = attribute.and_then(|name| Some((name, element.get(name)?)));
        let exact = value.and_then(|(name, value)| {
            let like =
                |other: &Element| other.name == element.name && other.get(name) == Some(value);
            let nth = nth_of(page, index, like);
            self.tag(&element.name, Some((name, value)), nth)
        });
        let found = exact.or_else(|| {
            let nth = nth_of(page, index, |other| other.name == element.name);
            self.tag(&element.name, None, nth)
        });
        self.put(finding, found)
    }

    /// A finding with the place of a text, its `nth` if it is there more than once.
    pub(super) fn at_text(&self, finding: Finding, text: &str, nth: usize) -> Finding {
        let needle = text.to_ascii_lowercase();
        let all = self.files.iter().enumerate().flat_map(|(file, content)| {
            let matches = content.lower.match_indices(&needle);
            matches.map(move |(at, found)| (file, at..at + found.len()))
        });
        let found = (!needle.trim().is_empty())
            .then(|| nth_or_last(all, nth))
            .flatten();
        self.put(finding, found)
    }

    /// Whether a text stands in a template as it is, but for the escaping of `&`.
    pub(super) fn has(&self, text: &str) -> bool {
        let escaped = text.replace('&', "&amp;");
        let mut files = self.files.iter();
        files.any(|file| file.text().contains(text) || file.text().contains(&escaped))
    }

    /// A finding in the template of the HTML.
    pub(super) fn somewhere(&self, finding: Finding) -> Finding {
        self.put(finding, None)
    }

    fn put(&self, mut finding: Finding, found: Option<(usize, Range<usize>)>) -> Finding {
        match found {
            Some((file, span)) => {
                let file = &self.files[file];
                finding.place.file = Some(file.path.clone());
                finding.excerpt(file.whole.at(span))
            }
            None => {
                finding.place = match self.files.first() {
                    Some(file) => Place::file(&file.path),
                    None => finding.place,
                };
                finding
            }
        }
    }

    /// The `nth` tag of a name that has the attribute with a value that begins like this.
    fn tag(
        &self,
        name: &str,
        attribute: Option<(&str, &str)>,
        nth: usize,
    ) -> Option<(usize, Range<usize>)> {
        let open = format!("<{name}");
        let all = self.files.iter().enumerate().flat_map(|(file, content)| {
            let starts = content.lower.match_indices(&open);
            let starts = starts.map(|(at, _)| at).filter(|at| {
                let after = content.lower[at + open.len()..].chars().next();
                after.is_none_or(|c| !c.is_ascii_alphanumeric() && c != '-')
            });
            let tags = starts.map(|start| start..tag_end(content.text(), start));
            tags.filter(|tag| {
                attribute.is_none_or(|(name, value)| {
                    has_attribute(&content.text()[tag.clone()], name, value)
                })
            })
            .map(move |tag| (file, tag))
            .collect::<Vec<_>>()
        });
        nth_or_last(all, nth)
    }
}

fn nth_or_last<T>(all: impl Iterator<Item = T>, nth: usize) -> Option<T> {
    let mut last = None;
    for (index, item) in all.enumerate() {
        last = Some(item);
        if index == nth {
            break;
        }
    }
    last
}

/// How many elements like this one stand before it.
fn nth_of(page: &Page, index: usize, like: impl Fn(&Element) -> bool) -> usize {
    let before = page.elements().take_while(|(at, _)| *at < index);
    before.filter(|(_, element)| like(element)).count()
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

fn has_attribute(tag: &str, name: &str, value: &str) -> bool {
    let lower = tag.to_ascii_lowercase();
    lower.match_indices(name).any(|(at, _)| {
        let apart =
            lower[..at].ends_with(|c: char| c.is_ascii_whitespace() || c == '"' || c == '\'');
        let rest = tag[at + name.len()..].trim_start();
        let written = rest.strip_prefix('=').map(str::trim_start);
        let written = written.map(|rest| rest.strip_prefix(['"', '\'']).unwrap_or(rest));
        let begin = before_marks(value);
        let same = |rest: &str| {
            let escaped = begin.replace('&', "&amp;");
            let rest = rest
                .strip_prefix(begin)
                .or_else(|| rest.strip_prefix(&escaped));
            // What is all of the value ends there.
            let ends = |rest: &str| rest.starts_with(['"', '\'', ' ', '>', '/', '\n', '\r']);
            rest.is_some_and(|rest| begin.len() < value.len() || ends(rest))
        };
        apart && (written.is_some_and(same) || (written.is_none() && value.is_empty()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    fn locator(text: &str) -> Locator {
        Locator {
            files: vec![File::new(PathBuf::from("a.html"), text)],
        }
    }

    #[test]
    fn an_element_is_found_where_it_is_written() {
        let template = "<p>\n<a href=\"https://x/{{ a > b }}\">1</a>\n <A class='>' href='#'>2</A><a href=\"#\">3";
        let html = "<p>\n<a href=\"https://x/\u{fdd0}0\u{fdd1}\">1</a>\n <A class='>' href='#'>2</A><a href=\"#\">3";
        let page = Page::parse(html, &Clock::system());
        let places: Vec<_> = page
            .named("a")
            .map(|(index, _)| {
                let finding = Finding::error("x", Place::default(), "x");
                let found = locator(template).at_element(finding, &page, index, Some("href"));
                (found.place.line, found.place.column)
            })
            .collect();
        let at = |line, column| (Some(line), Some(column));
        assert_eq!(places, [at(2, 1), at(3, 2), at(3, 29)]);
    }
}
