//! What mailrun promises of every run, held against the server's own ledger.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::fake_api::{FakeApi, Taken};
use super::results::Results;

/// The statuses that a row may have when nobody works on its run.
const STATUSES: [&str; 7] = [
    "pending", "accepted", "rejected", "failed", "unknown", "invalid", "skipped",
];

/// A run's results beside what the server took.
#[derive(Debug, Default)]
pub struct Promises {
    /// The rows in the results.
    pub rows: usize,
    /// The messages that the server took.
    pub taken: usize,
    /// The rows that are `accepted`.
    pub accepted: usize,
    /// The rows that are `unknown`.
    pub unknown: usize,
    broken: Vec<String>,
}

impl Promises {
    /// Compares the two, once the server has nothing in its hands any more. Every address is in the
    /// recipients once.
    pub fn of(results: &Results, api: &FakeApi) -> Self {
        let limit = Instant::now() + Duration::from_secs(20);
        while api.in_flight() > 0 && Instant::now() < limit {
            std::thread::sleep(Duration::from_millis(1));
        }
        Self::between(results, &api.taken())
    }

    /// Compares results with what was taken, by whomever.
    pub fn between(results: &Results, taken: &[Taken]) -> Self {
        let mut promises = Self::default();
        promises.each_row_has_a_status(results);
        promises.nobody_twice_or_in_secret(results, taken);
        promises
    }

    /// What does not hold, each in a line.
    pub fn broken(&self) -> &[String] {
        &self.broken
    }

    /// Asserts that all holds.
    #[track_caller]
    pub fn hold(&self) -> &Self {
        assert!(self.broken.is_empty(), "{}", self.broken.join("\n"));
        self
    }

    fn each_row_has_a_status(&mut self, results: &Results) {
        self.rows = results.rows.len();
        self.accepted = results.count("accepted");
        self.unknown = results.count("unknown");
        for (n, row) in results.rows.iter().enumerate() {
            if row["row"] != (n + 1).to_string() {
                self.breaks(format!("line {} has the row {}", n + 1, row["row"]));
            }
            if !STATUSES.contains(&row["status"].as_str()) {
                self.breaks(format!("row {} is {:?}", n + 1, row["status"]));
            }
        }
    }

    fn nobody_twice_or_in_secret(&mut self, results: &Results, taken: &[Taken]) {
        self.taken = taken.len();
        let mut left: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for message in taken {
            let ids = left.entry(&message.address).or_default();
            ids.push(&message.message_id);
        }
        for row in &results.rows {
            let (email, status, id) = (&row["email"], &*row["status"], &*row["message_id"]);
            let got = left.remove(email.as_str()).unwrap_or_default();
            if got.len() > 1 && row["possible_duplicate"] != "true" {
                self.breaks(format!("{email} got {} messages", got.len()));
            }
            match status {
                "accepted" if !got.contains(&id) => {
                    self.breaks(format!("{email} is accepted as {id:?}; taken: {got:?}"));
                }
                "accepted" | "unknown" => {}
                _ if got.is_empty() => {}
                _ => self.breaks(format!("{email} is {status}; taken: {got:?}")),
            }
        }
        for email in left.into_keys() {
            self.breaks(format!("{email} got a message and is not in the results"));
        }
    }

    fn breaks(&mut self, what: String) {
        self.broken.push(what);
    }
}
