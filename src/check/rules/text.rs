//! Whether there is a text part, and whether it says the same as the HTML.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};

use ahash::RandomState;

use super::campaign_file::at_text;
use crate::check::context::{MessageContext, RowContext};
use crate::check::family::{Family, RowCheck, RowChecks};
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;
use crate::finding::Finding;
use crate::html::marks::{fill, values_in};

const EMPTY: Rule = Rule::warning("text-empty")
    .finds("a message without a text part")
    .why("Some readers and programs show only the text part, and spam filters count it against the message if it is missing.")
    .fix("Write text that does not depend on a value, or remove `text`: the text part is then made from the HTML. It needs words in the HTML or in `alt` texts.")
    .source("SpamAssassin MIME_HTML_ONLY (0.1), or EMPTY_MESSAGE (2.3) without any text")
    .example("a text template that is all within `{% if first_name %}`");

const DIFFERS: Rule = Rule::warning("text-differs")
    .finds("a text template that has less than a quarter of the words of the HTML")
    .why("Readers of the text part get another message. Often it is the text of an earlier campaign.")
    .fix("Rewrite the text template, or remove `text`: the text part is then made from the HTML.")
    .source("RFC 2046 5.1.4; SpamAssassin MPART_ALT_DIFF (0.8)")
    .example("`text = \"september.txt\"` beside `html = \"october.html\"`");

const LONGER: Rule = Rule::warning("text-longer")
    .finds("a text template with more than three times as many words as the HTML")
    .why(
        "Both parts should say the same. SpamAssassin counts it against the message if they don't.",
    )
    .fix("Say the same in both parts.")
    .source("SpamAssassin MPART_ALT_DIFF_COUNT (1.1)")
    .example("an article as text, with HTML that is an image of it");

const RULES: &[Rule] = &[EMPTY, DIFFERS, LONGER];

pub(in crate::check) struct TextPart;

impl Family for TextPart {
    fn rules(&self) -> &'static [Rule] {
        RULES
    }

    /// Checks a text part that is made from the HTML.
    fn message(&self, context: &MessageContext<'_>, sink: &mut FindingSink<'_>) {
        if context.page.is_none() {
            return;
        }
        let text = context.message.text().unwrap_or_default();
        if context.shared.campaign.message.text.is_none() && text.trim().is_empty() {
            let finding = EMPTY
                .found("the HTML has no text for a text part: SpamAssassin adds 2.3 of 5 points (EMPTY_MESSAGE)")
                .help("write what the images say as text, or as their `alt`");
            sink.add(context.shared.locator.somewhere(finding));
        }
    }

    /// Checks a text part from a template.
    fn row(&self, context: &RowContext<'_>, sink: &mut FindingSink<'_>) {
        let Some(written) = &context.shared.campaign.message.text else {
            return;
        };
        let text = context.message.text().unwrap_or_default();
        if text.trim().is_empty() && context.html.is_some() {
            let finding = EMPTY
                .found("the text part is empty, so the message is sent as HTML only")
                .help("write words outside {% if … %}, or remove `text` to have the text part made from the HTML");
            sink.add(at_text(context.shared, finding, written));
        }
    }

    /// Compares a text template with the HTML.
    fn row_checks(&self, context: &MessageContext<'_>, sink: &mut FindingSink<'_>) -> RowChecks {
        let has_template = context.shared.campaign.message.text.is_some();
        match &context.page {
            Some(page) if has_template && sink.wants_any(&[DIFFERS, LONGER]) => {
                let texts: Vec<&str> = page.texts().map(|(_, text)| text).collect();
                vec![Box::new(HtmlWords::new(texts.join(" ")))]
            }
            _ => Vec::new(),
        }
    }
}

/// Fewer words are not compared.
const FEWEST: usize = 20;

fn compare(html: &HashSet<String>, text: &HashSet<String>) -> Option<Finding> {
    if text.is_empty() {
        return None;
    }
    if html.len() >= FEWEST {
        let common = html.intersection(text).count();
        if common * 4 < html.len() {
            return Some(
                DIFFERS
                    .found("the text part has less than a quarter of the words of the HTML")
                    .help("rewrite it, or remove `text` to have the text part made from the HTML"),
            );
        }
    }
    (html.len() > 1 && text.len() >= FEWEST && text.len() > 3 * html.len()).then(|| {
        LONGER
            .found("the text part has more than three times as many different words as the HTML: SpamAssassin adds 1.1 of 5 points (MPART_ALT_DIFF_COUNT)")
            .help("say the same in both parts")
    })
}

/// The words of the HTML and of its `alt` texts, to compare with the text part of each row.
#[derive(Debug)]
struct HtmlWords {
    text: String,
    /// The words that are the same for all rows, numbered.
    fixed: HashMap<String, usize, RandomState>,
    /// The numbers of the row's values in the text.
    values: BTreeSet<usize>,
}

impl HtmlWords {
    fn new(text: String) -> Self {
        Self {
            fixed: words(&text).into_iter().zip(0..).collect(),
            values: values_in(&text),
            text,
        }
    }

    /// Whether a quick estimate shows that a text part says the same as the HTML. It counts the words that are the same
    /// for all rows, and only the number of words in the row's values.
    fn is_surely_like(&self, text: &str, values: &[Cow<'_, str>]) -> bool {
        let at_most = text.len() / 5 + 1;
        if at_most > 3 * self.fixed.len() && at_most >= FEWEST {
            return false;
        }
        let values = self.values.iter().filter_map(|number| values.get(*number));
        let row_words: usize = values.map(|value| long_words(value).count()).sum();
        let all = self.fixed.len() + row_words;
        if all < FEWEST {
            return true;
        }
        let mut is_counted = vec![false; self.fixed.len()];
        let mut common = 0;
        let mut lower = String::new();
        long_words(text).any(|word| {
            lower.clear();
            if word.is_ascii() {
                lower.push_str(word);
                lower.make_ascii_lowercase();
            } else {
                lower.extend(word.chars().flat_map(char::to_lowercase));
            }
            if let Some(number) = self.fixed.get(&lower) {
                common += usize::from(!std::mem::replace(&mut is_counted[*number], true));
            }
            common * 4 >= all
        })
    }
}

impl RowCheck for HtmlWords {
    fn row(&self, context: &RowContext<'_>, sink: &mut FindingSink<'_>) {
        let text = context.message.text().unwrap_or_default();
        let Some(written) = &context.shared.campaign.message.text else {
            return;
        };
        if self.is_surely_like(text, context.values) {
            return;
        }
        let found = compare(&words(&fill(&self.text, context.values)), &words(text));
        let found = found.map(|finding| at_text(context.shared, finding, written));
        found.into_iter().for_each(|finding| sink.add(finding));
    }
}

/// The words of four or more letters, in scripts that separate words with spaces.
fn words(text: &str) -> HashSet<String> {
    long_words(text).map(str::to_lowercase).collect()
}

fn long_words(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_alphanumeric());
    let is_other = |word: &str| word.chars().count() >= 4 && word.chars().all(|c| c < '\u{e00}');
    words.filter(move |word| match word.is_ascii() {
        true => word.len() >= 4,
        false => is_other(word),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(html: &str, text: &str) -> Option<&'static str> {
        let found = compare(&words(html), &words(text)).map(|finding| finding.code);
        let shown = HtmlWords::new(html.to_owned());
        assert!(found.is_none() || !shown.is_surely_like(text, &[]));
        found
    }

    #[test]
    fn compares_texts_by_their_words() {
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
