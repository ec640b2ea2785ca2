//! Rules that `style` attributes always override.

use scraper::Html;

use super::cascade::Role;
use super::sheets::Sheets;
use crate::html::css::{Elements, parse_declarations};

/// A rule with a condition, such as `@media`, and its properties that never apply.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OverriddenRule {
    /// The number of its `<style>` in the page.
    pub(crate) sheet: usize,
    pub(crate) selectors: String,
    pub(crate) properties: Vec<String>,
}

/// The rules of a page with properties that the `style` attributes of all their elements set.
pub(crate) fn overridden_rules(document: &Html) -> Vec<OverriddenRule> {
    let elements = Elements::of(document);
    let sheets = Sheets::of(document, &elements);
    let mut attributes: Vec<Option<Vec<String>>> = vec![None; elements.elements.len()];
    let mut rules = Vec::new();
    for (sheet, part, source) in sheets.parts() {
        if !source.is_conditional || part.role != Role::Kept || part.matches.is_empty() {
            continue;
        }
        let mut is_overridden = |property: &String| {
            part.matches.iter().all(|(element, _)| {
                let style = elements.elements[*element].attr("style");
                let set = attributes[*element].get_or_insert_with(|| {
                    let declarations = parse_declarations(style.unwrap_or_default());
                    declarations.into_iter().map(|it| it.property).collect()
                });
                set.contains(property)
            })
        };
        let declarations = source.declarations.iter().filter(|it| !it.important);
        let mut properties: Vec<String> = declarations.map(|it| it.property.clone()).collect();
        properties.dedup();
        properties.retain(&mut is_overridden);
        if !properties.is_empty() {
            rules.push(OverriddenRule {
                sheet,
                selectors: part.selectors.join(", "),
                properties,
            });
        }
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::html::parse_document;

    #[test]
    fn finds_what_all_elements_override() {
        let html = "<style>b{top:0}</style><style>@media print { .a { color: red; top: 0; left: 0 !important } \
                    p { color: blue } i { color: red } } .a:hover { color: red }</style>\
                    <p class=a style='color:green;left:0'>x</p><p>y</p>";
        let expected = OverriddenRule {
            sheet: 1,
            selectors: ".a".to_owned(),
            properties: vec!["color".to_owned()],
        };
        assert_eq!(overridden_rules(&parse_document(html)), [expected]);
    }
}
