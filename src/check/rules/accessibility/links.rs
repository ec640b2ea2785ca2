//! Links that say nothing to those who only hear them.

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

/// Texts that say nothing of where a link leads, in English, Polish and German.
const WORDS: [&str; 20] = [
    "click",
    "click here",
    "click this link",
    "here",
    "link",
    "more",
    "press here",
    "tap here",
    "this",
    "this link",
    "kliknij",
    "kliknij tu",
    "kliknij tutaj",
    "tu",
    "tutaj",
    "ten link",
    "więcej",
    "hier",
    "hier klicken",
    "mehr",
];

pub(super) fn links(page_context: &PageContext<'_>, sink: &mut FindingSink<'_>) {
    let mut told = BTreeSet::new();
    for (at, link) in page_context.page.named("a") {
        if page_context.styles[at].hidden {
            continue;
        }
        let name = name(page_context.page, at, link);
        let finding = match (link.has("href"), vague(&name)) {
            (true, None) if name.is_empty() => NAMELESS
                .found("a link has nothing in it that can be read out")
                .help("give it a text, or its image an `alt` that says where it leads"),
            (true, Some(word)) if told.insert(word) => VAGUE
                .found(format!("“{word}” does not say where the link leads"))
                .help("screen readers list links without what is around them: name what is there, such as “the prices of autumn”"),
            (false, _) if is_meant_as_link(link) && !name.is_empty() => NO_HREF
                .found("a link leads nowhere: it has no `href`")
                .help("give it an `href`, or make it a `<span>`"),
            _ => continue,
        };
        sink.add(
            page_context
                .locator
                .at_element(finding, page_context.page, at, Some("href")),
        );
    }
}

/// `<a name>` is a place that links lead to.
fn is_meant_as_link(link: &Element) -> bool {
    !link.has("name") && !link.has("id")
}

/// What is read out for a link.
fn name(page: &Page, at: usize, link: &Element) -> String {
    let mut own = ["aria-label", "aria-labelledby", "title"].into_iter();
    let own = own.find_map(|name| link.get(name).filter(|it| !it.trim().is_empty()));
    let text = page.text(at);
    let inside = page.inside(at).filter_map(|at| page.element(at));
    let said = inside.filter_map(|it| match it.name.as_str() {
        "img" => it.get("alt").or_else(|| it.get("title")),
        // What is in it may have a title.
        "svg" => Some("svg"),
        _ => it.get("aria-label"),
    });
    let all = own.into_iter().chain([text.as_str()]).chain(said);
    let all: Vec<&str> = all.flat_map(split).collect();
    all.join(" ")
}

/// The words of a text; spaces that are not seen are none.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let blank = |c: char| {
        c.is_whitespace()
            || matches!(
                c,
                '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}' | '\u{34f}'
            )
    };
    text.split(blank).filter(|word| !word.is_empty())
}

/// The text, if it says nothing of where a link leads.
fn vague(name: &str) -> Option<&'static str> {
    let text = name.to_lowercase();
    let text = text.trim_matches(|c: char| !c.is_alphanumeric());
    WORDS.into_iter().find(|word| *word == text)
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
    fn a_link_is_named_by_all_that_is_read_out() {
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
    fn words_that_say_nothing_are_known() {
        assert_eq!(vague("Click here!"), Some("click here"));
        assert_eq!(vague("Więcej »"), Some("więcej"));
        assert_eq!(vague("here is our shop"), None);
        assert_eq!(vague(""), None);
    }
}
