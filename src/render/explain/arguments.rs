//! Finds arguments that a filter, test or function does not have: Tera ignores them.

use std::ops::Range;

use super::Sources;
use crate::finding::Finding;
use crate::render::filters::{CallKind, arguments, help_for_argument};
use crate::render::tags::{Tag, Token, TokenKind};

impl Sources {
    /// A finding for each argument that is unknown.
    pub(in crate::render) fn unknown_arguments(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (template, text, tags) in self.all() {
            for call in tags.iter().flat_map(|tag| calls(text, tag)) {
                let Some(known) = arguments(call.kind, call.name) else {
                    continue;
                };
                for (name, span) in call.arguments {
                    if known.contains(&name) {
                        continue;
                    }
                    let message = format!("`{}` has no argument `{name}`", call.name);
                    let finding = self.at("template-error", template, span, &message);
                    findings.push(finding.help(help_for_argument(name, known)));
                }
            }
        }
        findings
    }

    /// The expression that a filter at this place gets, without the filters before it: `row["net amount"]`.
    pub(super) fn filtered(&self, template: &str, filter: usize) -> Option<&str> {
        let template = self.templates.get(template)?;
        let tag = template
            .tags
            .iter()
            .find(|tag| tag.span.contains(&filter))?;
        let at = tag
            .tokens
            .iter()
            .position(|token| token.span.start == filter)?;
        let words = tag.words(&template.text);
        let mut first = at;
        let mut depth = 0_usize;
        while let Some(before) = first.checked_sub(1) {
            let token = &tag.tokens[before];
            match words[before] {
                ")" | "]" => depth += 1,
                "(" | "[" if depth == 0 => break,
                "(" | "[" => depth -= 1,
                "." | "|" => {}
                "if" | "elif" | "in" | "and" | "or" | "not" | "is" | "else" | "filter"
                    if depth == 0 =>
                {
                    break;
                }
                _ if depth > 0 || token.kind != TokenKind::Other => {}
                _ => break,
            }
            first = before;
        }
        let pipe = first + words[first..at].iter().position(|word| *word == "|")?;
        let last = pipe.checked_sub(1).filter(|last| *last >= first)?;
        let span = tag.tokens[first].span.start..tag.tokens[last].span.end;
        Some(&template.text[span])
    }
}

struct Call<'a> {
    kind: CallKind,
    name: &'a str,
    arguments: Vec<(&'a str, Range<usize>)>,
}

/// The calls in a tag that have arguments.
fn calls<'a>(text: &'a str, tag: &'a Tag) -> Vec<Call<'a>> {
    let words = tag.words(text);
    // Its argument list declares names.
    if words.first() == Some(&"component") {
        return Vec::new();
    }
    let mut calls = Vec::new();
    for (at, token) in tag.tokens.iter().enumerate() {
        if token.kind != TokenKind::Name || words.get(at + 1) != Some(&"(") {
            continue;
        }
        let before = |count| at.checked_sub(count).map_or("", |at: usize| words[at]);
        let kind = match (before(2), before(1)) {
            (_, ".") => continue,
            (_, "|") => CallKind::Filter,
            ("", "filter") if at == 1 => CallKind::Filter,
            (_, "is") | ("is", "not") => CallKind::Test,
            _ => CallKind::Function,
        };
        calls.push(Call {
            kind,
            name: words[at],
            arguments: named(text, &tag.tokens[at + 2..]),
        });
    }
    calls
}

/// The names of the arguments up to the closing bracket.
fn named<'a>(text: &'a str, tokens: &[Token]) -> Vec<(&'a str, Range<usize>)> {
    let mut names = Vec::new();
    let mut depth = 0_usize;
    let mut is_start = true;
    for (at, token) in tokens.iter().enumerate() {
        let word = token.text(text);
        let is_assigned = || {
            tokens
                .get(at + 1)
                .is_some_and(|next| next.text(text) == "=")
        };
        if is_start && depth == 0 && token.kind == TokenKind::Name && is_assigned() {
            names.push((word, token.span.clone()));
        }
        is_start = word == "," && depth == 0;
        match word {
            "(" | "[" | "{" => depth += 1,
            ")" if depth == 0 => break,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::super::test_sources as sources;

    #[test]
    fn unknown_arguments_are_found() {
        for (template, name) in [
            ("{{ a | number(decimal_places=2) }}", "decimal_places"),
            (
                "{{ a | default(value=x | number(b=1), boolean=true) }}",
                "b",
            ),
            ("{{ a | join(separator=', ') }}", "separator"),
            ("{{ now(tz='UTC') }}", "tz"),
            ("{% if a is not before(oter=b) %}{% endif %}", "oter"),
            (
                "{% filter truncate(length=5, lenght=3) %}{% endfilter %}",
                "lenght",
            ),
            ("{{ a | upper(x=1) }}", "x"),
        ] {
            let findings = sources(template).unknown_arguments();
            let message = findings.first().map(|finding| finding.message.as_str());
            assert!(
                message.is_some_and(|message| message.contains(&format!("`{name}`"))),
                "{template}: {findings:?}"
            );
            assert_eq!(findings.len(), 1, "{template}");
        }
        for template in [
            "{{ a | number(decimals=2, locale=b == 'x') }}",
            "{{ a | default(value={'x': 1}, boolean=true) | get(key='x') }}",
            "{{ a.number(b=1) }}{{ unknown(b=1) }}{{ a | unknown(b=1) }}",
            "{% component now(row=1) %}{% endcomponent now %}",
            "{% raw %}{{ a | number(b=1) }}{% endraw %}{# {{ a | number(b=1) }} #}",
        ] {
            assert!(
                sources(template).unknown_arguments().is_empty(),
                "{template}"
            );
        }
    }

    #[test]
    fn the_value_of_a_filter_is_named() {
        for (template, value) in [
            ("{{ amount | number(decimals=2) }}", Some("amount")),
            (
                "{{ row[\"net amount\"] | trim | number }}",
                Some("row[\"net amount\"]"),
            ),
            (
                "{{ order.items[0].price | number }}",
                Some("order.items[0].price"),
            ),
            ("{% if 1 and amount | number %}{% endif %}", Some("amount")),
            ("{{ 'x' ~ (amount | number) }}", Some("amount")),
            ("{{ (amount or 5) | number }}", Some("(amount or 5)")),
            ("{% filter number %}5{% endfilter %}", None),
        ] {
            let filter = template.find("number").expect("the filter");
            assert_eq!(
                sources(template).filtered("a.html", filter),
                value,
                "{template}"
            );
        }
    }
}
