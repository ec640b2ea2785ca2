//! All rows of an address in one message.

use std::collections::BTreeMap;

use super::{MACHINES, column, grouped, local};
use crate::support::campaign::Campaign;
use crate::support::fake_api::{FakeApi, Reply};
use crate::support::findings::{check as check_all, check_without_style_rules as check};
use crate::support::mail::outbox;
use crate::support::results::Results;
use crate::support::run::Run;
use crate::support::send::{campaign, send, status};

#[test]
fn all_rows_of_an_address_are_in_one_message() {
    let campaign = grouped(Campaign::new());
    let ran = local(&campaign);
    let run = ran.code(0).run_dir();
    let mails = outbox(run.join("outbox"));
    let by_subject: BTreeMap<_, _> = mails
        .iter()
        .map(|mail| (mail.subject.as_str(), mail))
        .collect();
    assert_eq!(by_subject.len(), 2);
    let html = by_subject["3 for Ann"].html.as_deref().unwrap_or_default();
    assert!(
        html.contains("Hello Ann, 3: drill-01 (1 May) drill-02 (8 May) lathe-03 (9 May)"),
        "{html}"
    );
    assert!(by_subject.contains_key("1 for Bob"));
    let results = Results::of(&run);
    assert_eq!(column(&run, "row"), ["1", "2", "3", "4"]);
    assert_eq!(
        column(&run, "machine"),
        ["drill-01", "drill-02", "saw-07", "lathe-03"]
    );
    assert_eq!(results.count("accepted"), 4);
    let ids = column(&run, "message_id");
    assert_eq!((&ids[0], &ids[0]), (&ids[1], &ids[3]));
    assert_ne!(ids[0], ids[2]);
    assert_eq!(results.rows[3]["input.email"], "ANN@one.example");
    ran.stderr_has("2  accepted (4 rows)")
        .stderr_has("4  rows in all");
    let status = status(&run);
    assert_eq!(
        (
            status["rows"].as_u64(),
            status["counts"]["accepted"].as_u64()
        ),
        (Some(4), Some(2))
    );
    let text = Run::new("status").arg(&run).run();
    text.stdout_has("2  accepted (4 rows)");
    let report = check(&campaign);
    assert_eq!((report.rows, report.errors), (Some(4), 0));
    let dry = Run::new("send")
        .arg(campaign.path())
        .args(["--local", "--dry-run"])
        .run();
    dry.stdout_has("would send: 2 messages, with 4 rows");
    let brief = Run::new("report").arg(&run).run();
    brief.code(0).stderr_has("% of messages");
}

#[test]
fn one_row_that_cannot_be_read_makes_its_group_invalid() {
    // The first row, one in the middle, and one that has no address.
    let campaign = grouped(Campaign::new()).recipients(
        "email,name,machine,due date\n\
         ann@one.example,Ann,drill-01\n\
         bob@two.example,Bob,saw-07,2 May\n\
         ann@one.example,Ann,drill-02,8 May\n\
         bob@two.example,Bob,saw-08,2 May,x\n\
         cleo@one.example,Cleo,saw-09,2 May\n\
         nobody,Cleo,saw-10,2 May\n\
         bob@two.example,Bob,saw-11,2 May\n",
    );
    let ran = local(&campaign);
    let run = ran.code(3).run_dir();
    let statuses = [
        "invalid", "invalid", "invalid", "invalid", "accepted", "invalid", "invalid",
    ];
    assert_eq!(column(&run, "status"), statuses);
    let errors = column(&run, "error");
    assert_eq!(errors[2], "row 1: 3 fields, but the header has 4");
    assert_eq!(errors[0], errors[2]);
    assert_eq!(errors[1], "row 4: 5 fields, but the header has 4");
    assert_eq!((&errors[1], &errors[1]), (&errors[3], &errors[6]));
    let report = check(&campaign);
    let rows: Vec<_> = report
        .findings
        .iter()
        .map(|it| (it.code.as_str(), it.count))
        .collect();
    assert!(
        rows.contains(&("field-count", 1)) && rows.contains(&("bad-address", 1)),
        "{rows:?}"
    );
    // A message that can't be rendered is that of the whole group.
    let campaign = grouped(Campaign::new()).template(
        "newsletter.html",
        "{% for item in rows %}{% if item.machine == 'lathe-03' %}{{ throw(message='no lathe') }}{% endif %}{% endfor %}",
    );
    let ran = local(&campaign);
    ran.code(1).stderr_has("no lathe").stderr_has("row 1");
    let ran = Run::new("send")
        .arg(campaign.path())
        .args(["--local", "--skip-invalid"])
        .run();
    let run = ran.code(3).run_dir();
    assert_eq!(
        column(&run, "status"),
        ["invalid", "invalid", "accepted", "invalid"]
    );
}

#[test]
fn suppressed_addresses_and_rows_that_are_not_selected_are_in_no_group() {
    let campaign = grouped(Campaign::new())
        .set("recipients.suppress", vec!["gone.csv"])
        .file("gone.csv", "bob@two.example\n")
        .set("recipients.where", "machine != 'drill-01'");
    let run = local(&campaign).code(0).run_dir();
    assert_eq!(
        column(&run, "code"),
        ["not-selected", "200", "suppressed", "200"]
    );
    let mails = outbox(run.join("outbox"));
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].subject, "2 for Ann");
}

#[test]
fn limits_tests_and_resumed_runs_count_messages() {
    let api = FakeApi::taking_all();
    let campaign = grouped(campaign(&api)).set("pace.concurrency", 1);
    let run = send(&campaign)
        .args(["--limit", "1"])
        .run()
        .code(5)
        .run_dir();
    assert_eq!(
        column(&run, "status"),
        ["accepted", "accepted", "pending", "accepted"]
    );
    Run::on("resume", &run).run().code(0);
    let subjects: Vec<_> = api
        .requests()
        .iter()
        .map(|it| it.field("subject"))
        .collect();
    assert_eq!(
        subjects,
        [Some("3 for Ann".to_owned()), Some("1 for Bob".to_owned())]
    );
    // The row after the first message is part of it.
    let test = send(&campaign)
        .args(["--test-to", "me@sender.example"])
        .run();
    let run = test.code(0).run_dir();
    assert_eq!(column(&run, "row"), ["1", "2", "4"]);
    let last = api.requests().last().and_then(|it| it.field("subject"));
    assert_eq!(last.as_deref(), Some("[TEST] 3 for Ann"));
    // Who got a message gets no other one.
    let more =
        format!("{MACHINES}ann@one.example,Ann,saw-99,1 June\ndan@one.example,Dan,saw-98,1 June\n");
    let campaign = campaign.recipients(more);
    let ran = send(&campaign).arg("--except-sent").run();
    let codes = column(&ran.code(0).run_dir(), "code");
    assert_eq!(
        codes,
        [
            "already-sent",
            "already-sent",
            "already-sent",
            "already-sent",
            "already-sent",
            "200"
        ]
    );
}

#[test]
fn rejected_and_unknown_groups_are_sent_again_as_a_whole() {
    let api = FakeApi::start(|n, _| match n {
        0 => Reply::error(400, "no").into(),
        1 => Reply::Hang { take: true },
        _ => Reply::Take,
    });
    let campaign = grouped(campaign(&api))
        .set("pace.concurrency", 1)
        .set("api.timeout", "1s")
        .set("breaker.share", 1.0);
    let run = send(&campaign).run().code(4).run_dir();
    assert_eq!(
        column(&run, "status"),
        ["rejected", "rejected", "unknown", "rejected"]
    );
    let ran = Run::on("resolve", &run)
        .args(["--how", "resend", "--yes"])
        .run();
    ran.code(0).stderr_has("1 row is now pending");
    Run::on("retry", &run).arg("--rejected").run().code(0);
    assert_eq!(column(&run, "status"), ["accepted"; 4]);
    let subjects: Vec<_> = api
        .requests()
        .iter()
        .map(|it| it.field("subject"))
        .collect();
    assert_eq!(
        subjects
            .iter()
            .filter(|it| it.as_deref() == Some("3 for Ann"))
            .count(),
        2
    );
}

#[test]
fn templates_without_groups_have_no_rows() {
    let campaign = grouped(Campaign::new()).set("recipients.same_address", "skip");
    local(&campaign)
        .code(1)
        .stderr_has("`rows`")
        .stderr_has("same_address = \"group\"");
    // A column of this name wins, with a note.
    let campaign = grouped(Campaign::new())
        .set("message.subject", "{{ rows }}")
        .template("newsletter.html", "<p>{{ rows }}</p>")
        .recipients("email,rows\nann@one.example,mine\nann@one.example,other\n");
    let run = local(&campaign).code(0).run_dir();
    assert_eq!(outbox(run.join("outbox"))[0].subject, "mine");
    let report = check_all(&campaign);
    assert!(
        report
            .findings
            .iter()
            .any(|it| it.code == "variable-hidden")
    );
}

#[test]
fn the_preview_shows_one_message_a_group() {
    let campaign = grouped(Campaign::new());
    let preview = |args: &[&str]| Run::new("preview").arg(campaign.path()).args(args).run();
    let all = preview(&["--limit", "9"]);
    all.code(0).stdout_has("3 for Ann").stdout_has("1 for Bob");
    assert_eq!(all.stdout.matches("Subject:").count(), 2);
    preview(&["--row", "1"])
        .code(0)
        .stdout_has("lathe-03 (9 May)");
    preview(&["--row", "4"])
        .code(1)
        .stderr_has("in the message of row 1");
    preview(&["--email", "ann@one.example"])
        .code(0)
        .stdout_has("3 for Ann");
    let broken = campaign.recipients(format!("{MACHINES}bob@two.example,Bob,x\n"));
    Run::new("preview")
        .arg(broken.path())
        .args(["--row", "3"])
        .run()
        .code(1)
        .stderr_has("row 5: 3 fields");
}

#[test]
fn forgetting_a_person_takes_all_rows_of_the_group() {
    let api = FakeApi::taking_all();
    let campaign = grouped(campaign(&api));
    let run = send(&campaign).run().code(0).run_dir();
    Run::new("forget")
        .arg("ann@one.example")
        .arg(campaign.path())
        .run()
        .code(0);
    let results = Results::of(&run);
    let emails: Vec<_> = results
        .rows
        .iter()
        .map(|row| row["email"].as_str())
        .collect();
    assert_eq!(
        emails,
        [
            "(forgotten)",
            "(forgotten)",
            "bob@two.example",
            "(forgotten)"
        ]
    );
    assert_eq!(column(&run, "machine"), ["", "", "saw-07", ""]);
    for file in std::fs::read_dir(&run).expect("the run") {
        let path = file.expect("an entry").path();
        if path.is_file() {
            let bytes = std::fs::read(&path).expect("a file");
            let text = String::from_utf8_lossy(&bytes);
            assert!(
                !text.contains("lathe-03") && !text.contains("Anna"),
                "{}",
                path.display()
            );
        }
    }
    let ran = send(&campaign).arg("--except-sent").run();
    let codes = column(&ran.code(0).run_dir(), "code");
    assert_eq!(codes, ["already-sent"; 4]);
}

#[test]
fn large_groups_are_read_in_pages() {
    let mut rows = String::from("email,name,machine,due date\n");
    for n in 0..30_000 {
        rows.push_str(&format!("p{}@one.example,P,m{n},x\n", n % 3));
    }
    let campaign = grouped(Campaign::new())
        .template(
            "newsletter.html",
            "<p>{{ rows | length }}, the last is {{ rows | last | get(key='machine') }}</p>",
        )
        .recipients(rows);
    let run = local(&campaign).code(0).run_dir();
    let mails = outbox(run.join("outbox"));
    let mut subjects: Vec<_> = mails.iter().map(|mail| mail.subject.as_str()).collect();
    subjects.sort_unstable();
    assert_eq!(subjects, ["10000 for P"; 3]);
    assert_eq!(Results::of(&run).count("accepted"), 30_000);
}
