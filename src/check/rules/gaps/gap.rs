//! Gaps: what a text looks like where a value is missing.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use regex::Regex;

use super::paragraphs::{paragraphs, words};
use crate::html::Page;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum MessagePart {
    Subject,
    Html,
    Text,
}

impl fmt::Display for MessagePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Subject => "the subject",
            Self::Html => "the HTML",
            Self::Text => "the text part",
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Gap {
    /// A greeting without a name, such as `Hello ,`.
    Greeting(String),
    /// White space before a punctuation mark.
    Before(char),
    /// A line that begins with a punctuation mark.
    Begins(char),
    /// A subject that ends with a mark that something should follow.
    Ends(char),
    /// Empty brackets or quotes.
    Nothing(String),
    /// Two spaces between words.
    Doubled,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Greeting(text) => write!(f, "“{text}”"),
            Self::Before(mark) => write!(f, "a space before a “{mark}”"),
            Self::Begins(mark) => write!(f, "a “{mark}” with nothing before it"),
            Self::Ends(mark) => write!(f, "a “{mark}” with nothing after it"),
            Self::Nothing(text) => write!(f, "an empty “{text}”"),
            Self::Doubled => f.write_str("two spaces in a row"),
        }
    }
}

/// The number of occurrences of each gap in a part of a message.
pub(super) type Gaps = BTreeMap<Gap, usize>;

/// Greetings before a comma or an exclamation mark.
static GREETING: LazyLock<Regex> = LazyLock::new(|| {
    let words = [
        "hi|hi there|hello|hello there|hey|dear|greetings|welcome|good (?:morning|afternoon|evening|day)",
        "cześć|czesc|hej|witaj|witam|drogi|droga|drodzy|dzień dobry|dobry wieczór",
        "szanown[yai](?: panie| pani| państwo)?|panie|pani",
        "hallo|liebe[rs]?|guten (?:tag|morgen|abend)|grüß gott|servus|moin",
        "sehr geehrte[rs]?(?: frau| herr)?|werte[rs]?",
        "hola|querid[oa]|estimad[oa]|apreciad[oa]|buenos días|buenas tardes",
        "ciao|salve|buongiorno|buonasera|car[oa]|gentile|egregi[oa]",
    ];
    compiled(&format!(
        r"(?i)(?:^|[^\p{{L}}\d])((?:{})[ \t\u{{a0}}]+[,!])(?:$|[^\p{{P}}])",
        words.join("|")
    ))
});

/// French greetings. French puts a space before an exclamation mark, so only a comma counts.
static GREETING_FR: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i)(?:^|[^\p{L}\d])((?:bonjour|bonsoir|salut|coucou|chère?s?|cher (?:monsieur|client)|chère (?:madame|cliente)|madame|monsieur)[ \t\u{a0}]+,)",
    )
});

/// Words that a name has to follow.
static DEAR: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i)^\s*(dear|drogi|droga|szanown[ya]|liebe[rs]?|sehr geehrte[rs]?|chère?|querid[oa]|estimad[oa]|car[oa]|gentile|egregi[oa])\s*$",
    )
});

/// The length of the longest match of [`DEAR`], in bytes.
const LONGEST_DEAR: usize = 16;

/// Marks without white space before them.
const MARKS: [char; 6] = [',', '.', '!', '?', ';', ':'];

static BEFORE: LazyLock<Regex> = LazyLock::new(|| compiled(r"\S[ \t\u{a0}]+([,.!?;:])(?:\s|$)"));
static BEGINS: LazyLock<Regex> = LazyLock::new(|| compiled(r"^\s*([,.!?;:])(?:\s|$)"));
static ENDS: LazyLock<Regex> = LazyLock::new(|| compiled(r"([,:;–—-])\s*$"));
static NOTHING: LazyLock<Regex> =
    LazyLock::new(|| compiled(r#"\(\s*\)|\[\s*\]|“\s*”|„\s*”|«\s*»|"\s?""#));
static DOUBLED: LazyLock<Regex> = LazyLock::new(|| compiled(r"\S {2}\S"));

fn compiled(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the patterns of the rules are right")
}

pub(super) fn in_subject(subject: &str) -> Gaps {
    let mut gaps = Gaps::new();
    in_line(subject, &mut gaps);
    doubled(subject, &mut gaps);
    if let Some(mark) = mark(&ENDS, subject) {
        count(&mut gaps, Gap::Ends(mark));
    }
    gaps
}

pub(super) fn in_text(text: &str) -> Gaps {
    let mut gaps = Gaps::new();
    for line in text.lines() {
        in_line(line, &mut gaps);
        doubled(line, &mut gaps);
    }
    gaps
}

pub(super) fn in_page(page: &Page) -> Gaps {
    let mut gaps = Gaps::new();
    for paragraph in paragraphs(page) {
        in_line(&paragraph, &mut gaps);
    }
    gaps
}

/// The gaps that occur more often than in `others`.
pub(super) fn more_than(gaps: &Gaps, others: &Gaps) -> Gaps {
    let more = gaps.iter().filter_map(|(gap, count)| {
        let more = count.checked_sub(others.get(gap).copied().unwrap_or_default())?;
        (more > 0).then(|| (gap.clone(), more))
    });
    more.collect()
}

fn count(gaps: &mut Gaps, gap: Gap) {
    *gaps.entry(gap).or_default() += 1;
}

fn mark(pattern: &Regex, text: &str) -> Option<char> {
    pattern.captures(text)?.get(1)?.as_str().chars().next()
}

/// Every line of every message comes here, so cheap tests run before the patterns.
fn in_line(line: &str, gaps: &mut Gaps) {
    if has_mark_after_space(line) {
        before_marks(line, gaps);
    }
    let trimmed = line.trim();
    if trimmed.len() <= LONGEST_DEAR
        && let Some(found) = DEAR.captures(line)
    {
        count(gaps, Gap::Greeting(words(&found[1])));
    }
    if trimmed.starts_with(MARKS)
        && let Some(mark) = mark(&BEGINS, line)
    {
        count(gaps, Gap::Begins(mark));
    }
    for found in NOTHING.find_iter(line) {
        let text = found.as_str().chars().filter(|c| !c.is_whitespace());
        count(gaps, Gap::Nothing(text.collect()));
    }
}

/// Whether a mark has white space before it.
fn has_mark_after_space(line: &str) -> bool {
    let mut marks = line.match_indices(MARKS);
    marks.any(|(at, _)| line[..at].ends_with([' ', '\t', '\u{a0}']))
}

fn before_marks(line: &str, gaps: &mut Gaps) {
    for greeting in [&GREETING, &GREETING_FR] {
        for found in greeting.captures_iter(line) {
            count(gaps, Gap::Greeting(words(&found[1])));
        }
    }
    for found in BEFORE.captures_iter(line) {
        // A greeting is reported as such.
        let upto = found.get(1).map_or(0, |mark| mark.end());
        let greets = [&GREETING, &GREETING_FR].into_iter().any(|greeting| {
            let mut all = greeting.captures_iter(line);
            all.any(|greeting| greeting.get(1).is_some_and(|it| it.end() == upto))
        });
        if !greets {
            found[1]
                .chars()
                .for_each(|mark| count(gaps, Gap::Before(mark)));
        }
    }
}

fn doubled(line: &str, gaps: &mut Gaps) {
    let line = line.trim();
    if line.contains("  ") {
        let found = DOUBLED.find_iter(line).count();
        (0..found).for_each(|_| count(gaps, Gap::Doubled));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeting(text: &str) -> Option<String> {
        let gaps = in_text(text);
        gaps.into_keys().find_map(|gap| match gap {
            Gap::Greeting(text) => Some(text),
            _ => None,
        })
    }

    #[test]
    fn finds_greetings_without_a_name_in_six_languages() {
        let texts = "Hi ,|Hello !|Dear ,|Good morning , all|Cześć ,|Dzień dobry !|Droga ,|\
            Szanowny Panie ,|Hallo ,|Liebe ,|Sehr geehrte Frau ,|Guten Tag !|Bonjour ,|\
            Chère ,|Hola ,|Estimado ,|Ciao ,|Gentile ,|HELLO\u{a0},|Dear| Sehr geehrter\u{a0}|\
            Oh, hi ,";
        for text in texts.split('|') {
            assert!(greeting(text).is_some(), "{text}");
        }
        let texts = "Hi Ann,|Hello,|Hello!|Bonjour !|Salut !|Hi :)|They say hello|Dear all|chi ,|\
            Hey ...|Hello …|Dear Ann ,";
        for text in texts.split('|') {
            assert_eq!(greeting(text), None, "{text}");
        }
    }

    #[test]
    fn counts_gaps() {
        let gaps = in_subject(", your order for  ( ) and “” is here :");
        let gap_texts: Vec<_> = gaps.keys().map(ToString::to_string).collect();
        assert_eq!(
            gap_texts,
            [
                "a space before a “:”",
                "a “,” with nothing before it",
                "a “:” with nothing after it",
                "an empty “()”",
                "an empty ““””",
                "two spaces in a row",
            ]
        );
        assert_eq!(in_text("a , b , c\n, d").get(&Gap::Before(',')), Some(&2));
        assert!(in_subject("3 . 5 . and .example, 10:30: a.b").contains_key(&Gap::Before('.')));
        assert!(in_text("One, two; three.\n  - four (4)\n\nx ... y .NET").is_empty());
    }

    #[test]
    fn ignores_gaps_that_the_filled_message_has_too() {
        let filled = in_text("Bonjour Ann !\nsee you in Oslo , Ann");
        let blank = in_text("Bonjour !\nsee you in , Ann");
        assert_eq!(more_than(&blank, &filled), Gaps::new());
        let filled = in_text("Hello Ann!");
        assert_eq!(more_than(&in_text("Hello !"), &filled).len(), 1);
    }
}
