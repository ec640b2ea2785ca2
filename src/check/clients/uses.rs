//! Finds the features that a page uses.

use std::cell::LazyCell;
use std::collections::BTreeMap;
use std::ops::Deref;

use super::feature::{FEATURES, Feature, has_plain_background};
use crate::html::marks::is_marked;
use crate::html::{Element, Elements, NodeKind, Page, Style, components, parse_stylesheet};

/// A use of a feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Use {
    /// The index of its element.
    pub(in super::super) node: usize,
    /// The texts to search for in the templates, in this order, if it is CSS.
    pub(in super::super) texts: Vec<String>,
    /// Whether Outlook for Windows reads it.
    pub(in super::super) in_outlook: bool,
}

/// The first use of each feature on a page, preferring those that Outlook for Windows reads. Comments,
/// `@media` and the like are skipped: they are for clients that know the feature.
pub(in super::super) fn uses<'a>(
    page: &Page,
    elements: impl FnOnce() -> Elements<'a>,
) -> Vec<(&'static Feature, Use)> {
    let mut collector = Collector::default();
    let elements = LazyCell::new(elements);
    for (index, node) in page.nodes.iter().enumerate() {
        collector.node = index;
        match &node.kind {
            NodeKind::Comment(text) => collector.comment(text),
            NodeKind::Element(element) => collector.element(page, element),
            NodeKind::Text(text) => {
                let parent = node.parent.and_then(|at| page.element(at));
                if parent.is_some_and(is_style_for_all) {
                    collector.stylesheet(text, &elements);
                }
            }
        }
    }
    let uses = collector.uses.into_iter();
    uses.map(|(feature, it)| (&FEATURES[feature], it)).collect()
}

/// Whether an element is a `<style>` that applies in every client.
pub(in super::super) fn is_style_for_all(element: &Element) -> bool {
    let media = element.get("media").unwrap_or("all").trim();
    let for_all = ["all", "screen", ""];
    element.name == "style" && for_all.iter().any(|it| it.eq_ignore_ascii_case(media))
}

/// Whether a property is unimportant, or for one client only.
fn is_cosmetic(property: &str) -> bool {
    let prefixes = [
        "-",
        "animation",
        "box-shadow",
        "cursor",
        "outline",
        "text-shadow",
        "transition",
    ];
    property.ends_with("-radius") || prefixes.iter().any(|it| property.starts_with(it))
}

#[derive(Default)]
struct Collector {
    /// The index of the current node.
    node: usize,
    /// Whether Outlook for Windows skips the current node.
    is_hidden_from_outlook: bool,
    /// Whether there is VML for Outlook for Windows, which provides the background images.
    has_vml: bool,
    /// By the index of the feature.
    uses: BTreeMap<usize, Use>,
}

impl Collector {
    /// Handles `<!--[if !mso]><!-->` and `<!--<![endif]-->`.
    fn comment(&mut self, text: &str) {
        let text = text.trim().to_ascii_lowercase();
        self.has_vml |= text.contains("<v:");
        if text.starts_with("[if !") && text.contains("mso") {
            self.is_hidden_from_outlook = true;
        } else if text.starts_with("<![endif]") || text.starts_with("[endif]") {
            self.is_hidden_from_outlook = false;
        }
    }

    fn element(&mut self, page: &Page, element: &Element) {
        for (index, feature) in FEATURES.iter().enumerate() {
            if feature.is_used_by(page, self.node, element) {
                self.add(index, Vec::new);
            }
        }
        if let Some(style) = element.get("style") {
            let style = Style::parse(style);
            self.style(&style, has_plain_background(Some(element), &style));
        }
    }

    /// Selectors that match no element are for certain clients only, or unused.
    fn stylesheet<'a>(&mut self, text: &str, elements: &impl Deref<Target = Elements<'a>>) {
        let sheet = parse_stylesheet(text);
        for import in &sheet.imports {
            self.css(
                |it| it.is_in_import(import),
                || vec![import.clone(), "@import".to_owned()],
            );
        }
        for mut rule in sheet.rules.into_iter().filter(|it| !it.is_conditional) {
            rule.selectors.retain(|it| elements.may_match(it));
            if rule.selectors.is_empty() {
                continue;
            }
            let style = Style::of(rule.declarations);
            self.style(&style, has_plain_background(None, &style));
            for selector in rule.selectors {
                self.css(
                    |it| it.is_in_selector(&selector.text),
                    || vec![selector.text.clone()],
                );
            }
        }
    }

    fn style(&mut self, style: &Style, has_background: bool) {
        // Hidden elements need no features.
        if style.hides() {
            return;
        }
        let has_background = has_background || self.has_vml;
        let declarations = style.declarations();
        let declarations: Vec<_> = declarations
            .filter(|it| !is_marked(&it.value) && !is_cosmetic(&it.property))
            .map(|it| (it, components(&it.value)))
            .collect();
        for (index, (declaration, value)) in declarations.iter().enumerate() {
            let property = &declaration.property;
            let earlier = &declarations[..index];
            let uses = |feature: &Feature| {
                // Clients without the feature use an earlier declaration.
                let has_fallback = earlier.iter().any(|(it, value)| {
                    it.property == *property
                        && !feature.is_in_declaration(property, value, has_background)
                });
                !has_fallback && feature.is_in_declaration(property, value, has_background)
            };
            self.css(uses, || {
                let value = &declaration.value;
                vec![
                    format!("{property}: {value}"),
                    format!("{property}:{value}"),
                    format!("{property}:"),
                ]
            });
        }
    }

    fn css(&mut self, uses: impl Fn(&Feature) -> bool, texts: impl Fn() -> Vec<String>) {
        for (index, feature) in FEATURES.iter().enumerate() {
            if feature.is_css() && uses(feature) {
                self.add(index, &texts);
            }
        }
    }

    fn add(&mut self, feature: usize, texts: impl FnOnce() -> Vec<String>) {
        let in_outlook = !self.is_hidden_from_outlook;
        let earlier = self.uses.get(&feature);
        if earlier.is_none_or(|earlier| in_outlook && !earlier.in_outlook) {
            let new = Use {
                node: self.node,
                texts: texts(),
                in_outlook,
            };
            self.uses.insert(feature, new);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::html::parse_document;

    fn uses_in(html: &str) -> Vec<(&'static Feature, Use)> {
        let document = parse_document(html);
        uses(&Page::parse(html, &Clock::system()), || {
            Elements::of(&document)
        })
    }

    fn used(html: &str) -> Vec<&'static str> {
        let uses = uses_in(html).into_iter();
        uses.map(|(feature, _)| feature.slug.as_str()).collect()
    }

    #[test]
    fn finds_css_in_attributes_and_stylesheets() {
        for (html, slug) in [
            ("<p style='DISPLAY: Flex !important'>", "css-display-flex"),
            (
                "<style>p { color: red; display:grid }</style><p>",
                "css-display-grid",
            ),
            ("<p style='width:calc(100% - 2px)'>", "css-unit-calc"),
            ("<p style='margin:0 -1.5rem'>", "css-unit-rem"),
            ("<p style='background: URL(a.png)'>", "css-background-image"),
            (
                "<p style='background: linear-gradient(#fff, red)'>",
                "css-linear-gradient",
            ),
            (
                "<style>@import url(https://x.example/a.css);</style>",
                "css-at-import",
            ),
            (
                "<style>p, a:hover::before { content: 'x' }</style><a>",
                "css-pseudo-element-before",
            ),
            (
                "<p style='padding-inline: 3px'>",
                "css-padding-inline-block",
            ),
        ] {
            assert_eq!(used(html), [slug], "{html}");
        }
    }

    #[test]
    fn finds_html() {
        for (html, slug) in [
            ("<video src=a.mp4></video>", "html-video"),
            ("<link rel=StyleSheet href=a.css>", "html-link"),
            ("<p hidden>x", "html-hidden"),
            ("<a href='#prices'>x</a>", "html-anchor-links"),
            ("<a href='#\u{fdd0}0\u{fdd1}'>x</a>", "html-anchor-links"),
            ("<form action=x></form>", "html-form"),
            ("<svg><path d=''></svg>", "html-svg"),
        ] {
            assert_eq!(used(html), [slug], "{html}");
        }
    }

    #[test]
    fn skips_features_for_some_clients_only() {
        for html in [
            "<style>@media (min-width: 1px) { p { display: flex } }</style><p>",
            "<style>@supports (display: grid) { p { display: grid } }</style><p>",
            "<style media=print>p { display: flex }</style><p>",
            "<style>[data-ogsc] p, .gone { display: flex }</style><p>",
            "<!--[if mso]><p style='display:flex'><![endif]-->",
            "<p style='width:90%;width:calc(100% - 9px)'>",
            "<p style='display:none;visibility:hidden'>",
            "<p style='background-color:red;background-image:url(a.png)'>",
            "<td bgcolor=red style='background:linear-gradient(red, blue)'>",
            "<table><td bgcolor=red style='background:linear-gradient(red, blue)'></table>",
            "<p style='display:block;border-radius:3px;position:relative'>",
            "<p style='padding:\u{fdd0}0\u{fdd1}rem'>",
            "<style>@import url(https://fonts.example/css?family=Inter);</style>",
            "<p style='border-radius:1rem;--x:1rem;box-shadow:0 0 1rem red'>",
            "<!--[if mso]><v:rect><v:fill src=a.png /><![endif]--><p style='background:url(a.png)'>",
            "<video><img src=a.png></video><a href='#'>x</a><link rel=icon href=x>",
            "<p title='display:flex' style='content:\"calc(1rem)\"'>display:flex",
        ] {
            assert_eq!(used(html), <[&str; 0]>::default(), "{html}");
        }
    }

    #[test]
    fn knows_what_outlook_skips() {
        let html = "<!--[if !mso]><!--><p style='display:flex'><!--<![endif]-->";
        let in_outlook = |html: &str| uses_in(html)[0].1.in_outlook;
        assert!(!in_outlook(html));
        assert!(in_outlook(&format!("{html}<p style='display:flex'>")));
    }
}
