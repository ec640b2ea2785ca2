//! What tests of `send` and `resume` begin with: a campaign that posts to a fake API, and a run of it.

use std::path::{Path, PathBuf};

use super::campaign::Campaign;
use super::fake_api::{FakeApi, Reply};
use super::results::Results;
use super::run::Run;

/// A campaign of three rows that posts to `api`.
pub fn campaign(api: &FakeApi) -> Campaign {
    Campaign::new().api(&api.url())
}

/// The same with one message for all, so that rows can share a request.
pub fn newsletter(api: &FakeApi) -> Campaign {
    campaign(api)
        .set("message.subject", "News")
        .template("newsletter.html", "<p>News</p>")
}

/// `mailrun send CAMPAIGN --yes`, with keys.
pub fn send(campaign: &Campaign) -> Run {
    Run::send(campaign.path())
}

/// Sends the first rows of a campaign. Returns the folder of the run, in which the others are pending.
pub fn send_first(campaign: &Campaign, rows: u32) -> PathBuf {
    let limit = rows.to_string();
    let sent = send(campaign).args(["--limit", &limit]).run();
    sent.code(5).run_dir()
}

/// Every address that is in the results, sorted.
pub fn addresses(results: &Results) -> Vec<&str> {
    let mut all: Vec<_> = results.rows.iter().map(|row| &*row["email"]).collect();
    all.sort_unstable();
    all
}

/// `status --format json` of a run.
pub fn status(run: &Path) -> serde_json::Value {
    let ran = Run::new("status").arg(run).args(["--format", "json"]).run();
    serde_json::from_str(&ran.code(0).stdout).expect("JSON")
}

/// How many rows of a run are in a state.
pub fn rows(run: &Path, state: &str) -> u64 {
    status(run)["counts"][state].as_u64().expect("a count")
}

/// An API that takes all, but leaves four requests in the middle without an answer.
pub fn hangs_in_the_middle() -> FakeApi {
    FakeApi::start(|n, _| match n {
        10..14 => Reply::Hang { take: true },
        _ => Reply::Take,
    })
}

/// Kills the run of 30 rows when [`hangs_in_the_middle`] has those four, and gives its folder.
pub fn killed(campaign: &Campaign, api: &FakeApi) -> PathBuf {
    let running = send(campaign).spawn();
    running.wait_until("fourteen messages taken", |_| api.taken().len() == 14);
    let run = running.kill().run_dir();
    assert_eq!(rows(&run, "unknown"), 4);
    run
}

/// The campaign for [`killed`].
pub fn of_thirty(api: &FakeApi) -> Campaign {
    campaign(api).rows(30).set("pace.concurrency", 4)
}
