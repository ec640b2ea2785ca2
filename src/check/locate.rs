//! From something in a message to its place in the templates.

mod template_tags;

use std::ops::Range;
use std::path::{Path, PathBuf};

use self::template_tags::{Written, without_comments, written};
use crate::campaign::TEMPLATES;
use crate::finding::{Excerpt, Finding, Place};
use crate::html::{ImageSource, Page};
use crate::render::Engine;

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
    /// The same without its comments.
    bare: String,
    /// Its tags of HTML.
    tags: Vec<Written>,
}

impl File {
    fn new(path: PathBuf, text: &str) -> Self {
        let bare = without_comments(text);
        Self {
            whole: Excerpt::new(&path.display().to_string(), text, 0..0),
            lower: text.to_ascii_lowercase(),
            tags: written(&bare),
            bare: bare.to_ascii_lowercase(),
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
    /// that has the same attributes, this one before all, or the same name.
    pub(super) fn at_element(
        &self,
        finding: Finding,
        page: &Page,
        index: usize,
        attribute: Option<&str>,
    ) -> Finding {
        self.put(finding, self.tag(page, index, attribute))
    }

    /// A finding where an image's address is written; CSS may have come to its element from elsewhere.
    pub(super) fn at_image(
        &self,
        finding: Finding,
        page: &Page,
        index: usize,
        source: &ImageSource<'_>,
    ) -> Finding {
        match source.fragment.filter(|fragment| self.has(fragment)) {
            Some(fragment) => self.at_text(finding, fragment, 0),
            None => self.at_element(finding, page, index, Some(source.attribute)),
        }
    }

    /// A finding with the place of a text, its `nth` if it is there more than once.
    pub(super) fn at_text(&self, finding: Finding, text: &str, nth: usize) -> Finding {
        let needle = text.to_ascii_lowercase();
        let in_files = |content: fn(&File) -> &str| {
            let files = self.files.iter().enumerate();
            let all = files.flat_map(|(file, it)| {
                let matches = content(it).match_indices(&needle);
                matches.map(move |(at, found)| (file, at..at + found.len()))
            });
            nth_or_last(all, nth)
        };
        let found = (!needle.trim().is_empty())
            .then(|| in_files(|file| &file.bare).or_else(|| in_files(|file| &file.lower)))
            .flatten();
        self.put(finding, found)
    }

    /// Whether a text stands in a template as it is, but for the escaping of `&`.
    pub(super) fn has(&self, text: &str) -> bool {
        let escaped = text.replace('&', "&amp;");
        let mut files = self.files.iter();
        files.any(|file| file.text().contains(text) || file.text().contains(&escaped))
    }

    /// Whether an address stands in a template whole, not as a part of another.
    pub(super) fn has_address(&self, address: &str) -> bool {
        let escaped = address.replace('&', "&amp;");
        let mut files = self.files.iter().map(File::text);
        files.any(|text| stands_whole(text, address, "") || stands_whole(text, &escaped, ""))
    }

    /// Whether addresses in a template begin with this scheme and host.
    pub(super) fn has_site(&self, site: &str) -> bool {
        let mut files = self.files.iter();
        files.any(|file| has_site(file.text(), site))
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

    /// The tag that made an element, as nearly as it can be told: of those that fit it best the one
    /// in the same place among them.
    fn tag(
        &self,
        page: &Page,
        index: usize,
        attribute: Option<&str>,
    ) -> Option<(usize, Range<usize>)> {
        let element = page.element(index)?;
        let fit_of = |(file, tag): &(usize, &Written), index: usize| {
            tag.fit(page, index, attribute, self.files[*file].text())
        };
        let files = self.files.iter().enumerate();
        let tags =
            files.flat_map(|(file, content)| content.tags.iter().map(move |tag| (file, tag)));
        let named = tags.filter(|(_, tag)| tag.name == element.name);
        let fits: Vec<_> = named.map(|tag| (fit_of(&tag, index), tag)).collect();
        let best = fits.iter().map(|(fit, _)| fit).max()?;
        let mut best_tags = fits
            .iter()
            .filter(|(fit, _)| fit == best)
            .map(|(_, tag)| tag);
        let first = best_tags.clone().next()?;
        let before = page.named(&element.name).take_while(|(at, _)| *at < index);
        let nth = before.filter(|(at, _)| fit_of(first, *at) == *best).count();
        nth_or_last(&mut best_tags, nth).map(|(file, tag)| (*file, tag.span.clone()))
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

/// Whether addresses in a text begin with this scheme and host.
pub(super) fn has_site(text: &str, site: &str) -> bool {
    stands_whole(text, site, "/?#")
}

/// Whether an address stands in a text by itself, or followed by one of `more`. A tag of a template may
/// stand beside it.
fn stands_whole(text: &str, address: &str, more: &str) -> bool {
    let ends = |c: char| c.is_whitespace() || "\"'(),<>=".contains(c);
    text.match_indices(address).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + address.len()..].chars().next();
        before.is_none_or(|c| ends(c) || c == '}')
            && after.is_none_or(|c| ends(c) || c == '{' || more.contains(c))
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

    /// Where the `nth` link is found, when the message is made of this.
    fn link(template: &str, html: &str, nth: usize) -> (u64, u64) {
        let page = Page::parse(html, &Clock::system());
        let (index, _) = page.named("a").nth(nth).expect("the link");
        let finding = Finding::error("x", Place::default(), "x");
        let place = locator(template)
            .at_element(finding, &page, index, Some("href"))
            .place;
        (place.line.expect("a line"), place.column.expect("a column"))
    }

    #[test]
    fn a_value_that_goes_on_is_another() {
        let html = "<a href='http://x/blog'>Blog</a>\n<a href='http://x'>Site</a>";
        assert_eq!(link(html, html, 1), (2, 1));
        assert_eq!(
            link("<a href='http://x/blog'>\n<a href=http://x>", html, 1),
            (2, 1)
        );
    }

    #[test]
    fn comments_and_branches_that_are_not_taken_make_nothing() {
        let html = "<a href='#'>All of you</a>";
        for template in [
            "<!-- <a href='#'>All of you</a> -->\n<a href='#'>All of you</a>",
            "{# <a href='#'>All of you</a> #}\n<a href='#'>All of you</a>",
            "{% if vip %}<a href='#'>VIP</a>{% endif %}\n<a href='#'> All of you</a>",
            "<a href='#'>{{ name }}</a>\n<a href='#'>All of you</a>",
        ] {
            assert_eq!(link(template, html, 0), (2, 1), "{template}");
        }
    }

    #[test]
    fn an_element_without_an_attribute_is_not_one_that_has_it() {
        let template =
            "<a href='#' title='x'>1</a>\n<a href='#' {{ rest }}>1</a>\n<a href='#'>1</a>";
        assert_eq!(link(template, "<a href='#'>1</a>", 0), (2, 1));
        assert_eq!(link(template, "<a href='#' title='x'>1</a>", 0), (1, 1));
    }
}
