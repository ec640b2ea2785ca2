//! HTML and CSS that mail clients don't support.

use crate::check::clients::{Feature, Lack, Use, in_words, uses};
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
        for (feature, used) in uses(page) {
            if let Some(finding) = look(context, feature, &used) {
                sink.add(place(context, page, &used, finding));
            }
        }
    }
}

fn look(context: &MessageContext<'_>, feature: &Feature, used: &Use) -> Option<Finding> {
    let clients = &context.shared.clients;
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
fn place(context: &MessageContext<'_>, page: &Page, used: &Use, finding: Finding) -> Finding {
    let locator = &context.shared.locator;
    let texts = used.written.iter();
    let mut found = texts.map(|text| locator.at_text(finding.clone(), text, 0));
    let found = found.find(|finding| finding.excerpt.is_some());
    found.unwrap_or_else(|| locator.at_element(finding, page, used.node, Some("style")))
}
