//! A stand-alone gateway in its own process.

use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::http::Site;
use super::run::{Run, Running};

/// How long the word index may take.
const LIMIT: Duration = Duration::from_secs(30);

/// A gateway with its own folder.
pub struct Gateway {
    pub site: Site,
    pub running: Running,
    _data: TempDir,
}

/// The fields that every request has.
pub const BASE: [(&str, &str); 3] = [
    ("smtp_account", "1.acme.smtp"),
    ("from", "news@acme.example"),
    ("subject", "Hello"),
];

impl Gateway {
    pub fn start() -> Self {
        let data = TempDir::new().expect("a folder");
        let running = Run::new("gateway")
            .args(["--listen", "127.0.0.1:0", "--data"])
            .arg(data.path())
            .spawn();
        Self {
            site: Site::of(&running.first_line()),
            running,
            _data: data,
        }
    }

    /// Posts [`BASE`] with added or replaced fields.
    pub fn sendmail(&self, fields: &[(&str, &str)]) -> Value {
        self.post("sendmail", fields)
    }

    /// Posts to an action, which must answer 200.
    #[track_caller]
    pub fn post(&self, action: &str, fields: &[(&str, &str)]) -> Value {
        let is_replaced = |name| fields.iter().any(|(other, _)| *other == name);
        let base = BASE.into_iter().filter(|(name, _)| !is_replaced(*name));
        let all: Vec<_> = base.chain(fields.iter().copied()).collect();
        self.site.post(action, &all).code(200).json()
    }

    /// The messages that match a search, newest first.
    #[track_caller]
    pub fn list(&self, query: &str) -> Vec<Value> {
        let query: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
        let page = self
            .site
            .get(&format!("/inbox/messages?q={query}"))
            .code(200)
            .json();
        page["messages"].as_array().expect("messages").clone()
    }

    /// The subjects of the messages that match a search, newest first.
    #[track_caller]
    pub fn subjects(&self, query: &str) -> Vec<String> {
        let subject = |message: &Value| message["subject"].as_str().expect("a subject").to_owned();
        self.list(query).iter().map(subject).collect()
    }

    /// Waits until all messages are in the word index.
    pub fn indexed(&self) -> &Self {
        let all = self.list("").len();
        let begun = Instant::now();
        while self.list("from:acme").len() < all {
            assert!(begun.elapsed() < LIMIT, "the index does not catch up");
            std::thread::sleep(Duration::from_millis(10));
        }
        self
    }

    /// The path of the newest message, such as `/inbox/m/0123…`.
    pub fn newest(&self) -> String {
        format!(
            "/inbox/m/{}",
            self.list("")[0]["uid"].as_str().expect("a UID")
        )
    }
}
