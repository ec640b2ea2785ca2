//! `suppress` in a campaign: how its lists are read, and what stops a run.

use encoding_rs::WINDOWS_1252;

use crate::support::campaign::Campaign;
use crate::support::findings::check_without_style_rules as check;
use crate::support::results::Results;
use crate::support::run::{Ran, Run};

fn send(campaign: &Campaign) -> Ran {
    Run::new("send").arg(campaign.path()).arg("--local").run()
}

/// Six recipients, and lists of four programs with one of them each.
fn campaign() -> Campaign {
    let people = ["ann", "bob", "cid", "dee", "eve", "fay"];
    let rows: String = people.map(|it| format!("{it}@one.example,x\n")).concat();
    let excel = "E-Mail;Grund\ndee@one.example;Kündigung möglich, gewünscht\n";
    Campaign::new()
        .recipients(format!("email,first_name\n{rows}"))
        .file(
            "mailchimp.csv",
            "\"Email Address\",\"First Name\"\n\"Ann@One.example\",\"Ann\"\n",
        )
        .file(
            "postcards.txt",
            "Bob <bob@one.example>\n\n# from the postcards\nmailto:cid@one.example\n",
        )
        .file("excel.csv", WINDOWS_1252.encode(excel).0)
        .file(
            "bounces.csv",
            "time,type,address\n2026-01-02,hard,eve@one.example\n",
        )
}

fn table(entries: &[(&str, &str)]) -> toml::Value {
    let entries = entries
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).into()));
    toml::Value::Table(entries.collect())
}

fn suppress(campaign: Campaign, lists: Vec<toml::Value>) -> Campaign {
    campaign.set("recipients.suppress", lists)
}

#[test]
fn each_list_has_its_own_column_encoding_and_delimiter() {
    let lists = vec![
        "mailchimp.csv".into(),
        "postcards.txt".into(),
        table(&[
            ("file", "excel.csv"),
            ("encoding", "windows-1252"),
            ("delimiter", ";"),
        ]),
        table(&[("file", "bounces.csv"), ("email", "address")]),
    ];
    let campaign = suppress(campaign(), lists);
    check(&campaign).is_clean();
    let ran = send(&campaign);
    let results = Results::of(ran.code(0).run_dir());
    let left: Vec<_> = results
        .with_status("accepted")
        .map(|row| &*row["input.email"])
        .collect();
    assert_eq!(left, ["fay@one.example"]);
    assert_eq!(results.count("skipped"), 5);
}

#[test]
fn a_delimiter_that_is_not_detected_can_be_set() {
    let list = || campaign().file("list.txt", "email^note\nann@one.example^left\n");
    let detected = suppress(list(), vec!["list.txt".into()]);
    send(&detected).code(1).stderr_has("list.txt");
    let set = table(&[("file", "list.txt"), ("delimiter", "^")]);
    let set = suppress(list(), vec![set]);
    let ran = send(&set);
    let results = Results::of(ran.code(0).run_dir());
    assert_eq!(results.row("ann@one.example")["status"], "skipped");
    assert_eq!(results.count("accepted"), 5);
}

#[test]
fn help_says_what_to_write_in_suppress_and_that_is_right() {
    let encoding = suppress(campaign(), vec!["excel.csv".into()]);
    check(&encoding)
        .only()
        .at_line("excel.csv", 2)
        .helps("`{ file = \"excel.csv\", encoding = \"windows-1252\" }` in `suppress`");
    let done = suppress(
        campaign(),
        vec![table(&[
            ("file", "excel.csv"),
            ("encoding", "windows-1252"),
        ])],
    );
    check(&done).is_clean();
}

#[test]
fn an_entry_without_a_valid_address_stops_the_run_unless_the_campaign_skips_it() {
    let campaign = suppress(
        campaign().file("gone.txt", "ann@one.example\nbob(at)one.example\n"),
        vec!["gone.txt".into()],
    );
    check(&campaign)
        .only()
        .at_line("gone.txt", 2)
        .is("recipients", "“bob(at)one.example”");
    send(&campaign)
        .code(1)
        .stdout_is("")
        .stderr_has("gone.txt:2");
    assert!(campaign.runs().is_empty());
    let campaign = campaign.set("recipients.suppress_skip_invalid", true);
    assert_eq!(check(&campaign).only().severity, "warning");
    let ran = send(&campaign);
    assert_eq!(Results::of(ran.code(0).run_dir()).count("skipped"), 1);
}

#[test]
fn mistakes_in_the_table_of_a_list_have_their_place() {
    let with = |entries: &[(&str, &str)]| check(&suppress(campaign(), vec![table(entries)]));
    with(&[("file", "excel.csv"), ("column", "x")])
        .only()
        .is("unknown-key", "column");
    with(&[("email", "x")]).only().is("missing-key", "file");
    with(&[("file", "no.csv")]).only().is("no-file", "no.csv");
    with(&[("file", "excel.csv"), ("encoding", "x")])
        .only()
        .is("bad-value", "not an encoding");
    let number = suppress(campaign(), vec![1.into()]);
    check(&number)
        .only()
        .is("bad-toml", "a file name, or a table");
}
