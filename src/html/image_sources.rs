//! The addresses of a page's images.

use super::page::{Element, NodeKind, Page};

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ImageSource<'a> {
    pub(crate) attribute: &'static str,
    /// Empty if an `<img>` has none.
    pub(crate) address: &'a str,
    /// The address with the HTML around it, if it is only part of an attribute, or in a `<style>`.
    pub(crate) fragment: Option<&'a str>,
}

/// The addresses of a page's images, each with the index of its element.
pub(crate) fn image_sources(page: &Page) -> impl Iterator<Item = (usize, ImageSource<'_>)> {
    page.elements().flat_map(|(index, element)| {
        let content = match element.name.as_str() {
            "style" => page.inside(index),
            _ => 0..0,
        };
        let css = content.filter_map(|at| match &page.nodes[at].kind {
            NodeKind::Text(css) => Some(css),
            _ => None,
        });
        (in_attributes(element).into_iter())
            .chain(css.flat_map(|css| backgrounds(css)))
            .map(move |source| (index, source))
    })
}

fn in_attributes(element: &Element) -> Vec<ImageSource<'_>> {
    let whole = |attribute, address| ImageSource {
        attribute,
        address,
        fragment: None,
    };
    let mut sources = Vec::new();
    match (element.name.as_str(), element.get("src")) {
        ("img", None) if element.has("srcset") => {}
        ("img", src) => sources.push(whole("src", src.unwrap_or_default())),
        // VML draws backgrounds in Outlook.
        (name, Some(src)) if name.starts_with("v:") => sources.push(whole("src", src)),
        _ => {}
    }
    let background = element.get("background").filter(|it| !it.is_empty());
    sources.extend(background.map(|address| whole("background", address)));
    if matches!(&*element.name, "img" | "source") {
        let addresses = element.get("srcset").into_iter().flat_map(srcset);
        sources.extend(addresses.map(|address| ImageSource {
            attribute: "srcset",
            address,
            fragment: Some(address),
        }));
    }
    sources.extend(element.get("style").into_iter().flat_map(backgrounds));
    sources
}

/// The addresses in a `srcset` (HTML 4.8.4.2.1).
pub(crate) fn srcset(value: &str) -> Vec<&str> {
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

/// The addresses of background images in CSS declarations or rules.
fn backgrounds(css: &str) -> impl Iterator<Item = ImageSource<'_>> {
    css.match_indices("url(").filter_map(|(at, opener)| {
        let before = &css[..at];
        let declaration = before
            .rfind(['{', ';', '}'])
            .map_or(before, |at| &before[at + 1..]);
        let property = declaration.split(':').next()?.trim().to_ascii_lowercase();
        if !property.starts_with("background") {
            return None;
        }
        let inner = at + opener.len();
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
        Some(ImageSource {
            attribute: "style",
            address,
            fragment: css.get(at..end),
        })
        .filter(|source| !source.address.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_a_srcset() {
        assert_eq!(
            srcset("a.png, b,c.png 2x , https://x/d.png 300w,e.png"),
            ["a.png", "b,c.png", "https://x/d.png", "e.png"]
        );
        assert!(srcset(" ,").is_empty());
    }

    #[test]
    fn finds_backgrounds_among_addresses_in_css() {
        let css = "@import url(x.css); a { color: red; background: #fff url( 'a b.png' ) } \
                   b{background-image:url(c.png ),url(d.png);cursor:url(e.cur);background:url()}";
        let addresses: Vec<_> = backgrounds(css)
            .map(|it| (it.address, it.fragment.unwrap_or_default()))
            .collect();
        assert_eq!(
            addresses,
            [
                ("a b.png", "url( 'a b.png'"),
                ("c.png", "url(c.png "),
                ("d.png", "url(d.png"),
            ]
        );
    }
}
