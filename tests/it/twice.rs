//! Two processes never send a campaign at the same time, and a dead process blocks nothing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::campaign::Campaign;
use crate::support::fake_api::{FakeApi, Reply};
use crate::support::results::Results;
use crate::support::run::{Run, Running};
use crate::support::send::{campaign, send};

/// An API that takes every message and answers after a while.
fn slow() -> FakeApi {
    FakeApi::start(|_, _| Reply::Take.after(Duration::from_millis(1500)))
}

/// A `send` that is stopped while it plans. Its list is long, so that it is stopped in time.
fn planning(campaign: &Campaign, more: &[&str]) -> Running {
    let list = campaign.path().join("recipients.csv");
    let rows = std::fs::read(&list).expect("a list");
    let long = (0..200_000).map(|row| format!("r{row}@one.example,Name\n"));
    std::fs::write(
        &list,
        format!("email,first_name\n{}", long.collect::<String>()),
    )
    .expect("room");
    let running = sending(campaign, more, "frozen");
    let pid = Pid::from_raw(running.pid() as i32).expect("a process");
    kill_process(pid, Signal::STOP).expect("it plans");
    std::fs::write(&list, rows).expect("room");
    running
}

/// A `send` whose run has this file.
fn sending(campaign: &Campaign, more: &[&str], file: &str) -> Running {
    let before = campaign.runs();
    let running = send(campaign).args(more).spawn();
    let made = |run: &PathBuf| !before.contains(run) && run.join(file).exists();
    running.wait_until(file, |_| campaign.runs().iter().any(made));
    running
}

#[track_caller]
fn refused(command: Run, running: &Running, run: &Path) {
    let ran = command.run();
    ran.code(1)
        .stdout_is("")
        .stderr_has(&format!("by process {}", running.pid()))
        .stderr_has(&run.canonicalize().expect("a folder").to_string_lossy())
        .stderr_has("wait for it, or stop it");
}

#[test]
fn the_second_send_refuses_with_any_options() {
    let api = slow();
    let campaign = campaign(&api);
    let running = send(&campaign).spawn();
    let run = PathBuf::from(running.first_line());
    running.wait_until("one in flight", |_| api.in_flight() == 1);
    for more in [None, Some("--again"), Some("--except-sent")] {
        refused(send(&campaign).args(more), &running, &run);
    }
    let elsewhere = campaign.path().join("elsewhere");
    let again = send(&campaign).arg("--again").arg("--run-dir");
    refused(again.arg(&elsewhere), &running, &run);
    assert_eq!(campaign.runs(), std::slice::from_ref(&run));
    running.wait().code(0);
    assert_eq!(api.taken().len(), 3);
    send(&campaign).arg("--again").run().code(0);
    assert_eq!(api.taken().len(), 6);
}

#[test]
fn the_second_send_refuses_while_the_first_plans() {
    let api = FakeApi::taking_all();
    let campaign = campaign(&api);
    let running = planning(&campaign, &[]);
    let run = campaign.only_run();
    for more in ["-v", "--again", "--except-sent"] {
        refused(send(&campaign).arg(more), &running, &run);
    }
    assert_eq!(api.requests().len(), 0);
    running.kill();
    send(&campaign).run().code(0);
    assert_eq!(api.taken().len(), 3);
}

#[test]
fn the_second_send_refuses_while_the_first_asks() {
    let api = FakeApi::taking_all();
    let campaign = campaign(&api);
    let asking = Run::new("send").arg(campaign.path()).keys().terminal();
    let running = asking.spawn();
    running.wait_until("it asks", |it| it.stderr().contains("[y/N]"));
    let run = campaign.only_run();
    for more in [None, Some("--again"), Some("--except-sent")] {
        refused(send(&campaign).args(more), &running, &run);
    }
    let planned = format!("process {} is still planning", running.pid());
    let status = Run::new("status").arg(campaign.path()).run();
    status.code(1).stderr_has(&planned);
    Run::on("resume", &run)
        .run()
        .code(1)
        .stderr_has("is in use");
    running.kill();
    assert_eq!(api.requests().len(), 0);
    send(&campaign).run().code(0);
    assert_eq!(api.taken().len(), 3);
}

#[test]
fn tests_and_campaigns_of_another_name_are_not_affected() {
    let api = slow();
    let campaign = campaign(&api);
    let running = send(&campaign).spawn();
    running.first_line();
    running.wait_until("one in flight", |_| api.in_flight() == 1);
    let local = Run::new("send").arg(campaign.path()).arg("--local");
    local.run().code(0);
    send(&campaign)
        .args(["--test-to", "me@one.example"])
        .run()
        .code(0);
    send(&campaign).arg("--dry-run").run().code(0);
    let campaign = campaign.set("name", "another");
    send(&campaign).run().code(0);
    running.wait().code(0);
}

#[test]
fn a_campaign_is_not_sent_while_its_run_is_resumed() {
    let api = FakeApi::start(|n, _| match n {
        0 => Reply::Take,
        _ => Reply::Take.after(Duration::from_millis(1500)),
    });
    let campaign = campaign(&api);
    let first = send(&campaign).args(["--limit", "1"]).run();
    let run = first.code(5).run_dir();
    let running = Run::on("resume", &run).spawn();
    running.wait_until("one in flight", |_| api.in_flight() > 0);
    for more in ["--again", "--except-sent"] {
        refused(send(&campaign).arg(more), &running, &run);
    }
    running.wait().code(0);
    assert_eq!(api.taken().len(), 3);
}

#[test]
fn no_run_is_resumed_while_its_campaign_is_sent() {
    let api = FakeApi::taking_all();
    let campaign = campaign(&api);
    let first = send(&campaign).args(["--limit", "1"]).run();
    let run = first.code(5).run_dir();
    let running = planning(&campaign, &["--except-sent"]);
    let second = campaign.runs().pop().expect("a run");
    for command in ["resume", "retry"] {
        refused(Run::on(command, &run), &running, &second);
    }
    let resolve = Run::on("resolve", &run).args(["--how", "accepted"]);
    refused(resolve, &running, &second);
    assert_eq!(api.taken().len(), 1);
    running.kill();
    Run::on("resume", &run).run().code(0);
    assert_eq!(api.taken().len(), 3);
}

#[test]
fn two_runs_of_a_campaign_can_be_resumed_at_a_time() {
    let api = FakeApi::start(|n, _| match n {
        0..2 => Reply::Take,
        _ => Reply::Take.after(Duration::from_millis(1000)),
    });
    let campaign = campaign(&api);
    let partly = || {
        let command = send(&campaign).args(["--again", "--limit", "1"]);
        command.run().code(5).run_dir()
    };
    let (one, two) = (partly(), partly());
    let running = Run::on("resume", &one).spawn();
    running.wait_until("one in flight", |_| api.in_flight() > 0);
    Run::on("resume", &two).run().code(0);
    running.wait().code(0);
    assert_eq!(api.taken().len(), 6);
}

/// Sends after a process died while it planned a second run.
fn no_obstacle(api: &FakeApi, die: impl FnOnce(Campaign) -> Campaign) {
    let campaign = campaign(api);
    let first = send(&campaign).args(["--limit", "1"]).run();
    let run = first.code(5).run_dir();
    let campaign = die(campaign);
    let half = campaign.runs().pop().expect("a run");
    assert_ne!(half, run);
    // For a campaign, `resume` reports the newest run and does not choose an older one.
    Run::on("resume", campaign.path())
        .run()
        .code(1)
        .stderr_has("not planned completely");
    assert_eq!(api.taken().len(), 1);
    Run::on("resume", &run).run().code(0);
    assert_eq!(api.taken().len(), 3);
    send(&campaign).arg("--dry-run").run().code(0);
    assert!(half.exists(), "a rehearsal removes nothing");
    let again = send(&campaign).arg("--again").run();
    let second = again.code(0).run_dir();
    assert_eq!(campaign.runs(), [run, second], "the half run is gone");
    assert_eq!(api.taken().len(), 6);
}

#[test]
fn a_process_that_died_before_it_had_a_ledger_blocks_nothing() {
    no_obstacle(&FakeApi::taking_all(), |campaign| {
        planning(&campaign, &["--except-sent"]).kill();
        campaign
    });
}

#[test]
fn a_process_that_died_while_it_wrote_its_rows_blocks_nothing() {
    no_obstacle(&FakeApi::taking_all(), |campaign| {
        let campaign = campaign.rows(40_000);
        let running = sending(&campaign, &["--again"], "ledger.db");
        running.kill().stdout_is("");
        campaign.rows(3)
    });
}

#[test]
fn a_folder_where_a_process_died_while_it_planned_can_be_used() {
    let api = FakeApi::taking_all();
    let campaign = campaign(&api);
    let dir = campaign.path().join("runs/mine");
    let more = ["--run-dir", dir.to_str().expect("UTF-8")];
    planning(&campaign, &more).kill();
    send(&campaign).args(more).run().code(0);
    assert_eq!(Results::of(&dir).counts(), [("accepted", 3)].into());
    send(&campaign)
        .arg("--again")
        .args(more)
        .run()
        .code(1)
        .stderr_has("not empty");
    assert_eq!(api.taken().len(), 3);
}

#[test]
fn a_folder_with_more_than_an_incomplete_run_is_left_alone() {
    let api = FakeApi::taking_all();
    let campaign = campaign(&api);
    planning(&campaign, &[]).kill();
    let half = campaign.only_run();
    std::fs::write(half.join("notes.txt"), "mine").expect("a file");
    send(&campaign).run().code(0);
    assert_eq!(
        std::fs::read_to_string(half.join("notes.txt")).expect("it is there"),
        "mine"
    );
}
