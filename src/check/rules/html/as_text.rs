//! HTML that was escaped once too often, so that readers see its tags and entities.

use std::sync::LazyLock;

use regex::Regex;

use crate::check::context::{MessageContext, RowContext};
use crate::check::family::{RowCheck, RowChecks};
use crate::check::rule::Rule;
use crate::check::rules::campaign_file::at_text;
use crate::check::sink::FindingSink;
use crate::finding::Finding;
use crate::html::Page;
use crate::html::marks::{is_marked, mark_numbers};

pub(super) const AS_TEXT: Rule = Rule::warning("html-as-text")
    .finds("tags or entities that readers see as they are written, such as `<br>` or `&amp;`")
    .why("Readers see code instead of a line break or a letter. Usually a value is escaped twice, or a cell contains HTML.")
    .fix("Write tags in the template and not in values, and put plain text into the cells. For values with line breaks, use `newlines_to_br`. Print a value that is HTML and that you trust with `| safe`.")
    .source("the text of the message, as readers see it")
    .example("`Garden &amp; Home` in a cell, `&amp;nbsp;` in a template");

/// In how many texts the place of a value is looked up: each look-up compares all tags of the templates.
const MAX_PLACES: usize = 200;

static HTML: LazyLock<Regex> = LazyLock::new(|| {
    let tag = r#"</?(?:a|abbr|b|big|blockquote|body|br|center|code|div|em|font|h[1-6]|head|hr|html|i|img|li|ol|p|pre|s|small|span|strong|style|sub|sup|table|tbody|td|th|tr|u|ul)(?:\s+[a-z-]+=(?:"[^"]*"|'[^']*'|[^\s"'>]+))*\s*/?>"#;
    let entity = r"&(?:amp|lt|gt|quot|apos|nbsp|shy|zwnj|copy|reg|trade|euro|pound|deg|times|middot|bull|hellip|[mn]dash|[lr]aquo|[lrsb][sd]quo|bdquo|szlig|[ao]elig|[a-z](?:acute|grave|circ|uml|tilde|cedil|ring|caron|ogon|slash|strok)|#[0-9]{2,6}|#x[0-9a-f]{2,5});";
    Regex::new(&format!("(?i){tag}|{entity}")).expect("the pattern of the rule is right")
});

/// The first tag or entity in a text.
fn html_in(text: &str) -> Option<&str> {
    memchr::memchr2(b'<', b'&', text.as_bytes())?;
    HTML.find(text).map(|found| found.as_str())
}

/// Checks the text that all rows of a shape share.
pub(super) fn message(context: &MessageContext<'_>, page: &Page, sink: &mut FindingSink<'_>) {
    for (index, text) in readable_texts(page) {
        if let Some(html) = html_in(text) {
            sink.add(at_text_of(context, page, index, finding(html, "the HTML")));
        }
    }
}

/// The checks of the row's values in the text.
pub(super) fn row_checks(context: &MessageContext<'_>, sink: &FindingSink<'_>) -> RowChecks {
    let Some(page) = context.page.as_ref().filter(|_| sink.wants(&AS_TEXT)) else {
        return Vec::new();
    };
    let texts = readable_texts(page).filter(|(_, text)| is_marked(text));
    let values: Vec<_> = texts
        .enumerate()
        .flat_map(|(count, (index, text))| {
            let finding = AS_TEXT.found("");
            let placed = match count < MAX_PLACES {
                true => at_text_of(context, page, index, finding),
                false => context.shared.locator.somewhere(finding),
            };
            mark_numbers(text).map(move |number| (number, placed.clone()))
        })
        .collect();
    match values.is_empty() {
        true => Vec::new(),
        false => vec![Box::new(ValuesInText(values))],
    }
}

/// Checks the subject, and a text part from a template.
pub(super) fn row(context: &RowContext<'_>, sink: &mut FindingSink<'_>) {
    if !sink.wants(&AS_TEXT) {
        return;
    }
    let message = &context.shared.campaign.message;
    if let Some(html) = html_in(&context.message.subject) {
        let finding = finding(html, "the subject");
        sink.add(at_text(context.shared, finding, &message.subject));
    }
    let text = context.message.text().filter(|_| message.text.is_some());
    if let Some(html) = text.and_then(html_in) {
        let finding = finding(html, "the text part");
        sink.add(context.shared.locator.at_text(finding, html, 0));
    }
}

/// The numbers of the values in the text, each with a finding without a message at its place.
struct ValuesInText(Vec<(usize, Finding)>);

impl RowCheck for ValuesInText {
    fn row(&self, context: &RowContext<'_>, sink: &mut FindingSink<'_>) {
        for (number, placed) in &self.0 {
            let value = context.values.get(*number);
            if let Some(html) = value.and_then(|value| html_in(value)) {
                let finding = finding(html, "the HTML");
                sink.add(Finding {
                    message: finding.message,
                    help: finding.help,
                    kind: finding.kind,
                    ..placed.clone()
                });
            }
        }
    }
}

/// `html` is what readers see in `part`.
fn finding(html: &str, part: &str) -> Finding {
    let shown: String = html.chars().take(40).collect();
    AS_TEXT
        .found(format!("readers see `{shown}` as text in {part}"))
        .kind(format!("HTML as text in {part}"))
        .help("write tags in the template, and plain text in cells; if the value is HTML that you trust, add `| safe`")
}

fn at_text_of(
    context: &MessageContext<'_>,
    page: &Page,
    index: usize,
    finding: Finding,
) -> Finding {
    let parent = page.nodes[index].parent.unwrap_or(index);
    let locator = &context.shared.locator;
    locator.at_element(finding, page, parent, None)
}

/// The texts that readers read, without examples of code.
fn readable_texts(page: &Page) -> impl Iterator<Item = (usize, &str)> {
    let code = ["code", "pre", "kbd", "samp", "tt", "textarea"];
    page.texts().filter(move |(index, _)| {
        let mut around = page.ancestors(*index);
        !around.any(|(_, element)| code.contains(&element.name.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognizes_tags_and_entities() {
        for (text, html) in [
            ("one<br>two", "<br>"),
            ("<b>Ann</b>", "<b>"),
            (
                "x <A HREF='https://x.example/?a>b'>",
                "<A HREF='https://x.example/?a>b'>",
            ),
            ("<br />", "<br />"),
            ("Garden &amp; Home", "&amp;"),
            ("caf&eacute;", "&eacute;"),
            ("it&#39;s", "&#39;"),
            ("a&nbsp;b", "&nbsp;"),
        ] {
            assert_eq!(html_in(text), Some(html), "{text}");
        }
        for text in [
            "a < b > c",
            "Garden & Home",
            "R&B; jazz",
            "AT&T",
            "<ann@a.example>",
            "<https://a.example/>",
            "1 <a 2>",
            "I <3 you",
            "&#1;",
        ] {
            assert_eq!(html_in(text), None, "{text}");
        }
    }
}
