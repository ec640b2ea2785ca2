//! Merge tags that every reader would see: in the templates, in `[message]` and in `[vars]`.

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

fn finding(tag: &str, description: &str, part: &str) -> Finding {
    let message = format!("`{tag}` in {part}, {description}: every reader would see it");
    LEFT.found(message).help(
        "write a column as {{ first_name }}, or {{ row[\"First name\"] }} if its name is not a single word",
    )
}

/// Checks the strings of `[message]`. Template tags in them are rendered, so they are not left over.
pub(super) fn campaign(shared: &CampaignContext<'_>, sink: &mut FindingSink<'_>) {
    let message = &shared.campaign.message;
    let one = |part: &'static str, text: &'_ Text| findings(shared, part, text);
    sink.extend(one("the subject", &message.subject));
    if let Some(name) = &message.from_name {
        sink.extend(one("the sender's name", name));
    }
    for value in message.headers.values() {
        sink.extend(one("a header", value));
    }
    for tag in &message.tags {
        sink.extend(one("a tag", tag));
    }
}

fn findings(shared: &CampaignContext<'_>, part: &str, text: &Text) -> Vec<Finding> {
    let source = &shared.campaign.source;
    let outside = outside_tags(text.get_ref());
    let mut findings = Vec::new();
    for (tag, description) in all(&outside, shared.header) {
        if description != TEMPLATE {
            let mut finding = self::finding(tag, description, part);
            finding.place = Place::file(&source.path);
            findings.push(finding.excerpt(source.excerpt(text.span())));
        }
    }
    findings
}

/// Checks the HTML that all rows of a shape share.
pub(super) fn message(context: &MessageContext<'_>, sink: &mut FindingSink<'_>) {
    for value in context.values {
        for (tag, description) in tags(value) {
            if is_written(context.shared, tag) && !is_in_cell(context.row, tag) {
                let finding = self::finding(tag, description, "the HTML");
                sink.add(context.shared.locator.at_text(finding, tag, 0));
            }
        }
    }
    let Some(page) = &context.page else { return };
    for (index, node) in page.nodes.iter().enumerate() {
        match &node.kind {
            NodeKind::Text(text) if !is_code(page, index) => in_text(context, text, sink),
            // Outlook shows the content of conditional comments.
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
    for (tag, description) in all(text, context.shared.header) {
        if !is_of_row(context, tag) {
            let finding = self::finding(tag, description, "the HTML");
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
    let visible = attributes.filter(|(name, _)| VISIBLE.contains(&name.as_str()));
    for (name, value) in visible {
        for (tag, description) in tags(value) {
            if !is_of_row(context, tag) {
                let finding = self::finding(tag, description, &format!("`{name}`"));
                let locator = &context.shared.locator;
                sink.add(locator.at_element(finding, page, index, Some(name)));
            }
        }
    }
}

/// The attributes that readers see or follow.
const VISIBLE: [&str; 6] = ["href", "src", "alt", "title", "content", "background"];

/// Whether a text is code, in which such tags are normal.
fn is_code(page: &Page, index: usize) -> bool {
    let code = ["style", "script", "code", "pre", "kbd", "samp", "tt"];
    let mut around = page.ancestors(index);
    around.any(|(_, element)| code.contains(&element.name.as_str()))
}

/// Whether a tag comes from a value of the row. The rule about cells reports those.
fn is_of_row(context: &MessageContext<'_>, tag: &str) -> bool {
    context.values.iter().any(|value| value.contains(tag)) || is_in_cell(context.row, tag)
}

/// Whether a tag is written in `[vars]` or in a template. Otherwise a filter may have made it from a cell.
fn is_written(shared: &CampaignContext<'_>, tag: &str) -> bool {
    let mut vars = shared.campaign.vars.iter();
    vars.any(|(_, value)| value.to_string().contains(tag)) || shared.locator.has(tag)
}

fn is_in_cell(row: &Row, tag: &str) -> bool {
    row.cells.iter().any(|cell| cell.contains(tag))
}

/// Checks the subject, and a text part from a template.
pub(super) fn row(context: &RowContext<'_>, sink: &mut FindingSink<'_>) {
    if !sink.wants(&LEFT) {
        return;
    }
    let message = context.message;
    let is_left = |tag: &str| !is_in_cell(context.row, tag);
    for (tag, description) in tags(&message.subject) {
        if description == TEMPLATE && is_left(tag) {
            let source = &context.shared.campaign.source;
            let mut finding = self::finding(tag, description, "the subject");
            finding.place = Place::file(&source.path);
            let span = context.shared.campaign.message.subject.span();
            sink.add(finding.excerpt(source.excerpt(span)));
        }
    }
    let has_template = context.shared.campaign.message.text.is_some();
    let text = message.text().filter(|text| has_template && may_have(text));
    for (tag, description) in text
        .map(|text| all(text, context.shared.header))
        .unwrap_or_default()
    {
        if is_left(tag) {
            let finding = self::finding(tag, description, "the text part");
            sink.add(context.shared.locator.at_text(finding, tag, 0));
        }
    }
}
