//! Merge tags that everybody would read: in the templates, in `[message]`, in `[vars]`.

use super::merge_tags::{TEMPLATE, all, may_have, outside_tags, tags};
use crate::campaign::Text;
use crate::check::context::{CampaignContext, MessageContext, RowContext};
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;
use crate::finding::{Finding, Place};
use crate::html::{Element, NodeKind, Page};
use crate::render::Row;

pub(super) const LEFT: Rule = Rule::error("tag-left")
    .finds("a merge tag of another program, or of a template, that nothing replaces")
    .why("Every reader would see the tag as it is written.")
    .fix("Write columns as `{{ first_name }}`, or `{{ row[\"First name\"] }}` if the name is not a single word.")
    .source("the tags of Mailchimp, Salesforce, GetResponse, ActiveCampaign, FreshMail, MailerLite and others")
    .example("`*|FNAME|*`, `%%first%%`, `[[first]]`, `${first}`, `%FIRSTNAME%`, `<%= first %>`");

fn found(tag: &str, whose: &str, part: &str) -> Finding {
    let message = format!("`{tag}` in {part}, {whose}: everybody would read it as it stands");
    LEFT.found(message).help(
        "a column is written {{ first_name }}, or {{ row[\"First name\"] }} if its name is no word",
    )
}

/// The strings of `[message]`: there what is rendered is no tag that was left.
pub(super) fn campaign(shared: &CampaignContext<'_>, sink: &mut FindingSink<'_>) {
    let message = &shared.campaign.message;
    let one = |part: &'static str, text: &'_ Text| look(shared, part, text);
    sink.extend(one("the subject", &message.subject));
    if let Some(name) = &message.from_name {
        sink.extend(one("the sender's name", name));
    }
    for (_, value) in &message.headers {
        sink.extend(one("a header", value));
    }
    for tag in &message.tags {
        sink.extend(one("a tag", tag));
    }
}

fn look(shared: &CampaignContext<'_>, part: &str, text: &Text) -> Vec<Finding> {
    let source = &shared.campaign.source;
    let outside = outside_tags(text.get_ref());
    let mut findings = Vec::new();
    for (tag, whose) in all(&outside, shared.header) {
        if whose != TEMPLATE {
            let mut finding = found(tag, whose, part);
            finding.place = Place::file(&source.path);
            findings.push(finding.excerpt(source.excerpt(text.span())));
        }
    }
    findings
}

/// The HTML that all rows of the shape have.
pub(super) fn message(context: &MessageContext<'_>, sink: &mut FindingSink<'_>) {
    for value in context.values {
        for (tag, whose) in tags(value) {
            if is_written(context.shared, tag) && !is_in_cell(context.row, tag) {
                let finding = found(tag, whose, "the HTML");
                sink.add(context.shared.locator.at_text(finding, tag, 0));
            }
        }
    }
    let Some(page) = &context.page else { return };
    for (index, node) in page.nodes.iter().enumerate() {
        match &node.kind {
            NodeKind::Text(text) if !is_code(page, index) => in_text(context, text, sink),
            // What a client's condition shows is read as well.
            NodeKind::Comment(text)
                if text.trim_start().starts_with("[if") && !text.contains("<style") =>
            {
                in_text(context, text, sink);
            }
            NodeKind::Element(element) => in_element(context, page, (index, element), sink),
            _ => {}
        }
    }
}

fn in_text(context: &MessageContext<'_>, text: &str, sink: &mut FindingSink<'_>) {
    for (tag, whose) in all(text, context.shared.header) {
        if !is_of_row(context, tag) {
            let finding = found(tag, whose, "the HTML");
            sink.add(context.shared.locator.at_text(finding, tag, 0));
        }
    }
}

fn in_element(
    context: &MessageContext<'_>,
    page: &Page,
    (index, element): (usize, &Element),
    sink: &mut FindingSink<'_>,
) {
    let attributes = element.attributes.iter();
    let read = attributes.filter(|(name, _)| READ.contains(&name.as_str()));
    for (name, value) in read {
        for (tag, whose) in tags(value) {
            if !is_of_row(context, tag) {
                let finding = found(tag, whose, &format!("`{name}`"));
                let locator = &context.shared.locator;
                sink.add(locator.at_element(finding, page, index, Some(name)));
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
fn is_of_row(context: &MessageContext<'_>, tag: &str) -> bool {
    context.values.iter().any(|value| value.contains(tag)) || is_in_cell(context.row, tag)
}

/// Whether a tag stands in `[vars]` or in a template: a filter may have made it of what a cell holds.
fn is_written(shared: &CampaignContext<'_>, tag: &str) -> bool {
    let mut vars = shared.campaign.vars.iter();
    vars.any(|(_, value)| value.to_string().contains(tag)) || shared.locator.has(tag)
}

fn is_in_cell(row: &Row, tag: &str) -> bool {
    row.cells.iter().any(|cell| cell.contains(tag))
}

/// The subject, and the text part if it has a template of its own.
pub(super) fn row(context: &RowContext<'_>, sink: &mut FindingSink<'_>) {
    if !sink.wants(&LEFT) {
        return;
    }
    let message = context.message;
    let left = |tag: &str| !is_in_cell(context.row, tag);
    for (tag, whose) in tags(&message.subject) {
        if whose == TEMPLATE && left(tag) {
            let source = &context.shared.campaign.source;
            let mut finding = found(tag, whose, "the subject");
            finding.place = Place::file(&source.path);
            let span = context.shared.campaign.message.subject.span();
            sink.add(finding.excerpt(source.excerpt(span)));
        }
    }
    let own = context.shared.campaign.message.text.is_some();
    let text = message.text().filter(|text| own && may_have(text));
    for (tag, whose) in text
        .map(|text| all(text, context.shared.header))
        .unwrap_or_default()
    {
        if left(tag) {
            let finding = found(tag, whose, "the text part");
            sink.add(context.shared.locator.at_text(finding, tag, 0));
        }
    }
}
