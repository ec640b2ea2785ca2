//! The text part: whether it is there, and says what the HTML says.

use std::collections::HashSet;

use super::super::facts::{RowSheet, Sheet};
use super::super::out::Out;
use super::super::page::Page;
use super::super::rule::Rule;
use super::written::at_text;
use crate::finding::{Finding, Severity};

const EMPTY: Rule = Rule {
    code: "text-empty",
    severity: Severity::Warning,
    finds: "a message whose text part is empty, so that it goes out as HTML alone",
    source: "SpamAssassin MIME_HTML_ONLY (0.1), and without any text EMPTY_MESSAGE (2.3)",
    example: "a text template that is all within `{% if first_name %}`",
};

const DIFFERS: Rule = Rule {
    code: "text-differs",
    severity: Severity::Warning,
    finds: "a text template that says something else than the HTML: less than a quarter of its words",
    source: "RFC 2046 5.1.4; SpamAssassin MPART_ALT_DIFF (0.8), when it has none of them",
    example: "`text = \"september.txt\"` beside `html = \"october.html\"`",
};

const LONGER: Rule = Rule {
    code: "text-longer",
    severity: Severity::Warning,
    finds: "a text template with more than three times as many words as the HTML",
    source: "SpamAssassin MPART_ALT_DIFF_COUNT (1.1)",
    example: "an article as text, with HTML that is an image of it",
};

/// The rules.
pub(super) const RULES: &[Rule] = &[EMPTY, DIFFERS, LONGER];

/// With fewer words there is no telling.
const FEWEST: usize = 20;

/// The text that is made from the HTML, and what a template's has of it.
pub(super) fn sheet(sheet: &Sheet<'_>, out: &mut Out<'_>) {
    let Some(page) = &sheet.page else { return };
    let text = sheet.message.text().unwrap_or_default();
    match &sheet.facts.campaign.message.text {
        None => {
            if text.trim().is_empty() {
                let finding = EMPTY
                    .found("there is nothing to make a text part of: SpamAssassin gives such a message 2.3 points of 5 (EMPTY_MESSAGE)")
                    .help("write what the images say as text as well, or as their `alt`");
                out.add(sheet.facts.locator.somewhere(finding));
            }
        }
        Some(written) => {
            let found = compare(&words_of(sheet, page), &words(text));
            let found = found.map(|finding| at_text(sheet.facts, finding, written));
            found.into_iter().for_each(|finding| out.add(finding));
        }
    }
}

/// The text that a template makes.
pub(super) fn row(row: &RowSheet<'_>, out: &mut Out<'_>) {
    let Some(written) = &row.facts.campaign.message.text else {
        return;
    };
    let text = row.message.text().unwrap_or_default();
    if text.trim().is_empty() && row.html.is_some() {
        let finding = EMPTY
            .found("the text part is empty, and the message goes out as HTML alone")
            .help("put words outside of {% if … %}, or leave `text` out: then it is made from the HTML");
        out.add(at_text(row.facts, finding, written));
    }
}

fn compare(html: &HashSet<String>, text: &HashSet<String>) -> Option<Finding> {
    if text.is_empty() {
        return None;
    }
    if html.len() >= FEWEST {
        let common = html.intersection(text).count();
        if common * 4 < html.len() {
            return Some(
                DIFFERS
                    .found("the text part says something else than the HTML: it has less than a quarter of its words")
                    .help("write it anew, or leave `text` out: then it is made from the HTML"),
            );
        }
    }
    (html.len() > 1 && text.len() >= FEWEST && text.len() > 3 * html.len()).then(|| {
        LONGER
            .found("the text part has more than three times as many different words as the HTML: SpamAssassin gives 1.1 points of 5 (MPART_ALT_DIFF_COUNT)")
            .help("say the same in both")
    })
}

/// The words that the HTML shows or says of its images.
fn words_of(sheet: &Sheet<'_>, page: &Page) -> HashSet<String> {
    let texts: Vec<&str> = page.texts().map(|(_, text)| text).collect();
    words(&sheet.fill(&texts.join(" ")))
}

/// The words of four letters and more, of scripts that have spaces between them.
fn words(text: &str) -> HashSet<String> {
    let words = text.split(|c: char| !c.is_alphanumeric());
    let long =
        words.filter(|word| word.chars().count() >= 4 && word.chars().all(|c| c < '\u{e00}'));
    long.map(str::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(html: &str, text: &str) -> Option<&'static str> {
        compare(&words(html), &words(text)).map(|finding| finding.code)
    }

    #[test]
    fn texts_are_compared_by_their_words() {
        let some =
            |from: usize, to: usize| (from..to).map(|n| format!("word{n} ")).collect::<String>();
        assert_eq!(code(&some(0, 40), &some(0, 40)), None);
        assert_eq!(code(&some(0, 40), &some(30, 60)), None);
        assert_eq!(code(&some(0, 40), &some(31, 60)), Some("text-differs"));
        assert_eq!(code(&some(0, 10), &some(0, 31)), Some("text-longer"));
        assert_eq!(code(&some(0, 10), &some(0, 30)), None);
        assert_eq!(
            code("秋の手紙です。".repeat(30).as_str(), &some(0, 3)),
            None
        );
    }
}
