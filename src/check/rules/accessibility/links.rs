//! Links that say nothing to people who hear them.

use std::collections::BTreeSet;

use super::PageContext;
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;
use crate::html::{Element, Page};

pub(super) const NAMELESS: Rule = Rule::warning("link-name")
    .finds("a link without any text that a screen reader can read out")
    .why("A screen reader announces “link” and nothing else, so its user can't tell where the link leads.")
    .fix("Put text in the link, give its image an `alt` text, or add an `aria-label`.")
    .source("WCAG 2.2, 2.4.4 and 4.1.2")
    .example("`<a href=\"…\"><img src=\"…\"></a>`");

pub(super) const VAGUE: Rule = Rule::note("link-vague")
    .finds("a link whose text does not say where it leads")
    .why("Screen readers can list the links of a message. In such a list, “click here” means nothing.")
    .fix("Name the target in the text of the link, such as “read the autumn menu”.")
    .source("WCAG 2.2, 2.4.9; technique F84")
    .example("`<a href=\"…\">click here</a>`");

pub(super) const NO_HREF: Rule = Rule::warning("link-no-href")
    .finds("an `<a>` without an `href`")
    .why("It may look like a link, but nothing happens when it is clicked, and the keyboard can't reach it.")
    .fix("Add the address, or use a `<span>`.")
    .source("HTML 4.5.1")
    .example("`<a>our shop</a>`");

/// Texts that do not say where a link leads, in English, Polish and German, one a line.
const VAGUE_TEXTS: &str = include_str!("vague_link_texts.txt");

pub(super) fn links(page_context: &PageContext<'_>, sink: &mut FindingSink<'_>) {
    let mut reported = BTreeSet::new();
    for (at, link) in page_context.page.named("a") {
        if page_context.styles[at].is_hidden() {
            continue;
        }
        let name = name(page_context.page, at, link);
        let finding = match (link.has("href"), vague(&name)) {
            (true, None) if name.is_empty() => NAMELESS
                .found("a link contains nothing that screen readers can read aloud")
                .help("add text, or an `alt` to its image that says where the link leads"),
            (true, Some(word)) if reported.insert(word) => VAGUE
                .found(format!("“{word}” does not say where the link leads"))
                .help("screen readers list links without the text around them; name the target, such as “autumn prices”"),
            (false, _) if is_meant_as_link(link) && !name.is_empty() => NO_HREF
                .found("a link leads nowhere: it has no `href`")
                .help("add an `href`, or use a `<span>`"),
            _ => continue,
        };
        sink.add(
            page_context
                .locator
                .at_element(finding, page_context.page, at, Some("href")),
        );
    }
}

/// `<a name>` is the target of other links.
fn is_meant_as_link(link: &Element) -> bool {
    !link.has("name") && !link.has("id")
}

/// The text that is read aloud for a link.
fn name(page: &Page, at: usize, link: &Element) -> String {
    let mut labels = ["aria-label", "aria-labelledby", "title"].into_iter();
    let label = labels.find_map(|name| link.get(name).filter(|it| !it.trim().is_empty()));
    let text = page.text(at);
    let inside = page.inside(at).filter_map(|at| page.element(at));
    let alternatives = inside.filter_map(|it| match it.name.as_str() {
        "img" => it.get("alt").or_else(|| it.get("title")),
        // It may contain a title.
        "svg" => Some("svg"),
        _ => it.get("aria-label"),
    });
    let texts = label.into_iter().chain([text.as_str()]).chain(alternatives);
    let words: Vec<&str> = texts.flat_map(words).collect();
    words.join(" ")
}

/// The words of a text; invisible characters separate them.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let blank = |c: char| {
        c.is_whitespace()
            || matches!(
                c,
                '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}' | '\u{34f}'
            )
    };
    text.split(blank).filter(|word| !word.is_empty())
}

/// The text of a link if it does not say where the link leads.
fn vague(name: &str) -> Option<&'static str> {
    let text = name.to_lowercase();
    let text = text.trim_matches(|c: char| !c.is_alphanumeric());
    VAGUE_TEXTS.lines().find(|word| *word == text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    fn named(html: &str) -> String {
        let page = Page::parse(html, &Clock::system());
        let (at, link) = page.named("a").next().expect("a link");
        name(&page, at, link)
    }

    #[test]
    fn the_name_of_a_link_is_all_that_is_read_aloud() {
        for (html, name) in [
            ("<a href=x> our <b>shop</b></a>", "our shop"),
            ("<a href=x><img src=y alt='Our shop'></a>", "Our shop"),
            (
                "<a href=x aria-label='Our shop'><img src=y></a>",
                "Our shop",
            ),
            ("<a href=x><img src=y alt=''>&nbsp;&#8203;</a>", ""),
            ("<a href=x><style>a{}</style></a>", ""),
        ] {
            assert_eq!(named(html), name, "{html}");
        }
    }

    #[test]
    fn recognizes_vague_texts() {
        assert_eq!(vague("Click here!"), Some("click here"));
        assert_eq!(vague("Więcej »"), Some("więcej"));
        assert_eq!(vague("here is our shop"), None);
        assert_eq!(vague(""), None);
    }
}
