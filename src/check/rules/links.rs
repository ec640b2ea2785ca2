//! Links.

use super::super::facts::{RowSheet, Sheet};
use super::super::out::Out;
use super::super::rule::Rule;
use crate::finding::Severity;
use crate::render::is_marked;

const EMPTY: Rule = Rule {
    code: "link-empty",
    severity: Severity::Error,
    finds: "a link that leads nowhere",
    source: "HTML 4.6.3",
    example: "`<a href=\"\">`",
};

/// The rules.
pub(super) const RULES: &[Rule] = &[EMPTY];

/// The links that are the same for all rows of the shape.
pub(super) fn sheet(sheet: &Sheet<'_>, out: &mut Out<'_>) {
    let Some(page) = &sheet.page else { return };
    for (index, link) in page.named("a") {
        let Some(href) = link.get("href").filter(|href| !is_marked(href)) else {
            continue;
        };
        if let Some(finding) = look(href) {
            let locator = &sheet.facts.locator;
            out.add(locator.at_element(finding, page, index, Some("href")));
        }
    }
}

/// The links that have values of the row.
pub(super) fn row(row: &RowSheet<'_>, out: &mut Out<'_>) {
    for (hole, href) in row.holes() {
        if hole.element == "a"
            && hole.attribute == "href"
            && let Some(finding) = look(&href)
        {
            out.add(finding);
        }
    }
}

fn look(href: &str) -> Option<crate::finding::Finding> {
    href.trim().is_empty().then(|| {
        EMPTY
            .found("a link leads nowhere: its `href` is empty")
            .help("give it an address, or take the link away where there is none: {% if … %}")
    })
}
