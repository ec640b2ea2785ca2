//! `<style>` elements that clients ignore as a whole, and rules in them that never apply.

use crate::check::context::MessageContext;
use crate::check::family::Family;
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;
use crate::html::{OverriddenRule, overridden_rules, parse_stylesheet};

/// The CSS that Gmail reads, in bytes.
const GMAIL_LIMIT: usize = 16 << 10;

const TOO_LONG: Rule = Rule::warning("style-too-long")
    .finds("more than 16 KB of CSS in `<style>`")
    .why("Gmail ignores the `<style>` that exceeds 16 KB, and all after it.")
    .fix("Remove the rules that the message does not use, or move the important ones to a first `<style>`.")
    .source("caniemail.com, `<style>` element")
    .example("the whole CSS of a framework");
const NESTED: Rule = Rule::warning("style-nested-at-rule")
    .finds("an `@` rule inside another one, such as `@font-face` in `@media`")
    .why("Gmail ignores a `<style>` with such a rule, with all rules in it.")
    .fix("Move the inner rule out, or give it a `<style>` of its own.")
    .source("caniemail.com, `@media`")
    .example("`@media screen { @font-face { … } }`");
const OVERRIDDEN: Rule = Rule::warning("style-never-applies")
    .finds("a rule in `@media` that the `style` attributes of its elements always override")
    .why("Phones and dark mode show the message as if the rule were not there.")
    .fix("Add `!important` to it.")
    .source("CSS Cascade 4, 6.1")
    .example("`@media (max-width: 480px) { p { width: 100% } }` for `<p style=\"width: 300px\">`");

const RULES: &[Rule] = &[TOO_LONG, NESTED, OVERRIDDEN];

pub(in crate::check) struct StyleSheets;

impl Family for StyleSheets {
    fn rules(&self) -> &'static [Rule] {
        RULES
    }

    fn message(&self, context: &MessageContext<'_>, sink: &mut FindingSink<'_>) {
        let Some(page) = &context.page else { return };
        let locator = &context.shared.locator;
        let sheets: Vec<(usize, String)> = page
            .named("style")
            .map(|(index, _)| (index, page.raw_text_in(index)))
            .collect();
        let mut length = 0;
        for (index, text) in &sheets {
            let is_within = length <= GMAIL_LIMIT;
            length += text.len();
            if is_within && length > GMAIL_LIMIT {
                let kilobytes = length.div_ceil(1 << 10);
                let found = TOO_LONG.found(format!("{kilobytes} KB of CSS; Gmail reads 16 KB"));
                sink.add(locator.at_element(found, page, *index, None));
            }
            if parse_stylesheet(text).has_nested_at_rule {
                let found = NESTED.found("an @ rule inside another @ rule");
                sink.add(locator.at_element(found, page, *index, None));
            }
        }
        if !sink.wants(&OVERRIDDEN) || !sheets.iter().any(|(_, text)| text.contains("@media")) {
            return;
        }
        for rule in overridden_rules(context.document()) {
            let found = OVERRIDDEN.found(message(&rule));
            sink.add(match sheets.get(rule.sheet) {
                Some((index, _)) => locator.at_element(found, page, *index, None),
                None => locator.somewhere(found),
            });
        }
    }
}

fn message(rule: &OverriddenRule) -> String {
    let properties: Vec<String> = rule.properties.iter().map(|it| format!("`{it}`")).collect();
    format!(
        "in `{}` in @media, {} can't apply: the style attributes of all its elements set it",
        rule.selectors,
        properties.join(", ")
    )
}
