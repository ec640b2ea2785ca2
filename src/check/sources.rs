//! Where the addresses of images stand.

use super::locate::Locator;
use super::page::{Element, Kind, Page};
use crate::finding::Finding;

/// The address of an image.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Source<'a> {
    /// The attribute that it is in.
    pub(super) attribute: &'static str,
    /// It, or nothing where there should be one.
    pub(super) address: &'a str,
    /// As it is written, where it is a part of the attribute, or of a `<style>`.
    written: Option<&'a str>,
}

impl Source<'_> {
    /// A finding where it is written, in or for the element at `index`: what is in CSS may have come to
    /// the element from elsewhere.
    pub(super) fn place(
        &self,
        finding: Finding,
        locator: &Locator,
        page: &Page,
        index: usize,
    ) -> Finding {
        match self.written.filter(|written| locator.has(written)) {
            Some(written) => locator.at_text(finding, written, 0),
            None => locator.at_element(finding, page, index, Some(self.attribute)),
        }
    }
}

/// The addresses of images in a page, each with the place of its element.
pub(super) fn sources(page: &Page) -> impl Iterator<Item = (usize, Source<'_>)> {
    page.elements().flat_map(|(index, element)| {
        let own = of_element(element).into_iter();
        let texts = match element.name.as_str() {
            "style" => page.inside(index),
            _ => 0..0,
        };
        let rules = texts.filter_map(|at| match &page.nodes[at].kind {
            Kind::Text(css) => Some(css),
            _ => None,
        });
        own.chain(rules.flat_map(|css| backgrounds(css)))
            .map(move |source| (index, source))
    })
}

/// The addresses of images that an element has.
fn of_element(element: &Element) -> Vec<Source<'_>> {
    let whole = |attribute, address| Source {
        attribute,
        address,
        written: None,
    };
    let mut sources = Vec::new();
    match (element.name.as_str(), element.get("src")) {
        ("img", None) if element.has("srcset") => {}
        ("img", src) => sources.push(whole("src", src.unwrap_or_default())),
        // Those of VML are backgrounds in Outlook.
        (name, Some(src)) if name.starts_with("v:") => sources.push(whole("src", src)),
        _ => {}
    }
    let background = element.get("background").filter(|it| !it.is_empty());
    sources.extend(background.map(|it| whole("background", it)));
    if matches!(&*element.name, "img" | "source") {
        let of = element.get("srcset").into_iter().flat_map(srcset);
        sources.extend(of.map(|address| Source {
            attribute: "srcset",
            address,
            written: Some(address),
        }));
    }
    let style = element.get("style").into_iter().flat_map(backgrounds);
    sources.extend(style);
    sources
}

/// The addresses in a `srcset`, as HTML 4.8.4.2.1 has them.
pub(super) fn srcset(value: &str) -> Vec<&str> {
    let mut addresses = Vec::new();
    let mut rest = value;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == ',');
        if rest.is_empty() {
            return addresses;
        }
        let end = rest.find(|c: char| c.is_ascii_whitespace());
        let (address, after) = rest.split_at(end.unwrap_or(rest.len()));
        let bare = address.trim_end_matches(',');
        addresses.push(bare);
        rest = match bare.len() == address.len() {
            true => after.find(',').map_or("", |at| &after[at..]),
            false => after,
        };
    }
}

/// The addresses of the backgrounds in CSS: declarations or rules.
fn backgrounds(css: &str) -> impl Iterator<Item = Source<'_>> {
    css.match_indices("url(").filter_map(|(at, begin)| {
        let before = &css[..at];
        let declaration = before
            .rfind(['{', ';', '}'])
            .map_or(before, |at| &before[at + 1..]);
        let property = declaration.split(':').next()?.trim().to_ascii_lowercase();
        if !property.starts_with("background") {
            return None;
        }
        let inner = at + begin.len();
        let rest = css[inner..].trim_start();
        let (address, length) = match rest.chars().next().filter(|c| matches!(c, '"' | '\'')) {
            Some(quote) => {
                let address = rest[1..].split(quote).next()?;
                (address, address.len() + 2)
            }
            None => {
                let address = rest.split(')').next()?;
                (address.trim_end(), address.len())
            }
        };
        let end = css.len() - rest.len() + length;
        Some(Source {
            attribute: "style",
            address,
            written: css.get(at..end),
        })
        .filter(|source| !source.address.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_srcset_has_addresses_and_sizes() {
        assert_eq!(
            srcset("a.png, b,c.png 2x , https://x/d.png 300w,e.png"),
            ["a.png", "b,c.png", "https://x/d.png", "e.png"]
        );
        assert!(srcset(" ,").is_empty());
    }

    #[test]
    fn backgrounds_are_told_from_other_addresses_of_css() {
        let css = "@import url(x.css); a { color: red; background: #fff url( 'a b.png' ) } \
                   b{background-image:url(c.png ),url(d.png);cursor:url(e.cur);background:url()}";
        let found: Vec<_> = backgrounds(css)
            .map(|it| (it.address, it.written.unwrap_or_default()))
            .collect();
        assert_eq!(
            found,
            [
                ("a b.png", "url( 'a b.png'"),
                ("c.png", "url(c.png "),
                ("d.png", "url(d.png"),
            ]
        );
    }
}
