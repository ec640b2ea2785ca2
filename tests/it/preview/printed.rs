//! `mailrun preview` with its output in a pipe, and the files of `--out`.

use std::fs;

use crate::support::campaign::Campaign;
use crate::support::mail::{Mail, outbox};
use crate::support::run::Run;

fn preview(campaign: &Campaign) -> Run {
    Run::new("preview").arg(campaign.path())
}

#[test]
fn the_first_message_is_printed() {
    let campaign = Campaign::good().set("message.headers.X-Test", "for {{ first_name }}");
    let ran = preview(&campaign).run();
    ran.code(0).stderr_is("");
    insta::assert_snapshot!(ran.stdout);
    assert!(campaign.runs().is_empty());
}

#[test]
fn row_email_and_limit_select_messages() {
    let campaign = Campaign::new();
    let ran = preview(&campaign).args(["--row", "2"]).run();
    ran.code(0).stdout_has("Hello Bob").stdout_lacks("Ann");
    let ran = preview(&campaign)
        .args(["--email", "CLEO@One.Example"])
        .run();
    ran.code(0)
        .stdout_has("row: 3")
        .stdout_has("To: cleo@one.example");
    let ran = preview(&campaign).args(["--limit", "3"]).run();
    ran.code(0)
        .stdout_has("Hello Ann")
        .stdout_has("Hello Bob")
        .stdout_has("Hello Cleo");
    preview(&campaign)
        .args(["--limit", "2"])
        .run()
        .stdout_lacks("Hello Cleo");
}

#[test]
fn an_unknown_row_or_address_is_an_error() {
    let campaign = Campaign::new();
    let ran = preview(&campaign).args(["--row", "4"]).run();
    ran.code(1).stderr_has("no row 4").stdout_is("");
    let ran = preview(&campaign)
        .args(["--email", "dan@one.example"])
        .run();
    ran.code(1).stderr_has("dan@one.example").stdout_is("");
    preview(&campaign)
        .args(["--email", "no address"])
        .run()
        .code(2);
}

#[test]
fn an_invalid_row_is_reported_with_the_reason() {
    let campaign =
        Campaign::new().recipients("email,first_name\nann at one,Ann\nbob@two.example,Bob\n");
    let ran = preview(&campaign).args(["--row", "1"]).run();
    ran.code(1)
        .stderr_has("recipients.csv:2")
        .stderr_has("row 1");
    preview(&campaign).run().code(0).stdout_has("row: 2");
}

#[test]
fn files_are_the_messages_that_send_writes() {
    let campaign = Campaign::new()
        .set("message.subject", "Zażółć, {{ first_name }}")
        .template("newsletter.html", "<p>Cześć <b>{{ first_name }}</b>!</p>\n");
    let out = campaign.path().join("out");
    let ran = preview(&campaign).arg("--out").arg(&out).run();
    ran.code(0).stdout_has("00001.eml").stdout_has("00003.eml");
    let sent = Run::new("send").arg(campaign.path()).arg("--local").run();
    sent.code(0);
    let sent = outbox(sent.run_dir().join("outbox"));
    for number in 1..=3 {
        let read = |extension| {
            let file = out.join(format!("{number:05}.{extension}"));
            fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
        };
        let mail = Mail::parse(&read("eml"));
        let [html, text] =
            ["html", "txt"].map(|extension| String::from_utf8(read(extension)).expect("UTF-8"));
        assert_eq!(mail.html.as_deref(), Some(html.as_str()));
        assert_eq!(mail.text.as_deref(), Some(text.as_str()));
        assert!(
            html.starts_with("<p>Cześć <b>") || html.contains("Cześć"),
            "{html}"
        );
        let same = sent
            .iter()
            .find(|other| other.to == mail.to)
            .expect("it was sent");
        assert_eq!(
            (&same.subject, &same.from, &same.html, &same.text),
            (&mail.subject, &mail.from, &mail.html, &mail.text)
        );
    }
    // Five files for each message, and the contact sheet.
    assert_eq!(fs::read_dir(&out).expect("a folder").count(), 16);
    ran.stderr_is(&format!(
        "contact sheet: {}\n",
        out.join("index.html").display()
    ));
}

#[test]
fn findings_follow_the_message() {
    let campaign = Campaign::good().html_with("https://sender.example/autumn?who={{ token }}", "");
    let ran = preview(&campaign).args(["--row", "2"]).run();
    ran.code(0)
        .stdout_has("link-empty")
        .stdout_has("a link leads nowhere")
        .stdout_has(" · 1 error")
        .stdout_lacks("\u{1b}")
        .stderr_is("");
    let good = preview(&Campaign::good()).run();
    good.stdout_lacks("link-empty").stdout_lacks(" · ");
}

#[test]
fn data_cannot_control_the_terminal() {
    let campaign = Campaign::new()
        .recipients("email,first_name\nann@one.example,\"A\u{1b}[2J\u{9b}1m\u{202e}nn\u{7}\"\n");
    for command in ["preview", "send"] {
        let run = Run::new(command).arg(campaign.path());
        let ran = if command == "send" {
            run.arg("--dry-run")
        } else {
            run
        }
        .run();
        let ran = ran.code(0);
        for control in ["\u{1b}", "\u{9b}", "\u{202e}", "\u{7}"] {
            ran.stdout_lacks(control).stderr_lacks(control);
        }
        ran.stdout_has("A␛[2J");
    }
}
