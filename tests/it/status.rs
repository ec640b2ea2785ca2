//! What `status` and `retry` say about rows that need a decision.

use std::sync::atomic::Ordering;

use rusqlite::Connection;
use rustix::process::Signal;

use crate::support::fake_api::{FakeApi, Reply};
use crate::support::results::Results;
use crate::support::run::Run;
use crate::support::screen::Screen;
use crate::support::send::{campaign, rows, send, status};

/// An API that loses the answer to every message.
fn loses_answers() -> FakeApi {
    FakeApi::start(|_, _| Reply::CloseAfterReading { take: true })
}

#[test]
fn lists_the_unknown_rows_with_the_reason_and_the_time() {
    let api = FakeApi::start(|n, _| match n {
        1 => Reply::json(502, "<h1>Bad gateway</h1>").into(),
        _ => Reply::Take,
    });
    let campaign = campaign(&api).set("pace.concurrency", 1);
    let run = send(&campaign).run().code(4).run_dir();
    let unknown = status(&run)["unknown"].clone();
    let finished = &Results::of(&run).rows[1]["finished_at"];
    assert_eq!(
        unknown,
        serde_json::json!([{
            "row": 2, "email": "bob@two.example", "at": finished,
            "error": "HTTP 502 without an answer from the API",
        }])
    );
    let at = finished[..19].replace('T', " ");
    Run::new("status")
        .arg(&run)
        .run()
        .code(0)
        .stdout_has(&format!(
            "unknown: row 2, bob@two.example, {at} UTC: HTTP 502 without an answer from the API\n"
        ))
        .stdout_lacks("more unknown");
}

#[test]
fn shows_twenty_unknown_rows_and_lists_a_thousand() {
    let api = loses_answers();
    let campaign = campaign(&api)
        .rows(1003)
        .set("pace.concurrency", 50)
        .set("breaker.share", 1.0);
    let run = send(&campaign).run().code(4).run_dir();
    let status = status(&run);
    assert_eq!(status["counts"]["unknown"], 1003);
    let listed = status["unknown"].as_array().expect("a list");
    let numbers: Vec<_> = listed.iter().map(|row| row["row"].as_u64()).collect();
    assert_eq!(numbers, (1..=1000).map(Some).collect::<Vec<_>>());
    let text = Run::new("status").arg(&run).run();
    text.code(0).stdout_has("and 983 more unknown rows\n");
    assert_eq!(text.stdout.matches("unknown: row ").count(), 20);
}

#[test]
fn a_row_whose_sender_was_killed_is_listed_and_one_in_flight_is_not() {
    let api = FakeApi::start(|_, _| Reply::Hang { take: true });
    let campaign = campaign(&api);
    let running = send(&campaign).spawn();
    let run = running.first_line();
    running.wait_until("one in flight", |_| api.in_flight() == 1);
    let run = std::path::Path::new(&run);
    assert_eq!(status(run)["unknown"], serde_json::json!([]));
    running.kill();
    let unknown = &status(run)["unknown"];
    assert_eq!(unknown[0]["row"], 1);
    assert!(
        unknown[0]["at"]
            .as_str()
            .is_some_and(|at| at.ends_with('Z'))
    );
    let error = unknown[0]["error"].as_str();
    assert!(error.is_some_and(|error| error.contains("in flight")));
}

#[test]
fn control_characters_in_a_row_do_not_reach_the_terminal() {
    let api = loses_answers();
    let campaign = campaign(&api);
    let run = send(&campaign).run().code(4).run_dir();
    let ledger = Connection::open(run.join("ledger.db")).expect("the ledger");
    ledger
        .execute(
            "UPDATE delivery SET error = 'a' || char(27) || '[2J' || char(10) || 'unknown: row 9' || char(8238)",
            [],
        )
        .expect("it can be written");
    drop(ledger);
    let text = Run::new("status").arg(&run).run();
    text.code(0)
        .stdout_lacks("\u{1b}")
        .stdout_lacks("\u{202e}")
        .stdout_lacks("\nunknown: row 9");
}

#[test]
fn retry_says_when_there_is_nothing_to_do() {
    let api = FakeApi::start(|_, request| Reply::by_address(request));
    let taken = campaign(&api);
    let run = send(&taken).run().code(0).run_dir();
    for (argument, words) in [
        ("--quiet", ""),
        ("-v", "There are no failed rows.\n"),
        ("--rejected", "There are no failed or rejected rows.\n"),
    ] {
        let ran = Run::on("retry", &run).arg(argument).run();
        ran.code(0).stderr_has(words);
    }
    assert_eq!(api.requests().len(), 3, "nothing was posted");

    let refused = campaign(&api).recipients("email,first_name\nreject@x.example,R\n");
    let run = send(&refused).run().code(3).run_dir();
    Run::on("retry", &run)
        .run()
        .code(3)
        .stderr_has("To send the 1 rejected row again, add `--rejected`");
    assert_eq!(api.requests().len(), 4);
    Run::on("retry", &run)
        .arg("--rejected")
        .run()
        .code(3)
        .stderr_has("1 row is pending again");
    assert_eq!(api.requests().len(), 5);
    assert_eq!(rows(&run, "rejected"), 1);
}

#[test]
fn the_summary_names_reconcile_if_it_is_possible() {
    for (dialect, named) in [("sendmail", false), ("new_sendmail", true)] {
        let api = loses_answers();
        let campaign = campaign(&api).set("api.dialect", dialect);
        let ran = send(&campaign).run();
        ran.code(4).stderr_has("--how accepted|resend");
        assert_eq!(ran.stderr.contains("--how reconcile"), named, "{dialect}");
    }
}

#[test]
fn one_row_is_singular() {
    let api = FakeApi::taking_all();
    let one = campaign(&api).recipients("email,first_name\n\nann@one.example,Ann\n");
    let check = Run::new("check").arg(one.path()).run();
    check.stdout_has("1 row, 0 errors, ");
    send(&one)
        .arg("--dry-run")
        .run()
        .code(0)
        .stdout_has("would send: 1 message\n")
        .stdout_has(
            "at 100000/s, in under a second, 8 requests in flight, up to 1 recipient per request",
        );
    let ran = send(&one).run();
    ran.code(0)
        .stderr_has("1  row in all\n")
        .stderr_has("1  blank row ignored");
    Run::new("status")
        .arg(ran.run_dir())
        .run()
        .stdout_has("1  row in all\n");
    send(&one).run().code(1).stderr_has("has 1 accepted row [");
    let many = campaign(&api);
    send(&many).run().code(0).stderr_has("3  rows in all\n");
}

#[test]
fn watch_shows_the_status_until_the_process_has_ended() {
    let (api, answers) = FakeApi::answering_later();
    let campaign = campaign(&api);
    let running = send(&campaign).spawn();
    let run = running.first_line();
    let watch = Run::new("status").arg(&run).arg("--watch");
    let mut screen = Screen::start(watch, 6, 30);
    screen.until("1  sending").until("2  pending");
    assert!(screen.is_own());
    // Lines are cut, not wrapped.
    assert!(screen.contents().lines().count() <= 6);
    screen.resize(12, 300).until("is working on it");
    answers.store(true, Ordering::Relaxed);
    running.wait().code(0);
    assert_eq!(screen.end(), Some(0));
    assert!(screen.is_restored());
    screen.until("not running").until("3  accepted");
    assert!(!screen.contents().contains("pending"));
}

#[test]
fn a_signal_ends_watch_and_not_the_run() {
    let (api, answers) = FakeApi::answering_later();
    let campaign = campaign(&api);
    let mut running = send(&campaign).spawn();
    let run = running.first_line();
    let watch = Run::new("status").arg(&run).arg("--watch");
    let mut screen = Screen::start(watch, 12, 100);
    screen.until("1  sending").signal(Signal::INT);
    assert_eq!(screen.end(), Some(130));
    assert!(screen.is_restored());
    assert!(!running.has_ended());
    answers.store(true, Ordering::Relaxed);
    running.wait().code(0);
}

#[test]
fn watch_prints_the_status_of_a_run_that_is_over() {
    let api = FakeApi::taking_all();
    let campaign = campaign(&api);
    let run = send(&campaign).run().code(0).run_dir();
    let watch = Run::new("status").arg(&run).arg("--watch");
    let shown = watch.env("TERM", "xterm").on_terminal("");
    assert!(shown.contains("3  accepted"), "{shown}");
    assert!(
        !shown.contains("\u{1b}["),
        "there is nothing to watch: {shown:?}"
    );
}

#[test]
fn watch_needs_a_terminal() {
    let api = FakeApi::taking_all();
    let campaign = campaign(&api);
    let run = send(&campaign).run().code(0).run_dir();
    Run::new("status")
        .arg(&run)
        .arg("--watch")
        .run()
        .code(2)
        .stdout_is("")
        .stderr_has("`--watch` needs a terminal");
    let json = Run::new("status").arg(&run);
    json.args(["--watch", "--format", "json"])
        .run()
        .code(2)
        .stderr_has("cannot be used with");
}
