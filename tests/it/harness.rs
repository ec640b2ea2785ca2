//! The harness's own readers: one that misreads would hide a bug.

use std::path::Path;

use crate::support::campaign::Campaign;
use crate::support::mail::{Mail, outbox};
use crate::support::results::Results;
use crate::support::run::Run;
use crate::support::snapshot;

const MESSAGE: &str = "From: =?utf-8?q?J=C3=B3zef?= <a@one.example>\r\n\
    To: <b@two.example>\r\n\
    Subject: Hi\r\n\
    Message-ID: <1@one.example>\r\n\
    List-Unsubscribe: <https://one.example/u/1>,\r\n <mailto:u@one.example>\r\n\
    MIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed; boundary=m\r\n\r\n\
    --m\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n\
    --a\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nPlain\r\n\
    --a\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Rich</p>\r\n\
    --a--\r\n\
    --m\r\nContent-Type: image/png; name=logo.png\r\nContent-ID: <logo.png>\r\n\
    Content-Disposition: inline; filename=logo.png\r\nContent-Transfer-Encoding: base64\r\n\r\n\
    iVBORw==\r\n\
    --m--\r\n";

#[test]
fn reads_a_message_with_all_its_parts() {
    let mail = Mail::parse(MESSAGE.as_bytes());
    assert_eq!(mail.from, ["Józef <a@one.example>"]);
    assert_eq!(mail.to, ["b@two.example"]);
    assert_eq!(mail.message_id, "1@one.example");
    assert_eq!(mail.text.as_deref(), Some("Plain"));
    assert_eq!(mail.html.as_deref(), Some("<p>Rich</p>"));
    assert_eq!(
        mail.header("list-unsubscribe"),
        "<https://one.example/u/1>, <mailto:u@one.example>"
    );
    let logo = mail.attachment("logo.png");
    assert_eq!((logo.mime.as_str(), logo.inline), ("image/png", true));
    assert_eq!(logo.content_id.as_deref(), Some("logo.png"));
    assert_eq!(logo.bytes, b"\x89PNG");
}

#[test]
fn does_not_make_up_a_body() {
    let html = "Subject: x\r\nContent-Type: text/html\r\n\r\n<p>Rich</p>";
    assert_eq!(Mail::parse(html.as_bytes()).text, None);
    let text = "Subject: x\r\nContent-Type: text/plain\r\n\r\nPlain";
    assert_eq!(Mail::parse(text.as_bytes()).html, None);
}

#[test]
fn reads_an_outbox_in_order() {
    let folder = Campaign::new();
    let folder = folder.file("outbox/new/2", "Subject: second\r\n\r\n");
    let folder = folder.file("outbox/cur/1:2,S", "Subject: first\r\n\r\n");
    let mails = outbox(folder.path().join("outbox"));
    let subjects: Vec<_> = mails.iter().map(|mail| mail.subject.as_str()).collect();
    assert_eq!(subjects, ["first", "second"]);
}

#[test]
fn bends_a_campaign() {
    let campaign = Campaign::new()
        .set("message.headers.X-Test", "1")
        .set("pace.rate", vec!["5/s"])
        .unset("message.html")
        .rows(2);
    let read = |name| std::fs::read_to_string(campaign.path().join(name)).expect("a file");
    let toml: toml::Table = read("campaign.toml").parse().expect("TOML");
    assert_eq!(toml["message"]["headers"]["X-Test"].as_str(), Some("1"));
    assert_eq!(toml["pace"]["rate"][0].as_str(), Some("5/s"));
    assert!(toml["message"].get("html").is_none());
    let rows = "email,first_name\nr1@two.example,Name 1\nr2@three.example,Name 2\n";
    assert_eq!(read("recipients.csv"), rows);
    assert!(campaign.runs().is_empty());
}

#[test]
fn counts_results() {
    let results = Results::parse("row,email,status\n1,a@x.example,accepted\n2,b,invalid\n");
    assert_eq!(results.counts(), [("accepted", 1), ("invalid", 1)].into());
    assert_eq!(results.row("b")["row"], "2");
}

#[test]
fn takes_out_what_differs_from_run_to_run() {
    let text = "/tmp/x/runs/20261124T003825Z-autumn-abcd at 2026-11-24T00:38:25.123Z took 1.5 s, \
                2m 3s, 12ms on http://127.0.0.1:4711/api/";
    snapshot::settings(&[(Path::new("/tmp/x"), "[CAMPAIGN]")]).bind(|| {
        insta::assert_snapshot!(text, @"[CAMPAIGN]/runs/[TIME]-autumn-[RANDOM] at [TIME] took [DURATION], [DURATION], [DURATION] on http://127.0.0.1:[PORT]/api/");
    });
}

#[test]
fn says_all_that_a_command_said_when_it_fails_a_test() {
    let ran = Run::new("no-such-command").run();
    let failure = std::panic::catch_unwind(|| {
        ran.stdout_has("what no command ever says");
    });
    let message = failure.expect_err("it is not there");
    let message = message.downcast_ref::<String>().expect("a message");
    assert!(
        message.contains("`mailrun no-such-command`: wanted"),
        "{message}"
    );
    assert!(message.contains("--- standard error"), "{message}");
}
