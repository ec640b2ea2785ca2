//! Who may start a run, and what counts as sent before.

use super::{Gate, Ledger, gated, is_available, until};
use crate::postgres::init;
use crate::support::campaign::Campaign;
use crate::support::fake_api::FakeApi;
use crate::support::postgres::{Cluster, USER};
use crate::support::results::Results;
use crate::support::run::Run;

#[test]
fn of_two_sends_at_a_time_one_is_refused() {
    if !is_available() {
        return;
    }
    for _ in 0..3 {
        let (ledger, gate) = (Ledger::new(), Gate::default());
        let api = gated(&gate);
        // On two machines, so that no lock in a folder helps.
        let campaigns = [ledger.campaign(&api, 30), ledger.campaign(&api, 30)];
        let [mut one, mut other] = campaigns.each_ref().map(|it| Run::send(it.path()).spawn());
        until("one of them ends", || one.has_ended() || other.has_ended());
        let (refused, sends) = match one.has_ended() {
            true => (one, other),
            false => (other, one),
        };
        refused.wait().code(1).stdout_is("");
        gate.open();
        sends.wait().code(0);
        assert_eq!(api.taken().len(), 30);
        assert_eq!(ledger.sql("SELECT count(*) FROM mailrun.run"), "1");
    }
}

#[test]
fn a_campaign_is_sent_again_only_on_request() {
    if !is_available() {
        return;
    }
    let (ledger, api) = (Ledger::new(), FakeApi::taking_all());
    let campaign = ledger.campaign(&api, 10);
    Run::send(campaign.path()).run().code(0);
    // The same campaign on another machine, with two more people.
    let other = ledger.campaign(&api, 12);
    let refused = Run::send(other.path()).run();
    refused
        .code(1)
        .stderr_has("already-sent")
        .stderr_has("10 accepted");
    let ran = Run::send(other.path()).arg("--except-sent").run();
    let run = ran.code(0).stdout.trim().to_owned();
    assert_eq!(
        ledger.results(&run).counts(),
        [("accepted", 2), ("skipped", 10)].into()
    );
    assert_eq!(api.taken().len(), 12);
    // A rehearsal leaves out the same people, although it is in a folder.
    let rehearsal = Run::send(other.path()).args(["--local", "--except-sent"]);
    assert_eq!(
        Results::of(rehearsal.run().code(0).run_dir()).count("skipped"),
        12
    );
    Run::send(other.path()).arg("--again").run().code(0);
    assert_eq!(api.taken().len(), 24);
}

#[test]
fn a_campaign_is_not_sent_again_while_a_worker_sends_it() {
    if !is_available() {
        return;
    }
    let (ledger, gate) = (Ledger::new(), Gate::default());
    let api = gated(&gate);
    let campaign = ledger.campaign(&api, 10);
    let (worker, _) = ledger.send(&campaign);
    let other = ledger.campaign(&api, 10);
    for option in ["--again", "--except-sent"] {
        let refused = Run::send(other.path()).arg(option).run();
        refused.code(1).stderr_has("is sending the run");
    }
    gate.open();
    worker.wait().code(0);
    assert_eq!(api.taken().len(), 10);
}

#[test]
fn an_older_run_leaves_out_who_got_a_later_one() {
    if !is_available() {
        return;
    }
    let (ledger, api) = (Ledger::new(), FakeApi::taking_all());
    let campaign = ledger.campaign(&api, 10);
    let ran = Run::send(campaign.path()).args(["--limit", "4"]).run();
    let first = ran.code(5).stdout.trim().to_owned();
    Run::send(campaign.path())
        .arg("--except-sent")
        .run()
        .code(0);
    ledger.command("resume", &first).run().code(0);
    assert_eq!(
        ledger.results(&first).counts(),
        [("accepted", 4), ("skipped", 6)].into()
    );
    assert_eq!(api.taken().len(), 10, "nobody twice");
}

#[test]
fn a_worker_needs_only_the_grants_of_init() {
    if !is_available() {
        return;
    }
    let cluster = Cluster::shared();
    let (database, role) = (cluster.database(), cluster.role());
    let owner = cluster.url_of(USER, &database);
    let ran = init(&owner).args(["--worker-role", &role]).run();
    ran.code(0);
    let url = cluster.url_of(&role, &database);
    let (gate, ledger) = (
        Gate::default(),
        Ledger {
            cluster,
            database,
            url,
        },
    );
    let api = gated(&gate);
    let campaign: Campaign = ledger
        .campaign(&api, 600)
        .set("pace.rate", vec!["100000/s", "10000/day"]);
    let (first, run) = ledger.send(&campaign);
    // Ends the first one, joins, stops.
    first.kill();
    let second = ledger.join(&run);
    until("it has sent a request", || api.in_flight() >= 2);
    ledger.status(&run);
    ledger.command("stop", &run).run().code(0);
    gate.open();
    second.wait().code(5);
    ledger.wait("SELECT count(*) FROM mailrun.worker WHERE heartbeat_at > clock_timestamp() - lease AND ended_at IS NULL", "0");
    let resolve = ledger.command("resolve", &run);
    resolve.args(["--how", "resend", "--yes"]).run().code(0);
    ledger.command("resume", &run).run().code(0);
    ledger.command("retry", &run).run().code(0);
    assert_eq!(ledger.hold(&campaign, &run, &api).count("accepted"), 600);
    let home = tempfile::tempdir().expect("a folder");
    let copy = home.path().join("copy");
    let ledger_copy = |arguments: &[&str]| {
        let copy = Run::new("ledger").arg("copy").args(arguments);
        copy.args(["--ledger", &ledger.url]).run()
    };
    let copy = copy.to_str().expect("UTF-8");
    ledger_copy(&[&run, "--to", copy]).code(0);
    Run::on("results", copy.as_ref()).run().code(0);
    assert_eq!(Results::of(copy).count("accepted"), 600);
    ledger_copy(&[copy]).code(0);
    let runs = Run::new("runs").args(["--ledger", &ledger.url]).run();
    runs.code(0).stdout_has(&run).stdout_has("600 accepted");
}
