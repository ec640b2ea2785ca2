//! The language of the search box.
//!
//! | | |
//! |---|---|
//! | `word` `"two words"` | in the subject, the names, the addresses, the text or the tags; `word` may be a beginning |
//! | `from:` `to:` `subject:` `text:` | there alone |
//! | `tag:autumn` `tag:"autumn sale"` | a tag that begins so; in quotes, the very tag |
//! | `status:hardbounce` `is:unread` `is:read` `has:attachment` | |
//! | `before:` `after:` | `2026-11-24`, `2026-11-24T10:30`, or ago: `30m`, `2h`, `7d` |
//! | `id:` `account:` `request:` `run:` | a message ID, an SMTP account, a `req_id`, what the IDs of a run begin with |
//! | `-` before any of these | not so |
//!
//! All must hold. The language is parsed here, and made into SQL with parameters.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use rusqlite::types::Value;

use crate::gateway::store::EVERY;
use crate::gateway::text::folded;

/// The longest query that is looked at.
pub(super) const MAX_QUERY: usize = 2000;
/// The most terms of one query.
const MAX_TERMS: usize = 50;

/// What is searched for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Query {
    terms: Vec<Term>,
}

/// Why a query means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum QueryError {
    #[error(
        "{key}: wants a day such as 2026-11-24, a time such as 2026-11-24T10:30, or how long ago, such as 2h or 7d; it has {value:?}"
    )]
    Time { key: String, value: String },
    #[error("{key}: is one of {known}; it has {value:?}")]
    Unknown {
        key: &'static str,
        known: &'static str,
        value: String,
    },
    #[error("a search has at most {MAX_QUERY} characters and {MAX_TERMS} words")]
    TooLong,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    not: bool,
    is: Is,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Is {
    /// Words in a row, in a column of the index or in any; the last may be a beginning.
    Words {
        column: Option<&'static str>,
        words: String,
        begins: bool,
    },
    Tag {
        tag: String,
        begins: bool,
    },
    Before(i64),
    From(i64),
    Attachment,
    Unread(bool),
    Status(&'static str),
    Id(String),
    Account(String),
    Request(String),
    Run(String),
}

/// A condition on rows of `message`, and the values of its parameters. `words` is for the index.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Condition {
    /// What the index of words is to be asked, if anything.
    pub(super) words: Option<String>,
    /// What must not be there, in the index's language.
    without: Vec<String>,
    /// It came at this time or later.
    pub(super) after: Option<i64>,
    /// It came before this time.
    pub(super) before: Option<i64>,
    /// ` AND …` of all else; it may be empty.
    pub(super) and: String,
    /// The values of the `?` in `and`.
    pub(super) values: Vec<Value>,
}

/// The statuses that a message can have.
pub(super) const STATUSES: [&str; 6] = [
    "injected",
    "ok",
    "softbounce",
    "hardbounce",
    "spambounce",
    "dropped",
];

impl Query {
    /// Reads what is in the search box. Days are those of `zone`.
    ///
    /// # Errors
    /// A time that is none, or a word that a key does not know.
    pub(super) fn parse(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Self, QueryError> {
        if text.len() > MAX_QUERY {
            return Err(QueryError::TooLong);
        }
        let words = split(text);
        if words.len() > MAX_TERMS {
            return Err(QueryError::TooLong);
        }
        let terms = words
            .into_iter()
            .filter_map(|word| word.into_term(now, zone).transpose())
            .collect::<Result<_, _>>()?;
        Ok(Self { terms })
    }

    /// The query as SQL.
    pub(super) fn condition(&self) -> Condition {
        let mut condition = Condition::default();
        for Term { not, is } in &self.terms {
            condition.add(*not, is);
        }
        condition.words = condition.words_without();
        condition
    }
}

impl Condition {
    fn add(&mut self, not: bool, is: &Is) {
        match is {
            Is::Words {
                column,
                words,
                begins,
            } => self.words(not, phrase(*column, words, *begins)),
            Is::Tag { tag, begins } => self.tag(not, tag, *begins),
            Is::Before(at) if not => self.after = self.after.max(Some(*at)),
            Is::Before(at) => self.before = Some(self.before.map_or(*at, |before| before.min(*at))),
            Is::From(at) if not => self.add(false, &Is::Before(*at)),
            Is::From(at) => self.add(true, &Is::Before(*at)),
            Is::Attachment if not => self.plain(false, "message.has_attachment = 0", []),
            Is::Attachment => self.words(false, Some("flags : attachment".to_owned())),
            Is::Unread(unread) if *unread == not => self.plain(false, "message.unread = 0", []),
            Is::Unread(_) => self.plain(false, "message.unread = 1", []),
            Is::Status(status) => self.plain(not, "message.status = ?", [*status]),
            Is::Id(id) => self.plain(not, "message.message_id = ?", [id.as_str()]),
            Is::Account(account) => self.plain(not, "message.account = ?", [account.as_str()]),
            Is::Request(id) => {
                let requests =
                    "coalesce(message.request, 0) IN (SELECT id FROM request WHERE req_id = ?)";
                self.plain(not, requests, [id.as_str()]);
            }
            // IDs of a run are its letters, a dot and a number; `/` is what comes after the dot.
            Is::Run(run) => {
                let run = [format!("{run}."), format!("{run}/")];
                let within = "(message.message_id >= ? AND message.message_id < ?)";
                self.plain(not, within, run.iter().map(String::as_str));
            }
        }
    }

    fn plain<'a>(&mut self, not: bool, condition: &str, values: impl IntoIterator<Item = &'a str>) {
        let not = if not { "NOT " } else { "" };
        self.and += &format!(" AND {not}{condition}");
        let values = values.into_iter().map(|value| value.to_owned().into());
        self.values.extend(values);
    }

    /// A phrase without a letter or a digit says nothing: the index knows only words.
    fn words(&mut self, not: bool, phrase: Option<String>) {
        let Some(phrase) = phrase else { return };
        if not {
            return self.without.push(phrase);
        }
        let words = self.words.get_or_insert_default();
        if !words.is_empty() {
            words.push_str(" AND ");
        }
        words.push_str(&phrase);
    }

    /// What the index is to be asked: the words without those that must not be there. The index goes
    /// through both in the order of the messages, and no message is looked at for it.
    fn words_without(&mut self) -> Option<String> {
        let words = self.words.take();
        if self.without.is_empty() {
            return words;
        }
        let words = words.unwrap_or_else(|| format!("flags : \"{EVERY}\""));
        let without = std::mem::take(&mut self.without).join(" OR ");
        Some(format!("({words}) NOT ({without})"))
    }

    fn tag(&mut self, not: bool, tag: &str, begins: bool) {
        // The index is quick, but does not know where a tag ends.
        if !not {
            self.words(false, phrase(Some("tags"), tag, begins));
        }
        let holds = if begins {
            "substr(lower(value), 1, length(lower(?))) = lower(?)"
        } else {
            "lower(value) = lower(?)"
        };
        let exists = format!("EXISTS (SELECT 1 FROM json_each(message.tags) WHERE {holds})");
        self.plain(
            not,
            &exists,
            std::iter::repeat_n(tag, 1 + usize::from(begins)),
        );
    }
}

/// A phrase as the index's language has it; none without a letter or a digit.
fn phrase(column: Option<&str>, words: &str, begins: bool) -> Option<String> {
    if !words.contains(char::is_alphanumeric) {
        return None;
    }
    let column = column
        .map(|column| format!("{column} : "))
        .unwrap_or_default();
    let quoted = folded(words).replace('"', "\"\"");
    let star = if begins { " *" } else { "" };
    Some(format!("{column}\"{quoted}\"{star}"))
}

/// One thing between spaces.
#[derive(Debug, PartialEq, Eq)]
struct Word {
    not: bool,
    key: Option<String>,
    value: String,
    quoted: bool,
}

/// Splits at spaces outside quotes. A quote that is not closed goes to the end.
fn split(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (not, after) = match rest.strip_prefix('-') {
            Some(after) if after.starts_with(|c: char| !c.is_whitespace()) => (true, after),
            _ => (false, rest),
        };
        let (key, after) = match after.split_once(':') {
            Some((key, value)) if is_key(key) => (Some(key.to_ascii_lowercase()), value),
            _ => (None, after),
        };
        let (value, quoted, after) = value(after);
        words.push(Word {
            not,
            key,
            value,
            quoted,
        });
        rest = after.trim_start();
    }
    words
}

/// A value, whether it stands in quotes, and what comes after it. A quote in quotes is doubled.
fn value(text: &str) -> (String, bool, &str) {
    let Some(mut rest) = text.strip_prefix('"') else {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        return (text[..end].to_owned(), false, &text[end..]);
    };
    let mut value = String::new();
    loop {
        let (part, after) = rest.split_once('"').unwrap_or((rest, ""));
        value.push_str(part);
        match after.strip_prefix('"') {
            Some(more) => {
                value.push('"');
                rest = more;
            }
            None => return (value, true, after),
        }
    }
}

/// A key with a value in quotes, as [`Query::parse`] reads it.
pub(super) fn quoted(key: &str, value: &str) -> String {
    format!("{key}:\"{}\"", value.replace('"', "\"\""))
}

const KEYS: [&str; 14] = [
    "from", "to", "subject", "text", "tag", "status", "is", "has", "before", "after", "id",
    "account", "request", "run",
];

fn is_key(key: &str) -> bool {
    KEYS.iter().any(|known| known.eq_ignore_ascii_case(key))
}

impl Word {
    fn into_term(self, now: Timestamp, zone: &TimeZone) -> Result<Option<Term>, QueryError> {
        let Self {
            not,
            key,
            value,
            quoted,
        } = self;
        // While a key is typed it says nothing yet.
        if value.trim().is_empty() {
            return Ok(None);
        }
        let words = |column| Is::Words {
            column,
            words: value.clone(),
            begins: !quoted,
        };
        let is = match key.as_deref() {
            None => words(None),
            Some("from") => words(Some("sender")),
            Some("to") => words(Some("recipient")),
            Some("subject") => words(Some("subject")),
            Some("text") => words(Some("body")),
            Some("tag") => Is::Tag {
                tag: value,
                begins: !quoted,
            },
            Some("before") => Is::Before(time("before", &value, now, zone)?),
            Some("after") => Is::From(time("after", &value, now, zone)?),
            Some("has") => one_of(
                "has",
                "attachment",
                &value,
                &[
                    ("attachment", Is::Attachment),
                    ("attachments", Is::Attachment),
                ],
            )?,
            Some("is") => one_of(
                "is",
                "unread, read",
                &value,
                &[("unread", Is::Unread(true)), ("read", Is::Unread(false))],
            )?,
            Some("status") => {
                let known = STATUSES.map(|status| (status, Is::Status(status)));
                one_of(
                    "status",
                    "injected, ok, softbounce, hardbounce, spambounce, dropped",
                    &value,
                    &known,
                )?
            }
            Some("id") => Is::Id(value.trim_matches(['<', '>']).to_owned()),
            Some("account") => Is::Account(value),
            Some("request") => Is::Request(value),
            Some(_) => Is::Run(value),
        };
        Ok(Some(Term { not, is }))
    }
}

fn one_of(
    key: &'static str,
    known: &'static str,
    value: &str,
    all: &[(&str, Is)],
) -> Result<Is, QueryError> {
    let found = all
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(value));
    let unknown = || QueryError::Unknown {
        key,
        known,
        value: value.to_owned(),
    };
    found.map(|(_, is)| is.clone()).ok_or_else(unknown)
}

/// The milliseconds since 1970 of a day's beginning, of a time, or of some time ago.
fn time(key: &str, value: &str, now: Timestamp, zone: &TimeZone) -> Result<i64, QueryError> {
    let local = || {
        let time = match value.parse::<DateTime>() {
            Ok(time) => Some(time),
            Err(_) => value.parse::<Date>().ok().map(|day| day.at(0, 0, 0, 0)),
        };
        time?
            .to_zoned(zone.clone())
            .ok()
            .map(|time| time.timestamp())
    };
    let time = ago(value, now).or_else(local);
    let wrong = || QueryError::Time {
        key: key.to_owned(),
        value: value.to_owned(),
    };
    time.map(Timestamp::as_millisecond).ok_or_else(wrong)
}

fn ago(value: &str, now: Timestamp) -> Option<Timestamp> {
    let (number, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    let number: i64 = number.parse().ok()?;
    let hours = |factor| {
        number
            .checked_mul(factor)
            .and_then(|hours| Span::new().try_hours(hours).ok())
    };
    let span = match unit {
        "m" => Span::new().try_minutes(number).ok(),
        "h" => hours(1),
        "d" => hours(24),
        "w" => hours(24 * 7),
        _ => None,
    };
    now.checked_sub(span?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_795_515_630, 0);

    fn parsed(text: &str) -> Query {
        Query::parse(text, NOW, &TimeZone::UTC).expect("a query")
    }

    fn words(text: &str) -> String {
        parsed(text).condition().words.unwrap_or_default()
    }

    #[test]
    fn words_go_to_the_index_and_cannot_be_its_language() {
        assert_eq!(words("autumn"), "\"autumn\" *");
        assert_eq!(
            words("\"autumn sale\" to:jan@x"),
            "\"autumn sale\" AND recipient : \"jan@x\" *"
        );
        assert_eq!(words("FROM:\"A B\""), "sender : \"A B\"");
        assert_eq!(
            words("a\"b OR NEAR(x)"),
            "\"a\"\"b\" * AND \"OR\" * AND \"NEAR(x)\" *"
        );
        assert_eq!(words("subject:"), "");
        assert_eq!(words("Łódź"), "\"Lódź\" *");
        assert_eq!(words("http://x"), "\"http://x\" *");
        assert_eq!(words("\"open end"), "\"open end\"");
        assert_eq!(words("\"a\"\"b\" c"), "\"a\"\"b\" AND \"c\" *");
        assert_eq!(words(&quoted("subject", "a\"b")), "subject : \"a\"\"b\"");
        assert_eq!(words("tag:autumn"), "tags : \"autumn\" *");
        assert_eq!(
            words("-a b -to:\"c\" d"),
            "(\"b\" * AND \"d\" *) NOT (\"a\" * OR recipient : \"c\")"
        );
        assert_eq!(words("-a"), "(flags : \"\u{e000}\") NOT (\"a\" *)");
    }

    #[test]
    fn the_rest_is_conditions_with_parameters() {
        let condition = parsed("-has:attachment -is:unread status:OK … after:2h").condition();
        assert_eq!((condition.words, condition.before), (None, None));
        assert_eq!(condition.after, Some(NOW.as_millisecond() - 7_200_000));
        assert_eq!(condition.and.matches('?').count(), condition.values.len());
        assert!(condition.and.contains("unread = 0"), "{}", condition.and);
        for text in [
            "tag:a",
            "tag:\"a\"",
            "-tag:a",
            "run:ab",
            "-run:ab",
            "id:<a@b>",
            "request:x",
            "account:y",
        ] {
            let condition = parsed(text).condition();
            assert_eq!(
                condition.and.matches('?').count(),
                condition.values.len(),
                "{text}"
            );
        }
    }

    #[test]
    fn times_are_days_times_or_ago() {
        let at = |text: &str| match &parsed(text).terms[0].is {
            Is::Before(at) | Is::From(at) => *at,
            other => panic!("{other:?}"),
        };
        assert_eq!(at("before:2026-11-24"), 1_795_478_400_000);
        assert_eq!(at("after:2026-11-24T10:30"), 1_795_516_200_000);
        assert_eq!(at("after:2h"), NOW.as_millisecond() - 7_200_000);
        assert_eq!(at("after:7d"), NOW.as_millisecond() - 7 * 86_400_000);
        for wrong in [
            "before:soon",
            "after:1y",
            "before:9999999999999999999d",
            "after:é",
            "before:99999999999h",
        ] {
            assert!(Query::parse(wrong, NOW, &TimeZone::UTC).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_a_key_does_not_know_is_told() {
        for (wrong, said) in [
            ("is:big", "is: is one of unread, read"),
            ("status:sent", "status: is one of"),
            ("has:x", "has: is one of attachment"),
        ] {
            let error = Query::parse(wrong, NOW, &TimeZone::UTC).expect_err("it is wrong");
            assert!(error.to_string().starts_with(said), "{error}");
        }
        assert_eq!(
            Query::parse(&"a ".repeat(600), NOW, &TimeZone::UTC),
            Err(QueryError::TooLong)
        );
    }
}
