//! How a page's text is seen: the styles of its elements as clients come to them, from the `style`
//! attributes, old attributes such as `bgcolor`, and what is handed down. Rules in a `<style>` are
//! not gone by: most are put into the elements before a message is sent.

mod size;

use super::colour::{Background, Colour};
use super::page::{Element, Kind, Page};
use super::style::{Style, number};
use size::{old_size, size, size_in_font};

/// How what is in an element is seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seen {
    /// The colour of its text, if that can be told.
    pub(super) colour: Option<Colour>,
    /// What is behind it, if that is a plain colour that can be told.
    pub(super) behind: Option<Colour>,
    /// The size of its text in CSS pixels, if that can be told.
    pub(super) size: Option<f32>,
    /// Whether its text is bold.
    pub(super) bold: bool,
    /// Whether it is not to be seen.
    pub(super) hidden: bool,
}

/// Black on white, as clients begin.
const FIRST: Seen = Seen {
    colour: Some(Colour::BLACK),
    behind: Some(Colour::WHITE),
    size: Some(16.0),
    bold: false,
    hidden: false,
};

/// How each node of a page is seen.
pub(super) fn seen(page: &Page) -> Vec<Seen> {
    let mut all: Vec<Seen> = Vec::with_capacity(page.nodes.len());
    for node in &page.nodes {
        let around = node.parent.map_or(FIRST, |at| all[at]);
        all.push(match &node.kind {
            Kind::Element(element) => around.inside(element),
            _ => around,
        });
    }
    all
}

impl Seen {
    fn inside(self, element: &Element) -> Self {
        let style = element.get("style").map(Style::parse).unwrap_or_default();
        Self {
            colour: self.colour_in(element, &style),
            behind: self.behind_in(element, &style),
            size: self.size_in(element, &style),
            bold: self.bold_in(element, &style),
            hidden: self.hidden || is_hidden(element, &style),
        }
    }

    fn colour_in(self, element: &Element, style: &Style) -> Option<Colour> {
        if let Some(value) = style.get("color") {
            return match value {
                "inherit" | "currentcolor" | "unset" => self.colour,
                _ => Colour::of_css(value),
            };
        }
        let old = match element.name.as_str() {
            "font" => element.get("color"),
            "body" => element.get("text"),
            _ => None,
        };
        match old {
            Some(value) => Colour::of_attribute(value),
            None if element.name == "a" && element.has("href") => Some(Colour::LINK),
            None => self.colour,
        }
    }

    fn behind_in(self, element: &Element, style: &Style) -> Option<Colour> {
        let placed = style.get("position");
        // Where it comes to lie can't be told.
        let apart = placed.is_some_and(|it| it == "absolute" || it == "fixed");
        let around = self.behind.filter(|_| !apart);
        let image = style.get("background-image");
        if element.has("background") || image.is_some_and(|it| Background::of_css(it).other) {
            return None;
        }
        let declared = style.last(&["background", "background-color"]);
        let own = match declared.map(|it| Background::of_css(&it.value)) {
            Some(Background { other: true, .. }) => return None,
            Some(Background { colour, .. }) => colour,
            None => match element.get("bgcolor") {
                Some(value) => return Colour::of_attribute(value),
                None => None,
            },
        };
        match own {
            Some(own) if own.is_opaque() => Some(own),
            Some(own) => around.map(|around| own.on(around)),
            None => around,
        }
    }

    fn size_in(self, element: &Element, style: &Style) -> Option<f32> {
        let times = |factor: f32| self.size.map(|size| size * factor);
        if let Some(value) = style.get("font-size") {
            return match value {
                "inherit" => self.size,
                "larger" => times(1.2),
                "smaller" => times(1.0 / 1.2),
                _ => size(value, self.size),
            };
        }
        if let Some(value) = style.get("font") {
            return size_in_font(value, self.size);
        }
        match element.name.as_str() {
            "h1" => times(2.0),
            "h2" => times(1.5),
            "h3" => times(1.17),
            "h5" => times(0.83),
            "h6" => times(0.67),
            "small" | "sub" | "sup" => times(1.0 / 1.2),
            "big" => times(1.2),
            "font" if element.has("size") => element.get("size").and_then(old_size),
            _ => self.size,
        }
    }

    fn bold_in(self, element: &Element, style: &Style) -> bool {
        let declared = style.last(&["font-weight", "font"]);
        match declared.map(|it| (it.property.as_str(), it.value.as_str())) {
            Some((_, "inherit")) => self.bold,
            Some(("font-weight", value)) => {
                matches!(value, "bold" | "bolder") || number(value).is_some_and(|it| it >= 700.0)
            }
            Some((_, value)) => value
                .split_whitespace()
                .any(|it| ["bold", "700", "800", "900"].contains(&it)),
            None => {
                let names = ["b", "strong", "th", "h1", "h2", "h3", "h4", "h5", "h6"];
                self.bold || names.contains(&element.name.as_str())
            }
        }
    }
}

fn is_hidden(element: &Element, style: &Style) -> bool {
    let raw = [
        "head", "title", "style", "script", "template", "noscript", "select", "svg",
    ];
    // A text of a pixel or two is for the list of messages.
    let tiny = style.get("font-size").and_then(|it| size(it, None));
    let unseen = style.get("visibility").is_some_and(|it| it == "hidden");
    raw.contains(&element.name.as_str())
        || style.hides()
        || element.has("hidden")
        || unseen
        || tiny.is_some_and(|it| it <= 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    /// How the text `x` is seen.
    fn x(html: &str) -> Seen {
        let page = Page::parse(html, &Clock::system());
        let all = seen(&page);
        let texts = page.nodes.iter().zip(all);
        let mut texts =
            texts.filter(|(node, _)| matches!(&node.kind, Kind::Text(text) if text.trim() == "x"));
        texts.next().expect("the text").1
    }

    fn colours(html: &str) -> (Option<String>, Option<String>) {
        let seen = x(html);
        (seen.colour.map(Colour::hex), seen.behind.map(Colour::hex))
    }

    fn hex(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn colours_are_handed_down() {
        let html = "<body bgcolor=112233 style='color:#fff'><p><b>x</b></p>";
        assert_eq!(colours(html), (hex("#ffffff"), hex("#112233")));
        let html = "<div style='background:#000 !important;color:red'><p style='background-color:rgba(255,255,255,.5);color:inherit'>x";
        assert_eq!(colours(html), (hex("#ff0000"), hex("#808080")));
        assert_eq!(
            colours("<font color=blue>x"),
            (hex("#0000ff"), hex("#ffffff"))
        );
    }

    #[test]
    fn links_have_a_colour_of_their_own() {
        let html = "<p style='color:#fff'><a href=y>x</a>";
        assert_eq!(colours(html).0, hex("#0000ee"));
        assert_eq!(colours("<p style='color:#fff'><a>x</a>").0, hex("#ffffff"));
        assert_eq!(
            colours("<a href=y style='color:red'>x</a>").0,
            hex("#ff0000")
        );
    }

    #[test]
    fn what_can_not_be_told_is_not() {
        for html in [
            "<table background=a.png><td>x</table>",
            "<p style='background:url(a.png) #fff'>x",
            "<p style='background-color:#fff;background-image:linear-gradient(red,blue)'><b>x</b>",
            "<p style='background:\u{fdd0}0\u{fdd1}'>x",
            "<p style='position:absolute'>x",
            "<td bgcolor='\u{fdd0}0\u{fdd1}'>x",
        ] {
            let html = html.replace("<td bgcolor", "<table><td bgcolor");
            assert_eq!(x(&html).behind, None, "{html}");
        }
        assert_eq!(x("<p style='color:var(--x)'>x").colour, None);
        let html = "<p style='background:url(a.png)'><b style='background:#fff'>x";
        assert_eq!(x(html).behind, Some(Colour::WHITE));
    }

    #[test]
    fn sizes_are_in_pixels() {
        for (html, size) in [
            ("<p>x", 16.0),
            ("<h1>x", 32.0),
            ("<p style='font-size:9pt'>x", 12.0),
            ("<p style='font-size:20px'><b style='font-size:50%'>x", 10.0),
            (
                "<p style='font-size:20px'><b style='font-size:.5em'>x",
                10.0,
            ),
            ("<p style='font:bold 26px/1.25 Georgia, serif'>x", 26.0),
            ("<p style='font-size:small'>x", 13.0),
        ] {
            assert_eq!(x(html).size, Some(size), "{html}");
        }
        assert_eq!(x("<p style='font-size:calc(1px + 1vw)'>x").size, None);
        assert!(x("<p style='font:bold 26px/1.25 Georgia, serif'>x").bold);
        assert!(!x("<b style='font-weight:400'>x").bold);
    }

    #[test]
    fn what_is_hidden_has_all_its_content_hidden() {
        for html in [
            "<div style='display:none'><p>x",
            "<div style='font-size:1px;color:#fff'>x",
            "<div style='max-height:0'><b>x",
            "<div style='mso-hide:all'>x",
        ] {
            assert!(x(html).hidden, "{html}");
        }
        assert!(!x("<div style='font-size:3px'>x").hidden);
    }
}
