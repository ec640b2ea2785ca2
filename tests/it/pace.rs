//! How fast recipients are posted, as the server sees it.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::fake_api::{FakeApi, Reply};
use crate::support::results::Results;
use crate::support::run::{Run, Running};
use crate::support::send::{campaign, newsletter, send, send_first};

/// The most recipients that arrived in any window of this length.
fn most_in(api: &FakeApi, window: Duration) -> usize {
    let came: Vec<Instant> = (api.requests().iter())
        .flat_map(|request| vec![request.at; request.recipients.len()])
        .collect();
    let within = |from: Instant| {
        let inside = came.iter().filter(|at| (from..from + window).contains(*at));
        inside.count()
    };
    came.iter().map(|from| within(*from)).max().unwrap_or(0)
}

/// From the first request to the last.
fn took(api: &FakeApi) -> Duration {
    let came = api.arrivals();
    came[came.len() - 1] - came[0]
}

#[test]
fn a_rate_per_second_is_spaced() {
    let api = FakeApi::taking_all();
    send(&campaign(&api).rows(30).set("pace.rate", vec!["50/s"]))
        .run()
        .code(0);
    let took = took(&api);
    assert!(
        took >= Duration::from_millis(540),
        "29 gaps of 20 ms, less a burst: {took:?}"
    );
    assert!(
        took < Duration::from_secs(3),
        "it is not much slower than the limit: {took:?}"
    );
    // 10 in 200 ms, one at the window's edge, one of the burst, and one that the machine delayed.
    let most = most_in(&api, Duration::from_millis(200));
    assert!(most <= 13, "{most} in 200 ms");
}

#[test]
fn recipients_count_not_requests() {
    let api = FakeApi::taking_all();
    let campaign = newsletter(&api)
        .rows(40)
        .set("pace.rate", vec!["50/s"])
        .set("pace.batch", 10);
    send(&campaign).run().code(0);
    assert_eq!(api.requests().len(), 4);
    let took = took(&api);
    // 600 ms, less a burst and a first request that the machine delayed.
    assert!(
        took >= Duration::from_millis(450),
        "30 recipients at 50/s: {took:?}"
    );
}

#[test]
fn a_batch_is_no_more_than_a_second_of_the_rate() {
    let api = FakeApi::taking_all();
    let campaign = newsletter(&api)
        .rows(9)
        .set("pace.rate", vec!["6/s", "100/s"])
        .set("pace.batch", 100);
    send(&campaign).run().code(0);
    let sizes: Vec<_> = api
        .requests()
        .iter()
        .map(|request| request.recipients.len())
        .collect();
    assert_eq!(sizes, [6, 3]);
}

#[test]
fn two_limits_hold_at_once() {
    for rates in [["1800/min", "1000/s"], ["1000/s", "1800/min"]] {
        let api = FakeApi::taking_all();
        send(&campaign(&api).rows(16).set("pace.rate", rates.to_vec()))
            .run()
            .code(0);
        let took = took(&api);
        assert!(
            took >= Duration::from_millis(450),
            "15 gaps of 33 ms: {took:?}"
        );
    }
}

#[test]
fn a_reached_daily_limit_waits_and_holds_for_a_resume() {
    let api = FakeApi::taking_all();
    let campaign = campaign(&api)
        .rows(8)
        .set("pace.rate", vec!["1000/s", "5/day"]);
    let full = |running: Running| {
        running.wait_until("it says that the day is full", |it| {
            it.stderr().contains("day's limit")
        });
        assert_eq!(api.taken().len(), 5);
        running.signal(Signal::TERM);
        running.wait()
    };
    let tomorrow = (jiff::Timestamp::now() + Duration::from_secs(86_400))
        .strftime("until %Y-%m-%d")
        .to_string();
    let ran = full(send(&campaign).spawn());
    let after = (jiff::Timestamp::now() + Duration::from_secs(86_460))
        .strftime("until %Y-%m-%d")
        .to_string();
    assert!(
        ran.stderr.contains(&tomorrow) || ran.stderr.contains(&after),
        "{}",
        ran.stderr
    );
    let run = ran.code(130).run_dir();
    assert_eq!(
        Results::of(&run).counts(),
        [("accepted", 5), ("pending", 3)].into()
    );
    full(Run::on("resume", &run).spawn()).code(130);
    assert_eq!(
        Results::of(&run).counts(),
        [("accepted", 5), ("pending", 3)].into()
    );

    Run::on("resume", &run)
        .args(["--rate", "100/s"])
        .run()
        .code(0);
    assert_eq!(api.taken().len(), 8);
}

#[test]
fn a_resume_can_have_another_rate_and_another_concurrency() {
    let api = FakeApi::start(|_, _| Reply::Take.after(Duration::from_millis(30)));
    let campaign = campaign(&api).rows(41).set("pace.rate", vec!["1/min"]);
    let run = send_first(&campaign, 1);
    let resume = |limit: &str, rate: &str, concurrency: &str| {
        let options = [
            "--limit",
            limit,
            "--rate",
            rate,
            "--concurrency",
            concurrency,
        ];
        Run::on("resume", &run).args(options).run()
    };
    resume("20", "1000/s", "5").code(5);
    assert_eq!((api.taken().len(), api.max_in_flight()), (21, 5));
    resume("20", "50/s", "20").code(0);
    let took = api.arrivals()[40] - api.arrivals()[21];
    assert!(took >= Duration::from_millis(340), "20 at 50/s: {took:?}");
    assert_eq!(api.taken().len(), 41);
}
