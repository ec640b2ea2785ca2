//! `same_address`: what becomes of further rows of an address.

mod groups;
mod groups_in_database;
mod keys;

use std::path::Path;

use crate::support::campaign::Campaign;
use crate::support::fake_api::FakeApi;
use crate::support::findings::check as check_all;
use crate::support::mail::outbox;
use crate::support::results::Results;
use crate::support::run::{Ran, Run};
use crate::support::send::{newsletter, send};

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

/// The fields of the subject of all messages that an API took.
fn subjects(api: &FakeApi) -> Vec<String> {
    let subjects = api.requests().into_iter();
    let mut subjects: Vec<_> = subjects.filter_map(|it| it.field("subject")).collect();
    subjects.sort();
    subjects
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
