//! Values of styles and of attributes that say how something looks: those that are none, as an empty
//! cell or one with something else leaves them.

mod value;

use self::value::{ATTRIBUTES, Fault, of_attribute, of_declaration};
use crate::check::clients::is_style_for_all;
use crate::check::context::{MessageContext, RowContext};
use crate::check::family::Family;
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;
use crate::finding::Finding;
use crate::html::DynamicAttribute;
use crate::html::marks::{before_marks, fill, is_marked};
use crate::html::{Element, NodeKind, Page, Style, StylesheetItem, parse_stylesheet};

const BROKEN: Rule = Rule::warning("style-broken")
    .finds("a style, a colour or a size without a value, or with an invalid one")
    .why("Mail clients ignore it, or use another value than you meant. Often a column is empty.")
    .fix("Correct the value, or leave the style out where there is none: `{% if … %}`.")
    .source("CSS Syntax 3, 5.4.4; CSS Color 4; HTML 2.3.4.4 and 2.3.6")
    .example("`<td style=\"width: {{ share }}%\">` without a share, `bgcolor=\"crimsn\"`");

const RULES: &[Rule] = &[BROKEN];

pub(in crate::check) struct Styles;

impl Family for Styles {
    fn rules(&self) -> &'static [Rule] {
        RULES
    }

    fn message(&self, context: &MessageContext<'_>, sink: &mut FindingSink<'_>) {
        if !sink.wants(&BROKEN) {
            return;
        }
        for page in context.pages() {
            let mut told = Vec::new();
            for (at, attribute, fault) in faults(page) {
                if !told.contains(&fault) {
                    let locator = &context.shared.locator;
                    sink.add(locator.at_element(finding(&fault), page, at, attribute));
                    told.push(fault);
                }
            }
        }
    }

    /// The values of a row's own, which are so for Outlook alone: others shape the HTML.
    fn row(&self, context: &RowContext<'_>, sink: &mut FindingSink<'_>) {
        let Some(html) = context.html else { return };
        for (at, hole) in html.dynamic_attributes().iter().enumerate() {
            let value = || fill(&hole.value, context.values);
            let known = ATTRIBUTES.iter().find(|name| **name == hole.attribute);
            let faults: Vec<Fault> = match known {
                Some(name) => {
                    let fault = of_attribute(&hole.element, name, value().trim());
                    fault.into_iter().collect()
                }
                None if hole.attribute == "style" => of_style(&value()),
                None => continue,
            };
            for fault in faults {
                sink.add(in_template(
                    context,
                    &html.dynamic_attributes()[..at],
                    hole,
                    &fault,
                ));
            }
        }
    }
}

const HELP: &str = "look at the cells of the column that it comes from, and say what is to stand there without one: {% if … %} or `| default(value=…, boolean=true)`";

fn finding(fault: &Fault) -> Finding {
    BROKEN.found(&fault.message).kind(&fault.kind).help(HELP)
}

/// A finding where the templates have an attribute with a value of the row; `earlier` are those before it.
fn in_template(
    context: &RowContext<'_>,
    earlier: &[DynamicAttribute],
    hole: &DynamicAttribute,
    fault: &Fault,
) -> Finding {
    let begin = before_marks(&hole.value);
    let is_like =
        |it: &&DynamicAttribute| it.attribute == hole.attribute && before_marks(&it.value) == begin;
    let nth = earlier.iter().filter(is_like).count();
    let ways = ["\"", "'"].map(|quote| format!("{}={quote}{begin}{{{{", hole.attribute));
    let locator = &context.shared.locator;
    let mut found = ways
        .iter()
        .map(|text| locator.at_text(finding(fault), text, nth));
    found
        .find(|it| it.excerpt.is_some())
        .unwrap_or_else(|| locator.somewhere(finding(fault)))
}

/// What is wrong with the looks of a page: with the element, and the attribute that says it.
fn faults(page: &Page) -> impl Iterator<Item = (usize, Option<&'static str>, Fault)> {
    let nodes = page.nodes.iter().enumerate();
    nodes.flat_map(|(at, node)| match &node.kind {
        NodeKind::Element(element) => {
            let faults = of_element(element).into_iter();
            faults
                .map(|(name, fault)| (at, Some(name), fault))
                .collect()
        }
        NodeKind::Text(text) => {
            let style = node
                .parent
                .filter(|at| page.element(*at).is_some_and(is_style_for_all));
            style.map_or_else(Vec::new, |at| {
                let faults = parse_stylesheet(text).into_iter().flat_map(of_rule);
                faults.map(|fault| (at, None, fault)).collect()
            })
        }
        NodeKind::Comment(_) => Vec::new(),
    })
}

fn of_element(element: &Element) -> Vec<(&'static str, Fault)> {
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

fn of_rule(item: StylesheetItem) -> Vec<Fault> {
    match item {
        StylesheetItem::Rule { style, .. } => of_declarations(&style),
        StylesheetItem::Import(_) => Vec::new(),
    }
}

fn of_style(style: &str) -> Vec<Fault> {
    of_declarations(&Style::parse(style))
}

fn of_declarations(style: &Style) -> Vec<Fault> {
    let all = style.declarations();
    all.filter_map(|it| of_declaration(&it.property, &it.value))
        .collect()
}
