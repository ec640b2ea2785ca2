//! The subject and the preheader, which inboxes show in their lists.

use std::borrow::Cow;

use super::campaign_file::{at_text, varies};
use super::subject_check::SubjectCheck;
use crate::check::context::{CampaignContext, MessageContext, RowContext};
use crate::check::family::{AnyTotals, Family, RowChecks, RuleTotals};
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;
use crate::finding::Finding;
use crate::html::Page;
use crate::html::marks::{before_marks, fill, is_marked};
use crate::message::Message;
use crate::report::counted;

const EMPTY: Rule = Rule::error("subject-empty")
    .finds("an empty subject, or one of spaces only")
    .why("Inboxes show “(no subject)”, and spam filters count it against the message.")
    .fix("Write a subject that has words whatever the row contains: `{% if … %}…{% else %}…{% endif %}`.")
    .source("SpamAssassin MISSING_SUBJECT (1.8)")
    .example("`subject = \"{{ topic }} \"` where the topic is empty");

const LONG: Rule = Rule::note("subject-long")
    .finds("a subject of more than 50 characters")
    .why("Phones cut it: all of them show 33 characters, and most show no more than 48.")
    .fix("Put what matters first.")
    .source("emailtooltester.com/en/blog/email-subject-lines-character-limit: 33 to 48 are shown")
    .example("`subject = \"The autumn letter of the roastery, with three new coffees\"`");

const CAPITALS: Rule = Rule::warning("subject-capitals")
    .finds("a subject in capital letters only")
    .why("Readers feel shouted at, and SpamAssassin counts it against the message.")
    .fix("Write it like any other sentence.")
    .source("SpamAssassin SUBJ_ALL_CAPS (0.5)")
    .example("`subject = \"AUTUMN IS HERE\"`");

const REPLY: Rule = Rule::warning("subject-reply")
    .finds("a subject that begins like a reply or a forwarded message, although the message has no `In-Reply-To` and no `References`")
    .why("Readers take it for a part of a conversation and feel deceived. Gmail's rules for senders forbid it, and spam filters count it against the message.")
    .fix("Remove `Re:`, `Fwd:` and the like from the subject.")
    .source("support.google.com/mail/answer/81126; RFC 5322 3.6.5; SpamAssassin FAKE_REPLY_C")
    .example("`subject = \"Re: your order\"`");

const NO_PREHEADER: Rule = Rule::warning("preheader-missing")
    .finds("HTML without any text")
    .why("Inboxes show the beginning of the text next to the subject. Here they have nothing to show.")
    .fix("Begin the body with a sentence about what follows. It may be hidden.")
    .source("the message lists of Gmail, Apple Mail and Outlook")
    .example("a message that is one image");

const LINK: Rule = Rule::note("preheader-link")
    .finds("HTML that begins with a link")
    .why("Inboxes show the text of the link next to the subject, such as “View in browser”.")
    .fix("Put a sentence about what follows before the link. It may be hidden.")
    .source("the message lists of Gmail, Apple Mail and Outlook")
    .example("`<a href=\"…\">Read it in the browser</a>` before all else");

const SAME: Rule = Rule::warning("preheader-subject")
    .finds("HTML that begins with the subject")
    .why("Inboxes show the subject twice, and waste the space next to it.")
    .fix("Begin with a sentence that continues the subject. It may be hidden.")
    .source("the message lists of Gmail, Apple Mail and Outlook")
    .example("the subject again as the heading, and nothing before it");

const RULES: &[Rule] = &[EMPTY, LONG, CAPITALS, REPLY, NO_PREHEADER, LINK, SAME];

pub(in crate::check) struct Subject;

impl Family for Subject {
    fn rules(&self) -> &'static [Rule] {
        RULES
    }

    fn message(&self, context: &MessageContext<'_>, sink: &mut FindingSink<'_>) {
        let subject = &context.shared.campaign.message.subject;
        if !varies(subject) {
            for finding in check(context) {
                sink.add(at_text(context.shared, finding, subject));
            }
        }
        if let Some(page) = &context.page {
            preheader(context, page, sink);
        }
    }

    fn row(&self, context: &RowContext<'_>, sink: &mut FindingSink<'_>) {
        let subject = &context.shared.campaign.message.subject;
        if varies(subject) {
            for finding in check(context) {
                sink.add(at_text(context.shared, finding, subject));
            }
        }
    }

    fn row_checks(&self, context: &MessageContext<'_>, sink: &mut FindingSink<'_>) -> RowChecks {
        opening(context).map_or_else(Vec::new, |check| check.for_rows(context, sink))
    }

    fn totals(&self) -> Vec<Box<dyn AnyTotals>> {
        vec![Box::new(SubjectTotals::default())]
    }
}

/// The most characters that any phone shows.
const MOST: usize = 50;
/// The characters that every phone shows.
const SHOWN: usize = 33;

fn check(context: &RowContext<'_>) -> impl Iterator<Item = Finding> {
    let subject = &context.message.subject;
    let empty = subject.trim().is_empty().then(|| {
        EMPTY
            .found("the subject is empty")
            .help("write words that do not depend on the row: {% if … %}…{% else %}")
    });
    let capitals = is_capitals(subject).then(|| {
        CAPITALS
            .found("the subject is in capital letters only: SpamAssassin adds 0.5 of 5 points")
            .help("write it like any other sentence")
    });
    let reply = reply_prefix(subject).filter(|_| !is_reply(context.message));
    let reply = reply.map(|prefix| {
        REPLY
            .found(format!(
                "the subject begins with “{prefix}”, but the message is no reply and was not forwarded"
            ))
            .help(format!("remove “{prefix}”"))
    });
    empty.into_iter().chain(capitals).chain(reply)
}

/// What mail programs write before the subject of a reply or of a forwarded message, in lower case.
const REPLY_PREFIXES: [&str; 24] = [
    "re", "fw", "fwd", // English
    "odp", "pd", // Polish
    "aw", "wg",  // German
    "tr",  // French
    "rv",  // Spanish
    "rif", // Italian
    "enc", "res", // Portuguese
    "antw", "doorst", // Dutch
    "sv", "vs", "vb", "vl", // Swedish, Danish, Norwegian, Finnish
    "ynt", "ilt", // Turkish
    "回复", "答复", "回覆", // Chinese
    "转发",
];

/// The beginning of a subject that marks a reply or a forwarded message, such as `Re:` and `RE[2]:`.
fn reply_prefix(subject: &str) -> Option<&str> {
    let subject = subject.trim_start();
    let (before, colon) = subject
        .char_indices()
        .take(16)
        .find(|(_, c)| matches!(c, ':' | '：'))?;
    let is_count = |c: char| c.is_ascii_digit() || matches!(c, '[' | ']' | '(' | ')' | '^');
    let word = subject[..before].trim_end().trim_end_matches(is_count);
    let word = word.trim_end().to_lowercase();
    REPLY_PREFIXES
        .contains(&word.as_str())
        .then(|| &subject[..before + colon.len_utf8()])
}

/// Whether headers name the message that this one answers or forwards.
fn is_reply(message: &Message) -> bool {
    let is_thread = |name: &str| {
        ["In-Reply-To", "References"]
            .iter()
            .any(|thread| name.eq_ignore_ascii_case(thread))
    };
    let mut headers = message.headers.iter();
    headers.any(|(name, value)| is_thread(name) && !value.trim().is_empty())
}

/// Like SpamAssassin, but for the letters of all scripts. A single word and a short subject don't count.
fn is_capitals(subject: &str) -> bool {
    let subject = subject.trim();
    let mut cased = subject
        .chars()
        .filter(|c| c.is_lowercase() || c.is_uppercase());
    subject.len() >= 10
        && subject.contains(char::is_whitespace)
        && cased.next().is_some_and(char::is_uppercase)
        && cased.all(char::is_uppercase)
}

fn preheader(context: &MessageContext<'_>, page: &Page, sink: &mut FindingSink<'_>) {
    let locator = &context.shared.locator;
    let Some((index, _)) = visible_texts(page).next() else {
        let finding = NO_PREHEADER
            .found("the HTML has no text, so inboxes have nothing to show next to the subject")
            .help("begin the body with a sentence about what follows; it may be hidden");
        sink.add(locator.somewhere(finding));
        return;
    };
    if let Some(link) = link_around(page, index) {
        let finding = LINK
            .found("the HTML begins with a link, so inboxes show its text next to the subject")
            .help("put a sentence about what follows before it; it may be hidden");
        sink.add(locator.at_element(finding, page, link, None));
    }
}

/// Compares the beginning of the HTML with the subject.
fn opening(context: &MessageContext<'_>) -> Option<SubjectCheck> {
    let page = context.page.as_ref()?;
    let (index, first) = visible_texts(page).next()?;
    if link_around(page, index).is_some() {
        return None;
    }
    let locator = &context.shared.locator;
    let around = page.ancestors(index).next();
    let finding = SAME
        .found("the HTML begins with the subject, so inboxes show it twice")
        .help("begin with a sentence that continues the subject; it may be hidden");
    let text: String = visible_texts(page).map(|(_, text)| text).take(10).collect();
    Some(SubjectCheck {
        is_fixed: !is_marked(&text) && !varies(&context.shared.campaign.message.subject),
        finding: match around {
            Some((element, _)) => locator.at_element(finding, page, element, None),
            None => locator.at_text(finding, first, 0),
        },
        text,
        is_wrong: |opening, context| {
            begins_with_subject(opening, &context.message.subject, context.values)
        },
    })
}

/// The texts that are not blank.
fn visible_texts(page: &Page) -> impl Iterator<Item = (usize, &str)> {
    page.texts().filter(|(_, text)| !is_blank(text))
}

/// The link around a text.
fn link_around(page: &Page, index: usize) -> Option<usize> {
    let mut around = page.ancestors(index);
    around
        .find(|(_, element)| element.name == "a")
        .map(|(link, _)| link)
}

/// Whether a text shows nothing. The invisible characters that pad a preheader count as blank.
fn is_blank(text: &str) -> bool {
    let invisible = |c: char| matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    text.chars().all(|c| c.is_whitespace() || invisible(c))
}

/// Whether a text with the values of a row begins with the letters of the subject. The part before the first value
/// mostly decides.
fn begins_with_subject(text: &str, subject: &str, values: &[Cow<'_, str>]) -> bool {
    let mut expected = letters(subject);
    let same = letters(before_marks(text)).all(|one| expected.next().is_none_or(|it| it == one));
    same && begins_with(&fill(text, values), subject)
}

/// Whether a text begins with the letters of the subject.
fn begins_with(text: &str, subject: &str) -> bool {
    let mut has = letters(text);
    letters(subject).next().is_some() && letters(subject).all(|it| has.next() == Some(it))
}

fn letters(text: &str) -> impl Iterator<Item = char> {
    let letters = text.chars().filter(|c| c.is_alphanumeric());
    letters.flat_map(char::to_lowercase)
}

#[derive(Debug, Default)]
struct SubjectTotals {
    /// The length, the row and the text of the longest subject.
    longest: Option<(usize, u32, String)>,
    /// How many subjects are too long.
    over: u64,
}

impl SubjectTotals {
    /// Keeps the first of the longest.
    fn take(&mut self, length: usize, row: u32, subject: &str) {
        let longer = |(known, of, _): &(usize, u32, String)| {
            length > *known || length == *known && row < *of
        };
        if self.longest.as_ref().is_none_or(longer) {
            self.longest = Some((length, row, subject.to_owned()));
        }
    }
}

impl RuleTotals for SubjectTotals {
    fn row(&mut self, context: &RowContext<'_>) {
        let subject = &context.message.subject;
        // There are never more characters than bytes, and bytes need no counting.
        if subject.len() <= MOST {
            return;
        }
        let length = subject.chars().count();
        if length > MOST {
            self.over += 1;
            self.take(length, context.row.number, subject);
        }
    }

    fn merge(&mut self, other: Self) {
        self.over += other.over;
        if let Some((length, row, subject)) = other.longest {
            self.take(length, row, &subject);
        }
    }

    fn finish(self, shared: &CampaignContext<'_>, sink: &mut FindingSink<'_>) {
        let Some((length, row, subject)) = self.longest else {
            return;
        };
        let written = &shared.campaign.message.subject;
        let shown: String = subject.chars().take(SHOWN).collect();
        let of = if varies(written) {
            format!(
                "the longest of {} that phones cut, in row {row},",
                counted(self.over, "subject")
            )
        } else {
            "the subject".to_owned()
        };
        let message = format!(
            "{of} has {length} characters; all phones show “{}…”",
            shown.trim_end()
        );
        let finding = LONG
            .found(message)
            .help("put what matters first; most phones show no more than 48");
        let mut finding = at_text(shared, finding, written);
        if varies(written) {
            finding.place.row = Some(row);
        }
        sink.add(finding);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognizes_capitals_like_spamassassin() {
        for subject in ["AUTUMN IS HERE!", "ŻÓŁĆ NA JESIEŃ 2026", "BIG SALE: 50% 🎉"] {
            assert!(is_capitals(subject), "{subject}");
        }
        for subject in [
            "AUTUMN-IS-HERE",
            "NEW! ABC",
            "Autumn IS HERE",
            "2026: 50% – 70%",
            "秋の手紙 です でした",
        ] {
            assert!(!is_capitals(subject), "{subject}");
        }
    }

    #[test]
    fn recognizes_replies_and_forwarded_messages() {
        for (subject, prefix) in [
            ("Re: your order", "Re:"),
            (" RE:RE: your order", "RE:"),
            ("Fwd: autumn", "Fwd:"),
            ("Odp: jesień", "Odp:"),
            ("AW: Herbst", "AW:"),
            ("TR : automne", "TR :"),
            ("Re[2]: autumn", "Re[2]:"),
            ("RE (2): autumn", "RE (2):"),
            ("回复：秋", "回复："),
        ] {
            assert_eq!(reply_prefix(subject), Some(prefix), "{subject}");
        }
        for subject in [
            "Re your order",
            "Recap: autumn",
            "Reading: three books",
            "The price: re: money",
            "Odpowiedzi: jesień",
            ": autumn",
            "2: autumn",
            "",
        ] {
            assert_eq!(reply_prefix(subject), None, "{subject}");
        }
    }

    #[test]
    fn compares_the_letters_of_text_and_subject() {
        assert!(begins_with(
            "Autumn is here.  And so are we",
            "Autumn is here!"
        ));
        assert!(!begins_with("Autumn is near", "Autumn is here!"));
        assert!(!begins_with("Autumn", "!"));
        let marked = "Autumn: \u{fdd0}0\u{fdd1} is here";
        let same = |subject: &str| begins_with_subject(marked, subject, &["it".into()]);
        assert!(same("Autumn, it is") && same("Au"));
        assert!(!same("Autumn, he is") && !same("News"));
        assert!(is_blank(" \u{200c}\u{a0}\u{34f}\u{ad}\n"));
    }
}
