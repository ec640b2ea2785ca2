//! The search: messages by their words, newest first.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::Summary;

/// What is looked for; everything in it must hold. Words are matched without case and accents, from
/// their beginning: `autu` finds “Autumn”. Several words in one text must follow each other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    /// Words anywhere in a message.
    pub text: Vec<String>,
    /// Words of the sender's address or name.
    pub from: Vec<String>,
    /// Words of the recipient's address or name.
    pub to: Vec<String>,
    /// Words of the subject.
    pub subject: Vec<String>,
    /// Words of a tag.
    pub tags: Vec<String>,
    /// It came at this time or later.
    pub after: Option<Timestamp>,
    /// It came before this time.
    pub before: Option<Timestamp>,
    /// It has an attachment.
    pub has_attachment: bool,
}

/// The newest messages that a query finds, of those with an ID below `before_id`; the newest first.
///
/// A message is found a moment after it was taken: as soon as its words are indexed. By its time alone it
/// is found at once.
///
/// # Errors
/// What SQLite says.
pub fn find(
    connection: &Connection,
    query: &Query,
    before_id: Option<i64>,
    limit: u32,
) -> rusqlite::Result<Vec<Summary>> {
    let (mut first, mut end) = (0, before_id.unwrap_or(i64::MAX));
    let (after, before) = (
        millis(query.after, i64::MIN),
        millis(query.before, i64::MAX),
    );
    if query.after.is_some() || query.before.is_some() {
        match ids_between(connection, after, before)? {
            Some((least, greatest)) => (first, end) = (least, end.min(greatest.saturating_add(1))),
            None => return Ok(Vec::new()),
        }
    }
    let words = query.words();
    let source = if words.is_empty() {
        "message WHERE ?1 = '' AND message.id"
    } else {
        // The index is the outer loop: it gives the newest first.
        "idx.words CROSS JOIN message ON message.id = words.rowid
         WHERE words MATCH ?1 AND words.rowid"
    };
    let sql = format!(
        "SELECT {} FROM {source} BETWEEN ?2 AND ?3
         AND message.created_at >= ?4 AND message.created_at < ?5
         ORDER BY {} DESC LIMIT ?6",
        Summary::COLUMNS,
        if words.is_empty() {
            "message.id"
        } else {
            "words.rowid"
        },
    );
    let mut select = connection.prepare_cached(&sql)?;
    let last = end.saturating_sub(1);
    let rows = select.query_map(
        params![words, first, last, after, before, limit],
        Summary::from_row,
    )?;
    rows.collect()
}

fn millis(time: Option<Timestamp>, default: i64) -> i64 {
    time.map_or(default, Timestamp::as_millisecond)
}

/// The least and the greatest ID of the messages of a time.
fn ids_between(
    connection: &Connection,
    after: i64,
    before: i64,
) -> rusqlite::Result<Option<(i64, i64)>> {
    let mut select = connection.prepare_cached(
        "SELECT min(id), max(id) FROM message INDEXED BY message_created
         WHERE created_at >= ? AND created_at < ?",
    )?;
    select.query_row([after, before], |row| {
        let ids: (Option<i64>, Option<i64>) = (row.get(0)?, row.get(1)?);
        Ok(ids.0.zip(ids.1))
    })
}

impl Query {
    /// The query in the language of FTS5; nothing when it asks for no words.
    fn words(&self) -> String {
        let fields = [
            ("", &self.text),
            ("sender : ", &self.from),
            ("recipient : ", &self.to),
            ("subject : ", &self.subject),
            ("tags : ", &self.tags),
        ];
        let texts = fields
            .into_iter()
            .flat_map(|(column, texts)| texts.iter().map(move |text| (column, text)));
        // Of a text without a letter or a digit the index knows nothing.
        let texts = texts.filter(|(_, text)| text.contains(char::is_alphanumeric));
        let mut terms: Vec<String> = texts
            .map(|(column, text)| format!("{column}\"{}\" *", folded(text).replace('"', "\"\"")))
            .collect();
        if self.has_attachment {
            terms.push("flags : attachment".to_owned());
        }
        terms.join(" AND ")
    }
}

/// The text with the letter that the index does not take for the accented one that it is to Poles.
pub(in crate::gateway) fn folded(text: &str) -> String {
    text.replace('ł', "l").replace('Ł', "L")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::store::{NewMessage, Store, insert_message};

    #[test]
    fn nothing_in_a_text_is_taken_for_the_language_of_the_index() {
        let query = Query {
            text: vec!["a\" OR b*".to_owned(), "…".to_owned()],
            from: vec!["news@acme.example".to_owned()],
            has_attachment: true,
            ..Query::default()
        };
        assert_eq!(
            query.words(),
            r#""a"" OR b*" * AND sender : "news@acme.example" * AND flags : attachment"#
        );
        assert_eq!(Query::default().words(), "");
    }

    /// A store with messages from 1 on, of the subjects.
    fn store(dir: &std::path::Path, subjects: &[&str]) -> Store {
        let store = Store::open(dir).expect("a store");
        for (at, subject) in subjects.iter().enumerate() {
            let message = NewMessage {
                head: b"Content-Type: text/html\r\n\r\n<p>Zielony <b>stolik</b></p>".to_vec(),
                uid: at.to_string(),
                to_address: format!("jan{at}@example.com"),
                subject: (*subject).to_owned(),
                tags: r#"["autumn 2026"]"#.to_owned(),
                created_at: at_second(at),
                has_attachment: at == 0,
                ..NewMessage::default()
            };
            let inserted =
                store.write_blocking(move |connection| insert_message(connection, &message));
            assert_eq!(inserted.expect("written"), at as i64 + 1);
        }
        while store.read(indexed).expect("read") < subjects.len() as i64 {
            std::thread::yield_now();
        }
        store
    }

    fn indexed(connection: &Connection) -> rusqlite::Result<i64> {
        let sql = "SELECT coalesce(max(id), 0) FROM idx.words_docsize";
        connection.query_row(sql, [], |row| row.get(0))
    }

    fn at_second(second: usize) -> Timestamp {
        Timestamp::from_second(second as i64).expect("a time")
    }

    fn ids(store: &Store, query: &Query, before_id: Option<i64>, limit: u32) -> Vec<i64> {
        let found = store.read(|connection| find(connection, query, before_id, limit));
        let found = found.expect("read");
        found.iter().map(|summary| summary.id).collect()
    }

    fn words(text: &str) -> Vec<String> {
        vec![text.to_owned()]
    }

    #[test]
    fn finds_the_newest_by_words_times_and_attachments() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = store(
            dir.path(),
            &["Zażółć gęślą", "Hello", "Hello, world", "Other"],
        );
        let query = |change: &dyn Fn(&mut Query)| {
            let mut query = Query::default();
            change(&mut query);
            query
        };
        let all = Query::default();
        assert_eq!(ids(&store, &all, None, 9), [4, 3, 2, 1]);
        assert_eq!(ids(&store, &all, Some(4), 2), [3, 2]);
        let hello = query(&|query| query.text = words("HELL"));
        assert_eq!(ids(&store, &hello, None, 9), [3, 2]);
        assert_eq!(ids(&store, &hello, Some(3), 9), [2]);
        assert_eq!(ids(&store, &hello, None, 1), [3]);
        let accents = query(&|query| query.subject = words("zazolc"));
        assert_eq!(ids(&store, &accents, None, 9), [1]);
        let accents = query(&|query| query.subject = words("gesla"));
        assert_eq!(ids(&store, &accents, None, 9), [1]);
        let body = query(&|query| query.text = words("zielony stolik"));
        assert_eq!(ids(&store, &body, None, 2), [4, 3]);
        assert_eq!(
            ids(
                &store,
                &query(&|query| query.from = words("stolik")),
                None,
                9
            ),
            [0; 0]
        );
        let to = query(&|query| query.to = words("jan2@example.com"));
        assert_eq!(ids(&store, &to, None, 9), [3]);
        assert_eq!(
            ids(
                &store,
                &query(&|query| query.tags = words("autumn")),
                None,
                1
            ),
            [4]
        );
        assert_eq!(
            ids(
                &store,
                &query(&|query| query.has_attachment = true),
                None,
                9
            ),
            [1]
        );
        let times = query(&|query| {
            query.after = Some(at_second(1));
            query.before = Some(at_second(3));
        });
        assert_eq!(ids(&store, &times, None, 9), [3, 2]);
        let both = Query {
            text: words("world"),
            ..times
        };
        assert_eq!(ids(&store, &both, None, 9), [3]);
    }

    #[test]
    fn what_is_gone_is_not_found_and_what_is_not_indexed_is_made_up_for() {
        let dir = tempfile::tempdir().expect("a folder");
        let kept = store(dir.path(), &["Hello", "Hello"]);
        let gone = kept.write_blocking(|connection| {
            connection.execute("DELETE FROM message WHERE id = 2", [])
        });
        assert_eq!(gone.expect("written"), 1);
        let hello = Query {
            text: words("hello"),
            ..Query::default()
        };
        assert_eq!(ids(&kept, &hello, None, 9), [1]);
        drop(kept);
        std::fs::write(dir.path().join("words.db"), "this is no database at all").expect("a file");
        let kept = store(dir.path(), &[]);
        while ids(&kept, &hello, None, 9) != [1] {
            std::thread::yield_now();
        }
    }
}
