//! The guarantees of a run, checked by counting at both ends: the rows of the results against what
//! the server took.
//!
//! 1. Every row of the input is in the results once, in one status, and the sums match.
//! 2. No row is taken twice, unless the user asked to send it again.
//! 3. Every row that the server took is `accepted` or `unknown`.
//! 4. Every `accepted` row was taken by the server, under that ID.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::campaign::Campaign;
use super::fake_api::{FakeApi, Request, Taken};
use super::results::Results;
use super::run::Run;

/// The statuses in which a row can end, and those from which it can continue.
const FINAL: &[&str] = &[
    "accepted", "rejected", "failed", "unknown", "invalid", "skipped",
];
const OPEN: &[&str] = &["pending"];
/// The rows that may have been taken.
const MAY_BE_TAKEN: &[&str] = &["accepted", "unknown"];
/// How many broken guarantees a failure shows.
const SHOWN: usize = 20;

/// Both ends of a run.
pub struct Promises<'a> {
    /// The beginning of a failure message, such as the seed.
    pub label: String,
    /// The addresses of the input as written, row by row, if they are compared.
    pub input: Option<Vec<String>>,
    /// The results.
    pub results: Results,
    /// How many rows have each status according to the program, if that is compared.
    pub counts: Option<BTreeMap<String, usize>>,
    /// What the servers took, all together.
    pub taken: Vec<Taken>,
    /// The requests that it read.
    pub requests: Vec<Arc<Request>>,
    /// Describes what the server did with a request.
    pub fault: &'a dyn Fn(usize) -> String,
    /// Whether every row must have ended; otherwise some may be pending.
    pub ended: bool,
}

impl<'a> Promises<'a> {
    /// Both ends of a run that has ended, with `campaign` as its input and one server.
    pub fn of(label: impl Into<String>, campaign: &Campaign, run: &Path, api: &FakeApi) -> Self {
        Self {
            label: label.into(),
            input: Some(input(campaign)),
            counts: Some(counts(run)),
            ended: true,
            ..Self::at(&Results::of(run), api)
        }
    }

    /// Results and what a server took, once it has no request in progress.
    pub fn at(results: &Results, api: &FakeApi) -> Self {
        let limit = Instant::now() + Duration::from_secs(20);
        while api.in_flight() > 0 && Instant::now() < limit {
            std::thread::sleep(Duration::from_millis(1));
        }
        Self {
            requests: api.requests(),
            ..Self::between(results, &api.taken())
        }
    }

    /// Results and what was taken.
    pub fn between(results: &Results, taken: &[Taken]) -> Self {
        Self {
            label: String::new(),
            input: None,
            results: results.clone(),
            counts: None,
            taken: taken.to_vec(),
            requests: Vec::new(),
            fault: &|_| "no fault is known".to_owned(),
            ended: false,
        }
    }

    /// The rows that are `accepted`.
    pub fn accepted(&self) -> usize {
        self.results.count("accepted")
    }

    /// The rows that are `unknown`.
    pub fn unknown(&self) -> usize {
        self.results.count("unknown")
    }

    /// Sets what describes the faults.
    pub fn with_faults(self, fault: &'a dyn Fn(usize) -> String) -> Self {
        Self { fault, ..self }
    }

    /// The run has stopped early: rows may be pending.
    pub fn not_ended(self) -> Self {
        Self {
            ended: false,
            ..self
        }
    }

    /// Panics if a guarantee is broken, with the rows and what happened to them.
    #[track_caller]
    pub fn hold(&self) -> &Self {
        let broken = self.broken();
        assert!(
            broken.is_empty(),
            "{}: {} promises are broken:\n{}",
            self.label,
            broken.len(),
            broken[..broken.len().min(SHOWN)].join("\n")
        );
        self
    }

    /// Describes every broken guarantee.
    pub fn broken(&self) -> Vec<String> {
        let mut broken = self.rows();
        let requests = self.requests_by_address();
        let mut taken: HashMap<&str, Vec<&Taken>> = HashMap::new();
        for one in &self.taken {
            taken.entry(&one.address).or_default().push(one);
        }
        let told = |address: &str| {
            let requests = requests.get(address).map_or(&[][..], Vec::as_slice);
            let told = |n: &usize| format!("request {n}: {}", (self.fault)(*n));
            let told: Vec<_> = requests.iter().map(told).collect();
            format!("[{}]", told.join("; "))
        };
        let row_of = self.row_by_address();
        for (address, times) in &taken {
            match row_of.get(address) {
                None => broken.push(format!("{address} was taken and is no row of the run")),
                Some(row) if row["possible_duplicate"] == "true" => {}
                Some(row) => {
                    if times.len() > 1 {
                        let times = times.len();
                        broken.push(format!(
                            "{} was taken {times} times {}",
                            shown(row),
                            told(address)
                        ));
                    }
                    if !MAY_BE_TAKEN.contains(&&*row["status"]) {
                        broken.push(format!("{} was taken {}", shown(row), told(address)));
                    }
                }
            }
        }
        for row in self.results.with_status("accepted") {
            let times = taken.get(&*row["email"]).map_or(&[][..], Vec::as_slice);
            if times.is_empty() {
                broken.push(format!(
                    "{} was not taken {}",
                    shown(row),
                    told(&row["email"])
                ));
            } else if times.iter().all(|one| one.message_id != row["message_id"]) {
                let (wrong, right) = (&row["message_id"], &times[0].message_id);
                let told = told(&row["email"]);
                broken.push(format!(
                    "{} as {wrong}, taken as {right} {told}",
                    shown(row)
                ));
            }
        }
        broken.sort();
        broken
    }

    /// Checks guarantee 1.
    fn rows(&self) -> Vec<String> {
        let mut broken = self.compare_with_input();
        for (at, row) in self.results.rows.iter().enumerate() {
            let status = &&*row["status"];
            let known = FINAL.contains(status) || !self.ended && OPEN.contains(status);
            if !known || row["row"] != (at + 1).to_string() {
                broken.push(format!(
                    "line {}: {} is no end of a row",
                    at + 1,
                    shown(row)
                ));
            }
        }
        broken.extend(self.compare_counts());
        broken
    }

    fn compare_with_input(&self) -> Vec<String> {
        let emails: Vec<_> = self.results.rows.iter().map(|row| &row["email"]).collect();
        let Some(input) = &self.input else {
            return Vec::new();
        };
        if emails.iter().copied().eq(input) {
            return Vec::new();
        }
        let (wanted, found) = (input.len(), emails.len());
        let missing: Vec<_> = input.iter().filter(|to| !emails.contains(to)).collect();
        vec![format!(
            "the results have {found} rows, not the {wanted} of the input in its order; missing: {missing:?}"
        )]
    }

    fn compare_counts(&self) -> Vec<String> {
        let mut broken = Vec::new();
        let Some(told) = &self.counts else {
            return broken;
        };
        let mut counts: BTreeMap<_, _> = self.results.counts();
        for (status, rows) in told {
            if counts.remove(&**status).unwrap_or(0) != *rows {
                broken.push(format!(
                    "`status` counts {rows} rows {status}, the results don't"
                ));
            }
        }
        if !counts.is_empty() {
            broken.push(format!("the results have {counts:?}, `status` has none"));
        }
        if told.values().sum::<usize>() != self.results.rows.len() {
            let rows = self.results.rows.len();
            broken.push(format!("{told:?} are not {rows} rows"));
        }
        broken
    }

    /// The row by which an address was sent; its duplicates were skipped.
    fn row_by_address(&self) -> HashMap<&str, &BTreeMap<String, String>> {
        let mut rows = HashMap::new();
        for row in &self.results.rows {
            let sent = !matches!(&*row["status"], "skipped" | "invalid");
            if sent || !rows.contains_key(&*row["email"]) {
                rows.insert(&*row["email"], row);
            }
        }
        rows
    }

    fn requests_by_address(&self) -> HashMap<&str, Vec<usize>> {
        let mut requests: HashMap<_, Vec<_>> = HashMap::new();
        for request in &self.requests {
            for address in request.addresses() {
                requests.entry(address).or_default().push(request.n);
            }
        }
        requests
    }
}

fn shown(row: &BTreeMap<String, String>) -> String {
    let (number, email, status) = (&row["row"], &row["email"], &row["status"]);
    format!("row {number}, {email}, {status} ({:?}),", row["error"])
}

/// The addresses in a campaign's recipients.
pub fn input(campaign: &Campaign) -> Vec<String> {
    let mut reader =
        csv::Reader::from_path(campaign.path().join("recipients.csv")).expect("recipients");
    let rows = reader.deserialize::<BTreeMap<String, String>>();
    rows.map(|row| row.expect("good CSV")["email"].clone())
        .collect()
}

/// The counts in `status --format json`.
fn counts(run: &Path) -> BTreeMap<String, usize> {
    let status = Run::new("status").arg(run).args(["--format", "json"]).run();
    counts_of(&status.code(0).stdout)
}

/// The counts in the JSON of a status.
pub fn counts_of(status: &str) -> BTreeMap<String, usize> {
    let status: serde_json::Value = serde_json::from_str(status).expect("JSON");
    serde_json::from_value(status["counts"].clone()).expect("counts")
}
