//! A power failure at any moment of a run: sent rows are never pending, accepted rows stay accepted.
//!
//! The writes and syncs of a real `send` are recorded, with the requests between them. Then its
//! folder is rebuilt as a power failure may leave it, and the real binary reads it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tempfile::TempDir;

use crate::support::campaign::Campaign;
use crate::support::fake_api::{FakeApi, Reply};
use crate::support::power::{Cut, Unsynced, copy_tree, cut_power};
use crate::support::results::Results;
use crate::support::run::Run;
use crate::support::send::{campaign, newsletter, send};
use crate::support::shim::{Event, Post, Shim, posts};

/// The seed of the cuts.
const SEED: u64 = 20_261_124;
const CONCURRENCY: usize = 8;

/// A complete `send`, with everything it did.
struct Recorded {
    api: FakeApi,
    campaign: Campaign,
    /// Its folder, relative to the campaign's.
    run: PathBuf,
    events: Vec<Event>,
    posts: Vec<Post>,
    /// Whether each of the posts was answered with 429.
    put_off: Vec<bool>,
    /// The server's message IDs.
    ids: BTreeMap<String, String>,
    batch: usize,
    /// The number of its rows.
    rows: usize,
}

/// An API that takes a little time, refuses `reject…`, and answers the first request to `busy…` with 429.
fn slow_api() -> FakeApi {
    let seen = Mutex::new(HashSet::new());
    FakeApi::start(move |_, request| {
        let mut seen = seen.lock().expect("no panic while locked");
        let reply = if is_put_off(&request.addresses(), &mut seen) {
            Reply::too_many(Some("0"))
        } else {
            Reply::by_address(request)
        };
        reply.after(Duration::from_millis(4))
    })
}

fn is_put_off(to: &[&str], seen: &mut HashSet<String>) -> bool {
    let busy = to.iter().filter(|address| address.starts_with("busy"));
    let new = busy.filter(|address| seen.insert((**address).to_owned()));
    new.count() > 0
}

/// Every 40th row is refused, and every 50th is first answered with 429.
fn some_bad(rows: usize) -> String {
    (1..=rows).fold("email,first_name\n".to_owned(), |mut csv, n| {
        let name = match n {
            _ if n % 40 == 7 => "reject",
            _ if n % 50 == 11 => "busy",
            _ => "r",
        };
        writeln!(csv, "{name}{n}@one.example,Name {n}").expect("a string takes all");
        csv
    })
}

impl Recorded {
    fn of(shim: &Shim, api: FakeApi, campaign: Campaign, batch: usize, code: i32) -> Self {
        let campaign = campaign
            .set("pace.batch", batch as i64)
            .set("pace.concurrency", CONCURRENCY as i64);
        let root = campaign.path().to_owned();
        let ran = shim.record(send(&campaign), &root).run();
        let run = ran.code(code).run_dir();
        let events = shim.events();
        let posts = posts(&events);
        assert_eq!(
            posts.len(),
            api.requests().len(),
            "every request is recorded"
        );
        let mut seen = HashSet::new();
        let put_off = (posts.iter())
            .map(|post| {
                let to: Vec<&str> = post.to.iter().map(String::as_str).collect();
                is_put_off(&to, &mut seen)
            })
            .collect();
        let ids = (api.taken().into_iter())
            .map(|taken| (taken.address, taken.message_id))
            .collect();
        Self {
            rows: Results::of(&run).rows.len(),
            run: run.strip_prefix(&root).expect("below it").to_owned(),
            api,
            campaign,
            events,
            posts,
            put_off,
            ids,
            batch,
        }
    }

    /// The campaign's folder as the cut leaves it.
    fn left_by(&self, cut: Cut) -> TempDir {
        let left = TempDir::new().expect("a folder");
        for file in ["campaign.toml", "recipients.csv"] {
            std::fs::copy(self.campaign.path().join(file), left.path().join(file))
                .expect("it can be copied");
        }
        copy_tree(
            &self.campaign.path().join("templates"),
            &left.path().join("templates"),
        );
        cut_power(self.campaign.path(), &self.events, cut, left.path());
        left
    }

    /// The recipients of requests before the cut, each with whether one was not answered with 429.
    fn sent_before(&self, cut: Cut) -> BTreeMap<&str, bool> {
        let mut sent = BTreeMap::new();
        for (post, put_off) in self.posts.iter().zip(&self.put_off) {
            if post.first < cut.after {
                for address in &post.to {
                    *sent.entry(address.as_str()).or_default() |= !put_off;
                }
            }
        }
        sent
    }

    /// The violations in the run that the cut leaves.
    fn violations(&self, cut: Cut) -> Vec<String> {
        let left = self.left_by(cut);
        let run = left.path().join(&self.run);
        let sent = self.sent_before(cut);
        let ran = Run::new("results").arg(&run).args(["--out", "-"]).run();
        if ran.exit() != Some(0) {
            // Before the plan is complete there is no run. An incomplete plan would be a violation.
            let no_run = ["no-run", "not-planned", "is not a ledger"];
            let no_run = no_run.iter().any(|words| ran.stderr.contains(words));
            let may_be = sent.is_empty() && ran.exit() == Some(1) && no_run;
            return if may_be {
                Vec::new()
            } else {
                vec![format!("{} were sent to, and {ran:?}", sent.len())]
            };
        }
        let results = Results::parse(&ran.stdout);
        let mut wrong = self.wrong_rows(&results, &sent);
        if results.rows.len() != self.rows {
            wrong.push(format!("it has {} rows", results.rows.len()));
        }
        if !sent.is_empty() {
            wrong.extend(self.lost_files(left.path()));
        }
        let unknown = results.count("unknown");
        if unknown > CONCURRENCY * self.batch {
            wrong.push(format!("{unknown} are unknown"));
        }
        if cut.after == self.events.len() {
            let open = unknown + results.count("pending");
            wrong.extend((open > 0).then(|| format!("{open} are open after the end")));
        }
        wrong
    }

    /// The files that a run needs besides its ledger and that have changed.
    fn lost_files(&self, left: &Path) -> impl Iterator<Item = String> {
        let frozen = self.run.join("frozen");
        let files = [
            frozen.join("campaign.toml"),
            frozen.join("templates/newsletter.html"),
            PathBuf::from("runs/.gitignore"),
        ];
        let lost = files.into_iter().filter(move |file| {
            let read = |folder: &Path| std::fs::read(folder.join(file)).ok();
            read(left) != read(self.campaign.path())
        });
        lost.map(|file| format!("{} is lost", file.display()))
    }

    fn wrong_rows(&self, results: &Results, sent: &BTreeMap<&str, bool>) -> Vec<String> {
        let mut wrong = Vec::new();
        for row in &results.rows {
            let (email, status) = (row["email"].as_str(), row["status"].as_str());
            let fits = match (sent.get(email), status) {
                (_, "unknown") => true,
                // Answered with 429, or not sent.
                (None | Some(false), "pending") => true,
                (Some(true), "rejected") => email.starts_with("reject"),
                (Some(true), "accepted") => self.ids.get(email) == Some(&row["message_id"]),
                _ => false,
            };
            if !fits {
                let sent = sent.get(email);
                wrong.push(format!("{email} is {status}, sent {sent:?}: {row:?}"));
            }
        }
        wrong
    }

    /// Resumes the run that the cut leaves: nobody gets it twice, nobody is left out.
    fn resume(&self, cut: Cut) {
        let left = self.left_by(cut);
        let sent = self.sent_before(cut);
        let before = self.api.taken().len();
        let run = left.path().join(&self.run);
        let status = Run::new("status")
            .arg(&run)
            .args(["--format", "json"])
            .run();
        let status: serde_json::Value = serde_json::from_str(&status.code(0).stdout).expect("JSON");
        let ran = Run::on("resume", &run).run();
        assert!(matches!(ran.exit(), Some(0 | 3 | 4)), "{cut:?}: {ran:?}");
        let results = Results::of(&run);
        let unknown = results.count("unknown");
        assert_eq!(status["counts"]["unknown"], unknown, "{cut:?}");
        let later = &self.api.taken()[before..];
        let mut got = BTreeSet::new();
        for taken in later {
            let address = taken.address.as_str();
            assert!(got.insert(address), "{cut:?}: {address} got two");
            assert!(
                sent.get(address) != Some(&true),
                "{cut:?}: {address} was sent before"
            );
            assert_eq!(results.row(address)["message_id"], taken.message_id);
        }
        for row in &results.rows {
            let email = row["email"].as_str();
            let fits = match row["status"].as_str() {
                "accepted" => got.contains(email) || sent.get(email) == Some(&true),
                "rejected" => email.starts_with("reject"),
                status => status == "unknown",
            };
            assert!(fits, "{cut:?}: {row:?}");
        }
    }

    /// Sends the campaign again after a cut before the first request, or resumes its run.
    fn send_again(&self, cut: Cut) {
        let left = self.left_by(cut);
        let before = self.api.taken().len();
        let mut ran = Run::new("send").arg(left.path()).arg("--yes").keys().run();
        if ran.exit() == Some(1) {
            ran.stderr_has("already-sent");
            ran = Run::on("resume", left.path()).run();
        }
        // The first request may have been claimed already.
        assert!(matches!(ran.exit(), Some(0 | 3 | 4)), "{cut:?}: {ran:?}");
        let results = Results::of(ran.run_dir());
        let unknown = results.count("unknown");
        assert!(unknown <= self.batch, "{cut:?}: {unknown} are unknown");
        let taken = &self.api.taken()[before..];
        let got: BTreeSet<_> = taken.iter().map(|taken| &taken.address).collect();
        assert_eq!(got.len(), taken.len(), "{cut:?}: somebody got two");
        assert_eq!(got.len(), results.count("accepted"), "{cut:?}");
        assert_eq!(results.count("pending"), 0, "{cut:?}");
    }

    /// Cuts right after each kind of event, others at random, and one at the end.
    fn cuts(&self, of_a_kind: usize, at_random: usize) -> Vec<Cut> {
        let mut rng = StdRng::seed_from_u64(SEED);
        let mut kinds: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, event) in self.events.iter().enumerate() {
            kinds.entry(kind(event)).or_default().push(index + 1);
        }
        let mut places = vec![self.events.len(); Unsynced::ALL.len()];
        for all in kinds.values() {
            places.extend((0..of_a_kind).map(|_| all[rng.random_range(0..all.len())]));
        }
        places.extend((0..at_random).map(|_| rng.random_range(1..=self.events.len())));
        (places.into_iter().enumerate())
            .map(|(number, after)| Cut {
                after,
                unsynced: Unsynced::ALL[number % Unsynced::ALL.len()],
                believe: true,
                seed: SEED + number as u64,
            })
            .collect()
    }

    /// Asserts that no cut does harm, and that some would if the syncs were missing.
    fn hold(&self) {
        let cuts = self.cuts(4, 25);
        let found = cuts.iter().flat_map(|cut| {
            let wrong = self.violations(*cut);
            wrong
                .into_iter()
                .map(move |wrong| format!("{cut:?}: {wrong}"))
        });
        let found: Vec<_> = found.collect();
        let unbelieving: Vec<Cut> = (cuts.iter().skip(1).step_by(4))
            .map(|cut| Cut {
                believe: false,
                ..*cut
            })
            .collect();
        let without: usize = (unbelieving.iter())
            .filter(|cut| !self.violations(**cut).is_empty())
            .count();
        eprintln!(
            "batch {}: {} cuts in {} events with {} requests, {} violations; \
             without syncs {} of {} cuts do harm",
            self.batch,
            cuts.len(),
            self.events.len(),
            self.posts.len(),
            found.len(),
            without,
            unbelieving.len()
        );
        assert!(found.is_empty(), "{} violations: {:#?}", found.len(), found);
        assert!(
            without > 0,
            "the replay finds no harm although syncs are missing"
        );
    }

    fn resume_after_some(&self) {
        let first = self.posts[0].first;
        let (before, after): (Vec<Cut>, Vec<Cut>) =
            (self.cuts(0, 200).into_iter()).partition(|cut| cut.after <= first);
        for cut in after.iter().take(12) {
            self.resume(*cut);
        }
        // Also where SQLite has to roll back, which a reader can't do.
        let journal = |event: &&Event| matches!(event, Event::Write { path, .. } if path.ends_with("ledger.db-journal"));
        let journals = (self.events.iter().enumerate()).filter(|(_, event)| journal(event));
        let rolling_back = journals.map(|(index, _)| Cut {
            after: index + 1,
            unsynced: Unsynced::Kept,
            believe: true,
            seed: SEED,
        });
        for cut in before.into_iter().take(5).chain(rolling_back) {
            self.send_again(cut);
        }
    }
}

/// The call and the kind of file.
fn kind(event: &Event) -> String {
    let of = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let known = ["ledger.db", "ledger.db-wal", "results.csv"];
        let known = known.iter().find(|known| **known == name);
        known.copied().unwrap_or("other").to_owned()
    };
    match event {
        Event::Write { path, .. } => format!("write {}", of(path)),
        Event::Truncate { .. } => "truncate".to_owned(),
        Event::Create { path, .. } => format!("create {}", of(path)),
        Event::Mkdir { .. } => "mkdir".to_owned(),
        Event::Rename { .. } => "rename".to_owned(),
        Event::Remove { .. } => "remove".to_owned(),
        Event::SyncBegin { path, .. } => format!("sync {}", of(path)),
        Event::SyncEnd { .. } => "synced".to_owned(),
        Event::Sent { .. } => "sent".to_owned(),
        Event::Failed { .. } => "failed".to_owned(),
    }
}

#[test]
fn a_plan_is_complete_or_does_not_count() {
    let Some(shim) = Shim::new() else { return };
    let api = FakeApi::taking_all();
    // More than SQLite keeps in its log before a checkpoint.
    let wide = "x".repeat(9_000);
    let csv = (1..=600).fold("email,first_name\n".to_owned(), |mut csv, n| {
        writeln!(csv, "r{n}@one.example,{wide}").expect("a string takes all");
        csv
    });
    let campaign = newsletter(&api).recipients(csv);
    let recorded = Recorded::of(&shim, api, campaign, 200, 0);
    let first = recorded.posts[0].first;
    let mut rng = StdRng::seed_from_u64(SEED);
    for number in 0..60 {
        let cut = Cut {
            after: rng.random_range(first - 40..=first),
            unsynced: Unsynced::ALL[number % Unsynced::ALL.len()],
            believe: true,
            seed: SEED + number as u64,
        };
        assert_eq!(recorded.violations(cut), Vec::<String>::new(), "{cut:?}");
    }
}

#[test]
fn a_power_failure_changes_no_row() {
    let Some(shim) = Shim::new() else { return };
    let api = FakeApi::start(|_, _| Reply::Take.after(Duration::from_millis(4)));
    let campaign = campaign(&api).rows(200);
    let recorded = Recorded::of(&shim, api, campaign, 1, 0);
    recorded.hold();
    recorded.resume_after_some();
}

#[test]
fn a_power_failure_changes_no_row_of_a_batch() {
    let Some(shim) = Shim::new() else { return };
    let api = slow_api();
    let campaign = newsletter(&api).recipients(some_bad(600));
    let recorded = Recorded::of(&shim, api, campaign, 10, 3);
    recorded.hold();
    recorded.resume_after_some();
}
