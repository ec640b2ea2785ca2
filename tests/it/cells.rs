//! What becomes of cells: in messages, in findings and in the results.

use crate::support::campaign::Campaign;
use crate::support::findings::check_without_style_rules as check;
use crate::support::mail::{Mail, outbox};
use crate::support::results::Results;
use crate::support::run::{Ran, Run};

fn send(campaign: &Campaign) -> Ran {
    Run::new("send").arg(campaign.path()).arg("--local").run()
}

/// A campaign whose subject is `subject` and whose HTML is constant.
fn campaign(csv: &str, subject: &str) -> Campaign {
    Campaign::new()
        .recipients(csv)
        .set("message.subject", subject)
        .template("newsletter.html", "<p>News</p>")
}

/// The subjects in the outbox, sorted.
fn subjects(ran: &Ran) -> Vec<String> {
    let mails: Vec<Mail> = outbox(ran.run_dir().join("outbox"));
    let mut subjects: Vec<_> = mails.into_iter().map(|mail| mail.subject).collect();
    subjects.sort();
    subjects
}

/// A list as a database prints it. The second column is padded, and a cell of the third has quotes.
const PADDED: &str = "email            , name       , plan\n\
    ann@one.example  , Ann Archer , gold     \n\
    bob@one.example  , Bob\u{a0}B.\u{200b} , \"silver\" \n";

#[test]
fn white_space_around_cells_is_removed_with_one_note_and_kept_in_the_results() {
    let campaign = campaign(PADDED, "{{ name }}|{{ row['plan'] }}|");
    let report = check(&campaign);
    let note = report.about("white space around cells");
    assert_eq!((note.severity.as_str(), note.count), ("note", 1));
    note.is("recipients", "lines 2, 3").helps("trim = false");
    let ran = send(&campaign);
    ran.code(0).stderr_lacks("white space around cells");
    assert_eq!(
        subjects(&ran),
        ["Ann Archer|gold|", "Bob\u{a0}B.|\"silver\"|"]
    );
    let results = Results::of(ran.run_dir());
    assert_eq!(results.rows[0]["plan"], " gold     ");
    assert_eq!(results.rows[0]["input.email"], "ann@one.example  ");

    let kept = campaign.set("recipients.trim", false);
    let report = check(&kept);
    assert!(
        report.findings.iter().all(|it| it.severity != "note"),
        "{report:#?}"
    );
    let ran = send(&kept);
    assert_eq!(subjects(ran.code(0))[0], " Ann Archer | gold     |");
}

#[test]
fn a_quote_after_white_space_is_reported() {
    let campaign = campaign(PADDED, "{{ plan }}");
    let report = check(&campaign);
    let quote = report.about("a quote after white space");
    assert_eq!(quote.severity, "warning");
    quote
        .is("recipients", "line 3")
        .helps("delete the white space");
    send(&campaign)
        .code(0)
        .stderr_has("a quote after white space");
}

#[test]
fn the_variable_of_the_address_column_is_the_bare_address() {
    let csv = "E-Mail,name\n\"\"\"John Smith\"\" <john@one.example>\",John\n ann+x@one.example.\u{a0},Ann\n";
    let campaign = campaign(
        csv,
        "{{ row['E-Mail'] | urlencode }}|{{ recipient.address }}|{{ recipient.name | default(value='-', boolean=true) }}|{{ recipient.cell }}|",
    );
    let ran = send(&campaign);
    assert_eq!(
        subjects(ran.code(0)),
        [
            "ann%2Bx%40one.example|ann+x@one.example|-|\u{20}ann+x@one.example.\u{a0}|",
            "john%40one.example|john@one.example|John Smith|\"John Smith\" <john@one.example>|",
        ]
    );
    let results = Results::of(ran.run_dir());
    assert_eq!(results.rows[1]["E-Mail"], " ann+x@one.example.\u{a0}");
}

#[test]
fn a_column_or_a_variable_named_recipient_comes_first() {
    let column = campaign("email,recipient\nann@one.example,Ann\n", "{{ recipient }}");
    assert_eq!(subjects(send(&column).code(0)), ["Ann"]);
    let var = campaign("email\nann@one.example\n", "{{ recipient }}").set("vars.recipient", "x");
    assert_eq!(subjects(send(&var).code(0)), ["x"]);
}

#[test]
fn names_and_addresses_that_can_mean_only_one_thing_are_sent_to() {
    let csv = "email\n\"Baker, Bob <bob@one.example>\"\nhal@one.example <Hal Hill>\n\
        'eve@one.example'\n\u{202a}dee@one.example\u{202c}\ncid@one.example <cid@one.example>\n";
    let campaign = campaign(csv, "{{ recipient.name }}<{{ email }}>");
    let ran = send(&campaign);
    assert_eq!(
        subjects(ran.code(0)),
        [
            "<cid@one.example>",
            "<dee@one.example>",
            "<eve@one.example>",
            "Baker, Bob<bob@one.example>",
            "Hal Hill<hal@one.example>",
        ]
    );
}

#[test]
fn findings_about_addresses_show_the_address_and_what_to_write() {
    let csv = "email\ndee.o’neil@one.example\nann@one.example; bob@one.example\nida@example\nok@one.example\n";
    let report = check(&campaign(csv, "x"));
    report
        .about("“dee.o’neil@one.example”")
        .is("bad-address", "write a straight apostrophe (')");
    report
        .about("“ann@one.example; bob@one.example”")
        .is("bad-address", "give each address a row of its own");
    report
        .about("“ida@example”")
        .is("bad-address", "has no dot");
}

#[test]
fn only_the_first_invalid_addresses_are_shown() {
    let rows: String = (1..=30).map(|n| format!("r{n}@example\n")).collect();
    let report = check(&campaign(&format!("email\nok@one.example\n{rows}"), "x"));
    let all: Vec<_> = report
        .findings
        .iter()
        .filter(|it| it.code == "bad-address")
        .collect();
    assert_eq!(all.len(), 11);
    assert_eq!(all.iter().map(|it| it.count).sum::<u64>(), 30);
}

#[test]
fn a_quote_that_swallows_rows_stops_everything() {
    let rows = |n: u32| match n {
        500 => "r500@one.example,\"Name 500,City\n".to_owned(),
        n => format!("r{n}@one.example,\"Name {n}\",City\n"),
    };
    let csv: String = (1..=1000).map(rows).collect();
    let campaign = campaign(&format!("email,name,city\n{csv}"), "{{ name }}");
    let ran = send(&campaign);
    ran.code(1).stdout_is("").stderr_has("recipients.csv:501");
    assert!(campaign.runs().is_empty());
    let report = check(&campaign);
    assert_eq!(report.only().line, Some(501));
    report
        .only()
        .is("recipients", "closed on line 502")
        .helps("close the quote");
}
