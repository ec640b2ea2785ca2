//! A database that crashes, and one that is replaced by its standby.

use std::time::Duration;

use rustix::process::Signal;

use super::{Ledger, is_available, until};
use crate::support::fake_api::{FakeApi, Reply};
use crate::support::postgres::{Cluster, Stop};

/// An API that takes everything, slowly enough that something can happen in between.
fn slow() -> FakeApi {
    FakeApi::start(|_, _| Reply::Take.after(Duration::from_millis(4)))
}

#[test]
fn a_run_goes_on_after_the_database_was_down_for_longer_than_the_lease() {
    if !is_available() {
        return;
    }
    let mut cluster = Cluster::start();
    let api = slow();
    let ledger = Ledger::on(&cluster);
    let campaign = ledger.campaign(&api, 2000);
    let (first, run) = ledger.send(&campaign);
    let workers = [ledger.join(&run), first];
    let database = ledger.database;
    until("50 requests", || api.seen() >= 50);
    cluster.stop(Stop::Immediate);
    std::thread::sleep(Duration::from_millis(2500));
    assert!(api.seen() < 2000, "the crash was before the end");
    cluster.start_again();
    for worker in workers {
        worker.wait().code(0);
    }
    let ledger = Ledger::at(&cluster, database);
    assert_eq!(ledger.hold(&campaign, &run, &api).count("accepted"), 2000);
    let ended = "SELECT count(*) FROM mailrun.worker WHERE end_reason IS NOT NULL";
    assert_eq!(ledger.sql(ended), "0");
}

#[test]
fn after_an_outage_for_all_workers_the_first_one_does_not_end_the_others() {
    if !is_available() {
        return;
    }
    let api = slow();
    let ledger = Ledger::new();
    let campaign = ledger.campaign(&api, 1500);
    let (first, run) = ledger.send(&campaign);
    let workers = [ledger.join(&run), first];
    until("50 requests", || api.seen() >= 50);
    // As if both could not reach the database.
    for worker in &workers {
        worker.signal(Signal::STOP);
    }
    std::thread::sleep(Duration::from_millis(2500));
    workers[0].signal(Signal::CONT);
    ledger.wait(
        "SELECT count(*) FROM mailrun.worker WHERE heartbeat_at > clock_timestamp() - interval '1 second'",
        "1",
    );
    workers[1].signal(Signal::CONT);
    for worker in workers {
        worker.wait().code(0);
    }
    assert_eq!(ledger.hold(&campaign, &run, &api).count("accepted"), 1500);
}

#[test]
fn a_standby_that_lacks_claims_is_refused_until_the_loss_is_accepted() {
    if !is_available() {
        return;
    }
    let mut primary = Cluster::start();
    let api = slow();
    let ledger = Ledger::on(&primary);
    let campaign = ledger.campaign(&api, 3000);
    let (first, run) = ledger.send(&campaign);
    let workers = [ledger.join(&run), first];
    let database = ledger.database;
    let mut standby = primary.standby();
    until("30 requests", || api.seen() >= 30);
    standby.disconnect();
    let before = api.seen();
    until("claims that the standby lacks", || {
        api.seen() >= before + 50
    });
    primary.stop(Stop::Immediate);
    standby.promote();
    standby.stop(Stop::Fast);
    standby.start_on(primary.port());
    for worker in workers {
        let ran = worker.wait();
        ran.code(5).stderr_has("on another timeline (1 became 2)");
        ran.stderr_has("some of the last claims may be missing");
    }
    let ledger = Ledger::at(&standby, database);
    let posted = api.seen();
    assert!(posted < 3000, "the failover was before the end");
    // Until its lease ends, a worker may send.
    ledger.wait(
        "SELECT count(*) FROM mailrun.worker WHERE heartbeat_at > clock_timestamp() - 2 * lease",
        "0",
    );
    for command in ["resume", "retry"] {
        let refused = ledger.command(command, &run).run();
        refused
            .code(1)
            .stderr_has("on another timeline (1 became 2)")
            .stderr_has("--accept-loss");
    }
    assert_eq!(api.seen(), posted, "nothing was posted");
    let accepting = ledger.command("resume", &run).arg("--accept-loss").run();
    assert!(matches!(accepting.exit(), Some(0 | 4)), "{accepting:?}");
    ledger.command("resume", &run).run();
    let results = ledger.results(&run);
    assert_eq!(results.count("accepted") + results.count("unknown"), 3000);
    let mut addresses = api.taken_addresses();
    let all = addresses.len();
    addresses.dedup();
    assert_eq!(addresses.len(), 3000, "nobody is left out");
    assert!(all > 3000, "those whose claim was lost got it twice: {all}");
}
