//! A run that was stopped in any way is resumed: nobody gets a message twice, nobody is left out.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::Connection;
use rustix::process::Signal;

use crate::support::campaign::Campaign;
use crate::support::fake_api::{FakeApi, Reply};
use crate::support::mail::outbox;
use crate::support::results::Results;
use crate::support::run::Run;
use crate::support::send::{
    addresses, campaign, hangs_in_the_middle, killed, newsletter, of_thirty, rows, send,
    send_first, status,
};

/// An API that takes every message and answers after `wait`.
fn slow(wait: u64) -> FakeApi {
    FakeApi::start(move |_, _| Reply::Take.after(Duration::from_millis(wait)))
}

/// Who got a message, each once.
fn once(api: &FakeApi) -> Vec<String> {
    let mut got = api.taken_addresses();
    got.dedup();
    got
}

#[test]
fn after_a_kill_only_rows_in_flight_are_unknown_and_nobody_gets_it_twice() {
    for batch in [1, 5] {
        let api = slow(20);
        let campaign = newsletter(&api)
            .rows(200)
            .set("pace.concurrency", 4)
            .set("pace.batch", batch);
        let running = send(&campaign).spawn();
        running.wait_until("40 messages taken", |_| api.taken().len() >= 40);
        let run = running.kill().run_dir();
        let unknown = rows(&run, "unknown");
        assert!(unknown <= 4 * batch as u64, "{unknown} unknown");
        let pending = rows(&run, "pending");
        assert!(pending > 0 && pending + unknown + rows(&run, "accepted") == 200);

        Run::on("resume", &run).run().code(4);
        let results = Results::of(&run);
        assert_eq!(results.count("unknown") as u64, unknown);
        assert_eq!(results.count("accepted") as u64, 200 - unknown);
        let got = api.taken_addresses();
        assert_eq!(got, once(&api), "nobody got it twice");
        for row in results.with_status("accepted") {
            assert!(got.contains(&row["email"]), "{} got it", row["email"]);
        }
    }
}

#[test]
fn a_resent_row_is_marked_as_a_possible_duplicate() {
    let api = hangs_in_the_middle();
    let campaign = of_thirty(&api);
    let run = killed(&campaign, &api);
    let resolve = || Run::on("resolve", &run).args(["--how", "resend"]);
    resolve().run().code(1).stderr_has("--yes");
    assert_eq!(rows(&run, "unknown"), 4, "it did not do it unasked");
    resolve().arg("--yes").run().code(0);
    assert_eq!(api.requests().len(), 14, "resolve posts nothing");
    assert_eq!(rows(&run, "unknown"), 0);
    Run::on("resume", &run).run().code(0);
    let results = Results::of(&run);
    assert_eq!(results.counts(), [("accepted", 30)].into());
    let marked = results
        .rows
        .iter()
        .filter(|row| row["possible_duplicate"] == "true");
    assert_eq!(marked.count(), 4);
    assert_eq!(api.taken().len(), 34);
    assert_eq!(once(&api), addresses(&results));
}

#[test]
fn rows_resolved_as_accepted_are_not_sent_again() {
    let api = hangs_in_the_middle();
    let campaign = of_thirty(&api);
    let run = killed(&campaign, &api);
    Run::on("resolve", &run)
        .args(["--how", "accepted"])
        .run()
        .code(0);
    assert_eq!(rows(&run, "unknown"), 0);
    assert_eq!(api.requests().len(), 14, "resolve posts nothing");
    Run::on("resume", &run).run().code(0);
    let results = Results::of(&run);
    assert_eq!(results.counts(), [("accepted", 30)].into());
    assert_eq!(api.taken_addresses(), addresses(&results));
    let said = "accepted according to the user; mailrun ended while the request was in flight";
    let told = results.rows.iter().filter(|row| row["error"] == said);
    assert_eq!(told.count(), 4);
}

#[test]
fn sending_except_sent_leaves_out_everybody_who_may_have_it() {
    let api = hangs_in_the_middle();
    let campaign = of_thirty(&api);
    killed(&campaign, &api);
    let run = send(&campaign).arg("--except-sent").run().code(0).run_dir();
    let results = Results::of(&run);
    assert_eq!(results.counts(), [("accepted", 16), ("skipped", 14)].into());
    assert_eq!(api.taken_addresses(), addresses(&results));
}

#[test]
fn a_local_run_rehearses_what_except_sent_would_send() {
    let api = FakeApi::taking_all();
    let campaign = campaign(&api);
    send(&campaign).args(["--limit", "1"]).run().code(5);
    let local = |option: &[&str]| {
        let run = Run::new("send")
            .arg(campaign.path())
            .arg("--local")
            .args(option)
            .run();
        Results::of(run.code(0).run_dir()).count("accepted")
    };
    assert_eq!(local(&["--except-sent"]), 2);
    assert_eq!(local(&[]), 3);
    for more in [&["--dry-run"][..], &["--dry-run", "--local"]] {
        let dry = Run::new("send")
            .arg(campaign.path())
            .arg("--except-sent")
            .args(more)
            .run();
        dry.code(0).stdout_has("would send: 2 messages");
    }
    // The rehearsal is no earlier run.
    let run = send(&campaign).arg("--except-sent").run().code(0).run_dir();
    assert_eq!(Results::of(run).count("accepted"), 2);
}

#[test]
fn resume_accepts_the_option_yes() {
    let api = FakeApi::taking_all();
    let campaign = campaign(&api);
    send(&campaign).args(["--limit", "1"]).run().code(5);
    Run::new("resume")
        .arg(campaign.path())
        .arg("--yes")
        .keys()
        .run()
        .code(0);
    assert_eq!(api.taken().len(), 3);
}

#[test]
fn a_resume_leaves_out_everybody_who_got_it_from_a_later_run() {
    for option in ["--except-sent", "--again"] {
        let api = FakeApi::taking_all();
        let campaign = campaign(&api);
        let first = send(&campaign).args(["--limit", "1"]).run();
        let first = first.code(5).run_dir();
        send(&campaign).arg(option).run().code(0);
        let taken = api.taken().len();
        Run::on("resume", &first)
            .run()
            .code(0)
            .stderr_has("2 rows skipped: already sent in the run");
        assert_eq!(api.taken().len(), taken, "{option}: nobody got another");
        let results = Results::of(&first);
        assert_eq!(results.counts(), [("accepted", 1), ("skipped", 2)].into());
        assert_eq!(results.rows[1]["code"], "already-sent");
    }
}

#[test]
fn one_signal_lets_requests_in_flight_end() {
    for signal in [Signal::TERM, Signal::INT] {
        let api = slow(100);
        let campaign = campaign(&api).rows(40).set("pace.concurrency", 4);
        let running = send(&campaign).spawn();
        running.wait_until("four in flight", |_| api.in_flight() == 4);
        running.signal(signal);
        let run = running.wait().code(130).run_dir();
        let results = Results::of(&run);
        assert_eq!(results.count("unknown") + results.count("sending"), 0);
        assert_eq!(results.count("accepted"), api.taken().len());
        assert!(results.count("pending") > 20);
        Run::on("resume", &run).run().code(0);
        assert_eq!(api.taken_addresses(), addresses(&Results::of(&run)));
    }
}

#[test]
fn a_second_signal_ends_the_run_at_once() {
    let api = FakeApi::start(|_, _| Reply::Hang { take: true });
    let campaign = campaign(&api);
    let running = send(&campaign).spawn();
    running.wait_until("one in flight", |_| api.in_flight() == 1);
    running.signal(Signal::TERM);
    running.wait_until("it says so", |it| it.stderr().contains("Interrupted"));
    running.signal(Signal::TERM);
    let run = running.wait().code(130).run_dir();
    assert_eq!((rows(&run, "unknown"), rows(&run, "pending")), (1, 2));
}

#[test]
fn two_processes_never_work_on_one_run() {
    let api = slow(3_000);
    let campaign = campaign(&api);
    let running = send(&campaign).spawn();
    let run = PathBuf::from(running.first_line());
    running.wait_until("one in flight", |_| api.in_flight() == 1);
    let pid = status(&run)["process"]
        .as_i64()
        .expect("the process that works on it");
    assert_eq!(rows(&run, "sending"), 1, "a live holder's row is in flight");
    let words = format!("process {pid}");
    for command in ["resume", "retry"] {
        Run::on(command, &run).run().code(1).stderr_has(&words);
    }
    Run::on("resolve", &run)
        .args(["--how", "accepted"])
        .run()
        .code(1)
        .stderr_has(&words);
    assert_eq!(api.requests().len(), 1);
    running.kill();
    assert_eq!(status(&run)["process"], serde_json::Value::Null);
}

#[test]
fn an_incomplete_plan_is_not_resumed() {
    let api = FakeApi::taking_all();
    let campaign = campaign(&api);
    let run = send_first(&campaign, 0);
    let ledger = Connection::open(run.join("ledger.db")).expect("the ledger");
    ledger
        .execute("UPDATE run SET planned = 0", [])
        .expect("it can be written");
    drop(ledger);
    Run::on("resume", &run)
        .run()
        .code(1)
        .stdout_is("")
        .stderr_has("mailrun send");
    assert_eq!(api.taken().len(), 0);
    std::fs::remove_file(run.join("results.csv")).expect("it is there");
    send(&campaign).run().code(0);
}

#[test]
fn the_status_as_json_has_its_fields() {
    let api = FakeApi::start(|_, request| Reply::by_address(request));
    let rows = "email,first_name\ngood@x.example,G\n\nreject@x.example,R\nbad,B\ngood@x.example,G\nlast@x.example,L\n";
    let campaign = campaign(&api).recipients(rows).set("pace.concurrency", 1);
    let run = send_first(&campaign, 2);
    let status = status(campaign.path());
    assert_eq!(
        status["run"],
        run.canonicalize()
            .expect("a path")
            .to_string_lossy()
            .into_owned()
    );
    assert_eq!(
        (&status["name"], &status["target"]),
        (&"test".into(), &"real".into())
    );
    assert_eq!(
        (&status["rows"], &status["blank_rows"]),
        (&5.into(), &1.into())
    );
    assert_eq!(
        status["counts"],
        serde_json::json!({
            "pending": 1, "sending": 0, "accepted": 1, "rejected": 1, "failed": 0,
            "unknown": 0, "invalid": 1, "skipped": 1,
        })
    );
    assert!(
        status["started_at"]
            .as_str()
            .is_some_and(|at| at.ends_with('Z'))
    );
    assert_eq!(
        (&status["process"], &status["eta_seconds"]),
        (&().into(), &().into())
    );
    let reasons = status["reasons"].as_array().expect("a list");
    let refused = reasons
        .iter()
        .find(|reason| reason["status"] == "rejected")
        .expect("it");
    assert_eq!(
        (&refused["rows"], &refused["code"]),
        (&1.into(), &"200".into())
    );
    Run::new("status")
        .arg(&run)
        .run()
        .code(0)
        .stdout_has("5  rows in all");
}

#[test]
fn reading_a_run_changes_nothing() {
    let api = hangs_in_the_middle();
    let campaign = of_thirty(&api);
    let run = killed(&campaign, &api);
    let ledger = Connection::open(run.join("ledger.db")).expect("the ledger");
    let version = || -> i64 {
        ledger
            .query_row("PRAGMA data_version", [], |row| row.get(0))
            .expect("a number")
    };
    let before = version();
    status(&run);
    Run::new("results").arg(&run).run().code(0);
    assert_eq!(version(), before);
}

#[test]
fn a_run_never_reads_its_files_again() {
    let api = FakeApi::taking_all();
    let campaign = campaign(&api);
    let run = send_first(&campaign, 1);
    let campaign = campaign
        .set("message.subject", "Changed")
        .set("message.from", "other@sender.example")
        .template("newsletter.html", "<p>Changed {{ nothing }}</p>")
        .recipients("email,first_name\nzoe@one.example,Zoe\n");
    Run::on("resume", &run).run().code(0);
    assert_eq!(
        api.taken_addresses(),
        ["ann@one.example", "bob@two.example", "cleo@one.example"]
    );
    for request in api.requests() {
        assert_eq!(
            request.field("from").as_deref(),
            Some("news@sender.example")
        );
        assert!(
            request
                .field("subject")
                .is_some_and(|it| it.starts_with("Hello "))
        );
        assert!(
            request
                .field("html")
                .is_some_and(|it| it.contains("Hello "))
        );
    }
    assert_eq!(campaign.runs(), [run]);
}

#[test]
fn a_longer_suppression_list_skips_more() {
    let api = FakeApi::taking_all();
    let campaign = campaign(&api)
        .file("out.csv", "nobody@one.example\n")
        .set("recipients.suppress", vec!["out.csv"]);
    let run = send_first(&campaign, 1);
    let campaign = campaign.file("out.csv", "ann@one.example\nBOB@two.example\n");
    let ran = Run::on("resume", &run).run();
    ran.code(0)
        .stderr_has("1 row skipped: on a suppression list now");
    let results = Results::of(&run);
    assert_eq!(results.counts(), [("accepted", 2), ("skipped", 1)].into());
    assert!(results.row("bob@two.example")["error"].contains("out.csv"));
    assert_eq!(
        api.taken_addresses(),
        ["ann@one.example", "cleo@one.example"]
    );
    drop(campaign);
}

#[test]
fn a_local_run_continues_in_the_same_outbox() {
    let campaign = Campaign::new();
    let command = Run::new("send")
        .arg(campaign.path())
        .args(["--local", "--limit", "1"]);
    let run = command.run().code(5).run_dir();
    assert_eq!(outbox(run.join("outbox")).len(), 1);
    Run::new("resume").arg(&run).run().code(0);
    let mut to: Vec<_> = outbox(run.join("outbox"))
        .into_iter()
        .flat_map(|mail| mail.to)
        .collect();
    to.sort();
    assert_eq!(
        to,
        ["ann@one.example", "bob@two.example", "cleo@one.example"]
    );
    assert_eq!(Results::of(&run).counts(), [("accepted", 3)].into());
}

#[test]
fn resume_needs_keys_and_does_nothing_to_a_finished_run() {
    let api = FakeApi::taking_all();
    let campaign = campaign(&api);
    let run = send_first(&campaign, 1);
    Run::new("resume")
        .arg(&run)
        .run()
        .code(1)
        .stderr_has("EMAILLABS_APP_KEY");
    Run::on("resume", campaign.path()).run().code(0);
    Run::on("resume", &run).run().code(0);
    assert_eq!(api.taken().len(), 3);
    assert_eq!(Results::of(&run).count("accepted"), 3);
}

#[test]
fn the_id_stays_the_same_for_every_attempt_and_changes_after_a_resend() {
    let hanging = Arc::new(AtomicBool::new(true));
    let hangs = Arc::clone(&hanging);
    let api = FakeApi::start(move |n, _| match n {
        0 => Reply::json(408, "").into(),
        1 => Reply::too_many(None),
        _ if hangs.load(Ordering::SeqCst) => Reply::CloseAfterReading { take: true },
        _ => Reply::Take,
    });
    let campaign = campaign(&api).rows(1).set("api.dialect", "new_sendmail");
    let run = send(&campaign).run().code(4).run_dir();
    let id = |n: usize| api.requests()[n].message_id(0);
    let (local, domain) = (id(0).split('@').next().map(str::to_owned), "sender.example");
    let local = local.expect("an address");
    assert!(local.ends_with(".1"), "{local}");
    assert_eq!([id(1), id(2)], [id(0), id(0)]);
    let resend = || {
        Run::on("resolve", &run)
            .args(["--how", "resend", "--yes"])
            .run()
            .code(0);
        Run::on("resume", &run).run()
    };
    resend().code(4);
    assert_eq!(id(3), format!("{local}.2@{domain}"));
    hanging.store(false, Ordering::SeqCst);
    resend().code(0);
    assert_eq!(id(4), format!("{local}.3@{domain}"));
    let results = Results::of(&run);
    assert_eq!(results.rows[0]["message_id"], id(4));
    assert_eq!(results.rows[0]["possible_duplicate"], "true");
}
