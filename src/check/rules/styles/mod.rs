//! Invalid values of styles and of presentational attributes, such as those that an empty cell causes.

mod value;

use self::value::{ATTRIBUTES, ValueError, check_attribute, check_declaration};
use crate::check::clients::is_style_for_all;
use crate::check::context::{MessageContext, RowContext};
use crate::check::family::Family;
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;
use crate::finding::Finding;
use crate::html::DynamicAttribute;
use crate::html::marks::{before_marks, fill, is_marked};
use crate::html::{Element, Page, Style, parse_stylesheet};

const BROKEN: Rule = Rule::warning("style-broken")
    .finds("a style, a colour or a size without a value, or with an invalid one")
    .why("Mail clients ignore it, or use another value than you meant. Often a column is empty.")
    .fix("Correct the value, or leave out the style if the row has no value: `{% if … %}`.")
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
            let mut reported = Vec::new();
            for (index, attribute, error) in errors(page) {
                if !reported.contains(&error) {
                    let locator = &context.shared.locator;
                    sink.add(locator.at_element(finding(&error), page, index, attribute));
                    reported.push(error);
                }
            }
        }
    }

    /// Checks the values of a row that only Outlook reads. The others are part of the page.
    fn row(&self, context: &RowContext<'_>, sink: &mut FindingSink<'_>) {
        let Some(html) = context.html else { return };
        for (index, attribute) in html.dynamic_attributes().iter().enumerate() {
            let value = || fill(&attribute.value, context.values);
            let name = ATTRIBUTES.iter().find(|it| **it == attribute.attribute);
            let errors: Vec<ValueError> = match name {
                Some(name) => {
                    let error = check_attribute(&attribute.element, name, value().trim());
                    error.into_iter().collect()
                }
                None if attribute.attribute == "style" => check_style(&Style::parse(&value())),
                None => continue,
            };
            for error in errors {
                let earlier = &html.dynamic_attributes()[..index];
                sink.add(in_template(context, earlier, attribute, &error));
            }
        }
    }
}

fn finding(error: &ValueError) -> Finding {
    let help = "check the column that it comes from, and handle empty cells: {% if … %} or `| default(value=…, boolean=true)`";
    BROKEN.found(&error.message).kind(&error.kind).help(help)
}

/// Places a finding where the templates have an attribute with a row's value. `earlier` are the dynamic
/// attributes before it.
fn in_template(
    context: &RowContext<'_>,
    earlier: &[DynamicAttribute],
    attribute: &DynamicAttribute,
    error: &ValueError,
) -> Finding {
    let (name, fixed) = (&attribute.attribute, before_marks(&attribute.value));
    let is_similar =
        |it: &&DynamicAttribute| it.attribute == *name && before_marks(&it.value) == fixed;
    let nth = earlier.iter().filter(is_similar).count();
    let locator = &context.shared.locator;
    let texts = ["\"", "'"].map(|quote| format!("{name}={quote}{fixed}{{{{"));
    let mut placed = texts
        .iter()
        .map(|text| locator.at_text(finding(error), text, nth));
    placed
        .find(|finding| finding.excerpt.is_some())
        .unwrap_or_else(|| locator.somewhere(finding(error)))
}

/// The invalid values of a page, with the indexes of their elements and the names of their attributes.
fn errors(page: &Page) -> impl Iterator<Item = (usize, Option<&'static str>, ValueError)> {
    page.elements().flat_map(|(index, element)| {
        let in_rules = match is_style_for_all(element) {
            true => parse_stylesheet(&page.raw_text_in(index)).rules,
            false => Vec::new(),
        };
        let in_rules = in_rules.into_iter().filter(|it| !it.is_conditional);
        let in_rules = in_rules.flat_map(|it| check_style(&Style::of(it.declarations)));
        let in_attributes = check_element(element).into_iter();
        in_attributes
            .map(|(name, error)| (Some(name), error))
            .chain(in_rules.map(|error| (None, error)))
            .map(move |(name, error)| (index, name, error))
    })
}

fn check_element(element: &Element) -> Vec<(&'static str, ValueError)> {
    let style = element.get("style").map(Style::parse).unwrap_or_default();
    let in_style = check_style(&style).into_iter();
    let in_attributes = ATTRIBUTES.into_iter().filter_map(|name| {
        let value = element.get(name).filter(|value| !is_marked(value))?;
        Some((name, check_attribute(&element.name, name, value.trim())?))
    });
    in_style
        .map(|error| ("style", error))
        .chain(in_attributes)
        .collect()
}

fn check_style(style: &Style) -> Vec<ValueError> {
    let declarations = style.declarations();
    declarations
        .filter_map(|it| check_declaration(&it.property, &it.value))
        .collect()
}
