//! HTML and CSS that mail clients do not support.

use crate::check::clients::{Feature, Lack, Use, list, uses};
use crate::check::context::MessageContext;
use crate::check::family::Family;
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;
use crate::finding::Finding;
use crate::html::Page;

const SOURCE: &str = "[caniemail](https://www.caniemail.com)";

const CSS: Rule = Rule::warning("client-css")
    .finds("CSS that a mail client does not support and that the message depends on")
    .why("In these clients the message falls apart or becomes unreadable.")
    .fix("Use the alternative that the finding names. If none of your readers has the client, leave it out of `[check] clients`.")
    .source(SOURCE)
    .example("`display: flex`: Outlook for Windows");

const CSS_MINOR: Rule = Rule::note("client-css-minor")
    .finds("CSS that a mail client does not support, or supports in part, where the message only looks worse without it")
    .why("The message stays readable, but looks different from what you designed.")
    .fix("Look at a preview in that client, or use the alternative that the finding names.")
    .source(SOURCE)
    .example("a background image with no colour behind it");

const HTML: Rule = Rule::warning("client-html")
    .finds("HTML that a mail client removes")
    .why("Readers of these clients don't see the element, or can't use it.")
    .fix("Use the alternative that the finding names.")
    .source(SOURCE)
    .example("`<form>`, `<svg>`, `hidden`");

const HTML_MINOR: Rule = Rule::note("client-html-minor")
    .finds("HTML that a mail client supports in part, or that a message can do without")
    .why("The message stays readable, but something does not work as it does in a browser.")
    .fix("Check whether the message makes sense without it.")
    .source(SOURCE)
    .example("`<a href=\"#prices\">`");

const RULES: &[Rule] = &[CSS, CSS_MINOR, HTML, HTML_MINOR];

pub(in crate::check) struct ClientSupport;

impl Family for ClientSupport {
    fn rules(&self) -> &'static [Rule] {
        RULES
    }

    fn message(&self, context: &MessageContext<'_>, sink: &mut FindingSink<'_>) {
        let Some(page) = &context.page else { return };
        if !sink.wants_any(RULES) {
            return;
        }
        for (feature, feature_use) in uses(page, || context.elements()) {
            if let Some(finding) = check(context, feature, &feature_use) {
                sink.add(place(context, page, &feature_use, finding));
            }
        }
    }
}

fn check(context: &MessageContext<'_>, feature: &Feature, feature_use: &Use) -> Option<Finding> {
    let clients = &context.shared.clients;
    let name = &feature.name;
    let without = clients.lacking(feature, Lack::All, feature_use.in_outlook);
    let (is_minor, message) = if !without.is_empty() {
        let message = format!("{name} is not supported by {}", list(&without));
        (feature.minor, message)
    } else if feature.minor || !feature_use.in_outlook {
        // Partial support is enough for a minor feature, and if Outlook gets something else.
        return None;
    } else {
        let partly = clients.lacking(feature, Lack::Part, true);
        if partly.is_empty() {
            return None;
        }
        let message = format!("{name} is only partly supported by {}", list(&partly));
        (true, message)
    };
    let rule = match (feature.is_css(), is_minor) {
        (true, false) => CSS,
        (true, true) => CSS_MINOR,
        (false, false) => HTML,
        (false, true) => HTML_MINOR,
    };
    let help = format!(
        "{}; see https://www.caniemail.com/features/{}/",
        feature.instead, feature.slug
    );
    Some(rule.found(message).help(help))
}

/// Places a finding about a feature. Inlining moves CSS from a `<style>` into the elements, so its text is
/// searched for first.
fn place(
    context: &MessageContext<'_>,
    page: &Page,
    feature_use: &Use,
    finding: Finding,
) -> Finding {
    let locator = &context.shared.locator;
    let texts = feature_use.texts.iter();
    let mut placed = texts.map(|text| locator.at_text(finding.clone(), text, 0));
    placed
        .find(|finding| finding.excerpt.is_some())
        .unwrap_or_else(|| locator.at_element(finding, page, feature_use.node, Some("style")))
}
