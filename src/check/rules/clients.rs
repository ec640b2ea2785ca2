//! HTML and CSS that mail clients don't support.

use super::super::clients::{Feature, Lack, Use, in_words, uses};
use super::super::facts::Sheet;
use super::super::out::Out;
use super::super::page::Page;
use super::super::rule::Rule;
use crate::finding::{Finding, Severity};

const SOURCE: &str = "[caniemail](https://www.caniemail.com)";

const CSS: Rule = Rule {
    code: "client-css",
    severity: Severity::Warning,
    finds: "CSS that a mail client does not know, where the message is not readable or falls apart without it",
    source: SOURCE,
    example: "`display: flex`: Outlook for Windows",
};

const CSS_MINOR: Rule = Rule {
    code: "client-css-minor",
    severity: Severity::Note,
    finds: "CSS that a mail client does not know, or in part, where the message only looks worse without it",
    source: SOURCE,
    example: "a background image with no colour behind it",
};

const HTML: Rule = Rule {
    code: "client-html",
    severity: Severity::Warning,
    finds: "HTML that a mail client leaves out",
    source: SOURCE,
    example: "`<form>`, `<svg>`, `hidden`",
};

const HTML_MINOR: Rule = Rule {
    code: "client-html-minor",
    severity: Severity::Note,
    finds: "HTML that a mail client knows in part, or that a message can do without",
    source: SOURCE,
    example: "`<a href=\"#prices\">`",
};

/// The rules.
pub(super) const RULES: &[Rule] = &[CSS, CSS_MINOR, HTML, HTML_MINOR];

pub(super) fn sheet(sheet: &Sheet<'_>, out: &mut Out<'_>) {
    let Some(page) = &sheet.page else { return };
    if !out.wants_any(RULES) {
        return;
    }
    for (feature, used) in uses(page) {
        if let Some(finding) = look(sheet, feature, &used) {
            out.add(place(sheet, page, &used, finding));
        }
    }
}

fn look(sheet: &Sheet<'_>, feature: &Feature, used: &Use) -> Option<Finding> {
    let clients = &sheet.facts.clients;
    let without = clients.lacking(feature, Lack::All, used.mso_sees);
    let (css, name) = (feature.is_css(), &feature.name);
    let (rule, message) = if !without.is_empty() {
        let rule = match (css, feature.minor) {
            (true, false) => CSS,
            (true, true) => CSS_MINOR,
            (false, false) => HTML,
            (false, true) => HTML_MINOR,
        };
        (
            rule,
            format!("{name} is not supported by {}", in_words(&without)),
        )
    } else {
        let in_part = clients.lacking(feature, Lack::Part, true);
        // Nobody misses a part of what is minor, and who has something else for Outlook knows.
        if in_part.is_empty() || feature.minor || !used.mso_sees {
            return None;
        }
        let rule = if css { CSS_MINOR } else { HTML_MINOR };
        (
            rule,
            format!("{name} is supported in part by {}", in_words(&in_part)),
        )
    };
    let help = format!(
        "{}; more at https://www.caniemail.com/features/{}/",
        feature.instead, feature.slug
    );
    Some(rule.found(message).help(help))
}

/// The place of a use: what is written in a `<style>` was put into the elements, so its text is
/// looked for first.
fn place(sheet: &Sheet<'_>, page: &Page, used: &Use, finding: Finding) -> Finding {
    let locator = &sheet.facts.locator;
    let texts = used.written.iter();
    let mut found = texts.map(|text| locator.at_text(finding.clone(), text, 0));
    let found = found.find(|finding| finding.excerpt.is_some());
    found.unwrap_or_else(|| locator.at_element(finding, page, used.node, Some("style")))
}
