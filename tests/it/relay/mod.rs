//! The relay of a gateway: every message answered 200 reaches the SMTP server at least once.

mod config;
mod connections;
mod kills;
mod postfix;
mod scripted;
mod smtp;
mod trouble;
mod waiting;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use crate::support::run::{Run, Running};

/// The account that requests use.
const ACCOUNT: &str = "1.acme.smtp";
/// Retries fast enough for a test.
const QUICK: &str = "retry_delay = \"40ms\"\nmax_delay = \"200ms\"\n";

/// A gateway that relays.
struct Gateway {
    running: Running,
    address: SocketAddr,
}

/// The section of an account in `gateway.toml`.
fn account(url: &str, more: &str) -> String {
    format!("[accounts.\"{ACCOUNT}\"]\nrelay = \"{url}\"\n{more}")
}

/// `mailrun gateway` with this `gateway.toml`; its data is in the same folder.
fn command(folder: &Path, config: &str) -> Run {
    let path = folder.join("gateway.toml");
    fs::write(&path, config).expect("a file");
    let data = folder.join("data");
    Run::new("gateway")
        .arg("--config")
        .arg(path)
        .arg("--data")
        .arg(data)
        .args(["--listen", "127.0.0.1:0"])
        .arg("-v")
}

impl Gateway {
    fn start(folder: &Path, config: &str) -> Self {
        Self::of(command(folder, config))
    }

    fn of(command: Run) -> Self {
        let running = command.spawn();
        let line = running.first_line();
        let address = line
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .parse();
        Self {
            address: address.expect("an address on the first line"),
            running,
        }
    }

    /// Posts a form; `None` without a complete response.
    fn try_post(&self, fields: &[(&str, &str)]) -> Option<(u16, Value)> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        let body = form.finish();
        let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
        self.ask("POST /api/new_sendmail", kind, &body)
    }

    fn ask(&self, line: &str, headers: &str, body: &str) -> Option<(u16, Value)> {
        let request = format!(
            "{line} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.write_all(request.as_bytes()).ok()?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).ok()?;
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut head = httparse::Response::new(&mut headers);
        let length = head.parse(&bytes).ok()?;
        if length.is_partial() {
            return None;
        }
        let json = serde_json::from_slice(&bytes[length.unwrap()..]).ok()?;
        Some((head.code?, json))
    }

    /// The rows of a list of the API.
    #[track_caller]
    fn list(&self, path: &str) -> Vec<Value> {
        let (status, answer) = self
            .ask(&format!("GET /api/{path}"), "", "")
            .expect("an answer");
        assert_eq!(status, 200, "{answer}");
        answer["data"].as_array().expect("rows").clone()
    }

    fn post(&self, fields: &[(&str, &str)]) -> (u16, Value) {
        self.try_post(fields).expect("an answer")
    }

    /// Posts a message to an address, with added or replaced fields.
    #[track_caller]
    fn send(&self, to: &str, fields: &[(&str, &str)]) {
        let (status, answer) = self.post(&message(to, fields));
        assert_eq!(status, 200, "{answer}");
    }

    /// Waits until the log has a text.
    fn wait_for_log(&self, text: &str) {
        self.running
            .wait_until(text, |running| running.stderr().contains(text));
    }
}

/// The fields of a message to one address, with added or replaced fields.
fn message<'a>(to: &'a str, fields: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let base = [
        ("to[0]", to),
        ("smtp_account", ACCOUNT),
        ("from", "news@acme.example"),
        ("subject", "Hello"),
        ("text", "Hello,\r\n.\r\n..that is all\r\n"),
    ];
    let is_new = |name| !fields.iter().any(|(other, _)| *other == name);
    let unchanged = base.into_iter().filter(|(name, _)| is_new(*name));
    unchanged.chain(fields.iter().copied()).collect()
}

/// The rows of a query on the gateway's database, each row's columns joined by `|`.
fn rows(folder: &Path, sql: &str) -> Vec<String> {
    let path = folder.join("data/gateway.db");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).expect("a database");
    connection
        .busy_timeout(Duration::from_secs(10))
        .expect("a timeout");
    let mut select = connection.prepare(sql).expect("a query");
    let columns = select.column_count();
    let text = |value: rusqlite::types::Value| match value {
        rusqlite::types::Value::Text(text) => text,
        rusqlite::types::Value::Integer(number) => number.to_string(),
        rusqlite::types::Value::Blob(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        other => format!("{other:?}"),
    };
    let row = |row: &rusqlite::Row<'_>| {
        let values = (0..columns).map(|column| row.get(column).map(text));
        Ok(values.collect::<rusqlite::Result<Vec<_>>>()?.join("|"))
    };
    let rows = select.query_map([], row).expect("rows");
    rows.map(|row| row.expect("a row")).collect()
}

/// Waits until a query returns these rows.
#[track_caller]
fn wait_for_rows(folder: &Path, sql: &str, expected: &[&str]) {
    let limit = Instant::now() + Duration::from_secs(30);
    loop {
        let actual = rows(folder, sql);
        if actual == expected {
            return;
        }
        assert!(
            Instant::now() < limit,
            "{sql}\n{actual:#?}\ninstead of {expected:#?}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

const STATUSES: &str = "SELECT to_address, status FROM message ORDER BY id";
/// The events after the message was queued.
const EVENTS: &str =
    "SELECT kind, iif(copy IS NULL, '', 'copy to ' || copy || ': ') || description FROM event
    WHERE kind <> 'injected' ORDER BY id";
const QUEUE: &str = "SELECT recipient, state, attempts FROM queue ORDER BY id";
