//! `where` and `send --where`: some of the rows are sent, and the others are counted.

use crate::support::campaign::Campaign;
use crate::support::fake_api::FakeApi;
use crate::support::findings::check_without_style_rules as check;
use crate::support::results::Results;
use crate::support::run::{Ran, Run};
use crate::support::send::{addresses, campaign, send};

/// Reported case 24, with a row that can't be read, and addresses that can't be sent to.
const ROWS: &str = "email,first_name,city,send,points\n\
    ann@one.example,Ann,Gdansk,yes,12\n\
    bob@two.example,Bob,Krakow,no,7\n\
    cleo@one.example,Cleo,Gdansk,yes,100\n\
    dan at one,Dan,Krakow,no,0\n\
    eve at one,Eve,Gdansk,yes,0\n\
    fay@one.example,Fay,Krakow,no\n\
    ann@one.example,Ann again,Krakow,no,1\n";

fn cities() -> Campaign {
    Campaign::new().recipients(ROWS)
}

fn local(campaign: &Campaign) -> Run {
    Run::new("send").arg(campaign.path()).arg("--local")
}

/// The status and the code of each row.
fn statuses(ran: &Ran) -> Vec<(String, String)> {
    let rows = Results::of(ran.run_dir()).rows;
    let of_row = |row: &std::collections::BTreeMap<String, String>| {
        (row["status"].clone(), row["code"].clone())
    };
    rows.iter().map(of_row).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = expected.iter();
    pairs.map(|(a, b)| ((*a).into(), (*b).into())).collect()
}

const ACCEPTED: (&str, &str) = ("accepted", "200");
const NOT_SELECTED: (&str, &str) = ("skipped", "not-selected");

#[test]
fn rows_that_are_not_selected_are_skipped_before_anything_else_is_looked_at() {
    let campaign = cities().set("recipients.where", "city == 'Gdansk' and send != ''");
    let ran = local(&campaign).run();
    // The rows 5 and 6 are invalid.
    ran.code(3).stderr_has("not selected by `where`");
    let expected = [
        ACCEPTED,
        NOT_SELECTED,
        ACCEPTED,
        // A bad address of somebody else is no news.
        NOT_SELECTED,
        ("invalid", "bad-address"),
        // Nobody knows which cell is which.
        ("invalid", "field-count"),
        // Not a duplicate.
        NOT_SELECTED,
    ];
    assert_eq!(statuses(&ran), pairs(&expected));
    let report = check(&campaign);
    assert_eq!((report.rows, report.errors), (Some(7), 0));
    let [not_selected] = report.not_selected.as_slice() else {
        panic!("{report:#?}");
    };
    assert_eq!(
        (not_selected.reason.as_str(), not_selected.rows),
        ("not selected by `where`", 3)
    );
    let codes: Vec<_> = report.findings.iter().map(|it| it.code.as_str()).collect();
    assert_eq!(codes, ["bad-address", "field-count"]);
    let text = Run::new("check").arg(campaign.path()).run();
    text.stdout_has("left out: 3 rows: not selected by `where`");
    let dry = local(&campaign).arg("--dry-run").run();
    dry.code(0)
        .stdout_has("would send: 2 messages")
        .stdout_has("3 skipped: not selected by `where`");
}

#[test]
fn the_first_selected_row_of_an_address_is_sent() {
    let campaign = cities().set("recipients.where", "first_name == 'Ann again'");
    let ran = local(&campaign).run();
    let results = Results::of(ran.run_dir());
    let accepted: Vec<_> = results.with_status("accepted").collect();
    assert_eq!(accepted[0]["row"], "7");
    assert_eq!(accepted.len(), 1);
}

#[test]
fn an_option_narrows_the_selection_further() {
    let campaign = cities().set("recipients.where", "send == 'yes'");
    let ran = local(&campaign)
        .args(["--where", "points | int > 50"])
        .run();
    let results = Results::of(ran.run_dir());
    let accepted: Vec<_> = results.with_status("accepted").collect();
    assert_eq!(accepted.len(), 1);
    assert_eq!(accepted[0]["first_name"], "Cleo");
    let reasons = |row: usize| results.rows[row - 1]["error"].clone();
    assert_eq!(reasons(1), "not selected by `--where`");
    assert_eq!(reasons(2), "not selected by `where`");
}

#[test]
fn an_expression_sees_what_templates_see() {
    for (expression, expected) in [
        ("row['first name'] == 'Ann'", vec!["ann@one.example"]),
        (
            "email is ending_with(pat='@two.example')",
            vec!["bob@two.example"],
        ),
        ("recipient.name == 'B'", vec!["bob@two.example"]),
        ("city in towns", vec!["ann@one.example", "bob@two.example"]),
        ("now() is before(other='2001-01-01')", vec![]),
        ("not (city != '')", vec!["cleo@one.example"]),
        ("age is defined", vec![]),
    ] {
        let campaign = Campaign::new()
            .set("message.subject", "x")
            .template("newsletter.html", "<p>News</p>")
            .set("vars.towns", vec!["Gdansk", "Sopot"])
            .recipients(
                "email,first name,city\nann@one.example,Ann,Gdansk\nB <bob@two.example>,Bob, Sopot \ncleo@one.example,Cleo,\n",
            )
            .set("recipients.where", expression);
        let ran = local(&campaign).run();
        ran.code(0);
        let results = Results::of(ran.run_dir());
        let accepted: Vec<_> = results.with_status("accepted").collect();
        let accepted: Vec<_> = accepted
            .iter()
            .map(|row| row["email"].trim_start_matches("B <").trim_end_matches('>'))
            .collect();
        assert_eq!(accepted, expected, "{expression}");
    }
}

#[test]
fn a_mistake_in_the_expression_stops_everything() {
    for (expression, words) in [
        (
            "citty == 'Gdansk'",
            vec!["campaign.toml:", "`citty`", "did you mean `city`?"],
        ),
        (
            "row['citty'] == 'Gdansk'",
            vec!["`citty`", "did you mean `city`?"],
        ),
        ("city = 'Gdansk'", vec!["campaign.toml:", "`==`"]),
        ("city == 'Gdansk", vec!["campaign.toml:"]),
        ("city | nosuch", vec!["nosuch"]),
        ("", vec!["`where` must be an expression"]),
        ("{{ city == 'Gdansk' }}", vec!["without {{ }}"]),
        // As a condition in a template, the text "no" would be true.
        ("send", vec!["row 1", "line 2", "“yes”", "compare it"]),
        // There it would be true as well.
        (
            "send and city == 'Gdansk'",
            vec!["row 1", "line 2", "`send`", "every text"],
        ),
        (
            "city == 'Gdansk') or (send == 'no'",
            vec!["campaign.toml:", "parentheses"],
        ),
        ("points | int > first_name | int", vec!["row 1", "line 2"]),
    ] {
        let campaign = cities().set("recipients.where", expression);
        for command in ["check", "send", "preview"] {
            let mut run = Run::new(command).arg(campaign.path());
            if command == "send" {
                run = run.arg("--local");
            }
            let ran = run.run();
            ran.code(1);
            let all = format!("{}{}", ran.stdout, ran.stderr);
            for word in &words {
                // Preview shows single rows.
                if command == "preview" && word.starts_with("line ") {
                    continue;
                }
                assert!(all.contains(word), "{command} {expression}: {word}: {all}");
            }
        }
        assert!(campaign.runs().is_empty());
        if expression.is_empty() {
            continue;
        }
        let ran = local(&cities()).args(["--where", expression]).run();
        ran.code(1).stderr_has("--where");
    }
}

#[test]
fn the_preview_leaves_them_out() {
    let campaign = cities().set("recipients.where", "city == 'Gdansk'");
    let preview = |args: &[&str]| Run::new("preview").arg(campaign.path()).args(args).run();
    preview(&["--limit", "2"])
        .code(0)
        .stdout_has("Hello Ann")
        .stdout_has("Hello Cleo")
        .stdout_lacks("not selected");
    preview(&["--row", "2"])
        .code(1)
        .stderr_has("not selected by `where`");
    preview(&["--email", "bob@two.example"]).code(1);
}

#[test]
fn tests_and_standard_input_and_a_resumed_run_are_selected_too() {
    let api = FakeApi::taking_all();
    let selected = campaign(&api)
        .recipients(ROWS)
        .set("recipients.where", "city == 'Krakow'")
        .set("recipients.file", "-");
    let ran = send(&selected)
        .args(["--test-to", "me@sender.example"])
        .stdin(ROWS)
        .run();
    ran.code(0);
    assert_eq!(Results::of(ran.run_dir()).rows[0]["first_name"], "Bob");
    let selected = campaign(&api)
        .recipients(ROWS)
        .set("recipients.where", "city == 'Gdansk'");
    let run = send(&selected)
        .args(["--limit", "1"])
        .run()
        .code(5)
        .run_dir();
    // The run has its own copy of what was planned.
    let selected = selected.set("recipients.where", "city == 'Krakow'");
    Run::on("resume", &run).run().code(3);
    let results = Results::of(&run);
    let accepted: Vec<_> = results.with_status("accepted").collect();
    assert!(accepted.iter().all(|row| row["city"] == "Gdansk"));
    assert_eq!((accepted.len(), addresses(&results).len()), (2, 7));
    // The others can be sent to later.
    let ran = send(&selected).arg("--except-sent").run();
    let rows = Results::of(ran.run_dir());
    let accepted: Vec<_> = rows
        .with_status("accepted")
        .map(|row| row["row"].clone())
        .collect();
    assert_eq!(accepted, ["2"]);
    assert_eq!(rows.rows[6]["code"], "already-sent");
}

#[test]
fn booleans_of_a_json_file_need_no_comparison() {
    let rows = "{\"email\":\"ann@one.example\",\"first_name\":\"Ann\",\"send\":true,\"city\":\"Gdansk\"}\n\
                {\"email\":\"bob@two.example\",\"first_name\":\"Bob\",\"send\":false,\"city\":\"Gdansk\"}\n";
    let campaign = Campaign::new()
        .set("recipients.file", "rows.jsonl")
        .file("rows.jsonl", rows)
        .set("recipients.where", "send and city == 'Gdansk'");
    let ran = local(&campaign).run();
    ran.code(0);
    assert_eq!(statuses(&ran), pairs(&[ACCEPTED, NOT_SELECTED]));
}
