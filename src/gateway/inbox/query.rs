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
//! All must hold. A word without a letter or a digit, such as `🎉`, is found where it stands.
//!
//! The language is parsed here; [`Condition`](super::condition::Condition) makes SQL of it.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// The most characters of a query that is looked at.
pub(super) const MAX_QUERY: usize = 2000;
/// The most terms of one query.
const MAX_TERMS: usize = 50;

/// What is searched for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Query {
    pub(super) terms: Vec<Term>,
    /// Whether something in it says nothing yet, such as `subject:`.
    pub(super) is_unfinished: bool,
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

/// One thing that must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Term {
    pub(super) not: bool,
    pub(super) is: Is,
}

/// Where words are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Anywhere,
    Sender,
    Recipient,
    Subject,
    Text,
}

impl Place {
    /// The column of the index, if it is one.
    pub(super) fn column(self) -> Option<&'static str> {
        match self {
            Self::Anywhere => None,
            Self::Sender => Some("sender"),
            Self::Recipient => Some("recipient"),
            Self::Subject => Some("subject"),
            Self::Text => Some("body"),
        }
    }
}

/// What a term says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Is {
    /// Words in a row; the last may be a beginning.
    Words {
        place: Place,
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
        if text.chars().count() > MAX_QUERY {
            return Err(QueryError::TooLong);
        }
        let words = split(text);
        if words.len() > MAX_TERMS {
            return Err(QueryError::TooLong);
        }
        let count = words.len();
        let terms: Vec<_> = words
            .into_iter()
            .filter_map(|word| word.into_term(now, zone).transpose())
            .collect::<Result<_, _>>()?;
        Ok(Self {
            is_unfinished: terms.len() < count,
            terms,
        })
    }
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
        let words = |place| Is::Words {
            place,
            words: value.clone(),
            begins: !quoted,
        };
        let is = match key.as_deref() {
            None => words(Place::Anywhere),
            Some("from") => words(Place::Sender),
            Some("to") => words(Place::Recipient),
            Some("subject") => words(Place::Subject),
            Some("text") => words(Place::Text),
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
        assert!(Query::parse(&"ż".repeat(MAX_QUERY), NOW, &TimeZone::UTC).is_ok());
        assert_eq!(
            Query::parse(&"ż".repeat(MAX_QUERY + 1), NOW, &TimeZone::UTC),
            Err(QueryError::TooLong)
        );
        assert_eq!(
            Query::parse(&"a ".repeat(600), NOW, &TimeZone::UTC),
            Err(QueryError::TooLong)
        );
    }
}
