//! Limits, pauses and the breaker hold for all workers together.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use rustix::process::Signal;

use super::{Gate, Ledger, gated, is_available, until};
use crate::support::campaign::Campaign;
use crate::support::fake_api::{FakeApi, Reply};
use crate::support::run::{Run, Running};

/// Two workers that have half of the rows each. They begin when the gate opens.
fn halves(ledger: &Ledger<'_>, api: &FakeApi, campaign: &Campaign, rows: usize) -> [Running; 2] {
    let half = (rows / 2).to_string();
    let first = Run::send(campaign.path()).args(["--limit", &half]).spawn();
    let run = first.first_line();
    let other = ledger.command("resume", &run).args(["--limit", &half]);
    let other = other.spawn();
    until("both have sent a request", || api.in_flight() == 2);
    [first, other]
}

/// The most requests in any window of this length.
fn most_in(arrivals: &[Instant], window: Duration) -> usize {
    let after = |from: &Instant| arrivals.partition_point(|at| *at < *from + window);
    let counts = arrivals.iter().enumerate();
    counts.map(|(n, from)| after(from) - n).max().unwrap_or(0)
}

#[test]
fn a_rate_is_that_of_all_workers() {
    if !is_available() {
        return;
    }
    for (rate, rows) in [(20, 60), (300, 900)] {
        let (ledger, gate) = (Ledger::new(), Gate::default());
        let api = gated(&gate);
        let campaign = ledger
            .campaign(&api, rows)
            .set("pace.rate", vec![format!("{rate}/s")]);
        let workers = halves(&ledger, &api, &campaign, rows);
        gate.open();
        for worker in workers {
            let code = worker.wait();
            assert!(matches!(code.exit(), Some(0 | 5)), "{code:?}");
        }
        assert_eq!(api.taken().len(), rows);
        // The first two waited for the gate.
        let arrivals = api.arrivals().split_off(2);
        let took = arrivals[arrivals.len() - 1] - arrivals[0];
        let least = Duration::from_secs_f64(0.85 * (rows - 3) as f64 / f64::from(rate));
        assert!(took >= least, "{rows} at {rate}/s in {took:?}");
        // What was reserved ahead, and what the machine delayed.
        let most = most_in(&arrivals, Duration::from_secs(1));
        assert!(most <= rate as usize * 14 / 10 + 4, "{most} at {rate}/s");
    }
}

#[test]
fn a_daily_limit_is_exact_and_fully_used() {
    if !is_available() {
        return;
    }
    let ledger = Ledger::new();
    // Slow enough that permits lapse.
    let gate = Gate::default();
    let opens = gate.clone();
    let api = FakeApi::start(move |_, _| {
        opens.wait();
        Reply::Take.after(Duration::from_millis(60))
    });
    let campaign = ledger
        .campaign(&api, 200)
        .set("pace.concurrency", 2)
        .set("pace.rate", vec!["1000/s", "40/day"]);
    let workers = halves(&ledger, &api, &campaign, 200);
    gate.open();
    for worker in &workers {
        worker.wait_until("the day is full", |it| it.stderr().contains("day's limit"));
    }
    until("40 messages", || api.taken().len() >= 40);
    for worker in workers {
        worker.signal(Signal::TERM);
        worker.wait().code(130);
    }
    assert_eq!(api.seen(), 40);
}

#[test]
fn campaigns_of_a_group_share_a_ramp_in_the_ledger() {
    if !is_available() {
        return;
    }
    let ledger = Ledger::new();
    let api = FakeApi::taking_all();
    let campaign = |name: &str, zone: &str| {
        ledger
            .campaign(&api, 6)
            .set("name", name)
            .set("pace.ramp", vec!["8/day", "20/day"])
            .set("pace.pace_group", "acme")
            .set("schedule.timezone", zone)
    };
    let first = campaign("one", "Europe/Warsaw");
    Run::send(first.path()).run().code(0);
    let second = campaign("two", "+05:45");
    let worker = Run::send(second.path()).spawn();
    worker.wait_until("the day is full", |it| it.stderr().contains("day's limit"));
    let run = worker.first_line();
    worker.signal(Signal::TERM);
    worker.wait().code(130);
    assert_eq!(api.seen(), 8);
    // What the first run posted counts, too.
    let status = ledger.status(&run);
    let begins = status["schedule"]["begins_at"].as_str().expect("a time");
    let begins: Timestamp = begins.parse().expect("a time");
    assert!(
        begins > Timestamp::now() + SignedDuration::from_hours(20),
        "{status}"
    );
    // Yesterday was the first day: today has the second limit.
    let yesterday = "UPDATE mailrun.pace_group SET minute = minute - 1500";
    ledger.cluster.psql_in(&ledger.database, yesterday);
    let third = campaign("three", "America/New_York");
    let day = "day 2 of 2, 20 a day (pace group “acme”: messages on 1 day before today)";
    let dry_run = Run::send(third.path()).arg("--dry-run").run();
    dry_run.code(0).stdout_has(&format!("ramp:       {day}"));
    Run::send(third.path()).run().code(0);
    let posted = "SELECT sum(recipients) FROM mailrun.pace_group WHERE name = 'group acme'";
    assert_eq!(ledger.cluster.psql_in(&ledger.database, posted), "14");
}

#[test]
fn all_workers_obey_a_pause() {
    if !is_available() {
        return;
    }
    let (ledger, gate) = (Ledger::new(), Gate::default());
    let opens = gate.clone();
    let asked = std::sync::Arc::new(Mutex::new(None));
    let at = std::sync::Arc::clone(&asked);
    let api = FakeApi::start(move |n, _| {
        opens.wait();
        if n == 100 {
            *at.lock().expect("no panic") = Some(Instant::now());
            return Reply::too_many(Some("5"));
        }
        Reply::Take
    });
    let campaign = ledger
        .campaign(&api, 400)
        .set("pace.rate", vec!["100/s"])
        .set("retry.max_delay", "10s");
    let workers = halves(&ledger, &api, &campaign, 400);
    gate.open();
    let run = workers[0].first_line();
    until("a pause of all", || {
        ledger.status(&run)["pause"].is_object()
    });
    for worker in workers {
        let code = worker.wait();
        assert!(matches!(code.exit(), Some(0 | 5)), "{code:?}");
    }
    let asked = asked.lock().expect("no panic").expect("a pause");
    let within = |from: u64, to: u64| {
        let (from, to) = (Duration::from_millis(from), Duration::from_millis(to));
        let arrivals = api.arrivals().into_iter();
        arrivals
            .filter(|at| *at > asked + from && *at < asked + to)
            .count()
    };
    // Two heartbeats have half a second each.
    assert_eq!(within(2500, 4900), 0, "nobody sends during the pause");
    assert!(within(4900, 60_000) > 100, "the run goes on after it");
    assert_eq!(api.taken().len(), 400);
}

#[test]
fn the_breaker_counts_the_messages_of_all_workers() {
    if !is_available() {
        return;
    }
    let (ledger, gate) = (Ledger::new(), Gate::default());
    let opens = gate.clone();
    let api = FakeApi::start(move |_, _| {
        opens.wait();
        Reply::error(500, "Sender address is not valid").into()
    });
    let campaign = ledger.campaign(&api, 400).set("pace.rate", vec!["10/s"]);
    let workers = halves(&ledger, &api, &campaign, 400);
    gate.open();
    for worker in workers {
        worker
            .wait()
            .code(5)
            .stderr_has("of the last 100 messages were rejected")
            .stderr_has("Sender address is not valid");
    }
    // Each of them alone would stop after 51.
    let refused = api.requests().len();
    assert!((51..95).contains(&refused), "{refused}");
}
