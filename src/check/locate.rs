//! Finds the place in the templates that something in a message comes from.

mod markdown_tags;
mod template_tags;

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use self::markdown_tags::markdown_tags;
use self::template_tags::{TemplateTag, template_tags, without_comments};
use crate::campaign::TEMPLATES;
use crate::finding::{Excerpt, Finding, Place};
use crate::html::{ImageSource, Page};
use crate::render::{CompiledMjml, Engine};

/// Finds places in the templates that a message is rendered from.
#[derive(Debug)]
pub(super) struct Locator {
    /// The first is the template of the HTML.
    files: Vec<Template>,
    /// The tags of each name: the indexes of the file, and of the tag in it.
    named: HashMap<String, Vec<(usize, usize)>>,
}

#[derive(Debug)]
struct Template {
    path: PathBuf,
    /// The whole text. Findings share it rather than hold copies.
    whole: Excerpt,
    /// The text with ASCII letters in lower case.
    lower: String,
    /// The same without comments.
    uncommented: String,
    tags: Vec<TemplateTag>,
    /// For MJML: the HTML that it was compiled to, which has the tags, and the place in the files that each tag comes from.
    compiled: Option<(String, Vec<Option<SourceSpan>>)>,
}

/// The index of a file, and a part of it.
type SourceSpan = (usize, Range<usize>);

impl Template {
    fn new(path: PathBuf, text: &str, language: Language) -> Self {
        let uncommented = without_comments(text);
        let mut tags = match language {
            Language::Html | Language::Markdown => template_tags(&uncommented),
            Language::Mjml => Vec::new(),
        };
        if language == Language::Markdown {
            tags.extend(markdown_tags(&uncommented));
            tags.sort_by_key(|tag| tag.span.start);
        }
        Self {
            whole: Excerpt::new(&path.display().to_string(), text, 0..0),
            lower: text.to_ascii_lowercase(),
            tags,
            compiled: None,
            uncommented: uncommented.to_ascii_lowercase(),
            path,
        }
    }

    fn text(&self) -> &str {
        self.whole.text()
    }

    /// The text that the tags are in.
    fn html(&self) -> &str {
        self.compiled.as_ref().map_or(self.text(), |(html, _)| html)
    }

    /// Takes the tags from the HTML that the file was compiled to. `files` are the names of all files.
    fn take_tags_of(&mut self, compiled: &CompiledMjml, files: &[&str]) {
        let html = compiled.html().to_owned();
        self.tags = template_tags(&without_comments(&html));
        let places = self.tags.iter().map(|tag| {
            let place = compiled.place(&tag.span)?;
            let file = files.iter().position(|name| **name == place.file)?;
            Some((file, place.span))
        });
        let places = places.collect();
        self.compiled = Some((html, places));
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    Html,
    Markdown,
    Mjml,
}

impl Locator {
    pub(super) fn new(engine: &Engine, dir: &Path) -> Self {
        let language = |place: usize, name: &str| match name.to_ascii_lowercase() {
            name if name.ends_with(".mjml") => Language::Mjml,
            name if engine.has_markdown() && (place == 0 || name.ends_with(".md")) => {
                Language::Markdown
            }
            _ => Language::Html,
        };
        let templates = engine.templates();
        let names: Vec<&str> = templates.iter().map(|(name, _)| *name).collect();
        let files = templates.iter().enumerate();
        let files = files.map(|(place, (name, text))| {
            let path = dir.join(TEMPLATES).join(name);
            let mut template = Template::new(path, text, language(place, name));
            if let Some(compiled) = engine.compiled(name) {
                template.take_tags_of(compiled, &names);
            }
            template
        });
        Self::of(files.collect())
    }

    fn of(files: Vec<Template>) -> Self {
        let mut named: HashMap<String, Vec<(usize, usize)>> = HashMap::new();
        for (file, template) in files.iter().enumerate() {
            for (index, tag) in template.tags.iter().enumerate() {
                named
                    .entry(tag.name.clone())
                    .or_default()
                    .push((file, index));
            }
        }
        Self { files, named }
    }

    /// Places a finding at the template tag that fits an element best. `attribute` is the one that the
    /// finding is about.
    pub(super) fn at_element(
        &self,
        finding: Finding,
        page: &Page,
        index: usize,
        attribute: Option<&str>,
    ) -> Finding {
        self.place(finding, self.tag(page, index, attribute))
    }

    /// Places a finding where an image's address is written. CSS may have come to its element from
    /// elsewhere.
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

    /// Places a finding at the `nth` occurrence of a text, or the last.
    pub(super) fn at_text(&self, finding: Finding, text: &str, nth: usize) -> Finding {
        let needle = text.to_ascii_lowercase();
        let search = |content: fn(&Template) -> &str| {
            let files = self.files.iter().enumerate();
            let occurrences = files.flat_map(|(index, file)| {
                let matches = content(file).match_indices(&needle);
                matches.map(move |(at, text)| (index, at..at + text.len()))
            });
            nth_or_last(occurrences, nth)
        };
        let span = (!needle.trim().is_empty())
            .then(|| search(|file| &file.uncommented).or_else(|| search(|file| &file.lower)));
        self.place(finding, span.flatten())
    }

    /// Places a finding at a part of a template.
    pub(super) fn at_span(&self, finding: Finding, template: &str, span: Range<usize>) -> Finding {
        let is_it = |file: &Template| file.path.ends_with(template);
        let index = self.files.iter().position(is_it);
        self.place(finding, index.map(|index| (index, span)))
    }

    /// Whether a template contains a text, with `&` written as such or as `&amp;`.
    pub(super) fn has(&self, text: &str) -> bool {
        self.any_has(text, |template, text| template.contains(text))
    }

    /// Whether a template contains an address that is not part of a longer one.
    pub(super) fn has_address(&self, address: &str) -> bool {
        self.any_has(address, |template, address| {
            has_whole(template, address, "")
        })
    }

    /// Whether addresses in a template begin with this scheme and host.
    pub(super) fn has_site(&self, site: &str) -> bool {
        self.files.iter().any(|file| has_site(file.text(), site))
    }

    fn any_has(&self, text: &str, has: impl Fn(&str, &str) -> bool) -> bool {
        let escaped = text.replace('&', "&amp;");
        let mut files = self.files.iter();
        files.any(|file| has(file.text(), text) || has(file.text(), &escaped))
    }

    /// Places a finding in the template of the HTML, without a line.
    pub(super) fn somewhere(&self, finding: Finding) -> Finding {
        self.place(finding, None)
    }

    /// `span` is the index of a file and a part of it.
    fn place(&self, mut finding: Finding, span: Option<SourceSpan>) -> Finding {
        match span {
            Some((file, span)) => {
                let file = &self.files[file];
                finding.place.file = Some(file.path.clone());
                finding.excerpt(file.whole.at(span))
            }
            None => {
                if let Some(file) = self.files.first() {
                    finding.place = Place::file(&file.path);
                }
                finding
            }
        }
    }

    /// The tag that fits an element best. If several do, counts the elements before it that they fit as
    /// well.
    fn tag(&self, page: &Page, index: usize, attribute: Option<&str>) -> Option<SourceSpan> {
        let element = page.element(index)?;
        let fit = |(file, tag): &(usize, usize), index: usize| {
            let file = &self.files[*file];
            file.tags[*tag].fit(page, index, attribute, file.html())
        };
        let same_name = self.named.get(&element.name)?.iter().copied();
        let elements = page.indexes_of(&element.name);
        let before = &elements[..elements.partition_point(|at| *at < index)];
        // Usually each tag made one element. To compare all of them for each finding would take quadratic time.
        if same_name.len() == elements.len()
            && let Some(tag) = same_name.clone().nth(before.len())
            && fit(&tag, index).is_certain(attribute)
        {
            return self.source(tag);
        }
        let fits: Vec<_> = same_name.map(|tag| (fit(&tag, index), tag)).collect();
        let best = fits.iter().map(|(fit, _)| fit).max()?;
        let tags = fits.iter().filter(|(fit, _)| fit == best);
        let mut tags: Vec<_> = tags.map(|(_, tag)| *tag).collect();
        let before = before.iter().filter(|at| fit(&tags[0], **at) == *best);
        // No more are counted than can be chosen from.
        let nth = before.take(tags.len() - 1).count();
        self.source(tags.swap_remove(nth))
    }

    /// Where a tag is written.
    fn source(&self, (file, tag): (usize, usize)) -> Option<SourceSpan> {
        let template = &self.files[file];
        match &template.compiled {
            Some((_, places)) => places[tag].clone(),
            None => Some((file, template.tags[tag].span.clone())),
        }
    }
}

fn nth_or_last<T>(items: impl Iterator<Item = T>, nth: usize) -> Option<T> {
    items.take(nth.saturating_add(1)).last()
}

/// Whether addresses in a text begin with this scheme and host.
pub(super) fn has_site(text: &str, site: &str) -> bool {
    has_whole(text, site, "/?#")
}

/// Whether a text contains an address by itself, or followed by one of `more`. A Tera tag may be next to
/// it.
fn has_whole(text: &str, address: &str, more: &str) -> bool {
    let is_boundary = |c: char| c.is_whitespace() || "\"'(),<>=".contains(c);
    text.match_indices(address).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + address.len()..].chars().next();
        before.is_none_or(|c| is_boundary(c) || c == '}')
            && after.is_none_or(|c| is_boundary(c) || c == '{' || more.contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    fn locator(text: &str) -> Locator {
        Locator::of(vec![Template::new(
            PathBuf::from("a.html"),
            text,
            Language::Html,
        )])
    }

    #[test]
    fn finds_elements_in_the_template() {
        let template = "<p>\n<a href=\"https://x/{{ a > b }}\">1</a>\n <A class='>' href='#'>2</A><a href=\"#\">3";
        let html = "<p>\n<a href=\"https://x/\u{fdd0}0\u{fdd1}\">1</a>\n <A class='>' href='#'>2</A><a href=\"#\">3";
        let page = Page::parse(html, &Clock::system());
        let places: Vec<_> = page
            .named("a")
            .map(|(index, _)| {
                let finding = Finding::error("x", Place::default(), "x");
                let placed = locator(template).at_element(finding, &page, index, Some("href"));
                (placed.place.line, placed.place.column)
            })
            .collect();
        let at = |line, column| (Some(line), Some(column));
        assert_eq!(places, [at(2, 1), at(3, 2), at(3, 29)]);
    }

    /// The line and column of the `nth` link of a message.
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
    fn a_longer_value_does_not_fit() {
        let html = "<a href='http://x/blog'>Blog</a>\n<a href='http://x'>Site</a>";
        assert_eq!(link(html, html, 1), (2, 1));
        assert_eq!(
            link("<a href='http://x/blog'>\n<a href=http://x>", html, 1),
            (2, 1)
        );
    }

    #[test]
    fn comments_and_other_branches_do_not_fit() {
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
    fn time_grows_with_size() {
        let numbered =
            |count: usize| -> String { (0..count).map(|n| format!(" a{n}=1")).collect() };
        for html in [
            "<p><a href='#'>x</a></p>".repeat(5000),
            format!(
                "<p>{}</p>",
                "<a href='#' title='x'>x</a><a href='#'>y</a>".repeat(1000)
            ),
            format!("{}<a href='#'>x</a>", "<!-- c --><p>x</p>".repeat(20_000)),
            format!("<a href='#'>x</a>{}", "<b <i ".repeat(20_000)),
            format!("<a href='#'{}>x</a>", numbered(900)),
        ] {
            let started = std::time::Instant::now();
            let page = Page::parse(&html, &Clock::system());
            let parsed = started.elapsed();
            let locator = locator(&html);
            for (index, _) in page.named("a") {
                let finding = Finding::error("x", Place::default(), "x");
                let placed = locator.at_element(finding, &page, index, Some("href"));
                assert!(placed.excerpt.is_some());
            }
            let took = started.elapsed().saturating_sub(parsed);
            assert!(took.as_secs() < 10, "{took:?} for {:.60}", html);
        }
    }

    #[test]
    fn missing_attributes_count() {
        let template =
            "<a href='#' title='x'>1</a>\n<a href='#' {{ rest }}>1</a>\n<a href='#'>1</a>";
        assert_eq!(link(template, "<a href='#'>1</a>", 0), (2, 1));
        assert_eq!(link(template, "<a href='#' title='x'>1</a>", 0), (1, 1));
    }
}
