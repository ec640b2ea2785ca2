//! A server that fails as a whole gets fewer requests, and no more than it can take.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::fake_api::{FakeApi, Reply};
use crate::support::results::Results;
use crate::support::send::{addresses, campaign, send};

#[test]
fn after_the_server_failed_one_request_goes_alone() {
    let answers_after = Duration::from_millis(30);
    let api = FakeApi::start(move |n, _| match n {
        10..30 => Reply::too_many(None).after(answers_after),
        _ => Reply::Take,
    });
    let campaign = campaign(&api).rows(60).set("pace.concurrency", 8);
    let run = send(&campaign).run().code(0).run_dir();
    assert_eq!(api.taken_addresses(), addresses(&Results::of(&run)));
    let came = api.arrivals();
    // Eight were in flight when the trouble began.
    for n in 18..30 {
        let gap = came[n + 1] - came[n];
        assert!(gap >= answers_after, "{gap:?} between {n} and the next");
    }
}

#[test]
fn few_requests_are_retried_if_the_server_takes_nothing() {
    let api = FakeApi::start(|_, _| Reply::json(408, "").into());
    let campaign = campaign(&api)
        .rows(300)
        .set("retry.attempts", 100)
        .set("retry.max_delay", "1ms");
    let began = Instant::now();
    let running = send(&campaign).spawn();
    let posted = || {
        let requests = api.requests();
        let new: HashSet<_> = requests
            .iter()
            .map(|one| one.addresses()[0].to_owned())
            .collect();
        (requests.len(), new.len())
    };
    running.wait_until("all rows posted once", |_| posted().1 == 300);
    let (all, new) = posted();
    // Ten at the start, a tenth of the new ones, and one a second.
    let most = 10 + 30 + began.elapsed().as_secs() as usize + 1;
    assert!(all - new <= most, "{} of {all} were retries", all - new);
    running.signal(Signal::TERM);
    let run = running.wait().code(130).run_dir();
    assert_eq!(Results::of(&run).counts(), [("pending", 300)].into());
}

#[test]
fn if_the_server_takes_some_the_others_are_retried_at_once() {
    let api = FakeApi::start(|n, _| match n % 3 {
        1 => Reply::json(408, "").into(),
        _ => Reply::Take,
    });
    let campaign = campaign(&api)
        .rows(300)
        .set("retry.attempts", 50)
        .set("retry.max_delay", "1ms");
    let run = send(&campaign).run().code(0).run_dir();
    assert_eq!(api.taken_addresses(), addresses(&Results::of(&run)));
    let repeated = api.requests().len() - 300;
    assert!(repeated >= 140, "{repeated}");
}

#[test]
fn a_429_halves_the_rate() {
    let api = FakeApi::start(|n, _| match n {
        200 => Reply::too_many(Some("0")),
        _ => Reply::Take,
    });
    let campaign = campaign(&api).rows(320).set("pace.rate", vec!["400/s"]);
    let run = send(&campaign).run().code(0).run_dir();
    assert_eq!(api.taken_addresses(), addresses(&Results::of(&run)));
    let came = api.arrivals();
    let before = (came[200] - came[0]) / 200;
    // About eight were already under way.
    let after = (came[310] - came[210]) / 100;
    assert!(after >= before * 3 / 2, "{before:?} apart, then {after:?}");
}
