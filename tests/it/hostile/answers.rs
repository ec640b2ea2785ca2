//! Answers of a hostile server.

use crate::support::campaign::Campaign;
use crate::support::fake_api::{FakeApi, Reply, Verdict};
use crate::support::results::Results;
use crate::support::run::{Run, SECRET_KEY};

#[test]
fn keys_that_a_server_repeats_are_masked() {
    let api = FakeApi::start(|_, request| {
        let login = request
            .header("authorization")
            .unwrap_or_default()
            .to_owned();
        Reply::PerRecipient(Box::new(move |_| {
            Verdict::Refuse(format!("bad request with {SECRET_KEY} and {login}"))
        }))
    });
    let campaign = Campaign::new().api(&api.url());
    let ran = Run::send(campaign.path()).arg("-vv").run();
    let run = ran.code(3).run_dir();
    let results = Results::of(&run);
    let error = &results.rows[0]["error"];
    assert!(
        error.contains("bad request with *** and Basic ***"),
        "{error}"
    );
    ran.stderr_lacks(SECRET_KEY);
    let database = std::fs::read(run.join("ledger.db")).expect("the ledger");
    assert!(!String::from_utf8_lossy(&database).contains(SECRET_KEY));
}

#[test]
fn a_very_long_message_id_is_none() {
    for (length, status) in [(998, "accepted"), (999, "unknown"), (1_000_000, "unknown")] {
        let api = FakeApi::start(move |_, _| {
            Reply::PerRecipient(Box::new(move |_| Verdict::TakeAs("x".repeat(length))))
        });
        let campaign = Campaign::new().api(&api.url());
        let ran = Run::send(campaign.path()).run();
        let results = Results::of(ran.run_dir());
        assert_eq!(results.count(status), 3, "{length}");
    }
}
