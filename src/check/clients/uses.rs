//! Where a page uses the features that are looked for.

use std::collections::BTreeMap;

use super::feature::{FEATURES, Feature, is_coloured};
use crate::html::marks::is_marked;
use crate::html::{
    Element, NodeKind, Page, SelectorMatcher, Style, StylesheetItem, components, parse_stylesheet,
};

/// A use of a feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Use {
    /// The element that it is in.
    pub(in super::super) node: usize,
    /// How it is written, if it is CSS: one of these can be found.
    pub(in super::super) written: Vec<String>,
    /// Whether Outlook for Windows sees it.
    pub(in super::super) mso_sees: bool,
}

/// The first use of each feature that a page uses; one that Outlook sees before others. What stands
/// in comments, in `@media` and the like is only for clients that know it.
pub(in super::super) fn uses(page: &Page) -> Vec<(&'static Feature, Use)> {
    let mut found = Found::default();
    let named = SelectorMatcher::new(page);
    for (node, it) in page.nodes.iter().enumerate() {
        found.node = node;
        match &it.kind {
            NodeKind::Comment(text) => found.comment(text),
            NodeKind::Element(element) => found.element(page, element),
            NodeKind::Text(text) => {
                let parent = it.parent.and_then(|at| page.element(at));
                if parent.is_some_and(is_style_for_all) {
                    found.stylesheet(text, &named);
                }
            }
        }
    }
    let uses = found.uses.into_iter();
    uses.map(|(at, it)| (&FEATURES[at], it)).collect()
}

/// Whether an element is a `<style>` that every client goes by.
pub(in super::super) fn is_style_for_all(element: &Element) -> bool {
    let media = element
        .get("media")
        .unwrap_or("all")
        .trim()
        .to_ascii_lowercase();
    element.name == "style" && ["all", "screen", ""].contains(&media.as_str())
}

/// Whether nobody misses what a property does, or it is for one kind of client alone.
fn is_cosmetic(property: &str) -> bool {
    let begins = [
        "-",
        "animation",
        "box-shadow",
        "cursor",
        "outline",
        "text-shadow",
        "transition",
    ];
    property.ends_with("-radius") || begins.iter().any(|begin| property.starts_with(begin))
}

#[derive(Default)]
struct Found {
    node: usize,
    /// Whether Outlook for Windows does not see what comes.
    not_for_mso: bool,
    /// Whether there is a drawing for Outlook for Windows: it has the background images.
    vml: bool,
    uses: BTreeMap<usize, Use>,
}

impl Found {
    /// `<!--[if !mso]><!-->` and `<!--<![endif]-->`.
    fn comment(&mut self, text: &str) {
        let text = text.trim().to_ascii_lowercase();
        self.vml |= text.contains("<v:");
        if text.starts_with("[if !") && text.contains("mso") {
            self.not_for_mso = true;
        } else if text.starts_with("<![endif]") || text.starts_with("[endif]") {
            self.not_for_mso = false;
        }
    }

    fn element(&mut self, page: &Page, element: &Element) {
        for (at, feature) in FEATURES.iter().enumerate() {
            if feature.is_at(page, self.node, element) {
                self.add(at, Vec::new);
            }
        }
        if let Some(style) = element.get("style") {
            let style = Style::parse(style);
            self.style(&style, is_coloured(Some(element), &style));
        }
    }

    /// What its rules are for that fit no element depends on the client, or nobody sees it.
    fn stylesheet(&mut self, text: &str, named: &SelectorMatcher<'_>) {
        for item in parse_stylesheet(text) {
            match item {
                StylesheetItem::Rule { selector, .. } if !named.may_match(&selector) => {}
                StylesheetItem::Rule { selector, style } => {
                    let coloured = is_coloured(None, &style);
                    self.style(&style, coloured);
                    self.all(|it| it.is_in_selector(&selector), || vec![selector.clone()]);
                }
                StylesheetItem::Import(what) => {
                    self.all(
                        |it| it.is_import(&what),
                        || vec![what.clone(), "@import".to_owned()],
                    );
                }
            }
        }
    }

    fn style(&mut self, style: &Style, coloured: bool) {
        // What is not to be seen need not look good.
        if style.hides() {
            return;
        }
        let coloured = coloured || self.vml;
        let all = style.declarations();
        let all = all.filter(|it| !is_marked(&it.value) && !is_cosmetic(&it.property));
        let all: Vec<_> = all.map(|it| (it, components(&it.value))).collect();
        for (at, (declaration, value)) in all.iter().enumerate() {
            let property = &declaration.property;
            let uses = |feature: &Feature| {
                // Clients that don't know it keep to what was declared before.
                let earlier = || all[..at].iter().filter(|(it, _)| it.property == *property);
                feature.is_in(property, value, coloured)
                    && !earlier().any(|(_, value)| !feature.is_in(property, value, coloured))
            };
            self.all(uses, || {
                let value = &declaration.value;
                let ways = [": ", ":"].map(|colon| format!("{property}{colon}{value}"));
                ways.into_iter().chain([format!("{property}:")]).collect()
            });
        }
    }

    fn all(&mut self, uses: impl Fn(&Feature) -> bool, written: impl Fn() -> Vec<String>) {
        for (at, feature) in FEATURES.iter().enumerate() {
            if feature.is_css() && uses(feature) {
                self.add(at, &written);
            }
        }
    }

    fn add(&mut self, feature: usize, written: impl FnOnce() -> Vec<String>) {
        let mso_sees = !self.not_for_mso;
        let known = self.uses.get(&feature);
        if known.is_none_or(|known| mso_sees && !known.mso_sees) {
            let found = Use {
                node: self.node,
                written: written(),
                mso_sees,
            };
            self.uses.insert(feature, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    fn used(html: &str) -> Vec<&'static str> {
        let page = Page::parse(html, &Clock::system());
        let uses = uses(&page).into_iter();
        uses.map(|(feature, _)| feature.slug.as_str()).collect()
    }

    #[test]
    fn css_is_found_in_attributes_and_stylesheets() {
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
                "<style>a:hover::before, p { content: 'x' }</style><p>",
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
    fn html_is_found() {
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
    fn what_is_for_some_clients_only_is_none() {
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
    fn what_outlook_does_not_see_is_told() {
        let html = "<!--[if !mso]><!--><p style='display:flex'><!--<![endif]-->";
        let sees = |html: &str| uses(&Page::parse(html, &Clock::system()))[0].1.mso_sees;
        assert!(!sees(html));
        assert!(sees(&format!("{html}<p style='display:flex'>")));
    }
}
