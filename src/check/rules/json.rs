//! JSON in a message, which Gmail and others read for what they show beside it (JSON-LD).

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::de::IgnoredAny;

use super::super::facts::{RowSheet, Sheet};
use super::super::out::Out;
use super::super::page::{Element, Page};
use super::super::rule::Rule;
use crate::finding::{Finding, Severity};
use crate::render::{escaped, fill, is_marked, unescaped, values_in};

const BROKEN: Rule = Rule {
    code: "json-broken",
    severity: Severity::Warning,
    finds: "JSON for mail clients that is none, so that they leave it out",
    source: "RFC 8259; schema.org in mail: developers.google.com/workspace/gmail/markup",
    example: "`\"price\": {{ price }}` where the price is `12,50`",
};

const ESCAPED: Rule = Rule {
    code: "json-escaped",
    severity: Severity::Warning,
    finds: "JSON with `&amp;` and the like in it, which mail clients show as it stands",
    source: "HTML 13.1.2.1: there are no character references in a script",
    example: "`\"name\": \"{{ name }}\"` where the name is Smith & Sons",
};

/// The rules.
pub(super) const RULES: &[Rule] = &[BROKEN, ESCAPED];

const WITH_FILTER: &str =
    "in JSON, write values within quotes and with the filter for it: \"{{ name | escape_json }}\"";

/// The JSON of a shape in which rows have values of their own.
#[derive(Debug)]
pub(super) struct Scripts(Vec<Script>);

#[derive(Debug)]
struct Script {
    /// With marks for the values.
    text: String,
    values: BTreeSet<usize>,
    /// Whether all of them stand in strings, where most are harmless.
    in_strings: bool,
    broken: Finding,
    escaped: Finding,
}

impl Scripts {
    /// The JSON of a shape. What is wrong with it whatever the values are is told at once.
    pub(super) fn of(sheet: &Sheet<'_>, out: &mut Out<'_>) -> Self {
        let mut scripts = Vec::new();
        if let Some(page) = &sheet.page
            && out.wants_any(RULES)
        {
            for (at, _) in page.named("script").filter(|(_, it)| is_json(it)) {
                scripts.extend(script(sheet, page, at, out));
            }
        }
        Self(scripts)
    }

    /// Holds a row's values against it.
    pub(super) fn row(&self, row: &RowSheet<'_>, out: &mut Out<'_>) {
        for script in &self.0 {
            script.row(row.values, out);
        }
    }
}

fn is_json(script: &Element) -> bool {
    let kind = script.get("type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/ld+json")
        || kind.eq_ignore_ascii_case("application/json")
}

fn script(sheet: &Sheet<'_>, page: &Page, at: usize, out: &mut Out<'_>) -> Option<Script> {
    let text = page.raw_text_in(at);
    if text.trim().is_empty() {
        return None;
    }
    let place = |finding| {
        let locator = &sheet.facts.locator;
        locator.at_element(finding, page, at, Some("type"))
    };
    let escaped = ESCAPED
        .found("JSON is escaped as in HTML, and read as that: `&amp;` for `&`")
        .help(WITH_FILTER);
    let escaped = place(escaped);
    if unescaped(&text) != text {
        out.add(escaped.clone());
    }
    // A number can stand everywhere where a value can.
    let filled = |with: &'static str| fill(&text, &vec![Cow::Borrowed(with); sheet.values.len()]);
    if let Err(error) = parse(&filled("1")) {
        out.add(place(broken(&error)));
        return None;
    }
    let in_strings = parse(&filled("x")).is_ok();
    is_marked(&text).then(|| Script {
        values: values_in(&text),
        in_strings,
        broken: place(
            BROKEN
                .found("the row's values break the JSON, and mail clients leave it out")
                .kind("no JSON")
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
            "the JSON can't be read, and mail clients leave it out: {error}"
        ))
        .kind("no JSON")
        .help("lines and columns are those of the script; an editor that knows JSON shows more")
}

impl Script {
    fn row(&self, values: &[Cow<'_, str>], out: &mut Out<'_>) {
        let own = || self.values.iter().filter_map(|number| values.get(*number));
        if own().any(|value| escaped(value) != *value) {
            out.add(self.escaped.clone());
        }
        let is_harmless = |value: &Cow<'_, str>| !value.contains(|c: char| c == '\\' || c < ' ');
        if self.in_strings && own().all(is_harmless) {
            return;
        }
        let sent: Vec<_> = values.iter().map(|value| escaped(value)).collect();
        if parse(&fill(&self.text, &sent)).is_err() {
            out.add(self.broken.clone());
        }
    }
}
