//! HTML that is deep, large, or that no editor would write.

use crate::support::campaign::Campaign;
use crate::support::mail::outbox;
use crate::support::results::Results;
use crate::support::run::{Ran, Run};

fn send(campaign: &Campaign) -> Ran {
    let run = Run::new("send").arg(campaign.path());
    run.args(["--local", "--skip-invalid"]).run()
}

/// A campaign of one row with this HTML.
fn campaign(html: &str) -> Campaign {
    Campaign::new()
        .recipients("email,first_name\nann@one.example,Ann\n")
        .set("message.subject", "x")
        .template(
            "newsletter.html",
            &format!("<style>p{{color:red}}</style>{html}"),
        )
}

#[test]
fn deep_html_is_an_error_that_names_the_limit() {
    for html in ["<table><tr><td>".repeat(1000), "<b>".repeat(5000)] {
        let campaign = campaign(&html);
        let ran = Run::new("send").arg(campaign.path()).arg("--local").run();
        ran.code(1).stderr_has("more than 256 deep");
    }
    let css = format!("<style>p{}{{}}</style><p>x", ":not(".repeat(100_000));
    let ran = Run::new("send")
        .arg(campaign(&css).path())
        .arg("--local")
        .run();
    ran.code(1).stderr_has("brackets more than 64 deep");
}

#[test]
fn a_deep_cell_makes_only_its_row_invalid() {
    let mut csv = String::from("email,first_name\n");
    for n in 1..=60 {
        let cell = match n {
            7 => "<b>".repeat(20_000),
            _ => format!("<i>{n}</i>"),
        };
        csv += &format!("r{n}@one.example,{cell}\n");
    }
    let campaign = campaign("<p>{{ first_name | safe }}</p>").recipients(csv);
    let ran = send(&campaign);
    ran.code(3);
    let run = ran.run_dir();
    let results = Results::of(&run);
    assert_eq!(results.count("accepted"), 59);
    let row = results.row("r7@one.example");
    assert_eq!(row["status"], "invalid");
    assert!(row["error"].contains("more than 256 deep"), "{row:?}");
    Run::on("resume", &run).run().code(3);
}

#[test]
fn cells_that_go_past_the_last_row_have_a_text_part() {
    let html = include_str!("../../fixtures/html/table-spans.html");
    let campaign = campaign(html);
    let ran = send(&campaign);
    ran.code(0);
    let mails = outbox(ran.run_dir().join("outbox"));
    let text = mails[0].text.as_deref().expect("a text part");
    for word in ["x", "y", "a", "b", "c"] {
        assert!(text.contains(word), "{word} is missing in {text}");
    }
}

#[test]
fn odd_html_is_sent() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/html");
    for entry in std::fs::read_dir(folder).expect("the fixtures") {
        let path = entry.expect("an entry").path();
        println!("{}", path.display());
        let html = std::fs::read_to_string(&path).expect("a text");
        let campaign = campaign(&html);
        send(&campaign).code(0);
        let preview = Run::new("preview")
            .arg(campaign.path())
            .args(["--row", "1"]);
        preview.run().code(0);
        let check = Run::new("check").arg(campaign.path()).run();
        assert!(matches!(check.exit(), Some(0 | 1 | 3)), "{check:?}");
    }
}
