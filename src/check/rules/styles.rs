//! Values of styles and of attributes that say how something looks: those that are none, as an empty
//! cell or one with something else leaves them.

use cssparser::{Parser, Token};

use super::super::colour::Colour;
use super::super::facts::{RowSheet, Sheet};
use super::super::out::Out;
use super::super::page::Element;
use super::super::rule::Rule;
use super::super::style::Style;
use crate::finding::{Finding, Severity};
use crate::render::{before_marks, fill, is_marked};

const BROKEN: Rule = Rule {
    code: "style-broken",
    severity: Severity::Warning,
    finds: "a style, a colour or a size without a value, or with one that can't be: clients leave it out, or take another",
    source: "CSS Syntax 3, 5.4.4; CSS Color 4; HTML 2.3.4.4 and 2.3.6",
    example: "`<td style=\"width: {{ share }}%\">` without a share, `bgcolor=\"crimsn\"`",
};

/// The rules.
pub(super) const RULES: &[Rule] = &[BROKEN];

/// Properties with one colour and nothing else.
const COLOURS: [&str; 6] = [
    "color",
    "background-color",
    "border-top-color",
    "border-right-color",
    "border-bottom-color",
    "border-left-color",
];

/// Attributes with a size or a colour.
const ATTRIBUTES: [&str; 8] = [
    "width", "height", "bgcolor", "color", "text", "link", "vlink", "alink",
];

/// Units that stand alone where a number was meant to be before them.
const UNITS: [&str; 7] = ["px", "pt", "em", "rem", "ex", "vw", "vh"];

/// Words that are no colours and may stand for one (CSS Color 4, 6.2; CSS Cascade 5, 7.3), `none`
/// where clients leave it out without harm, and what Word writes.
const WORDS: [&str; 29] = [
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
    "activetext",
    "buttonborder",
    "buttonface",
    "buttontext",
    "canvas",
    "canvastext",
    "field",
    "fieldtext",
    "graytext",
    "highlight",
    "highlighttext",
    "linktext",
    "mark",
    "marktext",
    "selecteditem",
    "selecteditemtext",
    "visitedtext",
    "window",
    "windowtext",
];

pub(super) fn sheet(sheet: &Sheet<'_>, out: &mut Out<'_>) {
    if !out.wants(&BROKEN) {
        return;
    }
    for page in sheet.pages() {
        let mut told = Vec::new();
        for (at, element) in page.elements() {
            for (attribute, fault) in faults(element) {
                if !told.contains(&fault) {
                    let locator = &sheet.facts.locator;
                    let finding = fault.finding();
                    out.add(locator.at_element(finding, page, at, Some(attribute)));
                    told.push(fault);
                }
            }
        }
    }
}

/// The values of a row's own, which are so for Outlook alone: others shape the HTML.
pub(super) fn row(row: &RowSheet<'_>, out: &mut Out<'_>) {
    let Some(html) = row.html else { return };
    for hole in html.holes() {
        let value = || fill(&hole.value, row.values);
        let faults = match ATTRIBUTES.iter().find(|name| **name == hole.attribute) {
            Some(name) => of_attribute(&hole.element, name, value().trim())
                .into_iter()
                .collect(),
            None if hole.attribute == "style" => of_style(&value()),
            None => continue,
        };
        for fault in faults {
            let written = format!("{}=\"{}", hole.attribute, before_marks(&hole.value));
            out.add(row.facts.locator.at_text(fault.finding(), &written, 0));
        }
    }
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fault {
    kind: &'static str,
    message: String,
}

impl Fault {
    fn new(kind: &'static str, written: &str) -> Self {
        Self {
            kind,
            message: format!("`{written}` {kind}"),
        }
    }

    fn finding(&self) -> Finding {
        BROKEN.found(&self.message).kind(self.kind).help(
            "look at the cells of the column that it comes from, and say what is to stand there without one: {% if … %} or `| default(value=…, boolean=true)`",
        )
    }
}

/// What is wrong with the looks of an element, with the attribute that says it.
fn faults(element: &Element) -> Vec<(&'static str, Fault)> {
    let mut faults = Vec::new();
    if let Some(style) = element.get("style") {
        faults.extend(of_style(style).into_iter().map(|fault| ("style", fault)));
    }
    for name in ATTRIBUTES {
        let value = element.get(name).filter(|value| !is_marked(value));
        let fault = value.and_then(|value| of_attribute(&element.name, name, value.trim()));
        faults.extend(fault.map(|fault| (name, fault)));
    }
    faults
}

fn of_style(style: &str) -> Vec<Fault> {
    let style = Style::parse(style);
    let all = style.declarations();
    all.filter_map(|it| of_declaration(&it.property, &it.value))
        .collect()
}

fn of_declaration(property: &str, value: &str) -> Option<Fault> {
    let is_own = ["--", "mso-", "-"];
    if is_marked(value) || is_own.iter().any(|begin| property.starts_with(begin)) {
        return None;
    }
    let fault = |kind| Some(Fault::new(kind, format!("{property}: {value}").trim_end()));
    if value.is_empty() {
        return fault("has no value");
    }
    let mut input = Parser::new(value);
    while let Ok(token) = input.next() {
        match token {
            Token::Delim('%') => return fault("has a % without a number"),
            Token::Ident(word) if UNITS.contains(&&**word) => {
                return fault("has a unit without a number");
            }
            Token::BadUrl(_) => return fault("has an address that must be in quotes"),
            _ => {}
        }
    }
    let is_colour = || {
        let is_computed = value.contains('(') && !value.starts_with("rgb");
        is_computed || WORDS.contains(&value) || Colour::of_css(value).is_some()
    };
    let is_wrong = COLOURS.contains(&property) && !is_colour();
    is_wrong.then(|| fault("is no colour")).flatten()
}

fn of_attribute(element: &str, name: &str, value: &str) -> Option<Fault> {
    let fault = |kind| Fault::new(kind, &format!("{name}=\"{value}\""));
    if name == "width" || name == "height" {
        let sized = ["table", "td", "th", "tr", "col", "img", "hr"];
        if !sized.contains(&element) {
            return None;
        }
        // What comes after the number is left out.
        let is_number = value.starts_with(|c: char| c.is_ascii_digit() || c == '.');
        let is_fine = is_number || value.eq_ignore_ascii_case("auto");
        return (!is_fine).then(|| fault("is no size"));
    }
    // Elsewhere they are no colours.
    let coloured = match name {
        "bgcolor" => true,
        "color" => matches!(element, "font" | "basefont" | "hr"),
        _ => element == "body",
    };
    let is_fine =
        value.eq_ignore_ascii_case("transparent") || Colour::of_attribute(value).is_some();
    (coloured && !is_fine).then(|| fault("is no colour"))
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
        ] {
            assert_eq!(
                of_attribute(element, name, value),
                None,
                "{element} {name}={value}"
            );
        }
    }
}
