//! Limits per day over several runs: those of a campaign, and those of a pace group.

use std::fs;
use std::path::Path;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::campaign::Campaign;
use crate::support::fake_api::{FakeApi, Reply};
use crate::support::results::Results;
use crate::support::run::{Ran, Run, Running};
use crate::support::send::{campaign, send};
use crate::support::shim::Shim;

const DAY: i64 = 24 * 3600;

fn full(running: Running) -> Ran {
    running.wait_until("it says that the day is full", |it| {
        it.stderr().contains("day's limit")
    });
    running.signal(Signal::TERM);
    running.wait()
}

fn with_state(run: Run, state: &TempDir) -> Run {
    run.env("XDG_STATE_HOME", state.path())
}

#[test]
fn a_limit_per_day_holds_over_the_runs_of_a_campaign() {
    let Some(shim) = Shim::new() else { return };
    let api = FakeApi::taking_all();
    let campaign = campaign(&api).rows(6).set("pace.rate", vec!["3/day"]);
    send(&campaign).args(["--limit", "3"]).run().code(5);
    let ran = full(shim.clock(send(&campaign).arg("--except-sent")).spawn());
    ran.code(130);
    assert_eq!(api.taken().len(), 3, "three a day, whatever the run");
    let run = ran.run_dir();
    shim.shift_clock(DAY + 180);
    shim.clock(Run::on("resume", &run)).run().code(0);
    assert_eq!(api.taken().len(), 6);
    assert_eq!(
        Results::of(&run).counts(),
        [("accepted", 3), ("skipped", 3)].into()
    );
}

#[test]
fn campaigns_of_a_group_share_a_limit() {
    let state = TempDir::new().expect("a folder");
    let api = FakeApi::taking_all();
    let of_group = |group: &str| {
        campaign(&api)
            .rows(6)
            .set("pace.rate", vec!["1000/s", "8/day"])
            .set("pace.pace_group", group)
    };
    let (one, two, other) = (of_group("acme"), of_group("acme"), of_group("other"));
    with_state(send(&one), &state).run().code(0);
    full(with_state(send(&two), &state).spawn()).code(130);
    assert_eq!(api.taken().len(), 8);
    with_state(send(&other), &state).run().code(0);
    assert_eq!(api.taken().len(), 14);
    // Tests and local runs neither count nor wait.
    let test = with_state(send(&two), &state).args(["--test-to", "me@sender.example"]);
    test.run().code(0);
    let local = with_state(Run::new("send"), &state)
        .arg(two.path())
        .arg("--local");
    local.run().code(0);
    assert_eq!(api.taken().len(), 15);
}

/// `--rate` without a limit per day replaces that of the campaign.
#[test]
fn what_a_faster_resume_posts_counts_for_the_group() {
    let state = TempDir::new().expect("a folder");
    let api = FakeApi::taking_all();
    let of_group = || {
        campaign(&api)
            .rows(6)
            .set("pace.rate", vec!["1000/s", "5/day"])
            .set("pace.pace_group", "acme")
    };
    let (one, two) = (of_group(), of_group());
    let ran = full(with_state(send(&one), &state).spawn());
    let faster = Run::on("resume", &ran.run_dir()).args(["--rate", "1000/s"]);
    with_state(faster, &state).run().code(0);
    assert_eq!(api.taken().len(), 6);
    let limit = two.set("pace.rate", vec!["1000/s", "6/day"]);
    full(with_state(send(&limit), &state).spawn()).code(130);
    assert_eq!(api.taken().len(), 6);
}

#[test]
fn a_run_ends_when_the_posted_recipients_can_not_be_counted_any_more() {
    let state = TempDir::new().expect("a folder");
    let file = state.path().join("mailrun/pace.db");
    let gone = file.clone();
    let api = FakeApi::start(move |n, _| {
        if n == 3 {
            fs::remove_file(&gone).expect("it is there");
        }
        Reply::Take
    });
    let campaign = campaign(&api)
        .rows(30)
        .set("pace.rate", vec!["1000/s", "100/day"])
        .set("pace.pace_group", "acme");
    let ran = with_state(send(&campaign), &state).run();
    ran.code(5)
        .stderr_has("Stopped: limits per day can't be kept: ")
        .stderr_has(&file.display().to_string());
    let run = ran.run_dir();
    let results = Results::of(&run);
    let counts = results.counts();
    assert_eq!(counts["accepted"], api.taken().len());
    assert_eq!(counts["accepted"] + counts["pending"], 30);
    with_state(Run::on("resume", &run), &state).run().code(0);
    assert_eq!(api.taken().len(), 30);
}

#[test]
fn two_processes_at_once_keep_the_limit_of_their_group() {
    let state = TempDir::new().expect("a folder");
    let api = FakeApi::taking_all();
    let of_group = || {
        campaign(&api)
            .rows(300)
            .set("pace.rate", vec!["1000/s", "350/day"])
            .set("pace.pace_group", "acme")
    };
    let (one, two) = (of_group(), of_group());
    let running = [&one, &two].map(|campaign| with_state(send(campaign), &state).spawn());
    let last = || api.taken().len();
    running[0].wait_until("all of the day have gone", |_| last() >= 350);
    for running in running {
        running.signal(Signal::TERM);
        running.wait();
    }
    assert_eq!(api.taken().len(), 350);
}

#[test]
fn the_ramp_grows_each_day_over_kills_and_runs() {
    let Some(shim) = Shim::new() else { return };
    let state = TempDir::new().expect("a folder");
    let api = FakeApi::taking_all();
    let campaign = campaign(&api)
        .rows(200)
        .set("pace.ramp", vec!["10/day", "20/day", "40/day"])
        .set("pace.pace_group", "new-ip")
        .set("schedule.timezone", "UTC");
    let mut run: Option<std::path::PathBuf> = None;
    let mut sent = 0;
    for (day, most) in [(0, 10), (1, 20), (2, 40), (3, 40)] {
        // A little later each day, so that all of the day before is more than 24 hours old.
        shim.shift_clock(day * (DAY + 180));
        for _ in 0..2 {
            let command = match &run {
                None => send(&campaign),
                Some(run) => Run::on("resume", run),
            };
            let running = shim.clock(with_state(command, &state)).spawn();
            running.wait_until("it says that the day is full", |it| {
                it.stderr().contains("day's limit")
            });
            let ran = running.kill();
            run.get_or_insert_with(|| Path::new(ran.stdout.trim()).to_owned());
            let step = match day {
                0 => "ramp: day 1 of 3, 10 a day (pace group “new-ip”: no message before today)",
                1 => "ramp: day 2 of 3, 20 a day (pace group “new-ip”: messages on 1 day before",
                2 => "ramp: day 3 of 3, 40 a day (pace group “new-ip”: messages on 2 days before",
                _ => "ramp: complete, 40 a day (pace group “new-ip”: messages on 3 days before",
            };
            ran.stderr_has(step);
            assert_eq!(api.taken().len() - sent, most, "on day {day}");
        }
        sent = api.taken().len();
    }
}

#[test]
fn a_dry_run_knows_the_ramp() {
    let campaign = Campaign::new()
        .rows(700)
        .set("pace.ramp", vec!["100/day", "200/day", "400/day"])
        .set("schedule.timezone", "UTC")
        .set("schedule.start", "2100-06-01 09:00");
    let dry_run = Run::new("send").arg(campaign.path()).arg("--dry-run");
    dry_run
        .run()
        .code(0)
        .stdout_has("ramp:       day 1 of 3, 100 a day (this campaign: no message before today)")
        .stdout_has("pauses:     Tue 2100-06-01 09:00 +00:00 (UTC), until Wed 2100-06-02 00:00 +00:00 (UTC)")
        .stdout_has("ends:       about Thu 2100-06-03 09:0");
}

#[test]
fn an_estimate_knows_that_today_was_a_day_of_the_ramp() {
    let api = FakeApi::taking_all();
    let campaign = campaign(&api)
        .rows(6)
        .set("pace.ramp", vec!["3/day", "6/day"])
        .set("schedule.timezone", "UTC");
    send(&campaign).args(["--limit", "3"]).run().code(5);
    let dry_run = Run::new("send").arg(campaign.path()).arg("--dry-run");
    let ran = dry_run.args(["--again", "--at", "in 3 days"]).run();
    ran.code(0)
        .stdout_has("ends:       about ")
        .stdout_lacks("pauses:");
}

#[test]
fn mistakes_in_ramp_and_group() {
    let error = |campaign: Campaign, message: &str| {
        let ran = Run::new("check").arg(campaign.path()).run();
        ran.code(1).stdout_has(message);
    };
    let ramp = |ramp: Vec<&str>| Campaign::new().set("pace.ramp", ramp);
    error(ramp(vec![]), "`ramp` is empty");
    error(
        ramp(vec!["500/day", "10/s"]),
        "“10/s” is not a limit per day",
    );
    error(ramp(vec!["many"]), "“many” is not a rate");
    error(
        Campaign::new().set("pace.pace_group", " "),
        "must be one line of 1 to 64 bytes",
    );
    error(
        Campaign::new()
            .set("pace.rate", vec!["10/s"])
            .set("pace.pace_group", "acme"),
        "would not count in the group",
    );
}
