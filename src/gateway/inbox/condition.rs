//! A search as SQL, with parameters.

use rusqlite::types::Value;

use super::query::{Predicate, Query, Term, TextField};
use crate::gateway::store::{EVERY_MESSAGE, fold_for_search};

/// A condition on rows of `message`.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Condition {
    /// The query of the word index (FTS5), if it is needed.
    pub(super) words: Option<String>,
    /// The negated phrases of that query.
    excluded: Vec<String>,
    /// The earliest `created_at`, inclusive.
    pub(super) after: Option<i64>,
    /// The latest `created_at`, exclusive.
    pub(super) before: Option<i64>,
    /// ` AND …` for everything else, or nothing.
    pub(super) and: String,
    /// The values of the `?` in `and`.
    pub(super) values: Vec<Value>,
}

impl From<&Query> for Condition {
    fn from(query: &Query) -> Self {
        let mut condition = Self::default();
        for Term { negated, predicate } in &query.terms {
            condition.add(*negated, predicate);
        }
        condition.exclude_words();
        condition
    }
}

impl Condition {
    fn add(&mut self, negated: bool, predicate: &Predicate) {
        match predicate {
            Predicate::Words {
                field,
                words,
                prefix,
            } => match phrase(field.column(), words, *prefix) {
                Some(phrase) => self.add_phrase(negated, phrase),
                None => self.add_sql(negated, &contains(*field), [words.as_str()]),
            },
            Predicate::Tag { tag, prefix } => self.add_tag(negated, tag, *prefix),
            Predicate::Before(at) if negated => self.after = self.after.max(Some(*at)),
            Predicate::Before(at) => {
                self.before = Some(self.before.map_or(*at, |before| before.min(*at)));
            }
            Predicate::From(at) => self.add(!negated, &Predicate::Before(*at)),
            Predicate::Attachment if negated => {
                self.add_sql(false, "message.has_attachment = 0", []);
            }
            Predicate::Attachment => self.add_phrase(false, "flags : attachment".to_owned()),
            Predicate::Unread(unread) if *unread == negated => {
                self.add_sql(false, "message.unread = 0", []);
            }
            Predicate::Unread(_) => self.add_sql(false, "message.unread = 1", []),
            Predicate::Status(status) => self.add_sql(negated, "message.status = ?", [*status]),
            Predicate::Id(id) => self.add_sql(negated, "message.message_id = ?", [id.as_str()]),
            Predicate::Account(account) => {
                self.add_sql(negated, "message.account = ?", [account.as_str()]);
            }
            Predicate::Request(id) => {
                let requests =
                    "coalesce(message.request, 0) IN (SELECT id FROM request WHERE req_id = ?)";
                self.add_sql(negated, requests, [id.as_str()]);
            }
            // The message IDs of a run are its name, a dot and a number. `/` follows the dot in ASCII.
            Predicate::Run(run) => {
                let range = [format!("{run}."), format!("{run}/")];
                let within = "(message.message_id >= ? AND message.message_id < ?)";
                self.add_sql(negated, within, range.iter().map(String::as_str));
            }
        }
    }

    fn add_sql<'a>(&mut self, negated: bool, sql: &str, values: impl IntoIterator<Item = &'a str>) {
        let not = if negated { "NOT " } else { "" };
        self.and += &format!(" AND {not}{sql}");
        let values = values.into_iter().map(|value| value.to_owned().into());
        self.values.extend(values);
    }

    fn add_phrase(&mut self, negated: bool, phrase: String) {
        if negated {
            return self.excluded.push(phrase);
        }
        let words = self.words.get_or_insert_default();
        if !words.is_empty() {
            words.push_str(" AND ");
        }
        words.push_str(&phrase);
    }

    /// Adds the negated phrases to the index query. The index merges both lists in the order of the
    /// messages, without reading a message.
    fn exclude_words(&mut self) {
        if self.excluded.is_empty() {
            return;
        }
        let words = self.words.take();
        let words = words.unwrap_or_else(|| format!("flags : \"{EVERY_MESSAGE}\""));
        let excluded = std::mem::take(&mut self.excluded).join(" OR ");
        self.words = Some(format!("({words}) NOT ({excluded})"));
    }

    fn add_tag(&mut self, negated: bool, tag: &str, prefix: bool) {
        // The index is fast but does not know where a tag ends, so SQL checks its results.
        if !negated && let Some(phrase) = phrase(Some("tags"), tag, prefix) {
            self.add_phrase(false, phrase);
        }
        let matches = if prefix {
            "substr(lower(value), 1, length(lower(?))) = lower(?)"
        } else {
            "lower(value) = lower(?)"
        };
        let exists = format!("EXISTS (SELECT 1 FROM json_each(message.tags) WHERE {matches})");
        let values = std::iter::repeat_n(tag, 1 + usize::from(prefix));
        self.add_sql(negated, &exists, values);
    }
}

/// An FTS5 phrase, or `None` without a letter or a digit: the index ignores all other characters.
fn phrase(column: Option<&str>, words: &str, prefix: bool) -> Option<String> {
    if !words.contains(is_indexed) {
        return None;
    }
    let column = column
        .map(|column| format!("{column} : "))
        .unwrap_or_default();
    let quoted = fold_for_search(words).replace('"', "\"\"");
    let star = if prefix { " *" } else { "" };
    Some(format!("{column}\"{quoted}\"{star}"))
}

/// Whether the index treats a character as part of a word. It ignores letters in circles and squares,
/// although they are alphabetic in Unicode.
fn is_indexed(c: char) -> bool {
    let enclosed = matches!(c, '\u{24b6}'..='\u{24e9}' | '\u{1f130}'..='\u{1f189}');
    c.is_alphanumeric() && !enclosed
}

/// SQL for: a field contains `?` literally. Of the text, only the start in the list is searched.
fn contains(field: TextField) -> String {
    const SENDER: &str = "message.from_address || char(10) || message.from_name";
    const RECIPIENT: &str = "message.to_address || char(10) || message.to_name";
    const TAGS: &str =
        "coalesce((SELECT group_concat(value, char(10)) FROM json_each(message.tags)), '')";
    let texts: &[&str] = match field {
        TextField::Sender => &[SENDER],
        TextField::Recipient => &[RECIPIENT],
        TextField::Subject => &["message.subject"],
        TextField::Text => &["message.snippet"],
        TextField::Any => &[
            SENDER,
            RECIPIENT,
            "message.subject",
            "message.snippet",
            TAGS,
        ],
    };
    format!("instr({}, ?) > 0", texts.join(" || char(10) || "))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use super::super::query::quoted;
    use super::*;

    fn sql(text: &str) -> Condition {
        let query = Query::parse(text, Timestamp::UNIX_EPOCH, &TimeZone::UTC);
        Condition::from(&query.expect("a query"))
    }

    fn words(text: &str) -> String {
        sql(text).words.unwrap_or_default()
    }

    #[test]
    fn words_are_quoted_for_the_index() {
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
    fn other_terms_become_sql_with_parameters() {
        let condition = sql("-has:attachment -is:unread status:OK after:1970-01-01");
        assert_eq!((condition.words, condition.before), (None, None));
        assert_eq!(condition.after, Some(0));
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
            let condition = sql(text);
            assert_eq!(
                condition.and.matches('?').count(),
                condition.values.len(),
                "{text}"
            );
        }
    }

    #[test]
    fn text_without_a_letter_is_searched_literally() {
        for (text, column) in [
            ("subject:🎉", "message.subject"),
            ("to:@", "to_address"),
            ("from:\"...\"", "from_name"),
            ("text:%", "snippet"),
            ("🅰", "tags"),
        ] {
            let condition = sql(text);
            assert_eq!(condition.words, None, "{text}");
            assert!(condition.and.contains(column), "{}", condition.and);
            assert_eq!(condition.values.len(), 1, "{text}");
        }
        assert!(sql("-🎉").and.starts_with(" AND NOT instr("));
    }
}
