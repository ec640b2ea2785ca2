//! Merge tags that everybody would read: in the templates, in `[message]`, in `[vars]`.

use super::super::super::facts::{Facts, RowSheet, Sheet};
use super::super::super::out::Out;
use super::super::super::page::{Element, Kind, Page};
use super::super::super::rule::Rule;
use super::tags::{TEMPLATE, all, may_have, outside_tags, tags};
use crate::campaign::Text;
use crate::finding::{Finding, Place, Severity};
use crate::render::Row;

pub(super) const LEFT: Rule = Rule {
    code: "tag-left",
    severity: Severity::Error,
    finds: "a merge tag that everybody would read as it stands: of another program, or of a template",
    source: "the tags of Mailchimp, Salesforce, GetResponse, ActiveCampaign, FreshMail, MailerLite and others",
    example: "`*|FNAME|*`, `%%first%%`, `[[first]]`, `${first}`, `%FIRSTNAME%`, `<%= first %>`",
};

fn found(tag: &str, whose: &str, part: &str) -> Finding {
    let message = format!("`{tag}` in {part}, {whose}: everybody would read it as it stands");
    LEFT.found(message).help(
        "a column is written {{ first_name }}, or {{ row[\"First name\"] }} if its name is no word",
    )
}

/// The strings of `[message]`: there what is rendered is no tag that was left.
pub(super) fn campaign(facts: &Facts<'_>, out: &mut Out<'_>) {
    let message = &facts.campaign.message;
    let one = |part: &'static str, text: &'_ Text| look(facts, part, text);
    out.extend(one("the subject", &message.subject));
    if let Some(name) = &message.from_name {
        out.extend(one("the sender's name", name));
    }
    for (_, value) in &message.headers {
        out.extend(one("a header", value));
    }
    for tag in &message.tags {
        out.extend(one("a tag", tag));
    }
}

fn look(facts: &Facts<'_>, part: &str, text: &Text) -> Vec<Finding> {
    let source = &facts.campaign.source;
    let outside = outside_tags(text.get_ref());
    let mut findings = Vec::new();
    for (tag, whose) in all(&outside, facts.header) {
        if whose != TEMPLATE {
            let mut finding = found(tag, whose, part);
            finding.place = Place::file(&source.path);
            findings.push(finding.excerpt(source.excerpt(text.span())));
        }
    }
    findings
}

/// The HTML that all rows of the shape have.
pub(super) fn sheet(sheet: &Sheet<'_>, out: &mut Out<'_>) {
    for value in sheet.values {
        for (tag, whose) in tags(value) {
            if is_written(sheet.facts, tag) && !is_in_cell(sheet.row, tag) {
                let finding = found(tag, whose, "the HTML");
                out.add(sheet.facts.locator.at_text(finding, tag, 0));
            }
        }
    }
    let Some(page) = &sheet.page else { return };
    for (index, node) in page.nodes.iter().enumerate() {
        match &node.kind {
            Kind::Text(text) if !is_code(page, index) => in_text(sheet, text, out),
            // What a client's condition shows is read as well.
            Kind::Comment(text)
                if text.trim_start().starts_with("[if") && !text.contains("<style") =>
            {
                in_text(sheet, text, out);
            }
            Kind::Element(element) => in_element(sheet, page, (index, element), out),
            _ => {}
        }
    }
}

fn in_text(sheet: &Sheet<'_>, text: &str, out: &mut Out<'_>) {
    for (tag, whose) in all(text, sheet.facts.header) {
        if !is_of_row(sheet, tag) {
            let finding = found(tag, whose, "the HTML");
            out.add(sheet.facts.locator.at_text(finding, tag, 0));
        }
    }
}

fn in_element(
    sheet: &Sheet<'_>,
    page: &Page,
    (index, element): (usize, &Element),
    out: &mut Out<'_>,
) {
    let attributes = element.attributes.iter();
    let read = attributes.filter(|(name, _)| READ.contains(&name.as_str()));
    for (name, value) in read {
        for (tag, whose) in tags(value) {
            if !is_of_row(sheet, tag) {
                let finding = found(tag, whose, &format!("`{name}`"));
                let locator = &sheet.facts.locator;
                out.add(locator.at_element(finding, page, index, Some(name)));
            }
        }
    }
}

/// The attributes that are read or followed.
const READ: [&str; 6] = ["href", "src", "alt", "title", "content", "background"];

/// Whether a text is code, which may well have such signs, or no text of the page at all.
fn is_code(page: &Page, index: usize) -> bool {
    let code = ["style", "script", "code", "pre", "kbd", "samp", "tt"];
    let mut around = page.ancestors(index);
    around.any(|(_, element)| code.contains(&element.name.as_str()))
}

/// Whether a tag is one of the row's own values, about which its cell is told.
fn is_of_row(sheet: &Sheet<'_>, tag: &str) -> bool {
    sheet.values.iter().any(|value| value.contains(tag)) || is_in_cell(sheet.row, tag)
}

/// Whether a tag stands in `[vars]` or in a template: a filter may have made it of what a cell holds.
fn is_written(facts: &Facts<'_>, tag: &str) -> bool {
    let mut vars = facts.campaign.vars.iter();
    vars.any(|(_, value)| value.to_string().contains(tag)) || facts.locator.has(tag)
}

fn is_in_cell(row: &Row, tag: &str) -> bool {
    row.cells.iter().any(|cell| cell.contains(tag))
}

/// The subject, and the text part if it has a template of its own.
pub(super) fn row(row: &RowSheet<'_>, out: &mut Out<'_>) {
    if !out.wants(&LEFT) {
        return;
    }
    let message = row.message;
    let left = |tag: &str| !is_in_cell(row.row, tag);
    for (tag, whose) in tags(&message.subject) {
        if whose == TEMPLATE && left(tag) {
            let source = &row.facts.campaign.source;
            let mut finding = found(tag, whose, "the subject");
            finding.place = Place::file(&source.path);
            let span = row.facts.campaign.message.subject.span();
            out.add(finding.excerpt(source.excerpt(span)));
        }
    }
    let own = row.facts.campaign.message.text.is_some();
    let text = message.text().filter(|text| own && may_have(text));
    for (tag, whose) in text
        .map(|text| all(text, row.facts.header))
        .unwrap_or_default()
    {
        if left(tag) {
            let finding = found(tag, whose, "the text part");
            out.add(row.facts.locator.at_text(finding, tag, 0));
        }
    }
}
