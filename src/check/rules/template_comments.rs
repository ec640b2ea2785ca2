//! Comments of the template language that begin by accident, such as in minified CSS.

use std::ops::Range;

use crate::check::context::CampaignContext;
use crate::check::family::Family;
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;

const SWALLOWS: Rule = Rule::warning("template-comment")
    .finds("a template comment that seems to begin by accident, so that it removes CSS or HTML")
    .why("`{#` begins a comment of the template language. Everything up to the next `#}` is missing from the message.")
    .fix("In CSS, put a space between `{` and `#`. Close each comment with `#}`.")
    .source("Tera's documentation")
    .example("`@media(…){#hero{…}}` in `<style>`, and a comment `{# … #}` further down");

const RULES: &[Rule] = &[SWALLOWS];

pub(in crate::check) struct TemplateComments;

impl Family for TemplateComments {
    fn rules(&self) -> &'static [Rule] {
        RULES
    }

    fn campaign(&self, shared: &CampaignContext<'_>, sink: &mut FindingSink<'_>) {
        for (name, text) in shared.engine.templates() {
            let accidents = comments(text).into_iter();
            for span in accidents.filter(|span| is_accident(text, span)) {
                let message = "a template comment begins here, perhaps by accident: everything up to the next `#}` is missing from the message";
                let start = span.start..span.start + 2;
                let finding = shared.locator.at_span(SWALLOWS.found(message), name, start);
                let help = "in CSS, put a space between `{` and `#`; close each comment with `#}`";
                sink.add(finding.help(help));
            }
        }
    }
}

/// The comments of a template.
fn comments(text: &str) -> Vec<Range<usize>> {
    let mut comments = Vec::new();
    let mut at = 0;
    while let Some(start) = text[at..].find('{').map(|found| at + found) {
        let closer = match text.as_bytes().get(start + 1) {
            Some(b'#') => "#}",
            Some(b'{') => "}}",
            Some(b'%') => "%}",
            _ => {
                at = start + 1;
                continue;
            }
        };
        let Some(end) = text[start + 2..].find(closer) else {
            break;
        };
        at = start + 2 + end + closer.len();
        if closer == "#}" {
            comments.push(start..at);
        }
    }
    comments
}

/// Whether a comment contains the start of another one, or begins in `<style>` like a selector, or ends
/// behind it.
fn is_accident(text: &str, span: &Range<usize>) -> bool {
    let comment = &text[span.start + 2..span.end - 2];
    if comment.contains("{#") {
        return true;
    }
    let before = text[..span.start].to_ascii_lowercase();
    let is_selector = comment.starts_with(|c: char| c.is_ascii_alphanumeric() || "-_".contains(c));
    before.rfind("<style") > before.rfind("</style")
        && (comment.to_ascii_lowercase().contains("</style")
            || is_selector && comment.contains(['{', '}']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_comments_that_swallow_something_are_accidents() {
        let accidents = |text: &str| {
            let comments = comments(text).into_iter();
            comments.filter(|span| is_accident(text, span)).count()
        };
        for text in [
            "<style>@media print{#a{x:y}}</style>{# note #}",
            "<style>a{b:c}{# colours </style><p>x</p>{% if a %}#}",
            "<style>@media print{#a{x:y} #}</style>",
            "<p>{# old <p>{# new #}",
        ] {
            assert_eq!(accidents(text), 1, "{text}");
        }
        for text in [
            "<style>{# a { b: c } #} p{}</style>{# note #}<p>{#{{ x }}#}</p>",
            "{{ '{#' }}{# x #}{% if a %}{ # }",
        ] {
            assert_eq!(accidents(text), 0, "{text}");
        }
    }
}
