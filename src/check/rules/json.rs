//! JSON-LD in a message, which Gmail and others read for what they show with it.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::de::IgnoredAny;

use crate::check::context::{MessageContext, RowContext};
use crate::check::family::{Family, RowCheck, RowChecks};
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;
use crate::finding::Finding;
use crate::html::marks::{fill, is_marked, values_in};
use crate::html::{Element, Page};
use crate::render::{escaped, unescaped};

const BROKEN: Rule = Rule::warning("json-broken")
    .finds("JSON-LD that is not valid JSON")
    .why("Mail clients ignore it, so the reader does not see the order, booking or event that it describes.")
    .fix("Write values in quotes and with the filter for JSON: `\"{{ name | escape_json }}\"`.")
    .source("RFC 8259; schema.org in mail: developers.google.com/workspace/gmail/markup")
    .example("`\"price\": {{ price }}` where the price is `12,50`");

const ESCAPED: Rule = Rule::warning("json-escaped")
    .finds("JSON-LD that contains HTML entities such as `&amp;`")
    .why("A script is not decoded like HTML, so mail clients show the entity as it is written.")
    .fix("Write values with the filter for JSON: `\"{{ name | escape_json }}\"`.")
    .source("HTML 13.1.2.1: there are no character references in a script")
    .example("`\"name\": \"{{ name }}\"` where the name is Smith & Sons");

const RULES: &[Rule] = &[BROKEN, ESCAPED];

pub(in crate::check) struct JsonLd;

impl Family for JsonLd {
    fn rules(&self) -> &'static [Rule] {
        RULES
    }

    /// Checks the JSON that rows share, and returns the scripts that contain values of the row.
    fn row_checks(&self, context: &MessageContext<'_>, sink: &mut FindingSink<'_>) -> RowChecks {
        let mut checks: RowChecks = Vec::new();
        if let Some(page) = context.page.as_ref().filter(|_| sink.wants_any(RULES)) {
            for (at, _) in page.named("script").filter(|(_, it)| is_json(it)) {
                if let Some(script) = script(context, page, at, sink) {
                    checks.push(Box::new(script));
                }
            }
        }
        checks
    }
}

const WITH_FILTER: &str =
    "in JSON, put values in quotes and use the filter: \"{{ name | escape_json }}\"";

/// A script that contains values of the row.
#[derive(Debug)]
struct Script {
    /// With marks in place of the values.
    text: String,
    values: BTreeSet<usize>,
    /// Whether all of them are in strings, where most are harmless.
    in_strings: bool,
    broken: Finding,
    escaped: Finding,
}

pub(super) fn is_json(script: &Element) -> bool {
    let kind = script.get("type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/ld+json")
        || kind.eq_ignore_ascii_case("application/json")
}

fn script(
    context: &MessageContext<'_>,
    page: &Page,
    at: usize,
    sink: &mut FindingSink<'_>,
) -> Option<Script> {
    let text = page.raw_text_in(at);
    if text.trim().is_empty() {
        return None;
    }
    let place = |finding| {
        let locator = &context.shared.locator;
        locator.at_element(finding, page, at, Some("type"))
    };
    let escaped = ESCAPED
        .found("the JSON is escaped as HTML, so mail clients read `&amp;` for `&`")
        .help(WITH_FILTER);
    let escaped = place(escaped);
    if unescaped(&text) != text {
        sink.add(escaped.clone());
    }
    // A number is valid wherever a value is.
    let filled = |with: &'static str| fill(&text, &vec![Cow::Borrowed(with); context.values.len()]);
    if let Err(error) = parse(&filled("1")) {
        sink.add(place(broken(&error)));
        return None;
    }
    let in_strings = parse(&filled("x")).is_ok();
    is_marked(&text).then(|| Script {
        values: values_in(&text),
        in_strings,
        broken: place(
            BROKEN
                .found("the row's values make the JSON invalid, so mail clients ignore it")
                .kind("invalid JSON")
                .help(WITH_FILTER),
        ),
        escaped,
        text,
    })
}

fn parse(text: &str) -> Result<IgnoredAny, serde_json::Error> {
    serde_json::from_str(text)
}

fn broken(error: &serde_json::Error) -> Finding {
    BROKEN
        .found(format!(
            "the JSON is invalid, so mail clients ignore it: {error}"
        ))
        .kind("invalid JSON")
        .help("the line and column are counted from the start of the script")
}

impl RowCheck for Script {
    fn row(&self, context: &RowContext<'_>, sink: &mut FindingSink<'_>) {
        let values = context.values;
        let script_values = || self.values.iter().filter_map(|number| values.get(*number));
        if script_values().any(|value| escaped(value) != *value) {
            sink.add(self.escaped.clone());
        }
        let is_harmless = |value: &Cow<'_, str>| !value.contains(|c: char| c == '\\' || c < ' ');
        if self.in_strings && script_values().all(is_harmless) {
            return;
        }
        let in_html: Vec<_> = values.iter().map(|value| escaped(value)).collect();
        if parse(&fill(&self.text, &in_html)).is_err() {
            sink.add(self.broken.clone());
        }
    }
}
