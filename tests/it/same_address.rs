//! `same_address`: what becomes of further rows of an address.

use std::collections::BTreeMap;
use std::path::Path;

use crate::home::both;
use crate::support::campaign::Campaign;
use crate::support::fake_api::{FakeApi, Reply};
use crate::support::findings::{check as check_all, check_without_style_rules as check};
use crate::support::mail::outbox;
use crate::support::results::Results;
use crate::support::run::{Ran, Run};
use crate::support::send::{campaign, newsletter, send, status};

/// Reported case 09.
const MACHINES: &str = "email,name,machine,due date\n\
    ann@one.example,Ann,drill-01,1 May\n\
    ann@one.example,Ann,drill-02,8 May\n\
    bob@two.example,Bob,saw-07,2 May\n\
    ANN@one.example,Anna,lathe-03,9 May\n";

const LIST: &str = "<p>Hello {{ name }}, {{ rows | length }}:{% for item in rows %} {{ item.machine }} \
    ({{ item['due date'] }}){% endfor %}</p>";

/// Reported case 09b.
const INVOICES: &str = "email,name,number\n\
    ann@one.example,Ann,1001\nbob@two.example,Bob,1002\nann@one.example,Ann,1003\n";

fn grouped(campaign: Campaign) -> Campaign {
    campaign
        .set("recipients.same_address", "group")
        .set("message.subject", "{{ rows | length }} for {{ name }}")
        .template("newsletter.html", LIST)
        .recipients(MACHINES)
}

fn invoices(campaign: Campaign) -> Campaign {
    let file = toml::Table::from_iter([("path".to_owned(), "invoices/{{ number }}.txt".into())]);
    campaign
        .set("recipients.same_address", "send")
        .set("message.subject", "Invoice {{ number }}")
        .set("message.attachments", vec![file])
        .template("newsletter.html", "<p>Invoice {{ number }}</p>")
        .recipients(INVOICES)
        .file("invoices/1001.txt", "1001")
        .file("invoices/1002.txt", "1002")
        .file("invoices/1003.txt", "1003")
}

fn local(campaign: &Campaign) -> Ran {
    Run::new("send").arg(campaign.path()).arg("--local").run()
}

/// The column of each row.
fn column(run: &Path, name: &str) -> Vec<String> {
    column_of(&Results::of(run), name)
}

fn column_of(results: &Results, name: &str) -> Vec<String> {
    results.rows.iter().map(|row| row[name].clone()).collect()
}

#[test]
fn a_message_each() {
    let campaign = invoices(Campaign::new());
    let run = local(&campaign).code(0).run_dir();
    let mails = outbox(run.join("outbox"));
    let mut sent: Vec<_> = mails
        .iter()
        .map(|mail| (mail.subject.as_str(), mail.attachments[0].name.as_str()))
        .collect();
    sent.sort_unstable();
    let expected = [
        ("Invoice 1001", "1001.txt"),
        ("Invoice 1002", "1002.txt"),
        ("Invoice 1003", "1003.txt"),
    ];
    assert_eq!(sent, expected);
    assert_eq!(Results::of(&run).count("accepted"), 3);
    assert!(
        check_all(&campaign)
            .findings
            .iter()
            .all(|it| !it.code.starts_with("duplicate"))
    );
}

#[test]
fn two_rows_of_an_address_are_never_in_one_request() {
    for dialect in ["sendmail", "new_sendmail", "v2"] {
        let api = FakeApi::taking_all();
        let rows: String = (0..40)
            .map(|n| format!("{}{}@one.example,x\n", ["a", "A"][n % 2], n % 7))
            .collect();
        let campaign = newsletter(&api)
            .set("api.dialect", dialect)
            .set("pace.batch", 10)
            .set("recipients.same_address", "send")
            .recipients(format!("email,first_name\n{rows}"));
        let run = send(&campaign).run().code(0).run_dir();
        assert_eq!(Results::of(&run).count("accepted"), 40, "{dialect}");
        assert_eq!(api.taken().len(), 40);
        for request in api.requests() {
            let mut addresses: Vec<_> = request
                .addresses()
                .iter()
                .map(|address| address.to_lowercase())
                .collect();
            let all = addresses.len();
            addresses.sort();
            addresses.dedup();
            assert_eq!(addresses.len(), all, "{dialect}");
        }
        let mut ids = column(&run, "message_id");
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 40, "{dialect}");
    }
}

#[test]
fn except_sent_compares_the_key() {
    let api = FakeApi::taking_all();
    let campaign = invoices(campaign(&api));
    send(&campaign).run().code(0);
    let ran = send(&campaign).arg("--except-sent").run();
    ran.code(2)
        .stderr_has("`--except-sent` can't tell")
        .stderr_has("row_key");
    // A run without keys can't be compared.
    let campaign = campaign.set("recipients.row_key", "number");
    let ran = send(&campaign).arg("--except-sent").run();
    ran.code(1).stderr_has("planned without `row_key`");
    assert_eq!(api.taken().len(), 3);

    let api = FakeApi::taking_all();
    let keyed = || {
        invoices(self::campaign(&api))
            .set("recipients.row_key", "number")
            .file("invoices/1004.txt", "1004")
    };
    let campaign = keyed();
    send(&campaign).args(["--limit", "2"]).run().code(5);
    let campaign = campaign.recipients(format!(
        "{INVOICES}ann@one.example,Ann,1004\nANN@one.example,Ann, 1001\n"
    ));
    let run = send(&campaign).arg("--except-sent").run().code(0).run_dir();
    let expected = ["already-sent", "already-sent", "200", "200", "duplicate"];
    assert_eq!(column(&run, "code"), expected);
    // The keys of two columns can't be compared.
    let other = campaign.set("recipients.row_key", "name");
    let ran = send(&other).arg("--except-sent").run();
    ran.code(1).stderr_has("its `row_key` was \"number\"");
    assert_eq!(api.taken().len(), 4);
    let campaign = other.set("recipients.row_key", "number");
    // The first run leaves out what the second one sent.
    let first = campaign.runs()[0].clone();
    Run::on("resume", &first).run().code(0);
    assert_eq!(column(&first, "code"), ["200", "200", "already-sent"]);
    let subjects: Vec<_> = api
        .requests()
        .iter()
        .map(|it| it.field("subject"))
        .collect();
    assert_eq!(subjects.len(), 4);
}

#[test]
fn a_key_must_be_there() {
    let campaign = invoices(Campaign::new()).set("recipients.row_key", "numbr");
    let ran = local(&campaign);
    ran.code(1)
        .stderr_has("no column “numbr”")
        .stderr_has("did you mean “number”?");
    let campaign = campaign
        .set("recipients.row_key", "number")
        .recipients("email,name,number\nann@one.example,Ann,1001\nann@one.example,Ann, \n");
    let ran = local(&campaign);
    ran.code(3);
    assert_eq!(column(&ran.run_dir(), "code"), ["200", "no-row-key"]);
    for mode in ["skip", "group"] {
        let campaign = invoices(Campaign::new())
            .set("recipients.row_key", "number")
            .set("recipients.same_address", mode);
        local(&campaign)
            .code(1)
            .stderr_has("`row_key` tells the messages");
    }
    let ran = local(&invoices(Campaign::new()).set("recipients.same_address", "both"));
    ran.code(1).stderr_has("\"skip\" or \"send\" or \"group\"");
}

#[test]
fn check_warns_about_duplicates_that_differ() {
    let campaign = invoices(Campaign::new()).set("recipients.same_address", "skip");
    let report = check_all(&campaign);
    let finding = report
        .findings
        .iter()
        .find(|it| it.code == "duplicate-differs");
    let finding = finding.expect("a warning");
    assert_eq!(finding.severity, "warning");
    assert_eq!(
        finding.message,
        "row 3 is left out as a duplicate, but differs from the row that is sent in `number`"
    );
    Run::new("check")
        .arg(campaign.path())
        .arg("--strict")
        .run()
        .code(1);
    Run::new("send")
        .arg(campaign.path())
        .args(["--local", "--dry-run"])
        .run()
        .code(0)
        .stderr_has("duplicate-differs");
    // Columns that the message does not use, and white space, are no difference.
    let campaign = campaign.recipients(
        "email,name,number\nann@one.example,Ann,1001\nann@one.example,Anna, 1001\nann@one.example,A,1001\n",
    );
    let report = check_all(&campaign);
    assert!(
        report
            .findings
            .iter()
            .all(|it| it.code != "duplicate-differs")
    );
    let many: String = (0..12)
        .map(|n| format!("ann@one.example,Ann{n},1001\n"))
        .collect();
    let campaign = campaign
        .set("message.subject", "{{ name }} {{ number }}")
        .recipients(format!("email,name,number\n{many}"));
    let report = check_all(&campaign);
    let finding = report
        .findings
        .iter()
        .find(|it| it.code == "duplicate-differs");
    let message = &finding.expect("a warning").message;
    assert!(
        message.contains("11 rows") && message.contains("in `name` (rows 2, 3"),
        "{message}"
    );
    assert!(message.contains("…"), "{message}");
}

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

/// The fields of the subject of all messages that an API took.
fn subjects(api: &FakeApi) -> Vec<String> {
    let subjects = api.requests().into_iter();
    let mut subjects: Vec<_> = subjects.filter_map(|it| it.field("subject")).collect();
    subjects.sort();
    subjects
}

#[test]
fn groups_are_the_same_in_a_database() {
    both(|home| {
        let api = FakeApi::taking_all();
        let campaign = grouped(campaign(&api))
            .set("pace.concurrency", 1)
            .recipients(format!(
                "{MACHINES}cleo@one.example,Cleo,x\ncleo@one.example,Cleo,saw,1 May\n"
            ));
        let send = |options: &[&str]| {
            let ran = home.command("send").arg(campaign.path()).arg("--yes");
            let ran = ran.args(options).run();
            ran.stdout.lines().next().unwrap_or_default().to_owned()
        };
        let run = send(&["--limit", "1"]);
        home.command("resume").arg(&run).run().code(3);
        assert_eq!(subjects(&api), ["1 for Bob", "3 for Ann"]);
        let results = home.results(&run);
        let of = |name: &str| column_of(&results, name);
        let statuses = [
            "accepted", "accepted", "accepted", "accepted", "invalid", "invalid",
        ];
        assert_eq!(of("status"), statuses);
        assert_eq!(
            of("machine"),
            ["drill-01", "drill-02", "saw-07", "lathe-03", "x", "saw"]
        );
        assert_eq!(of("message_id")[0], of("message_id")[3]);
        let status = home.status(&run);
        assert_eq!(
            (
                status["rows"].as_u64(),
                status["counts"]["accepted"].as_u64()
            ),
            (Some(6), Some(2))
        );
        let second = send(&["--except-sent"]);
        let codes = column_of(&home.results(&second), "code");
        let sent = "already-sent";
        assert_eq!(
            codes,
            [sent, sent, sent, sent, "field-count", "field-count"]
        );
        home.command("forget")
            .arg("ann@one.example")
            .arg(campaign.path())
            .run()
            .code(0);
        let machines = column_of(&home.results(&run), "machine");
        assert_eq!(machines, ["", "", "saw-07", "", "x", "saw"]);
        send(&["--except-sent"]);
        assert_eq!(subjects(&api).len(), 2);
        // To the other kind of ledger and back.
        if home.0.is_some() {
            let folder = tempfile::TempDir::new().expect("a folder");
            let copy = folder.path().join("copy");
            let ran = home.command("ledger").arg("copy").arg(&run);
            ran.arg("--to")
                .arg(&copy)
                .run()
                .code(0)
                .stderr_has("6 rows");
            let machines = column_of(&Results::now(&copy), "machine");
            assert_eq!(machines, ["", "", "saw-07", "", "x", "saw"]);
            home.command("ledger")
                .arg("copy")
                .arg(&copy)
                .run()
                .code(0)
                .stderr_has("6 rows");
            assert_eq!(home.results(&run).rows.len(), 6);
        }
    });
}

#[test]
fn large_groups_in_a_database_are_read_in_pages() {
    both(|home| {
        let api = FakeApi::taking_all();
        let mut rows = String::from("email,name,machine,due date\n");
        for n in 0..24_000 {
            rows.push_str(&format!("p{}@one.example,P,m{n},x\n", n % 4));
        }
        let campaign = grouped(campaign(&api))
            .template("newsletter.html", "<p>{{ rows | length }}</p>")
            .recipients(rows);
        let ran = home.command("send").arg(campaign.path()).arg("--yes");
        let ran = ran.args(["--limit", "3"]).run();
        ran.code(5);
        assert_eq!(subjects(&api), ["6000 for P"; 3]);
        let run = ran.stdout.lines().next().unwrap_or_default();
        home.command("resume").arg(run).run().code(0);
        assert_eq!(subjects(&api), ["6000 for P"; 4]);
        assert_eq!(home.results(run).count("accepted"), 24_000);
    });
}

#[test]
fn keys_are_compared_in_a_database() {
    both(|home| {
        let api = FakeApi::taking_all();
        let campaign = || invoices(campaign(&api)).set("pace.concurrency", 1);
        let send = |campaign: &Campaign, options: &[&str]| {
            let ran = home.command("send").arg(campaign.path()).arg("--yes");
            ran.args(options).run()
        };
        let keyed = campaign().set("recipients.row_key", "number");
        let first = send(&keyed, &["--limit", "1"]);
        let first = first.stdout.lines().next().unwrap_or_default().to_owned();
        let second = send(&keyed, &["--except-sent"]);
        second.code(0);
        let second = second.stdout.lines().next().unwrap_or_default().to_owned();
        assert_eq!(
            subjects(&api),
            ["Invoice 1001", "Invoice 1002", "Invoice 1003"]
        );
        let codes = column_of(&home.results(&second), "code");
        assert_eq!(codes, ["already-sent", "200", "200"]);
        home.command("resume").arg(&first).run().code(0);
        assert_eq!(subjects(&api).len(), 3);
        let codes = column_of(&home.results(&first), "code");
        assert_eq!(codes, ["200", "already-sent", "already-sent"]);
        let unkeyed = campaign().set("name", "other");
        send(&unkeyed, &[]).code(0);
        let unkeyed = unkeyed.set("recipients.row_key", "number");
        send(&unkeyed, &["--except-sent"])
            .code(1)
            .stderr_has("planned without `row_key`");
    });
}

#[test]
fn a_run_is_not_resumed_if_a_later_one_has_keys_of_another_column() {
    both(|home| {
        let api = FakeApi::taking_all();
        let send = |campaign: &Campaign, options: &[&str]| {
            let ran = home.command("send").arg(campaign.path()).arg("--yes");
            let ran = ran.args(options).run();
            ran.stdout.lines().next().unwrap_or_default().to_owned()
        };
        let by_number = invoices(campaign(&api)).set("recipients.row_key", "number");
        let first = send(&by_number, &["--limit", "1"]);
        let by_name = by_number.set("recipients.row_key", "name");
        let later = send(&by_name, &["--again", "--limit", "1"]);
        let ran = home.command("resume").arg(&first).run();
        ran.code(1)
            .stderr_has(&format!("the later run {later}"))
            .stderr_has("its `row_key` is \"name\", and that of this run is \"number\"");
        assert_eq!(subjects(&api), ["Invoice 1001", "Invoice 1001"]);
        let codes = column_of(&home.results(&first), "code");
        assert_eq!(codes, ["200", "", ""]);
        // The later run can be resumed.
        home.command("resume").arg(&later).run().code(0);
        assert_eq!(subjects(&api).len(), 3);
    });
}

#[test]
fn rows_of_a_json_file_keep_their_values() {
    let orders = r#"{"email":"a@one.example","vip":true,"order":{"items":[{"name":"Tea"}],"sum":12.5}}
{"email":"b@one.example","vip":false,"order":{"items":[{"name":"Oil"}],"sum":1}}
{"email":"a@one.example","vip":true,"order":{"items":[{"name":"Jam"}],"sum":7}}
{"email":"a@one.example","vip":true,"order":{"items":[{"name":"Bun"}],"sum":3}}
"#;
    let campaign = Campaign::new()
        .set("recipients.file", "orders.jsonl")
        .file("orders.jsonl", orders)
        .set("recipients.same_address", "group")
        .set("recipients.where", "not vip or order.sum > 5")
        .set(
            "message.subject",
            "{% for it in rows %}{{ it.order.items[0].name }} {{ it.order.sum }};{% endfor %}",
        )
        .template("newsletter.html", "<p>News</p>");
    let run = local(&campaign).code(0).run_dir();
    let mails = outbox(run.join("outbox"));
    let mut subjects: Vec<_> = mails.iter().map(|mail| mail.subject.as_str()).collect();
    subjects.sort_unstable();
    assert_eq!(subjects, ["Oil 1;", "Tea 12.5;Jam 7;"]);
    let codes = column(&run, "code");
    assert_eq!(codes, ["200", "200", "200", "not-selected"]);
    let ran = Run::new("preview")
        .arg(campaign.path())
        .args(["--row", "1"])
        .run();
    ran.code(0).stdout_has("Tea 12.5;Jam 7;");
}
