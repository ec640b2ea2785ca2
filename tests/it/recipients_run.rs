//! The fixtures of recipients through the program: `check` and the results match the manifest.

use std::path::Path;

use serde_json::Value;

use crate::support::campaign::Campaign;
use crate::support::findings::{Report, check_without_style_rules as check};
use crate::support::mail::outbox;
use crate::support::results::Results;
use crate::support::run::{Ran, Run};

fn fixtures() -> &'static Path {
    Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/recipients"
    ))
}

/// The manifest entry of a file.
fn manifest(number: &str) -> Value {
    let text = std::fs::read_to_string(fixtures().join("manifest.json")).expect("the manifest");
    let manifest: Value = serde_json::from_str(&text).expect("JSON");
    let files = manifest["files"].as_array().expect("a list");
    let named = |file: &&Value| {
        let name = file["file"].as_str().expect("a name");
        name.starts_with(&format!("{number}_"))
    };
    files
        .iter()
        .find(named)
        .expect("an entry in the manifest")
        .clone()
}

/// A campaign for this fixture that uses no column.
fn campaign(number: &str) -> Campaign {
    let file = manifest(number);
    let name = file["file"].as_str().expect("a name");
    let csv = std::fs::read(fixtures().join(name)).expect("the fixture");
    Campaign::new()
        .set("message.subject", "x")
        .template("newsletter.html", "<p>{{ row | length }}</p>")
        .recipients(csv)
}

fn send(campaign: &Campaign) -> Ran {
    Run::new("send").arg(campaign.path()).arg("--local").run()
}

/// Checks and sends. Both must have the rows of the manifest, with these statuses.
#[track_caller]
fn sends(number: &str, code: i32, rows: &[(&str, &str)]) -> Report {
    let campaign = campaign(number);
    let report = check(&campaign);
    assert_eq!(report.errors, 0, "{report:#?}");
    assert_eq!(report.rows, Some(rows.len() as u64));
    if let Some(count) = manifest(number)["rows"].as_u64() {
        assert_eq!(count, rows.len() as u64, "rows in the manifest");
    }
    let ran = send(&campaign);
    ran.code(code);
    let results = Results::of(ran.run_dir());
    let found: Vec<_> = results
        .rows
        .iter()
        .map(|row| (row["email"].as_str(), row["status"].as_str()))
        .collect();
    assert_eq!(found, rows, "{number}");
    let numbers: Vec<_> = results.rows.iter().map(|row| row["row"].clone()).collect();
    let wanted: Vec<_> = (1..=rows.len()).map(|number| number.to_string()).collect();
    assert_eq!(numbers, wanted);
    assert_eq!(
        outbox(ran.run_dir().join("outbox")).len(),
        results.count("accepted")
    );
    report
}

/// `check` and `send` fail with these words, and there is no run.
#[track_caller]
fn stops(number: &str, line: Option<u64>, words: &[&str]) {
    let campaign = campaign(number);
    let report = check(&campaign);
    assert_eq!(report.only().line, line, "{report:#?}");
    let ran = send(&campaign);
    ran.code(1).stdout_is("");
    for word in words {
        report.about(word);
        ran.stderr_has(word);
    }
    assert!(campaign.runs().is_empty());
}

/// The lines of the findings.
fn lines(report: &Report) -> Vec<u64> {
    let mut lines: Vec<_> = report
        .findings
        .iter()
        .filter_map(|finding| finding.line)
        .collect();
    lines.sort_unstable();
    lines.dedup();
    lines
}

#[test]
fn excel_files_are_read_in_any_encoding() {
    let rows = [
        ("zażółć.gęślą@example.pl", "invalid"),
        ("jan.kowalski@example.pl", "accepted"),
        ("ewa@example.pl", "accepted"),
    ];
    for number in ["01", "02", "03", "04", "05"] {
        let report = sends(number, 3, &rows);
        let line = if number == "05" { 3 } else { 2 };
        let finding = report
            .findings
            .iter()
            .find(|finding| finding.code == "bad-address");
        assert_eq!(finding.expect("the address").line, Some(line), "{number}");
    }
}

#[test]
fn the_results_have_every_cell() {
    let campaign = campaign("01");
    let ran = send(&campaign);
    let results = Results::of(ran.code(3).run_dir());
    let row = &results.rows[0];
    assert_eq!(
        (row["imię"].as_str(), row["kwota"].as_str()),
        ("Łucja", "1\u{a0}234,56")
    );
    assert_eq!(results.rows[2]["uwagi"], "tzw. \"VIP\"");
}

#[test]
fn undecodable_bytes_stop_it() {
    stops("07", Some(3), &["byte"]);
    stops("08", Some(2), &["byte"]);
}

#[test]
fn cells_may_have_line_breaks() {
    let report = sends(
        "10",
        0,
        &[
            ("a@example.com", "accepted"),
            ("b@example.com", "accepted"),
            ("c@example.com", "accepted"),
        ],
    );
    report
        .only()
        .is("recipients", "white space around cells is removed: line 6");
}

#[test]
fn a_duplicate_column_name_stops_it() {
    stops("12", Some(1), &["name"]);
}

#[test]
fn rows_of_the_wrong_length_are_invalid() {
    let report = sends(
        "13",
        3,
        &[
            ("a@example.com", "accepted"),
            ("b@example.com", "invalid"),
            ("c@example.com", "invalid"),
            ("d@example.com", "invalid"),
            ("e@example.com", "accepted"),
        ],
    );
    assert_eq!(lines(&report), [3, 4, 5]);
    let campaign = campaign("13");
    let run = send(&campaign).run_dir();
    let raw = Run::new("results")
        .arg(&run)
        .args(["--raw", "--out", "-"])
        .run();
    raw.code(0).stdout_has("c@example.com,Cy,Gdansk,extra");
    let results = Results::of(&run);
    assert_eq!(results.rows[2]["city"], "Gdansk");
    assert!(results.rows[2]["error"].contains('4'), "{results:?}");
}

#[test]
fn a_nul_makes_its_row_invalid() {
    let report = sends(
        "14",
        3,
        &[
            ("a@example.com", "invalid"),
            ("b␀@example.com", "invalid"),
            ("c@example.com", "accepted"),
        ],
    );
    assert_eq!(lines(&report), [2, 3]);
}

#[test]
fn an_empty_file_stops_it_and_a_file_without_rows_does_not() {
    stops("30", None, &["empty"]);
    stops("31", None, &["empty"]);
    sends("32", 0, &[]);
    sends("33", 0, &[]);
}

#[test]
fn every_line_end_is_read() {
    sends("34", 0, &[("a@example.com", "accepted")]);
    sends(
        "35",
        0,
        &[("a@example.com", "accepted"), ("b@example.com", "accepted")],
    );
    sends(
        "37",
        0,
        &[("a@example.com", "accepted"), ("b@example.com", "accepted")],
    );
}

#[test]
fn text_after_a_closing_quote_makes_its_row_invalid() {
    let report = sends(
        "40",
        3,
        &[
            ("a@example.com", "accepted"),
            ("b@example.com", "invalid"),
            ("c@example.com", "accepted"),
            ("d@example.com", "accepted"),
        ],
    );
    assert_eq!(
        report
            .findings
            .iter()
            .find(|it| it.code == "text-after-quote")
            .and_then(|it| it.line),
        Some(3)
    );
}

#[test]
fn a_cell_has_one_recipient() {
    let campaign = campaign("43");
    let ran = send(&campaign);
    ran.code(3);
    let results = Results::of(ran.run_dir());
    assert_eq!(results.rows.len(), 3);
    for (row, cell) in results
        .rows
        .iter()
        .zip(["a@example.com,b@example.com", "a@example.com;b@example.com"])
    {
        assert_eq!(
            (row["email"].as_str(), row["status"].as_str()),
            (cell, "invalid")
        );
    }
    let mails = outbox(ran.run_dir().join("outbox"));
    assert_eq!(mails.len(), results.count("accepted"));
    assert!(mails.iter().all(|mail| mail.to.len() == 1));
}

#[test]
fn the_second_of_two_equal_rows_is_skipped() {
    sends(
        "46",
        0,
        &[("a@example.com", "accepted"), ("a@example.com", "skipped")],
    );
    let campaign = campaign("46");
    let results = Results::of(send(&campaign).run_dir());
    assert!(results.rows[1]["error"].contains("row 1"), "{results:?}");
}

#[test]
fn every_odd_address_is_invalid_or_sent_as_it_is() {
    // This dialect has a field for the recipient's name.
    let campaign = campaign("17").set("api.dialect", "new_sendmail");
    let ran = send(&campaign);
    ran.code(3);
    let results = Results::parse(
        &Run::new("results")
            .arg(ran.run_dir())
            .args(["--raw", "--out", "-"])
            .run()
            .code(0)
            .stdout,
    );
    let mut cells =
        csv::Reader::from_path(fixtures().join("17_addresses_odd.csv")).expect("a file");
    let cells: Vec<_> = cells
        .records()
        .map(|row| row.expect("CSV")[1].to_owned())
        .collect();
    let emails: Vec<_> = results
        .rows
        .iter()
        .map(|row| row["email"].clone())
        .collect();
    assert_eq!(emails, cells);
    let mut sent: Vec<_> = outbox(ran.run_dir().join("outbox"))
        .into_iter()
        .flat_map(|mail| mail.to)
        .collect();
    let mut accepted: Vec<_> = results
        .with_status("accepted")
        .map(|row| row["email"].clone())
        .collect();
    sent.sort();
    accepted.sort();
    assert_eq!(sent, accepted);
    assert!(
        results
            .with_status("invalid")
            .all(|row| !row["error"].is_empty())
    );
}

#[test]
fn an_unclosed_quote_stops_it() {
    let campaign = Campaign::new()
        .recipients("email,first_name\nann@one.example,\"Ann\nbob@two.example,Bob\n");
    let report = check(&campaign);
    assert_eq!(report.only().line, Some(2), "{report:#?}");
    report.about("quote");
    send(&campaign).code(1).stdout_is("").stderr_has("quote");
    assert!(campaign.runs().is_empty());
}
