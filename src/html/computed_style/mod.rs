//! The computed styles of a page's elements: from `style` attributes, old attributes such as `bgcolor`, and
//! inheritance.
//!
//! Rules in a `<style>` are ignored: most are inlined before a message is sent.

mod font_size;

use self::font_size::{font_size, size_in_font, size_of_font_element};
use super::colour::{Background, Colour};
use super::css::{Style, leading_number};
use super::page::{Element, NodeKind, Page};

/// The style of an element or a text. What cannot be computed is `None`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ComputedStyle {
    pub(crate) colour: Option<Colour>,
    /// The plain colour behind it.
    pub(crate) background: Option<Colour>,
    /// The plain colour behind it for readers who don't see background images and gradients.
    pub(crate) fallback: Option<Colour>,
    /// The font size in CSS pixels.
    pub(crate) size: Option<f32>,
    pub(crate) bold: bool,
    /// Whether an element around it is hidden with all its content.
    removed: bool,
    /// `visibility: hidden`, which content can undo.
    invisible: bool,
}

/// The initial style in mail clients.
const INITIAL: ComputedStyle = ComputedStyle {
    colour: Some(Colour::BLACK),
    background: Some(Colour::WHITE),
    fallback: Some(Colour::WHITE),
    size: Some(16.0),
    bold: false,
    removed: false,
    invisible: false,
};

/// Text of this size or less is hidden, as preheaders are.
pub(crate) const HIDDEN_SIZE: f32 = 2.0;

/// The style of each node of a page.
pub(crate) fn computed_styles(page: &Page) -> Vec<ComputedStyle> {
    let mut styles: Vec<ComputedStyle> = Vec::with_capacity(page.nodes.len());
    for node in &page.nodes {
        let parent = node.parent.map_or(INITIAL, |index| styles[index]);
        styles.push(match &node.kind {
            NodeKind::Element(element) => parent.of_child(element),
            _ => parent,
        });
    }
    styles
}

impl ComputedStyle {
    pub(crate) fn is_hidden(self) -> bool {
        self.removed || self.invisible
    }

    /// Whether text with this style is hidden. Elements and images in it may still be visible.
    pub(crate) fn hides_text(self) -> bool {
        self.is_hidden() || self.size.is_some_and(|size| size <= HIDDEN_SIZE)
    }

    /// Whether the text has the colour of what is behind it.
    pub(crate) fn has_colour_of_background(self) -> bool {
        let (Some(colour), Some(background)) = (self.colour, self.background) else {
            return false;
        };
        colour.over(background).hex() == background.hex()
    }

    fn of_child(self, element: &Element) -> Self {
        let style = element.get("style").map(Style::parse).unwrap_or_default();
        Self {
            colour: self.child_colour(element, &style),
            background: self.child_background(element, &style),
            fallback: self.child_fallback(element, &style),
            size: self.child_size(element, &style),
            bold: self.is_child_bold(element, &style),
            removed: self.removed || is_removed(element, &style),
            invisible: self.is_child_invisible(&style),
        }
    }

    fn child_colour(self, element: &Element, style: &Style) -> Option<Colour> {
        if let Some(value) = style.get("color") {
            return match value {
                "inherit" | "currentcolor" | "unset" => self.colour,
                _ => Colour::from_css(value),
            };
        }
        let attribute = match element.name.as_str() {
            "font" => element.get("color"),
            "body" => element.get("text"),
            _ => None,
        };
        match attribute {
            Some(value) => Colour::from_attribute(value),
            None if element.name == "a" && element.has("href") => Some(Colour::LINK),
            None => self.colour,
        }
    }

    fn child_background(self, element: &Element, style: &Style) -> Option<Colour> {
        let image = style.get("background-image");
        if element.has("background") || image.is_some_and(|it| Background::from_css(it).other) {
            return None;
        }
        // Such an element may be drawn over any other.
        let is_positioned = matches!(style.get("position"), Some("absolute" | "fixed"));
        let inherited = self.background.filter(|_| !is_positioned);
        let declared = style.last(&["background", "background-color"]);
        let colour = match declared.map(|it| Background::from_css(&it.value)) {
            Some(Background { other: true, .. }) => return None,
            Some(Background { colour, .. }) => colour,
            None => match element.get("bgcolor") {
                Some(value) => return Colour::from_attribute(value),
                None => None,
            },
        };
        match colour {
            Some(colour) if colour.is_opaque() => Some(colour),
            Some(colour) => inherited.map(|behind| colour.over(behind)),
            None => inherited,
        }
    }

    /// The last colour that the element declares: where an image or a gradient is not shown, most clients show that.
    fn child_fallback(self, element: &Element, style: &Style) -> Option<Colour> {
        let is_positioned = matches!(style.get("position"), Some("absolute" | "fixed"));
        let inherited = self.fallback.filter(|_| !is_positioned);
        let mut colour = None;
        for declaration in style.declarations() {
            if matches!(&*declaration.property, "background" | "background-color") {
                let background = Background::from_css(&declaration.value);
                if background.other && !background.image {
                    return None;
                }
                colour = background.colour.or(colour);
            }
        }
        let colour = match (colour, element.get("bgcolor")) {
            (None, Some(value)) => Some(Colour::from_attribute(value)?),
            (colour, _) => colour,
        };
        match colour {
            Some(colour) if colour.is_opaque() => Some(colour),
            Some(colour) => inherited.map(|behind| colour.over(behind)),
            None => inherited,
        }
    }

    fn child_size(self, element: &Element, style: &Style) -> Option<f32> {
        if let Some(value) = style.get("font-size") {
            return font_size(value, self.size);
        }
        if let Some(value) = style.get("font") {
            return size_in_font(value, self.size);
        }
        let factor = match element.name.as_str() {
            "font" if element.has("size") => {
                return element.get("size").and_then(size_of_font_element);
            }
            "h1" => 2.0,
            "h2" => 1.5,
            "h3" => 1.17,
            "h5" => 0.83,
            "h6" => 0.67,
            "small" | "sub" | "sup" => 1.0 / 1.2,
            "big" => 1.2,
            _ => 1.0,
        };
        self.size.map(|size| size * factor)
    }

    fn is_child_invisible(self, style: &Style) -> bool {
        match style.get("visibility") {
            Some("hidden" | "collapse") => true,
            Some("visible" | "initial") => false,
            _ => self.invisible,
        }
    }

    fn is_child_bold(self, element: &Element, style: &Style) -> bool {
        let declared = style.last(&["font-weight", "font"]);
        match declared.map(|it| (it.property.as_str(), it.value.as_str())) {
            Some((_, "inherit")) => self.bold,
            Some(("font-weight", value)) => {
                matches!(value, "bold" | "bolder")
                    || leading_number(value).is_some_and(|weight| weight >= 700.0)
            }
            Some((_, value)) => value
                .split_whitespace()
                .any(|word| matches!(word, "bold" | "700" | "800" | "900")),
            None => {
                let bold = ["b", "strong", "th", "h1", "h2", "h3", "h4", "h5", "h6"];
                self.bold || bold.contains(&element.name.as_str())
            }
        }
    }
}

/// Whether an element is hidden with all its content.
fn is_removed(element: &Element, style: &Style) -> bool {
    matches!(
        &*element.name,
        "head" | "title" | "style" | "script" | "template" | "noscript" | "select" | "svg"
    ) || style.hides()
        || element.has("hidden")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    /// The style of the text `x`.
    fn x(html: &str) -> ComputedStyle {
        let page = Page::parse(html, &Clock::system());
        let styles = computed_styles(&page);
        let texts = page.nodes.iter().zip(styles);
        let mut texts = texts
            .filter(|(node, _)| matches!(&node.kind, NodeKind::Text(text) if text.trim() == "x"));
        texts.next().expect("the text").1
    }

    fn colours(html: &str) -> (Option<String>, Option<String>) {
        let style = x(html);
        (
            style.colour.map(Colour::hex),
            style.background.map(Colour::hex),
        )
    }

    fn hex(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn colours_are_inherited() {
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
    fn links_have_their_own_colour() {
        let html = "<p style='color:#fff'><a href=y>x</a>";
        assert_eq!(colours(html).0, hex("#0000ee"));
        assert_eq!(colours("<p style='color:#fff'><a>x</a>").0, hex("#ffffff"));
        assert_eq!(
            colours("<a href=y style='color:red'>x</a>").0,
            hex("#ff0000")
        );
    }

    #[test]
    fn unknown_colours_are_none() {
        for html in [
            "<table background=a.png><td>x</table>",
            "<p style='background:url(a.png) #fff'>x",
            "<p style='background-color:#fff;background-image:linear-gradient(red,blue)'><b>x</b>",
            "<p style='background:\u{fdd0}0\u{fdd1}'>x",
            "<p style='position:absolute'>x",
            "<td bgcolor='\u{fdd0}0\u{fdd1}'>x",
        ] {
            let html = html.replace("<td bgcolor", "<table><td bgcolor");
            assert_eq!(x(&html).background, None, "{html}");
        }
        assert_eq!(x("<p style='color:var(--x)'>x").colour, None);
        let html = "<p style='background:url(a.png)'><b style='background:#fff'>x";
        assert_eq!(x(html).background, Some(Colour::WHITE));
    }

    #[test]
    fn a_colour_replaces_an_image_that_is_not_shown() {
        for (html, colour) in [
            ("<p style='background:url(a.png)'>x", "#ffffff"),
            ("<p style='background:url(a.png) #123456'>x", "#123456"),
            (
                "<p style='background-color:#123456;background:linear-gradient(red,blue)'>x",
                "#123456",
            ),
            (
                "<p style='background-image:url(\u{fdd0}0\u{fdd1})'>x",
                "#ffffff",
            ),
            (
                "<table><td background=a.png bgcolor=123456><b>x</table>",
                "#123456",
            ),
        ] {
            assert_eq!(x(html).background, None, "{html}");
            assert_eq!(x(html).fallback.map(Colour::hex), hex(colour), "{html}");
        }
        for html in [
            "<p style='background:var(--x)'>x",
            "<p style='background:\u{fdd0}0\u{fdd1}'>x",
            "<p style='position:absolute;background:url(a.png)'>x",
        ] {
            assert_eq!(x(html).fallback, None, "{html}");
        }
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
    fn hidden_elements_hide_their_content() {
        for html in [
            "<div style='display:none'><p>x",
            "<div style='font-size:1px;color:#fff'>x",
            "<div style='max-height:0'><b>x",
            "<div style='mso-hide:all'>x",
            "<div style='font-size:0'><p style='font-size:1em'>x",
            "<div style='font:0/0 a'><b>x",
            "<div style='visibility:hidden'><b>x",
            "<div style='display:none'><p style='font-size:13px;visibility:visible'>x",
        ] {
            assert!(x(html).hides_text(), "{html}");
        }
        for html in [
            "<div style='font-size:3px'>x",
            "<div style='font-size:0px'><p style='font-size:13px'>x",
            "<div style='font-size:0'><p style='font:bold 13px/1 Arial'>x",
            "<div style='font-size:0'><font size=3>x",
            "<div style='font-size:1px'><p style='font-size:calc(1px + 1vw)'>x",
            "<div style='visibility:hidden'><p style='visibility:visible'>x",
        ] {
            assert!(!x(html).hides_text(), "{html}");
        }
    }
}
