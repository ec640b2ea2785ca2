//! The database's functions, called as workers call them.

use super::{Ledger, is_available};
use crate::support::fake_api::FakeApi;
use crate::support::run::Run;

/// A ledger with a run of which 19 rows are pending, and the number of the run.
fn ledger() -> (Ledger<'static>, String) {
    let (ledger, api) = (Ledger::new(), FakeApi::taking_all());
    let campaign = ledger.campaign(&api, 20);
    let ran = Run::send(campaign.path()).args(["--limit", "1"]).run();
    ran.code(5);
    let run = ledger.sql("SELECT id FROM mailrun.run");
    (ledger, run)
}

/// Joins a run. Returns the number of the worker.
fn join(ledger: &Ledger<'_>, run: &str) -> String {
    ledger.sql(&format!("SELECT mailrun.join_run({run}, 'host', 1, 2000)"))
}

/// Commits nothing but claims of rows in lane 0.
fn claim(ledger: &Ledger<'_>, worker: &str, commit: u32, rows: &str) -> String {
    let lanes = vec!["0"; rows.split(',').count()].join(",");
    ledger.sql(&format!(
        "SELECT mailrun.commit_work({worker}, {commit}, '{{}}', '{{}}', '{{}}', '{{}}', '{{}}', '{{}}', '{{}}',
                                    '{{{rows}}}', '{{{lanes}}}', '{{}}', '{{}}', '{{}}', '{{}}')"
    ))
}

#[test]
fn a_worker_may_claim_after_its_lease_unless_somebody_ended_it() {
    if !is_available() {
        return;
    }
    let (ledger, run) = ledger();
    let worker = join(&ledger, &run);
    let silent = format!(
        "UPDATE mailrun.worker SET heartbeat_at = clock_timestamp() - interval '1 hour',
                                   steady_since = clock_timestamp() - interval '1 hour' WHERE id = {worker}"
    );
    ledger.sql(&silent);
    let lease = format!("SELECT answer FROM mailrun.lease({worker}, 0, 1, 10)");
    assert_eq!(ledger.sql(&lease), "range");
    assert_eq!(claim(&ledger, &worker, 1, "2,3"), "done");
    assert_eq!(
        claim(&ledger, &worker, 1, "2,3"),
        "done",
        "once more, for a lost answer"
    );
    ledger.sql(&silent);
    // A database that has just started ends nobody.
    let up = "SELECT pg_postmaster_start_time() < clock_timestamp() - interval '2 seconds'";
    ledger.wait(up, "t");
    // Another one ends it when it joins.
    join(&ledger, &run);
    assert_eq!(ledger.sql(&lease), "not live");
    assert_eq!(claim(&ledger, &worker, 2, "4"), "not live");
    assert_eq!(
        claim(&ledger, &worker, 9, "4"),
        "lost",
        "the database lacks commits"
    );
    let statuses =
        "SELECT string_agg(status::text, ' ' ORDER BY row) FROM mailrun.delivery WHERE row < 5";
    assert_eq!(ledger.sql(statuses), "accepted unknown unknown pending");
}

#[test]
fn permits_count_against_the_day_until_they_lapse_or_their_worker_ends() {
    if !is_available() {
        return;
    }
    let (ledger, run) = ledger();
    let (one, other) = (join(&ledger, &run), join(&ledger, &run));
    // Of the 40 a day, one is used.
    let reserve = |worker: &str, needed: u32, expired: u32| {
        let arguments = format!("{worker}, 0, 40, {needed}, 0, 250000, 40, {expired}");
        ledger.sql(&format!("SELECT granted FROM mailrun.reserve({arguments})"))
    };
    assert_eq!(reserve(&one, 0, 0), "3", "a tenth of what is left");
    assert_eq!(reserve(&one, 0, 0), "0", "it has enough");
    assert_eq!(reserve(&one, 26, 0), "26");
    assert_eq!(reserve(&other, 20, 0), "10");
    assert_eq!(reserve(&other, 1, 0), "0");
    assert_eq!(reserve(&one, 5, 4), "4", "in place of those that lapsed");
    let lease = format!("SELECT answer FROM mailrun.lease({one}, 0, 1, 10)");
    assert_eq!(ledger.sql(&lease), "range");
    assert_eq!(claim(&ledger, &one, 1, "2,3"), "done");
    assert_eq!(reserve(&other, 1, 0), "0", "used permits are no free ones");
    ledger.sql(&format!("SELECT mailrun.leave_run({one})"));
    assert_eq!(
        reserve(&other, 40, 0),
        "27",
        "the others of the one that ended"
    );
}
