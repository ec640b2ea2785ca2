//! What is wrong with one value.

use crate::html::marks::is_marked;
use crate::html::{Colour, Component, top_level_components};

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// Without the value.
    pub(super) kind: String,
    pub(super) message: String,
}

/// Attributes with a size or a colour.
pub(super) const ATTRIBUTES: [&str; 10] = [
    "width",
    "height",
    "bgcolor",
    "color",
    "text",
    "link",
    "vlink",
    "alink",
    "fillcolor",
    "strokecolor",
];

/// Properties with one colour and nothing else.
const COLOURS: [&str; 6] = [
    "color",
    "background-color",
    "border-top-color",
    "border-right-color",
    "border-bottom-color",
    "border-left-color",
];

/// What the names of properties begin with whose values are sizes and colours, with no commas and no
/// words that anybody could choose.
const PLAIN: [&str; 14] = [
    "width",
    "height",
    "min-",
    "max-",
    "padding",
    "margin",
    "font-size",
    "line-height",
    "letter-spacing",
    "text-indent",
    "border",
    "top",
    "left",
    "right",
];

/// Units that stand alone where a number was meant to be before them.
const UNITS: [&str; 7] = ["px", "pt", "em", "rem", "ex", "vw", "vh"];

/// What programs write where there is no number.
const NO_NUMBERS: [&str; 4] = ["undefined", "null", "nan", "nanpx"];

/// Words that are no colours and may stand for one (CSS Color 4, 6.2 and appendix A; CSS Cascade 5, 7.3), and
/// `none`, which clients leave out without harm.
const WORDS: [&str; 51] = [
    "inherit",
    "initial",
    "unset",
    "revert",
    "revert-layer",
    "currentcolor",
    "none",
    "auto",
    "accentcolor",
    "accentcolortext",
    "activeborder",
    "activecaption",
    "activetext",
    "appworkspace",
    "background",
    "buttonborder",
    "buttonface",
    "buttonhighlight",
    "buttonshadow",
    "buttontext",
    "canvas",
    "canvastext",
    "captiontext",
    "field",
    "fieldtext",
    "graytext",
    "highlight",
    "highlighttext",
    "inactiveborder",
    "inactivecaption",
    "inactivecaptiontext",
    "infobackground",
    "infotext",
    "linktext",
    "mark",
    "marktext",
    "menu",
    "menutext",
    "scrollbar",
    "selecteditem",
    "selecteditemtext",
    "threeddarkshadow",
    "threedface",
    "threedhighlight",
    "threedlightshadow",
    "threedshadow",
    "visitedtext",
    "window",
    "windowframe",
    "windowtext",
    "transparent",
];

/// What is wrong with a declaration; both parts are in lower case.
pub(super) fn of_declaration(property: &str, value: &str) -> Option<Fault> {
    let is_own = ["--", "mso-", "-"];
    if is_marked(value) || is_own.iter().any(|begin| property.starts_with(begin)) {
        return None;
    }
    let what = if value.is_empty() {
        "has no value"
    } else {
        of_tokens(property, value)?
    };
    Some(Fault {
        kind: format!("{property} {what}"),
        message: format!("`{}` {what}", format!("{property}: {value}").trim_end()),
    })
}

fn of_tokens(property: &str, value: &str) -> Option<&'static str> {
    let is_plain = PLAIN.iter().any(|begin| property.starts_with(begin));
    let has_colour = COLOURS.contains(&property)
        || ["background", "border", "outline"]
            .iter()
            .any(|begin| property.starts_with(begin));
    let components = top_level_components(value);
    for component in &components {
        match component {
            Component::Delimiter('%') => return Some("has a % without a number"),
            Component::Delimiter('#') if has_colour => return Some("is no colour"),
            Component::Hash(text) if has_colour && Colour::from_css(text).is_none() => {
                return Some("is no colour");
            }
            Component::Delimiter(',') if is_plain => return Some("has a comma in it"),
            Component::Word(word) if is_plain && UNITS.contains(&word.as_str()) => {
                return Some("has a unit without a number");
            }
            Component::Word(word) if is_plain && NO_NUMBERS.contains(&word.as_str()) => {
                return Some("is no size");
            }
            Component::BadUrl => return Some("has an address that must be in quotes"),
            _ => {}
        }
    }
    // What stands alone in these can be nothing else.
    let is_one = COLOURS.contains(&property) || ["background", "border-color"].contains(&property);
    (is_one && components.len() == 1 && !is_colour(value)).then_some("is no colour")
}

/// Whether a value is a colour, or may be one.
fn is_colour(value: &str) -> bool {
    let is_computed = value.contains('(') && !value.starts_with("rgb");
    is_computed
        || ["var(", "calc(", "env(", "from "]
            .iter()
            .any(|it| value.contains(it))
        || value.starts_with('-')
        || WORDS.contains(&value)
        || Colour::from_css(value).is_some()
}

/// What is wrong with an attribute; the value has no white space around it.
pub(super) fn of_attribute(element: &str, name: &str, value: &str) -> Option<Fault> {
    let what = if name == "width" || name == "height" {
        is_no_size(element, value).then_some("is no size")
    } else {
        is_no_colour(element, name, value).then_some("is no colour")
    };
    what.map(|what| Fault {
        kind: format!("{name} {what}"),
        message: format!("`{name}=\"{value}\"` {what}"),
    })
}

fn is_no_size(element: &str, value: &str) -> bool {
    // What comes after the number is left out; `*` is what is left (HTML 4.01, 6.6).
    let is_size = value.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        || value == "*"
        || value.eq_ignore_ascii_case("auto");
    ["table", "td", "th", "tr", "col", "img", "hr"].contains(&element) && !is_size
}

fn is_no_colour(element: &str, name: &str, value: &str) -> bool {
    let is_vml = element.starts_with("v:");
    let value = value.to_ascii_lowercase();
    let is_word = WORDS.contains(&value.as_str());
    let is_known = match name {
        "bgcolor" => value == "transparent" || is_of_html(&value),
        "color" if matches!(element, "font" | "basefont" | "hr") => is_of_html(&value),
        "text" | "link" | "vlink" | "alink" if element == "body" => is_of_html(&value),
        // Word writes more behind it: `#4472c4 [3204]`.
        "fillcolor" | "strokecolor" | "color" if is_vml => {
            is_word || value.contains([' ', '(']) || Colour::from_attribute(&value).is_some()
        }
        // Elsewhere they are no colours.
        _ => true,
    };
    !is_known
}

/// Whether a colour is one in attributes of HTML, where what is none becomes another (HTML 2.3.6).
fn is_of_html(value: &str) -> bool {
    let digits = value.strip_prefix('#').unwrap_or(value);
    let is_long = value.starts_with('#') && !matches!(digits.len(), 3 | 6);
    !value.contains('(') && !is_long && Colour::from_attribute(value).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_none_are_told() {
        for (property, value) in [
            ("width", ""),
            ("width", "%"),
            ("padding", "0 px"),
            ("width", "12,5%"),
            ("width", "undefined"),
            ("width", "nanpx"),
            ("background", "#"),
            ("background", "#12345 url(a.png)"),
            ("background", "crimsn"),
            ("border", "1px solid #"),
            ("border-color", "crimsn"),
            ("color", "crimsn"),
            ("color", "#"),
            ("background-color", "#ffff1"),
            ("background", "url(my photo (1).jpg)"),
            ("border-top-color", "rgb(1,2"),
        ] {
            assert!(
                of_declaration(property, value).is_some(),
                "{property}: {value}"
            );
        }
        for (property, value) in [
            ("width", "100%"),
            ("width", "calc(100% - 20px)"),
            ("color", "crimson"),
            ("color", "currentcolor"),
            ("color", "#fff"),
            ("color", "rgb(1,2,3)"),
            ("color", "rgb(1 2 3 / 50%)"),
            ("color", "hsl(120deg 75% 25%)"),
            ("color", "var(--x)"),
            ("color", "light-dark(#000, #fff)"),
            ("color", "windowtext"),
            ("color", "rgb(55 65 81 / var(--tw-text-opacity))"),
            ("color", "rgba(var(--link), 1)"),
            ("color", "threedface"),
            ("color", "-webkit-link"),
            ("background", "none"),
            ("background", "#fff url(a.png) no-repeat"),
            ("background", "linear-gradient(#fff, red)"),
            ("border-color", "red #fff"),
            ("border", "1px solid #ccc"),
            ("border", "0 none"),
            ("margin", "0 auto !ie"),
            ("font-family", "px, em"),
            ("grid-area", "em"),
            ("background-color", "transparent"),
            ("background-color", "\u{fdd0}0\u{fdd1}"),
            ("background", "url('my photo (1).jpg') #eee"),
            ("background-image", "url(data:image/png;base64,AAAA%)"),
            ("font-family", "px437, arial"),
            ("--mine", ""),
            ("mso-line-height-rule", ""),
            ("content", "'%'"),
        ] {
            assert_eq!(of_declaration(property, value), None, "{property}: {value}");
        }
    }

    #[test]
    fn attributes_that_are_no_sizes_and_colours_are_told() {
        for (element, name, value) in [
            ("td", "width", ""),
            ("td", "width", "%"),
            ("table", "bgcolor", ""),
            ("table", "bgcolor", "crimsn"),
            ("table", "bgcolor", "none"),
            ("font", "color", "#12345"),
            ("body", "text", ""),
            ("td", "bgcolor", "rgb(255,0,0)"),
            ("td", "bgcolor", "#ffffff80"),
            ("v:rect", "fillcolor", "crimsn"),
            ("v:rect", "strokecolor", ""),
            ("v:fill", "color", "#12345"),
        ] {
            assert!(
                of_attribute(element, name, value).is_some(),
                "{element} {name}={value}"
            );
        }
        for (element, name, value) in [
            ("td", "width", "100%"),
            ("td", "width", "50px"),
            ("img", "height", "auto"),
            ("svg", "width", ""),
            ("td", "bgcolor", "#FFF"),
            ("td", "bgcolor", "ffffff"),
            ("td", "bgcolor", "Transparent"),
            ("link", "color", "x"),
            ("td", "width", "*"),
            ("col", "width", "2*"),
            ("v:rect", "fillcolor", "#4472c4 [3204]"),
            ("v:rect", "fillcolor", "none"),
            ("svg", "fillcolor", "x"),
        ] {
            assert_eq!(
                of_attribute(element, name, value),
                None,
                "{element} {name}={value}"
            );
        }
    }
}
