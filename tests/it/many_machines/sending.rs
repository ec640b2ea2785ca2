//! Workers that share a run, and what ends them.

use std::collections::BTreeMap;

use rustix::process::Signal;

use super::{Gate, Ledger, gated, holding, is_available, until};
use crate::support::fake_api::{FakeApi, Reply};
use crate::support::run::Run;

#[test]
fn two_workers_send_all_rows_once() {
    if !is_available() {
        return;
    }
    let (ledger, gate) = (Ledger::new(), Gate::default());
    let api = gated(&gate);
    let campaign = ledger.campaign(&api, 700);
    let (first, run) = ledger.send(&campaign);
    assert!(run.contains("-test-"), "the run's name: {run}");
    let second = ledger.join(&run);
    until("both have sent a request", || api.in_flight() == 2);

    let status = ledger.status(&run);
    let workers = status["workers"].as_array().expect("workers");
    let mut processes: Vec<_> = workers.iter().map(|it| it["process"].as_u64()).collect();
    processes.sort_unstable();
    let mut pids = [first.pid(), second.pid()].map(|pid| Some(u64::from(pid)));
    pids.sort_unstable();
    assert_eq!(processes, pids);
    assert!(workers.iter().all(|it| it["in_flight"] == 1), "{status}");
    let runs = Run::new("runs").args(["--ledger", &ledger.url]).run();
    runs.code(0).stdout_has(&run).stdout_has("2 workers");
    assert_eq!(
        ledger.results(&run).count("sending"),
        2,
        "results of a live run"
    );

    gate.open();
    first.wait().code(0).stderr_lacks("error");
    second.wait().code(0).stdout_is(&format!("{run}\n"));
    assert_eq!(ledger.hold(&campaign, &run, &api).count("accepted"), 700);
    let senders = "SELECT count(DISTINCT worker) FROM mailrun.delivery";
    assert_eq!(ledger.sql(senders), "2");
    assert_eq!(ledger.status(&run)["workers"], serde_json::json!([]));
    ledger.command("resume", &run).run().code(0);
    assert_eq!(api.requests().len(), 700);
}

#[test]
fn the_others_send_the_rows_of_a_killed_worker() {
    if !is_available() {
        return;
    }
    let (ledger, gate) = (Ledger::new(), Gate::default());
    let api = holding(10, 4, &gate, || Reply::Hang { take: true });
    let campaign = ledger.campaign(&api, 40);
    let (first, run) = ledger.send(&campaign);
    until("four are in flight", || api.in_flight() == 4);
    let second = ledger.join(&run);
    first.kill();
    gate.open();
    let ended = second.wait();
    ended
        .code(4)
        .stderr_has("4  unknown")
        .stderr_has("ended while the request was in flight");
    let results = ledger.hold(&campaign, &run, &api);
    assert_eq!(results.counts(), [("accepted", 36), ("unknown", 4)].into());
    assert_eq!(api.taken().len(), 40);
}

#[test]
fn a_limit_holds_for_all_lanes_together() {
    if !is_available() {
        return;
    }
    let (ledger, api) = (Ledger::new(), FakeApi::taking_all());
    let domains = ["one", "two", "three"].map(|name| (format!("{name}.example"), "1000/s"));
    let campaign = ledger
        .campaign(&api, 300)
        .set("pace.per_domain", BTreeMap::from(domains));
    Run::send(campaign.path())
        .args(["--limit", "10"])
        .run()
        .code(5);
    assert_eq!(api.taken().len(), 10);
}

#[test]
fn sigterm_stops_one_worker_and_the_other_goes_on() {
    if !is_available() {
        return;
    }
    let (ledger, gate) = (Ledger::new(), Gate::default());
    let api = gated(&gate);
    let campaign = ledger.campaign(&api, 600);
    let (first, run) = ledger.send(&campaign);
    let second = ledger.join(&run);
    until("both have sent a request", || api.in_flight() == 2);
    first.signal(Signal::TERM);
    first.wait_until("it has seen the signal", |it| !it.stderr().is_empty());
    gate.open();
    first.wait().code(130).stderr_has("still sending this run");
    second.wait().code(0);
    assert_eq!(ledger.hold(&campaign, &run, &api).count("accepted"), 600);
}

#[test]
fn stop_ends_all_workers_and_resume_continues() {
    if !is_available() {
        return;
    }
    let (ledger, gate) = (Ledger::new(), Gate::default());
    let api = gated(&gate);
    let campaign = ledger.campaign(&api, 600);
    let (first, run) = ledger.send(&campaign);
    let second = ledger.join(&run);
    until("both have sent a request", || api.in_flight() == 2);
    let stop = ledger.command("stop", &run).run();
    stop.code(0).stderr_has("2 workers");
    // A worker stops when it hears of it, and waits for its request.
    until("they still wait after the length of a lease", || {
        let heard = "SELECT count(*) FROM mailrun.worker AS w JOIN mailrun.run AS r ON r.id = w.run
                     WHERE w.heartbeat_at > r.stop_at + w.lease";
        ledger.sql(heard) == "2"
    });
    gate.open();
    for worker in [first, second] {
        worker.wait().code(5).stderr_has("`mailrun stop` was run");
    }
    let sent = api.requests().len();
    assert!(sent < 600, "{sent}");
    let counts = ledger.status(&run)["counts"].clone();
    assert_eq!(counts["accepted"], sent);
    assert_eq!(counts["pending"], 600 - sent);
    let none = ledger.command("stop", &run).run();
    none.code(0).stderr_has("No worker is sending");
    ledger.command("resume", &run).run().code(0);
    assert_eq!(ledger.hold(&campaign, &run, &api).count("accepted"), 600);
}

#[test]
fn rows_that_ended_change_only_while_nobody_sends() {
    if !is_available() {
        return;
    }
    let (ledger, gate) = (Ledger::new(), Gate::default());
    let held = gate.clone();
    let api = FakeApi::start(move |n, request| match n {
        _ if request.method == "GET" => Reply::Take,
        0 => Reply::error(408, "too slow").into(),
        1 => Reply::CloseAfterReading { take: true },
        2 => Reply::CloseAfterReading { take: false },
        _ => {
            held.wait();
            Reply::Take
        }
    });
    let campaign = ledger
        .campaign(&api, 20)
        .set("api.dialect", "new_sendmail")
        .set("pace.concurrency", 1)
        .set("retry.attempts", 1);
    let (worker, run) = ledger.send(&campaign);
    until("the fourth request", || api.seen() == 4);
    let changes: [(&str, &[&str]); 4] = [
        ("retry", &[]),
        ("resolve", &["--how", "accepted"]),
        ("resolve", &["--how", "resend", "--yes"]),
        ("resolve", &["--how", "reconcile"]),
    ];
    for (command, options) in changes {
        let refused = ledger.command(command, &run).args(options).run();
        refused.code(1).stderr_has("is sending the run");
    }
    gate.open();
    worker.wait().code(4);
    let counts = ledger.results(&run);
    assert_eq!(
        counts.counts(),
        [("accepted", 17), ("failed", 1), ("unknown", 2)].into()
    );
    let [retry, _, resend, reconcile] =
        changes.map(|(command, options)| ledger.command(command, &run).args(options));
    reconcile.run().code(4);
    assert_eq!(ledger.results(&run).count("accepted"), 18);
    resend.run().code(0);
    retry.run().code(0);
    ledger.command("resume", &run).run().code(0);
    assert_eq!(ledger.hold(&campaign, &run, &api).count("accepted"), 20);
}
