//! `kill -9` at any moment, again and again: nobody gets a message twice, nobody is left out, and only
//! rows in flight are unknown.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;

use crate::support::campaign::Campaign;
use crate::support::fake_api::{FakeApi, Taken};
use crate::support::kill::{Moment, Scenario, Story, Watch, whole};
use crate::support::mail::outbox;
use crate::support::promises::Promises;
use crate::support::results::Results;
use crate::support::run::{Run, Running};
use crate::support::send::{campaign, send, send_first};

/// Plays scenarios one after the other.
fn play(scenarios: impl IntoIterator<Item = Scenario>) -> Story {
    let mut all = Story::default();
    for scenario in scenarios {
        let story = scenario.play();
        assert!(story.broken.is_empty(), "{scenario:?}: {story:#?}");
        all.add(story);
    }
    println!("{all:?}");
    all
}

#[test]
fn after_kills_and_resumes_both_ends_agree() {
    let story = play((1..=5).map(|seed| Scenario::random(seed, 6)));
    assert!(story.kills() >= 15, "{story:?}");
    assert!(story.moments["sending"] >= 8, "{story:?}");
}

#[test]
fn after_kills_and_resumes_of_batches_both_ends_agree() {
    let batches = (11..=13).map(|seed| Scenario {
        batch: 5,
        rows: 700,
        dialect: if seed % 2 == 0 {
            "sendmail"
        } else {
            "new_sendmail"
        },
        ..Scenario::random(seed, 4)
    });
    assert!(play(batches).kills() >= 6);
}

/// Kills `send` while it plans. Returns whether there was nothing to resume.
fn kill_planning(rows: usize, moment: Moment, then: Duration) -> bool {
    let api = FakeApi::taking_all();
    let campaign = campaign(&api).rows(rows);
    let watch = Watch::new(&campaign, &api, None);
    let mut running = send(&campaign).spawn();
    watch.wait(&mut running, moment, then);
    let killed = running.kill();
    let unplanned = killed.exit().is_none() && killed.stdout.is_empty();
    let resumed = Run::on("resume", campaign.path()).run();
    if unplanned && resumed.exit() == Some(1) {
        resumed.stdout_is("").stderr_has("`mailrun send`");
        if let Some(run) = watch.run() {
            Run::on("resume", &run)
                .run()
                .code(1)
                .stderr_has("`mailrun send`");
        }
        assert_eq!(api.requests().len(), 0, "nothing was sent");
        let again = send(&campaign).args(["--limit", "20"]).run();
        let results = Results::of(again.code(5).run_dir());
        assert_eq!(
            results.counts(),
            [("accepted", 20), ("pending", rows - 20)].into()
        );
        Promises::at(&results, &api).hold();
    } else {
        assert_eq!(api.taken().len(), rows, "each row once");
    }
    unplanned
}

#[test]
fn after_a_kill_while_planning_it_says_to_send_again_and_that_works() {
    let mut unplanned = 0;
    for step in 0..6 {
        let then = Duration::from_micros(step * step * 1_000);
        unplanned += u32::from(kill_planning(600, Moment::Folder, then));
    }
    assert!(unplanned >= 1, "none was hit before its plan was complete");
}

#[test]
fn after_a_kill_in_the_preflight_it_says_to_send_again_and_that_works() {
    let hit = (0..3)
        .filter(|step| kill_planning(900, Moment::Preflight, Duration::from_millis(*step * 8)));
    assert!(hit.count() >= 1, "none was hit in its preflight");
}

/// The messages in the outbox of a local run.
fn delivered(run: &Path) -> Vec<Taken> {
    let mails = outbox(run.join("outbox")).into_iter();
    mails
        .map(|mail| Taken {
            address: mail.to.join(" "),
            message_id: mail.message_id,
            request: 0,
        })
        .collect()
}

#[test]
fn after_kills_of_a_local_run_its_outbox_agrees() {
    let campaign = Campaign::new().rows(240).set("pace.concurrency", 8);
    let local = Run::new("send").arg(campaign.path()).arg("--local").spawn();
    let run = PathBuf::from(local.first_line());
    let got = |least: usize| {
        let run = run.clone();
        move |_: &Running| {
            let new = std::fs::read_dir(run.join("outbox/new"));
            new.is_ok_and(|new| new.count() >= least)
        }
    };
    local
        .wait_until("40 messages", got(40))
        .signal(Signal::KILL);
    local.wait();
    let resumed = Run::new("resume").arg(&run).spawn();
    resumed
        .wait_until("100 messages", got(100))
        .signal(Signal::KILL);
    resumed.wait();
    let ended = Run::new("resume").arg(&run).run();
    let promises = Promises::between(&Results::of(&run), &delivered(&run));
    assert!(promises.hold().unknown() <= 2 * 8);
    ended.code(if promises.unknown() > 0 { 4 } else { 0 });
    assert_eq!(promises.accepted() + promises.unknown(), 240);
}

/// Creates what a process leaves that is killed before its ledger has tables.
fn begun(run: &Path, ledger: Option<&[u8]>) {
    std::fs::create_dir(run).expect("a folder");
    std::fs::write(run.join("lock"), "").expect("a file");
    if let Some(bytes) = ledger {
        std::fs::write(run.join("ledger.db"), bytes).expect("a file");
    }
}

#[test]
fn a_run_that_was_hardly_begun_is_not_mistaken_for_the_one_before_it() {
    let api = FakeApi::taking_all();
    let campaign = campaign(&api);
    let old = send_first(&campaign, 1);
    let newest = old.with_file_name("29991231T235959.999Z-test-aaaa");
    begun(&newest, None);
    for place in [campaign.path(), &newest] {
        let ran = Run::on("resume", place).run();
        ran.code(1).stdout_is("").stderr_has("`mailrun send`");
    }
    std::fs::remove_dir_all(&newest).expect("it is there");
    begun(&newest, Some(b"something else that is not a ledger"));
    Run::on("resume", &newest)
        .run()
        .code(1)
        .stderr_has("not a ledger");
    assert_eq!(api.taken().len(), 1, "the run before is unchanged");
}

#[test]
fn the_next_send_after_a_kill_makes_git_ignore_the_runs() {
    let api = FakeApi::taking_all();
    let campaign = campaign(&api);
    std::fs::create_dir(campaign.path().join("runs")).expect("a folder");
    send(&campaign).run().code(0);
    let ignore = std::fs::read_to_string(campaign.path().join("runs/.gitignore"));
    assert_eq!(ignore.ok().as_deref(), Some("*\n"));
}

#[test]
fn results_are_the_old_ones_or_complete_new_ones() {
    const ROWS: usize = 3_000;
    let api = FakeApi::taking_all();
    let note = "x".repeat(300);
    let rows: String = (0..ROWS)
        .map(|n| format!("r{n}@x.example,{note}\n"))
        .collect();
    let campaign = campaign(&api)
        .recipients(format!("email,first_name\n{rows}"))
        .set("message.subject", "News")
        .template("newsletter.html", "<p>News</p>");
    let run = send_first(&campaign, 1);
    let path = run.join("results.csv");
    let mut met = BTreeMap::new();
    for step in 0..12 {
        let watch = Watch::new(&campaign, &api, Some(&run));
        // Raw results would be the same here.
        let mut running = Run::on("results", &run).spawn();
        watch.wait(
            &mut running,
            Moment::Results,
            Duration::from_micros(step * 700),
        );
        let killed = running.kill().exit().is_none();
        whole(&path, ROWS).unwrap_or_else(|why| panic!("step {step}: {why}"));
        *met.entry(killed).or_insert(0) += 1;
    }
    assert!(met.get(&true).is_some_and(|kills| *kills >= 3), "{met:?}");
    assert_eq!(Results::of(&run).count("accepted"), 1);
}
