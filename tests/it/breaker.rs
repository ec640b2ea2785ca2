//! A run in which too many messages fail stops early.

use crate::support::fake_api::{FakeApi, Reply};
use crate::support::results::Results;
use crate::support::run::Run;
use crate::support::send::{addresses, campaign, newsletter, send};

/// An API that refuses the sender.
fn refusing() -> FakeApi {
    FakeApi::start(|_, _| Reply::error(500, "Sender address is not valid").into())
}

#[test]
fn a_wrong_sender_stops_the_run() {
    let api = refusing();
    let campaign = campaign(&api).rows(1000).set("pace.concurrency", 4);
    let ran = send(&campaign).run();
    let run = ran
        .code(5)
        .stderr_has("51 of the last 100 messages were rejected, failed or are unknown")
        .stderr_has("Sender address is not valid")
        .run_dir();
    let refused = api.requests().len();
    assert!((51..=55).contains(&refused), "{refused}");
    let results = Results::of(&run);
    assert_eq!(results.count("rejected"), refused);
    assert_eq!(results.count("pending"), 1000 - refused);
}

#[test]
fn unknown_rows_stop_it_too_and_a_resume_continues() {
    let api = FakeApi::start(|n, _| match n {
        20..60 => Reply::json(502, "").taken().into(),
        _ => Reply::Take,
    });
    let campaign = campaign(&api)
        .rows(200)
        .set("pace.concurrency", 1)
        .set("breaker.messages", 20)
        .set("breaker.share", 0.25);
    let run = send(&campaign).run().code(5).run_dir();
    assert_eq!(api.requests().len(), 26, "six of twenty");
    while api.requests().len() < 56 {
        Run::on("resume", &run).run().code(5);
    }
    Run::on("resume", &run).run().code(4);
    let results = Results::of(&run);
    assert_eq!(
        results.counts(),
        [("accepted", 160), ("unknown", 40)].into()
    );
    assert_eq!(api.taken_addresses(), addresses(&results), "nobody twice");
}

#[test]
fn every_recipient_of_a_batch_counts() {
    let api = refusing();
    let campaign = newsletter(&api).rows(1000).set("pace.batch", 200);
    let run = send(&campaign).run().code(5).run_dir();
    assert_eq!(api.requests().len(), 1);
    assert_eq!(Results::of(&run).count("rejected"), 200);
}

#[test]
fn a_list_with_some_bad_rows_is_sent() {
    let api = FakeApi::start(|n, _| match n % 5 {
        0 | 3 => Reply::error(500, "no").into(),
        _ => Reply::Take,
    });
    let campaign = campaign(&api).rows(500);
    let run = send(&campaign).run().code(3).run_dir();
    assert_eq!(Results::of(&run).count("rejected"), 200);
}

#[test]
fn a_share_of_1_never_stops() {
    let api = refusing();
    let campaign = campaign(&api).rows(300).set("breaker.share", 1.0);
    let run = send(&campaign).run().code(3).run_dir();
    assert_eq!(Results::of(&run).count("rejected"), 300);
}
