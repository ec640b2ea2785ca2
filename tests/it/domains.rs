//! Limits of single domains: they hold, and do not delay other domains.

use std::fmt::Write;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::campaign::Campaign;
use crate::support::fake_api::{FakeApi, Reply};
use crate::support::results::Results;
use crate::support::run::Run;
use crate::support::send::{addresses, campaign, newsletter, send};

/// First `slow` rows of the slow domain, then `others` rows of another domain.
fn slow_ones_first(campaign: Campaign, slow: usize, others: usize, limit: &str) -> Campaign {
    let mut csv = String::from("email,first_name\n");
    for n in 1..=slow {
        writeln!(csv, "s{n}@SLOW.example,S").expect("a string takes all");
    }
    for n in 1..=others {
        writeln!(csv, "o{n}@other.example,O").expect("a string takes all");
    }
    let limits: toml::Table = format!("\"slow.example\" = \"{limit}\"")
        .parse()
        .expect("TOML");
    campaign.recipients(csv).set("pace.per_domain", limits)
}

fn is_slow(address: &str) -> bool {
    address.ends_with("@SLOW.example")
}

/// When each request to the slow domain arrived, and when each to others.
fn arrivals(api: &FakeApi) -> (Vec<Instant>, Vec<Instant>) {
    let requests = api.requests();
    let (slow, others): (Vec<_>, Vec<_>) =
        (requests.iter()).partition(|request| is_slow(request.addresses()[0]));
    let at = |requests: Vec<&std::sync::Arc<_>>| -> Vec<Instant> {
        let at = |request: &std::sync::Arc<crate::support::fake_api::Request>| request.at;
        requests.into_iter().map(at).collect()
    };
    (at(slow), at(others))
}

#[test]
fn a_slow_domain_at_the_top_does_not_delay_others() {
    let api = FakeApi::taking_all();
    let campaign = slow_ones_first(campaign(&api), 40, 60, "20/s");
    let run = send(&campaign).run().code(0).run_dir();
    assert_eq!(api.taken_addresses(), addresses(&Results::of(&run)));
    let (slow, others) = arrivals(&api);
    let took = slow[39] - slow[0];
    assert!(
        took >= Duration::from_millis(1900),
        "39 gaps of 50 ms: {took:?}"
    );
    assert!(others[59] < slow[20], "the others did not wait");
}

#[test]
fn a_batch_is_no_more_than_its_domain_may_get() {
    let api = FakeApi::taking_all();
    let campaign = slow_ones_first(newsletter(&api), 25, 30, "10/s").set("pace.batch", 100);
    send(&campaign).run().code(0);
    let mut sizes = (Vec::new(), Vec::new());
    for request in api.requests() {
        let to = request.addresses();
        let slow = to.iter().filter(|to| is_slow(to)).count();
        match slow {
            0 => sizes.1.push(to.len()),
            _ => sizes.0.push(to.len()),
        }
        assert!(slow == 0 || slow == to.len(), "{to:?}");
    }
    assert_eq!(sizes, (vec![10, 10, 5], vec![30]));
    let (slow, _) = arrivals(&api);
    assert!(slow[2] - slow[0] >= Duration::from_millis(1900));
}

#[test]
fn a_retry_waits_for_its_domain_too() {
    let api = FakeApi::start(|n, request| {
        if n < 8 && is_slow(request.addresses()[0]) {
            Reply::json(408, "").into()
        } else {
            Reply::Take
        }
    });
    let campaign = slow_ones_first(campaign(&api), 8, 0, "20/s").set("retry.attempts", 50);
    let run = send(&campaign).run().code(0).run_dir();
    assert_eq!(Results::of(&run).counts(), [("accepted", 8)].into());
    let (slow, _) = arrivals(&api);
    assert_eq!(slow.len(), 16);
    let took = slow[15] - slow[0];
    assert!(
        took >= Duration::from_millis(700),
        "15 gaps of 50 ms: {took:?}"
    );
}

#[test]
fn a_daily_limit_of_a_domain_holds_for_that_domain() {
    let api = FakeApi::taking_all();
    let campaign = slow_ones_first(campaign(&api), 5, 20, "3/day");
    let slow = || {
        api.taken_addresses()
            .iter()
            .filter(|to| is_slow(to))
            .count()
    };
    let running = send(&campaign).spawn();
    running.wait_until("it reports the daily limit", |it| {
        it.stderr().contains("day's limit") && api.taken().len() == 23
    });
    running.signal(Signal::TERM);
    let run = running.wait().code(130).run_dir();
    assert_eq!(slow(), 3);
    let running = Run::on("resume", &run).spawn();
    running.wait_until("it reports it again", |it| {
        it.stderr().contains("day's limit")
    });
    running.signal(Signal::TERM);
    running.wait().code(130);
    assert_eq!(slow(), 3, "the ledger has counted the three");
    assert_eq!(Results::of(&run).count("pending"), 2);
}

#[test]
fn a_limit_of_rows_takes_the_first_rows_of_the_file() {
    let api = FakeApi::taking_all();
    let campaign = slow_ones_first(campaign(&api), 5, 20, "1000/s");
    send(&campaign).args(["--limit", "7"]).run().code(5);
    let wanted = ["o1@other.example", "o2@other.example"].map(str::to_owned);
    let slow = (1..=5).map(|n| format!("s{n}@SLOW.example"));
    let wanted: Vec<String> = wanted.into_iter().chain(slow).collect();
    assert_eq!(api.taken_addresses(), wanted);
}

#[test]
fn a_local_run_has_no_limits_and_a_dry_run_counts_them() {
    let campaign = slow_ones_first(Campaign::new(), 60, 10, "1/min");
    let ran = Run::new("send").arg(campaign.path()).arg("--dry-run").run();
    ran.code(0)
        .stdout_has("at 100000/s, slow.example at 1/min, in about 1h");
    let ran = Run::new("send").arg(campaign.path()).arg("--local").run();
    ran.code(0);
}
