//! When `follow` goes on, when it ends, and what it keeps.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use super::{address, events, fast, follow, of, sent, states};
use crate::support::campaign::Campaign;
use crate::support::fake_api::FakeApi;
use crate::support::results::Results;
use crate::support::run::{Run, SECRET_KEY};
use crate::support::send::{campaign, send, status};
use crate::support::vendor::{Answer, Vendor};

#[test]
fn a_server_in_trouble_is_asked_again() {
    let vendor = Vendor::start();
    let campaign = of(&vendor, 2)
        .set("retry.max_delay", "50ms")
        .set("retry.attempts", 3);
    let run = sent(&campaign);
    vendor.event("r1@one.example", "ok", "01:00:00");
    vendor.event("r2@one.example", "ok", "01:00:00");
    vendor.next(&[Answer::Status(500), Answer::Status(503)]);
    follow(&run).run().code(0);
    assert_eq!(states(&Results::of(&run)), ["delivered"; 2]);

    // If it stays in trouble, the next round asks again.
    let campaign = of(&vendor, 2)
        .set("retry.max_delay", "50ms")
        .set("retry.attempts", 2);
    let run = sent(&campaign);
    for row in [1, 2] {
        vendor.event(&address(row), "ok", "01:00:00");
    }
    vendor.next(&[Answer::Status(500); 4]);
    let ran = fast(Run::on("follow", &run)).args(["--for", "20s"]).run();
    ran.code(0)
        .stderr_has("did not answer everything: Not now")
        .stderr_has("Asking again in");
    vendor.next(&[Answer::Status(500); 9]);
    follow(&run)
        .run()
        .code(4)
        .stderr_has("The API said: Not now");
}

#[test]
fn a_refused_login_stops_at_once() {
    let vendor = Vendor::start();
    let campaign = of(&vendor, 2);
    let run = sent(&campaign);
    vendor.next(&[Answer::Status(401)]);
    let ran = fast(Run::on("follow", &run)).run();
    ran.code(5)
        .stderr_has("App Key is invalid")
        .stderr_lacks(SECRET_KEY);
    assert_eq!(vendor.questions().len(), 1);
}

#[test]
fn what_a_killed_follow_found_is_kept() {
    let vendor = Vendor::start().page(4);
    let campaign = of(&vendor, 10);
    let run = sent(&campaign);
    for row in 1..=10 {
        vendor.event(&address(row), "ok", "01:00:00");
    }
    let delivered = |run: &Path| status(run)["delivery"]["counts"]["delivered"].as_u64();
    for signal in [Signal::KILL, Signal::INT] {
        // Complaints, one page of messages, and then silence.
        vendor.next(&[Answer::Right, Answer::Right, Answer::Hang]);
        let asked = vendor.questions().len();
        let running = fast(Run::on("follow", &run)).spawn();
        running.wait_until("a page", |_| {
            vendor.questions().len() >= asked + 3 && delivered(&run) == Some(4)
        });
        running.signal(signal);
        let ran = running.wait();
        match signal {
            Signal::INT => ran.code(130).stderr_has("4  delivered"),
            _ => &ran,
        };
        assert_eq!(delivered(&run), Some(4));
    }
    follow(&run).run().code(0);
    assert_eq!(states(&Results::of(&run)), ["delivered"; 10]);
    assert_eq!(events(&run.join("events.csv")).len(), 10);
}

#[test]
fn a_run_is_followed_while_it_is_sent() {
    let vendor = Vendor::start();
    let campaign = of(&vendor, 40).set("pace.rate", vec!["10/s"]);
    let sending = send(&campaign).spawn();
    let run = PathBuf::from(sending.first_line());
    sending.wait_until("two messages", |_| vendor.api.taken().len() >= 2);
    let following = fast(Run::on("follow", &run)).args(["--for", "30s"]).spawn();
    following.wait_until("a round", |it| it.stderr().contains("Asking again"));
    sending.wait().code(0);
    for row in 1..=40 {
        vendor.event(&address(row), "ok", "01:00:00");
    }
    following.wait().code(0);
    assert_eq!(states(&Results::of(&run)), ["delivered"; 40]);
}

#[test]
fn follow_goes_on_while_the_run_is_sent_even_if_all_so_far_is_known() {
    let vendor = Vendor::delivering().take_only(1);
    let campaign = of(&vendor, 2).set("pace.concurrency", 1);
    let sending = send(&campaign).spawn();
    let run = PathBuf::from(sending.first_line());
    sending.wait_until("the second message", |_| vendor.api.requests().len() == 2);
    let following = fast(Run::on("follow", &run)).args(["--for", "60s"]).spawn();
    following.wait_until("two rounds", |it| {
        let rounds = it
            .stderr()
            .matches("the outcome of 0 of 1 accepted message is not known")
            .count();
        rounds >= 2
    });
    sending.kill();
    following.wait().code(0).stderr_has("1  delivered");
}

#[test]
fn a_run_that_nobody_can_be_asked_about_is_refused() {
    let local = Campaign::new();
    let command = Run::new("send").arg(local.path()).arg("--local");
    let run = command.run().code(0).run_dir();
    follow(&run).run().code(2).stderr_has("this run is local");
    assert!(!run.join("events.db").exists());
    let api = FakeApi::taking_all();
    let campaign = campaign(&api).rows(2);
    let run = sent(&campaign);
    Run::new("follow")
        .arg(&run)
        .run()
        .code(1)
        .stderr_has("EMAILLABS_");
    for bad in [["--for", "soon"], ["--rate", "5/day"], ["--interval", "0s"]] {
        follow(&run).args(bad).run().code(2);
    }
    assert_eq!(api.requests().len(), 2);
}

#[test]
fn events_survive_a_damaged_or_newer_file_as_errors() {
    let vendor = Vendor::start();
    let campaign = of(&vendor, 1);
    let run = sent(&campaign);
    let newer = rusqlite::Connection::open(run.join("events.db")).expect("a file");
    newer
        .execute_batch("CREATE TABLE event (row); PRAGMA application_id = 1835099510; PRAGMA user_version = 9;")
        .expect("a schema");
    drop(newer);
    follow(&run)
        .run()
        .code(1)
        .stderr_has("a newer mailrun")
        .stderr_has("update mailrun");
    std::fs::write(run.join("events.db"), "hello").expect("a file");
    follow(&run)
        .run()
        .code(1)
        .stderr_has("not a file with events");
    assert!(vendor.questions().is_empty());
    let counts: BTreeMap<&str, usize> = [("accepted", 1)].into();
    assert_eq!(Results::of(&run).counts(), counts);
}
