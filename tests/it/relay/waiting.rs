//! A message that waits for its SMTP server: the API and the inbox say why.

use super::{Gateway, QUEUE, account, rows, wait_for_rows};
use crate::support::browser::browser;
use crate::support::postfix::free_port;
use crate::support::smtp::{Act, FakeSmtp, Stage};

#[test]
fn the_api_and_the_inbox_show_why_a_message_waits() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = FakeSmtp::with(|moment| match (moment.stage, &*moment.address) {
        (Stage::Rcpt, _) => Act::Say("450 4.2.0 Greylisted, see http://postgrey.example"),
        _ => Act::Go,
    });
    let config = account(
        &server.url(),
        "retry_delay = \"10h\"\nmax_delay = \"10h\"\n",
    );
    let gateway = Gateway::start(folder.path(), &config);
    gateway.send("jan@example.com", &[("cc", "ola@example.com")]);
    let expected = ["jan@example.com|waiting|1", "ola@example.com|waiting|1"];
    wait_for_rows(folder.path(), QUEUE, &expected);
    let email = gateway.list("emails").remove(0);
    let event = gateway.list("smtp_events/injected").remove(0);
    let description = event["event_desc"].as_str().expect("a text");
    assert_eq!(email["injected_desc"], event["event_desc"]);
    let start = "450 4.2.0 Greylisted, see http://postgrey.example (waiting since 20";
    assert!(description.starts_with(start), "{description}");
    let tried = ", attempts: 1, next attempt: 20";
    assert!(description.contains(tried), "{description}");

    let uid = rows(folder.path(), "SELECT uid FROM message").remove(0);
    let view = gateway.ask(&format!("GET /inbox/m/{uid}"), "", "");
    let waiting = &view.expect("an answer").1["waiting"];
    assert_eq!(waiting[0]["copy"], serde_json::Value::Null);
    assert_eq!(waiting[1]["copy"], "ola@example.com");
    for wait in waiting.as_array().expect("a list") {
        assert_eq!(wait["attempts"], 1);
        let reason = wait["reason"].as_str().expect("a reason");
        assert!(reason.starts_with("450 4.2.0 Greylisted"), "{reason}");
        assert!(wait["next"].as_i64() > wait["since"].as_i64(), "{wait}");
    }

    let Some(browser) = browser() else { return };
    browser.go(&format!("http://{}/?m={uid}", gateway.address));
    browser.until("document.querySelectorAll('.events .waiting').length === 2");
    let shown = browser.eval(
        "return ['.why', '.waiting:last-child'].map((it) => document.querySelector(`.events ${it}`).textContent)",
    );
    let reply = "450 4.2.0 Greylisted, see http://postgrey.example (waiting since 20";
    for (text, start) in [(&shown[0], ""), (&shown[1], "copy to ola@example.com: ")] {
        let text = text.as_str().expect("a text");
        assert!(text.starts_with(&format!("{start}{reply}")), "{text}");
        assert!(text.contains(", 1 attempt, next attempt at 20"), "{text}");
    }
}

#[test]
fn every_message_says_that_its_server_cannot_be_used() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("smtp://127.0.0.1:{}", free_port());
    let config = account(&url, "connections = 1\n");
    let gateway = Gateway::start(folder.path(), &config);
    for name in ["jan", "ola", "ela"] {
        gateway.send(&format!("{name}@example.com"), &[]);
    }
    let reasons = "SELECT 1 FROM queue WHERE error <> ''";
    wait_for_rows(folder.path(), reasons, &["1"]);
    for email in gateway.list("emails") {
        let description = email["injected_desc"].as_str().expect("a text");
        assert!(description.contains(": can't connect: "), "{description}");
        let next = "attempts: 0, next attempt: as soon as possible";
        assert!(description.contains(next), "{description}");
    }
}

#[test]
fn a_message_that_has_gone_does_not_wait() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = FakeSmtp::start();
    let gateway = Gateway::start(folder.path(), &account(&server.url(), ""));
    gateway.send("jan@example.com", &[]);
    wait_for_rows(folder.path(), QUEUE, &[]);
    let email = gateway.list("emails").remove(0);
    assert_eq!(email["injected_desc"], "");
    let uid = rows(folder.path(), "SELECT uid FROM message").remove(0);
    let view = gateway.ask(&format!("GET /inbox/m/{uid}"), "", "");
    assert_eq!(view.expect("an answer").1["waiting"], serde_json::json!([]));
}
