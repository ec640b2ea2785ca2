//! Campaigns whose recipients are in a spreadsheet or in JSON, from the file to the messages and the results.

use std::fs;
use std::path::Path;

use crate::support::campaign::Campaign;
use crate::support::findings::check_without_style_rules as check;
use crate::support::mail::{Mail, outbox};
use crate::support::results::Results;
use crate::support::run::{Ran, Run};

fn workbook(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/spreadsheets");
    fs::read(folder.join(name)).expect("a workbook")
}

/// A campaign whose recipients are in `file`, and whose subject is a template.
fn campaign(file: &str, bytes: &[u8], subject: &str) -> Campaign {
    let campaign = Campaign::new()
        .set("recipients.file", file)
        .set("message.subject", subject)
        .template("newsletter.html", "<p>News</p>");
    fs::write(campaign.path().join(file), bytes).expect("written");
    campaign
}

fn send(campaign: &Campaign) -> Ran {
    Run::new("send")
        .arg(campaign.path())
        .args(["--local", "--skip-invalid"])
        .run()
}

/// The subjects in the outbox, sorted.
fn subjects(ran: &Ran) -> Vec<String> {
    let mails: Vec<Mail> = outbox(ran.run_dir().join("outbox"));
    let mut subjects: Vec<_> = mails.into_iter().map(|mail| mail.subject).collect();
    subjects.sort();
    subjects
}

/// The case of a report above the header, as a CSV file and as a workbook.
#[test]
fn a_report_above_the_header_and_a_total_below_the_rows() {
    let csv = b"\"Contacts report\"\n\"Exported:\",\"2026-03-01\"\n\n\"Name\",\"Email\",\"Balance\"\n\
        \"Ann\",\"ann@example.com\",\"10.00\"\n\"Bob\",\"bob@example.com\",\"12.50\"\n\"Total\",\"\",\"22.50\"\n";
    for (file, bytes) in [
        ("crm.csv", csv.to_vec()),
        ("crm.xlsx", workbook("title_above.xlsx")),
        ("renamed.csv", workbook("title_above.xlsx")),
    ] {
        let campaign = campaign(file, &bytes, "{{ Name }}: {{ Balance }}");
        let report = check(&campaign);
        let note = report.about("the header is on line 4");
        assert_eq!(note.severity, "note", "{file}");
        note.helps("`header_row = 4` in [recipients]");
        let ran = send(&campaign);
        assert_eq!(
            subjects(ran.code(3)),
            ["Ann: 10.00", "Bob: 12.50"],
            "{file}"
        );
        let results = Results::of(ran.run_dir());
        assert_eq!(results.rows[2]["status"], "invalid", "{file}");
        let set = campaign.set("recipients.header_row", 4);
        let report = check(&set);
        let about = |it: &&str| it.contains("the header is");
        let messages = report.findings.iter().map(|it| it.message.as_str());
        assert_eq!(messages.filter(|it| about(it)).count(), 0, "{file}");
    }
}

#[test]
fn hidden_rows_of_a_workbook_are_skipped_with_a_code() {
    let subject = "{{ city }}";
    let campaign = campaign("list.xlsx", &workbook("hidden_rows.xlsx"), subject);
    let warning = check(&campaign);
    let warning = warning.about("rows that are hidden");
    assert_eq!(warning.severity, "warning");
    warning
        .helps("`hidden = \"skip\"`")
        .helps("`hidden = \"send\"`");
    let ran = send(&campaign);
    assert_eq!(subjects(ran.code(0)), ["Oslo", "Oslo", "Oslo"]);
    let results = Results::of(ran.run_dir());
    let codes: Vec<_> = results
        .rows
        .iter()
        .map(|row| row["code"].as_str())
        .collect();
    assert_eq!(codes, ["200", "hidden", "200", "hidden", "200"]);
    assert_eq!(results.rows[1]["status"], "skipped");
    let preview = Run::new("preview")
        .arg(campaign.path())
        .args(["--row", "2"])
        .run();
    assert!(preview.stderr.contains("hidden"), "{}", preview.stderr);

    let campaign = campaign.set("recipients.hidden", "send");
    let ran = send(&campaign);
    assert_eq!(subjects(ran.code(0)).len(), 5);
    let campaign = campaign.set("recipients.hidden", "show");
    let ran = send(&campaign);
    ran.code(1).stderr_has("write “skip” or “send”");
}

#[test]
fn an_error_in_a_cell_makes_its_row_invalid_and_names_the_cell() {
    let campaign = campaign("list.xlsx", &workbook("formulas.xlsx"), "{{ number }}");
    let ran = send(&campaign);
    let results = Results::of(ran.code(3).run_dir());
    let row = &results.rows[1];
    assert_eq!(
        (row["status"].as_str(), row["code"].as_str()),
        ("invalid", "cell-error")
    );
    assert!(
        row["error"].contains("cell C3 of the sheet “Members”"),
        "{row:?}"
    );
}

const ORDERS: &str = r#"{"email": "ann@example.com", "name": "Ann", "order": {"items": [{"name": "Tea"}, {"name": "Jam"}], "sum": 12.50}, "vip": true}
{"email": "bob@example.com", "name": "Bob", "order": {"items": [], "sum": 7}, "vip": false}
{"email": "cid@example.com"
{"email": "dora@example.com", "name": "Dora"}
"#;

const SUBJECT: &str =
    "{{ name }}{% if vip %}*{% endif %} {% for it in order.items %}{{ it.name }},{% endfor %}";

#[test]
fn nested_values_reach_the_templates_and_the_results() {
    let as_array = ORDERS
        .lines()
        .filter(|line| line.ends_with('}'))
        .collect::<Vec<_>>()
        .join(",\n");
    let subject = format!("{{% if order %}}{SUBJECT}{{% else %}}{{{{ name }}}}{{% endif %}}");
    for (file, text) in [
        ("orders.jsonl", ORDERS.to_owned()),
        ("orders.txt", ORDERS.to_owned()),
        ("orders.json", format!("[{as_array}]")),
    ] {
        let campaign = campaign(file, text.as_bytes(), &subject);
        let ran = send(&campaign);
        assert_eq!(subjects(&ran), ["Ann* Tea,Jam,", "Bob ", "Dora"], "{file}");
        let results = Results::of(ran.run_dir());
        assert_eq!(
            results.rows[0]["order"],
            r#"{"items":[{"name":"Tea"},{"name":"Jam"}],"sum":12.50}"#
        );
        assert_eq!(results.rows[0]["vip"], "true");
        let dora = results.rows.last().expect("a row");
        assert_eq!((dora["order"].as_str(), dora["vip"].as_str()), ("", ""));
        if results.rows.len() == 4 {
            assert_eq!(results.rows[2]["code"], "bad-json", "{file}");
        }
    }
}

#[test]
fn standard_input_is_recognized_by_its_content() {
    let jsonl = ORDERS.as_bytes().to_vec();
    for (bytes, expected) in [
        (workbook("texts.xlsx"), 4),
        (workbook("lo_texts.ods"), 4),
        (jsonl, 3),
    ] {
        let campaign = Campaign::new()
            .set("recipients.file", "-")
            .set("message.subject", "News")
            .template("newsletter.html", "<p>News</p>");
        let ran = Run::new("send")
            .arg(campaign.path())
            .args(["--local", "--skip-invalid"])
            .stdin(bytes)
            .run();
        assert_eq!(subjects(&ran).len(), expected);
    }
}

#[test]
fn a_list_is_imported_from_a_sheet() {
    let campaign = Campaign::new().file("list.xlsx", workbook("several_sheets.xlsx"));
    let import = |options: &[&str]| {
        Run::new("suppress")
            .args(["import", "@acme", "--campaign"])
            .arg(campaign.path())
            .arg(campaign.path().join("list.xlsx"))
            .args(options)
            .run()
    };
    import(&[]).code(1).stderr_has("`--sheet \"Members\"`");
    import(&["--sheet", "Members"])
        .code(0)
        .stderr_has("Added 1 entry");
    import(&["--sheet", "Members", "--header-row", "7"])
        .code(1)
        .stderr_has("no row starts on this line");
}
