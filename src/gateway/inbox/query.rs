//! The language of the search box. `docs/inbox.md` describes it.
//!
//! It is parsed here, and [`Condition`](super::condition::Condition) turns it into SQL.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use crate::web::SearchTerm;

/// The most characters of a query.
const MAX_QUERY: usize = 2000;
const MAX_TERMS: usize = 50;

/// All terms must match.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Query {
    pub(super) terms: Vec<Term>,
    /// Whether a term has no value yet, such as `subject:`. It is ignored.
    pub(super) is_incomplete: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum QueryError {
    #[error(
        "{key}: expects a day such as 2026-11-24, a time such as 2026-11-24T10:30, or an age such as 2h or 7d, not {value:?}"
    )]
    Time { key: String, value: String },
    #[error("{key}: must be one of {allowed}, not {value:?}")]
    Value {
        key: String,
        allowed: String,
        value: String,
    },
    #[error("a search can have at most {MAX_QUERY} characters and {MAX_TERMS} terms")]
    TooLong,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Term {
    pub(super) negated: bool,
    pub(super) predicate: Predicate,
}

/// Where words are searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextField {
    /// The subject, the names, the addresses, the text, the tags, the headers or the links.
    Any,
    Sender,
    Recipient,
    Subject,
    Text,
}

impl TextField {
    /// The column of the word index; `None` means all columns.
    pub(super) fn column(self) -> Option<&'static str> {
        match self {
            Self::Any => None,
            Self::Sender => Some("sender"),
            Self::Recipient => Some("recipient"),
            Self::Subject => Some("subject"),
            Self::Text => Some("body"),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Predicate {
    /// Consecutive words.
    Words {
        field: TextField,
        words: String,
        /// Whether the last word may be the start of a longer one.
        prefix: bool,
    },
    Tag {
        tag: String,
        prefix: bool,
    },
    /// Milliseconds since 1970.
    Before(i64),
    /// Milliseconds since 1970, inclusive.
    From(i64),
    Attachment,
    Unread(bool),
    Status(&'static str),
    Id(String),
    Account(String),
    Request(String),
    Run(String),
}

const STATUSES: [&str; 7] = [
    "injected",
    "deferred",
    "ok",
    "softbounce",
    "hardbounce",
    "spambounce",
    "dropped",
];

impl Query {
    /// Parses the text of the search box. Days are in `zone`.
    ///
    /// # Errors
    /// A time is invalid, or a key does not have this value.
    pub(super) fn parse(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Self, QueryError> {
        if text.chars().count() > MAX_QUERY {
            return Err(QueryError::TooLong);
        }
        let terms = SearchTerm::all(text);
        if terms.len() > MAX_TERMS {
            return Err(QueryError::TooLong);
        }
        let mut query = Self::default();
        for term in terms {
            match parse_term(term, now, zone)? {
                Some(term) => query.terms.push(term),
                None => query.is_incomplete = true,
            }
        }
        Ok(query)
    }
}

/// A term that [`Query::parse`] reads as this exact value.
pub(super) fn quoted(key: &str, value: &str) -> String {
    format!("{key}:\"{}\"", value.replace('"', "\"\""))
}

const KEYS: [&str; 14] = [
    "from", "to", "subject", "text", "tag", "status", "is", "has", "before", "after", "id",
    "account", "request", "run",
];

/// `None` if the value is missing.
fn parse_term(
    term: SearchTerm,
    now: Timestamp,
    zone: &TimeZone,
) -> Result<Option<Term>, QueryError> {
    let key = term.name.as_deref().map(str::to_ascii_lowercase);
    let key = key.filter(|key| KEYS.contains(&key.as_str()));
    let (negated, prefix) = (term.negated, !term.is_quoted);
    // Without a known key, a colon is part of the words, as in `12:30`.
    let value = match key {
        Some(_) => term.value,
        None => term.whole(),
    };
    if value.trim().is_empty() {
        return Ok(None);
    }
    let words = |field, words| Predicate::Words {
        field,
        words,
        prefix,
    };
    let predicate = match key.as_deref() {
        None => words(TextField::Any, value),
        Some("from") => words(TextField::Sender, value),
        Some("to") => words(TextField::Recipient, value),
        Some("subject") => words(TextField::Subject, value),
        Some("text") => words(TextField::Text, value),
        Some("tag") => Predicate::Tag { tag: value, prefix },
        Some("before") => Predicate::Before(parse_time("before", value, now, zone)?),
        Some("after") => Predicate::From(parse_time("after", value, now, zone)?),
        Some("has") => {
            let names = ["attachment", "attachments"];
            one_of(
                "has",
                value,
                names.map(|name| (name, Predicate::Attachment)),
            )?
        }
        Some("is") => {
            let names = [("unread", true), ("read", false)];
            one_of(
                "is",
                value,
                names.map(|(name, unread)| (name, Predicate::Unread(unread))),
            )?
        }
        Some("status") => one_of(
            "status",
            value,
            STATUSES.map(|status| (status, Predicate::Status(status))),
        )?,
        Some("id") => Predicate::Id(value.trim_matches(['<', '>']).to_owned()),
        Some("account") => Predicate::Account(value),
        Some("request") => Predicate::Request(value),
        Some(_) => Predicate::Run(value),
    };
    Ok(Some(Term { negated, predicate }))
}

fn one_of<const N: usize>(
    key: &str,
    value: String,
    allowed: [(&str, Predicate); N],
) -> Result<Predicate, QueryError> {
    let names = allowed.each_ref().map(|(name, _)| *name).join(", ");
    let mut allowed = allowed.into_iter();
    let matching = allowed.find(|(name, _)| name.eq_ignore_ascii_case(&value));
    let error = || QueryError::Value {
        key: key.to_owned(),
        allowed: names,
        value,
    };
    matching.map(|(_, predicate)| predicate).ok_or_else(error)
}

/// The start of a day, a time, or an age, in milliseconds since 1970.
fn parse_time(
    key: &str,
    value: String,
    now: Timestamp,
    zone: &TimeZone,
) -> Result<i64, QueryError> {
    let local = || {
        let day = || Some(value.parse::<Date>().ok()?.at(0, 0, 0, 0));
        let time = value.parse::<DateTime>().ok().or_else(day)?;
        Some(time.to_zoned(zone.clone()).ok()?.timestamp())
    };
    match parse_age(&value, now).or_else(local) {
        Some(time) => Ok(time.as_millisecond()),
        None => Err(QueryError::Time {
            key: key.to_owned(),
            value,
        }),
    }
}

/// The time that was, for example, `2h` ago.
fn parse_age(value: &str, now: Timestamp) -> Option<Timestamp> {
    let (number, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    let number: i64 = number.parse().ok()?;
    let minutes = number.checked_mul(match unit {
        "m" => 1,
        "h" => 60,
        "d" => 24 * 60,
        "w" => 7 * 24 * 60,
        _ => return None,
    })?;
    now.checked_sub(Span::new().try_minutes(minutes).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_795_515_630, 0);

    fn parsed(text: &str) -> Query {
        Query::parse(text, NOW, &TimeZone::UTC).expect("a query")
    }

    #[test]
    fn times_are_days_times_or_ages() {
        let at = |text: &str| match &parsed(text).terms[0].predicate {
            Predicate::Before(at) | Predicate::From(at) => *at,
            other => panic!("{other:?}"),
        };
        assert_eq!(at("before:2026-11-24"), 1_795_478_400_000);
        assert_eq!(at("after:2026-11-24T10:30"), 1_795_516_200_000);
        assert_eq!(at("after:2h"), NOW.as_millisecond() - 7_200_000);
        assert_eq!(at("after:7d"), NOW.as_millisecond() - 7 * 86_400_000);
        for invalid in [
            "before:soon",
            "after:1y",
            "before:9999999999999999999d",
            "after:é",
            "before:99999999999h",
        ] {
            let query = Query::parse(invalid, NOW, &TimeZone::UTC);
            assert!(query.is_err(), "{invalid}");
        }
    }

    #[test]
    fn invalid_values_and_long_searches_are_errors() {
        for (invalid, message) in [
            ("is:big", "is: must be one of unread, read"),
            ("status:sent", "status: must be one of"),
            ("has:x", "has: must be one of attachment"),
        ] {
            let error = Query::parse(invalid, NOW, &TimeZone::UTC).expect_err("an error");
            assert!(error.to_string().starts_with(message), "{error}");
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
