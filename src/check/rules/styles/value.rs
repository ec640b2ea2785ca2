//! Checks single values.

use crate::html::marks::is_marked;
use crate::html::{Colour, Component, top_level_components};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ValueError {
    /// The message without the value.
    pub(super) kind: String,
    pub(super) message: String,
}

/// Attributes whose value is a size or a colour.
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

/// Properties whose value is one colour.
const COLOUR_PROPERTIES: [&str; 6] = [
    "color",
    "background-color",
    "border-top-color",
    "border-right-color",
    "border-bottom-color",
    "border-left-color",
];

/// Prefixes of properties whose values are sizes and colours, without commas and custom names.
const PLAIN_PROPERTIES: [&str; 14] = [
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

/// Units that are left over when a number is missing.
const UNITS: [&str; 7] = ["px", "pt", "em", "rem", "ex", "vw", "vh"];

/// What programs write for a missing number.
const MISSING_NUMBERS: [&str; 4] = ["undefined", "null", "nan", "nanpx"];

/// Keywords that are valid in place of a colour (CSS Color 4, 6.2 and appendix A; CSS Cascade 5, 7.3), and `none`,
/// which clients ignore without harm. One a line.
const KEYWORDS: &str = include_str!("colour_keywords.txt");

/// Checks a declaration in lower case.
pub(super) fn check_declaration(property: &str, value: &str) -> Option<ValueError> {
    let is_proprietary = property.starts_with('-') || property.starts_with("mso-");
    if is_marked(value) || is_proprietary {
        return None;
    }
    let what = if value.is_empty() {
        "has no value"
    } else {
        components_error(property, value)?
    };
    Some(ValueError {
        kind: format!("{property} {what}"),
        message: format!("`{}` {what}", format!("{property}: {value}").trim_end()),
    })
}

fn components_error(property: &str, value: &str) -> Option<&'static str> {
    let is_plain = PLAIN_PROPERTIES
        .iter()
        .any(|begin| property.starts_with(begin));
    let has_colour = COLOUR_PROPERTIES.contains(&property)
        || ["background", "border", "outline"]
            .iter()
            .any(|begin| property.starts_with(begin));
    let components = top_level_components(value);
    for component in &components {
        match component {
            Component::Delimiter('%') => return Some("has a % without a number"),
            Component::Delimiter('#') if has_colour => return Some("is not a colour"),
            Component::Hash(text) if has_colour && Colour::from_css(text).is_none() => {
                return Some("is not a colour");
            }
            Component::Delimiter(',') if is_plain => return Some("contains a comma"),
            Component::Word(word) if is_plain && UNITS.contains(&word.as_str()) => {
                return Some("has a unit without a number");
            }
            Component::Word(word) if is_plain && MISSING_NUMBERS.contains(&word.as_str()) => {
                return Some("is not a size");
            }
            Component::BadUrl => return Some("contains an address that needs quotes"),
            _ => {}
        }
    }
    // The only component of these properties must be a colour.
    let is_colour_only =
        COLOUR_PROPERTIES.contains(&property) || ["background", "border-color"].contains(&property);
    (is_colour_only && components.len() == 1 && !may_be_colour(value)).then_some("is not a colour")
}

fn is_keyword(value: &str) -> bool {
    KEYWORDS.lines().any(|keyword| keyword == value)
}

fn may_be_colour(value: &str) -> bool {
    let is_computed = value.contains('(') && !value.starts_with("rgb");
    is_computed
        || ["var(", "calc(", "env(", "from "]
            .iter()
            .any(|it| value.contains(it))
        || value.starts_with('-')
        || is_keyword(value)
        || Colour::from_css(value).is_some()
}

/// Checks an attribute. The value has no white space around it.
pub(super) fn check_attribute(element: &str, name: &str, value: &str) -> Option<ValueError> {
    let what = if name == "width" || name == "height" {
        (!may_be_size(element, value)).then_some("is not a size")
    } else {
        (!may_be_attribute_colour(element, name, value)).then_some("is not a colour")
    };
    what.map(|what| ValueError {
        kind: format!("{name} {what}"),
        message: format!("`{name}=\"{value}\"` {what}"),
    })
}

fn may_be_size(element: &str, value: &str) -> bool {
    // Clients ignore what follows the number; `*` is the remaining space (HTML 4.01, 6.6).
    let is_size = value.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        || value == "*"
        || value.eq_ignore_ascii_case("auto");
    is_size || !["table", "td", "th", "tr", "col", "img", "hr"].contains(&element)
}

fn may_be_attribute_colour(element: &str, name: &str, value: &str) -> bool {
    let is_vml = element.starts_with("v:");
    let value = value.to_ascii_lowercase();
    match name {
        "bgcolor" => value == "transparent" || is_html_colour(&value),
        "color" if matches!(element, "font" | "basefont" | "hr") => is_html_colour(&value),
        "text" | "link" | "vlink" | "alink" if element == "body" => is_html_colour(&value),
        // Word appends more: `#4472c4 [3204]`.
        "fillcolor" | "strokecolor" | "color" if is_vml => {
            is_keyword(&value)
                || value.contains([' ', '('])
                || Colour::from_attribute(&value).is_some()
        }
        // These attributes are not colours elsewhere.
        _ => true,
    }
}

/// Whether a value is a colour in HTML attributes, where clients turn invalid ones into other colours
/// (HTML 2.3.6).
fn is_html_colour(value: &str) -> bool {
    let digits = value.strip_prefix('#').unwrap_or(value);
    let is_long = value.starts_with('#') && !matches!(digits.len(), 3 | 6);
    !value.contains('(') && !is_long && Colour::from_attribute(value).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_invalid_values() {
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
                check_declaration(property, value).is_some(),
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
            assert_eq!(
                check_declaration(property, value),
                None,
                "{property}: {value}"
            );
        }
    }

    #[test]
    fn finds_invalid_sizes_and_colours() {
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
                check_attribute(element, name, value).is_some(),
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
                check_attribute(element, name, value),
                None,
                "{element} {name}={value}"
            );
        }
    }
}
