//! A search as SQL, with parameters.

use rusqlite::types::Value;

use super::query::{Is, Place, Query, Term};
use crate::gateway::store::{EVERY_MESSAGE, fold_for_search};

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

impl From<&Query> for Condition {
    fn from(query: &Query) -> Self {
        let mut condition = Self::default();
        for Term { not, is } in &query.terms {
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
                place,
                words,
                begins,
            } => match phrase(place.column(), words, *begins) {
                Some(phrase) => self.words(not, phrase),
                None => self.plain(not, &stands_in(*place), [words.as_str()]),
            },
            Is::Tag { tag, begins } => self.tag(not, tag, *begins),
            Is::Before(at) if not => self.after = self.after.max(Some(*at)),
            Is::Before(at) => self.before = Some(self.before.map_or(*at, |before| before.min(*at))),
            Is::From(at) if not => self.add(false, &Is::Before(*at)),
            Is::From(at) => self.add(true, &Is::Before(*at)),
            Is::Attachment if not => self.plain(false, "message.has_attachment = 0", []),
            Is::Attachment => self.words(false, "flags : attachment".to_owned()),
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

    fn words(&mut self, not: bool, phrase: String) {
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
        let words = words.unwrap_or_else(|| format!("flags : \"{EVERY_MESSAGE}\""));
        let without = std::mem::take(&mut self.without).join(" OR ");
        Some(format!("({words}) NOT ({without})"))
    }

    fn tag(&mut self, not: bool, tag: &str, begins: bool) {
        // The index is quick, but does not know where a tag ends.
        let phrase = phrase(Some("tags"), tag, begins).filter(|_| !not);
        if let Some(phrase) = phrase {
            self.words(false, phrase);
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

/// A phrase as the index's language has it; none without a letter or a digit, of which the index knows
/// nothing.
fn phrase(column: Option<&str>, words: &str, begins: bool) -> Option<String> {
    if !words.contains(is_of_a_word) {
        return None;
    }
    let column = column
        .map(|column| format!("{column} : "))
        .unwrap_or_default();
    let quoted = fold_for_search(words).replace('"', "\"\"");
    let star = if begins { " *" } else { "" };
    Some(format!("{column}\"{quoted}\"{star}"))
}

/// Whether the index takes it for a part of a word: letters in circles and squares it does not, though
/// they are alphabetic.
fn is_of_a_word(c: char) -> bool {
    let framed = matches!(c, '\u{24b6}'..='\u{24e9}' | '\u{1f130}'..='\u{1f189}');
    c.is_alphanumeric() && !framed
}

/// Whether `?` stands in a place, character for character. Of the text it is only how that begins.
fn stands_in(place: Place) -> String {
    let sender = "message.from_address || char(10) || message.from_name";
    let recipient = "message.to_address || char(10) || message.to_name";
    let texts = match place {
        Place::Sender => sender.to_owned(),
        Place::Recipient => recipient.to_owned(),
        Place::Subject => "message.subject".to_owned(),
        Place::Text => "message.snippet".to_owned(),
        Place::Anywhere => {
            let tags =
                "coalesce((SELECT group_concat(value, char(10)) FROM json_each(message.tags)), '')";
            [
                sender,
                recipient,
                "message.subject",
                "message.snippet",
                tags,
            ]
            .join(" || char(10) || ")
        }
    };
    format!("instr({texts}, ?) > 0")
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
    fn what_has_no_word_is_looked_for_as_it_stands() {
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
