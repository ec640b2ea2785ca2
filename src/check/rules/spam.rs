//! Rules of SpamAssassin about the structure of a message, with its scores for when Bayes and network tests are on
//! (50_scores.cf of 4.0.1, fourth column). By default, 5 points make a message spam.

use super::campaign_file::varies;
use super::subject_check::SubjectCheck;
use crate::check::context::{MessageContext, RowContext};
use crate::check::family::{Family, RowChecks};
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;
use crate::finding::Finding;
use crate::html::Page;
use crate::html::marks::{fill, is_marked};
use crate::render::InspectedHtml;

const IMAGE_ONLY: Rule = Rule::warning("spam-image-only")
    .finds("an image in HTML of less than 2,800 bytes")
    .why("Spam hides its text in images, so SpamAssassin counts this against the message.")
    .fix("Say in text what the image says.")
    .source("SpamAssassin HTML_IMAGE_ONLY_04 to _28 (1.1 to 2.1)")
    .example("`<a href=\"…\"><img src=\"…\"></a>` and nothing more");

const TITLE: Rule = Rule::warning("spam-title")
    .finds("a `<title>` more than three and a half times as long as the subject")
    .why("SpamAssassin counts this against the message.")
    .fix("Use the subject or the name of the newsletter as the title.")
    .source("SpamAssassin HTML_TITLE_SUBJ_DIFF (2.0)")
    .example("the title of a web page, with the subject “News”");

const DEAR: Rule = Rule::warning("spam-dear")
    .finds("a salutation that is typical of spam: Dear Friend, Dear Sir, Dear Madam")
    .why("SpamAssassin counts this against the message, and readers notice that you don't know their name.")
    .fix("Write the name, and a greeting without one where it is missing: `{% if … %}`.")
    .source("SpamAssassin DEAR_FRIEND (2.6), DEAR_SOMETHING (2.0), DEAR_WINNER (3.1)")
    .example("`Dear {% if first_name %}{{ first_name }}{% else %}Friend{% endif %}`");

const RULES: &[Rule] = &[IMAGE_ONLY, TITLE, DEAR];

pub(in crate::check) struct Spam;

impl Family for Spam {
    fn rules(&self) -> &'static [Rule] {
        RULES
    }

    fn message(&self, context: &MessageContext<'_>, sink: &mut FindingSink<'_>) {
        let Some(page) = &context.page else { return };
        let locator = &context.shared.locator;
        let bytes = context.html.map_or(0, InspectedHtml::size);
        if let Some((index, _)) = page.named("img").next()
            && let Some(finding) = image_only(bytes)
        {
            sink.add(locator.at_element(finding, page, index, Some("src")));
        }
        if let Some((text, finding)) = dear(page) {
            sink.add(locator.at_text(finding, &text, 0));
        }
    }

    fn row_checks(&self, context: &MessageContext<'_>, sink: &mut FindingSink<'_>) -> RowChecks {
        title(context).map_or_else(Vec::new, |check| check.for_rows(context, sink))
    }
}

/// The most bytes of HTML with an image, the rule's name, its score.
const IMAGE_ONLY_SCORES: [(usize, &str, &str); 7] = [
    (400, "HTML_IMAGE_ONLY_04", "1.2"),
    (800, "HTML_IMAGE_ONLY_08", "1.7"),
    (1200, "HTML_IMAGE_ONLY_12", "2.1"),
    (1600, "HTML_IMAGE_ONLY_16", "1.1"),
    (2000, "HTML_IMAGE_ONLY_20", "1.5"),
    (2400, "HTML_IMAGE_ONLY_24", "1.6"),
    (2800, "HTML_IMAGE_ONLY_28", "1.4"),
];

/// The words of DEAR_SOMETHING.
const SOMETHING: [&str; 11] = [
    "it",
    "internet",
    "candidate",
    "sir",
    "sirs",
    "madam",
    "investor",
    "traveler",
    "traveller",
    "car shopper",
    "web",
];

fn image_only(bytes: usize) -> Option<Finding> {
    let (most, name, score) = IMAGE_ONLY_SCORES
        .iter()
        .find(|(most, _, _)| bytes <= *most)?;
    let message = format!(
        "there is an image in at most {most} bytes of HTML, for which SpamAssassin gives {score} points of 5 ({name})"
    );
    Some(IMAGE_ONLY.found(message).help(
        "add text that says what the image says; the rule does not apply to more than 2,800 bytes of HTML",
    ))
}

/// Compares the `<title>` with the subject.
fn title(context: &MessageContext<'_>) -> Option<SubjectCheck> {
    let page = context.page.as_ref()?;
    let title = page.raw_text("title")?.trim().to_owned();
    let (index, _) = page.named("title").next()?;
    let finding = TITLE
        .found("the <title> is more than 3.5 times as long as the subject, for which SpamAssassin gives 2.0 points of 5 (HTML_TITLE_SUBJ_DIFF)")
        .help("use the subject as the title, or the name of the newsletter");
    Some(SubjectCheck {
        is_fixed: !is_marked(&title) && !varies(&context.shared.campaign.message.subject),
        finding: context
            .shared
            .locator
            .at_element(finding, page, index, None),
        text: title,
        is_wrong: is_long_title,
    })
}

/// SpamAssassin's rule skips messages with attachments.
fn is_long_title(title: &str, context: &RowContext<'_>) -> bool {
    let mut files = context.message.attachments.files.iter();
    if files.any(|file| !file.inline) {
        return false;
    }
    let title = fill(title, context.values).chars().count();
    let subject = context.message.subject.chars().count();
    subject > 0 && title * 2 > subject * 7
}

/// A salutation typical of spam, as it is written.
fn dear(page: &Page) -> Option<(String, Finding)> {
    let finding = |text: &str, name: &str, score: &str| {
        let message =
            format!("“{text}” is typical of spam: SpamAssassin gives {score} points of 5 ({name})");
        let help = "use the name, or a greeting without a name if it is missing: {% if … %}";
        (text.to_owned(), DEAR.found(message).help(help))
    };
    page.texts().find_map(|(_, text)| {
        // ASCII lower case keeps all positions.
        let lower = text.to_ascii_lowercase();
        lower.match_indices("dear ").find_map(|(at, dear)| {
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            if lower[..at].ends_with(is_word) {
                return None;
            }
            let rest = &lower[at + dear.len()..];
            let starts_with = |word: &str| {
                let after = rest.strip_prefix(word);
                after.is_some_and(|after| !after.starts_with(is_word))
            };
            let salutation = |length: usize| &text[at..at + dear.len() + length];
            if lower[..at].trim().is_empty() && starts_with("friend") {
                return Some(finding(salutation(6), "DEAR_FRIEND", "2.6"));
            }
            if let Some(word) = SOMETHING.iter().find(|word| starts_with(word)) {
                return Some(finding(salutation(word.len()), "DEAR_SOMETHING", "2.0"));
            }
            let winner = rest.find("winner").filter(|at| *at <= 20);
            let winner = winner.filter(|at| !is_marked(&rest[..*at]));
            winner.map(|at| finding(salutation(at + 6), "DEAR_WINNER", "3.1"))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn small_html_with_an_image_has_a_score() {
        let message = |bytes| image_only(bytes).map(|finding| finding.message);
        assert!(message(400).is_some_and(|it| it.contains("1.2 points of 5 (HTML_IMAGE_ONLY_04)")));
        assert!(message(401).is_some_and(|it| it.contains("HTML_IMAGE_ONLY_08")));
        assert!(message(2800).is_some_and(|it| it.contains("HTML_IMAGE_ONLY_28")));
        assert_eq!(message(2801), None);
    }

    #[test]
    fn finds_the_salutations_of_spamassassin() {
        let text = |body: &str| {
            let page = Page::parse(&format!("<p>{body}</p>"), &Clock::system());
            dear(&page).map(|(text, _)| text)
        };
        for (body, expected) in [
            ("Dear Friend,", "Dear Friend"),
            ("\n dear sir or madam", "dear sir"),
            ("Oh Dear Investor!", "Dear Investor"),
            ("Dear lucky winner", "Dear lucky winner"),
        ] {
            assert_eq!(text(body).as_deref(), Some(expected), "{body}");
        }
        for body in [
            "Dear Friends,",
            "my dear friend Ann",
            "Dear Siri",
            "endear sir",
            "Dear \u{fdd0}0\u{fdd1}",
            "Dear Ann",
        ] {
            assert_eq!(text(body), None, "{body}");
        }
    }
}
