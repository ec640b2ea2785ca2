//! The search index, after it has caught up with the messages.

use std::path::Path;

use rusqlite::Connection;

use super::{NewMessage, Store, insert_message};

/// A store with a message for each subject. The IDs start at 1.
fn test_store(dir: &Path, subjects: &[&str]) -> Store {
    let store = Store::open(dir).expect("a store");
    for (at, subject) in subjects.iter().enumerate() {
        let message = NewMessage {
            head: b"Content-Type: text/html\r\n\r\n<p>Zielony <b>stolik</b></p>".to_vec(),
            uid: at.to_string(),
            to_address: format!("jan{at}@example.com"),
            subject: (*subject).to_owned(),
            tags: r#"["autumn 2026"]"#.to_owned(),
            has_attachment: at == 0,
            ..NewMessage::default()
        };
        let inserted = store.write_blocking(move |connection| insert_message(connection, &message));
        assert_eq!(inserted.expect("written"), at as i64 + 1);
    }
    let newest = subjects.len() as i64;
    while store.read(indexed).expect("read") < newest {
        std::thread::yield_now();
    }
    store
}

fn indexed(connection: &Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT coalesce(max(id), 0) FROM idx.words_docsize";
    connection.query_row(sql, [], |row| row.get(0))
}

/// The messages that match an FTS5 query.
fn search(store: &Store, words: &'static str) -> Vec<i64> {
    let ids = store.read(move |connection| {
        let mut select = connection.prepare(
            "SELECT message.id FROM idx.words JOIN message ON message.id = words.rowid
             WHERE words MATCH ? ORDER BY message.id",
        )?;
        select.query_map([words], |row| row.get(0))?.collect()
    });
    ids.expect("read")
}

#[test]
fn words_are_found_in_their_columns() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = test_store(dir.path(), &["Zażółć gęślą", "Hello", "Hello, world"]);
    for (words, ids) in [
        ("HELLO", vec![2, 3]),
        ("hel*", vec![2, 3]),
        ("subject : zazolc", vec![1]),
        ("gesla", vec![1]),
        ("\"zielony stolik\"", vec![1, 2, 3]),
        ("sender : stolik", vec![]),
        ("recipient : \"jan2@example.com\"", vec![3]),
        ("tags : autumn", vec![1, 2, 3]),
        ("flags : attachment", vec![1]),
        ("flags : \u{e000}", vec![1, 2, 3]),
        ("(flags : \u{e000}) NOT (world OR attachment)", vec![2]),
    ] {
        assert_eq!(search(&store, words), ids, "{words}");
    }
}

#[test]
fn deleted_messages_are_not_found_and_a_damaged_index_is_rebuilt() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = test_store(dir.path(), &["Hello", "Hello"]);
    let deleted = store
        .write_blocking(|connection| connection.execute("DELETE FROM message WHERE id = 2", []));
    assert_eq!(deleted.expect("written"), 1);
    assert_eq!(search(&store, "hello"), [1]);
    drop(store);
    std::fs::write(dir.path().join("words.db"), "not a database").expect("a file");
    let store = test_store(dir.path(), &[]);
    while search(&store, "hello") != [1] {
        std::thread::yield_now();
    }
}
