//! `{{ unsubscribe_url }}` and the headers in messages.

use std::collections::BTreeSet;

use super::{KEY, LINK, OTHER_KEY, with_key, with_link};
use crate::support::campaign::Campaign;
use crate::support::fake_api::{FakeApi, Reply, Request};
use crate::support::findings::check;
use crate::support::mail::outbox;
use crate::support::run::Run;
use crate::support::send::{campaign, send};

/// The tokens in the HTML and in the header of a request.
fn tokens(request: &Request) -> (String, String) {
    let html = request.field("html").expect("HTML");
    let (_, rest) = html.split_once(&format!("href=\"{LINK}")).expect("a link");
    let in_html = rest.split('"').next().unwrap_or_default().to_owned();
    let header = request
        .field("headers[List-Unsubscribe]")
        .expect("a header");
    let in_header = header
        .strip_prefix(&format!("<{LINK}"))
        .and_then(|rest| rest.strip_suffix('>'));
    let post = request.field("headers[List-Unsubscribe-Post]");
    assert_eq!(post.as_deref(), Some("List-Unsubscribe=One-Click"));
    (in_html, in_header.expect("one address").to_owned())
}

/// The token of a request.
pub(super) fn token_of(request: &Request) -> String {
    let html = match request.is_v2() {
        true => request.json()["content"]["html"]
            .as_str()
            .map(str::to_owned),
        false => request.field("html"),
    };
    let html = html.expect("HTML");
    let (_, rest) = html.split_once(&format!("href=\"{LINK}")).expect("a link");
    rest.split('"').next().unwrap_or_default().to_owned()
}

#[test]
fn each_row_has_a_link_of_its_own_that_shows_no_address() {
    let api = FakeApi::taking_all();
    let campaign = with_link(campaign(&api)).set("pace.batch", 50);
    with_key(send(&campaign)).run().code(0);
    let requests = api.requests();
    assert_eq!(requests.len(), 3, "rows with links share no request");
    let mut all = BTreeSet::new();
    for request in &requests {
        let (in_html, in_header) = tokens(request);
        assert_eq!(in_html, in_header);
        assert!(in_html.len() > 80, "{in_html}");
        for part in ["ann", "bob", "cleo", "acme"] {
            assert!(!in_html.to_lowercase().contains(part), "{in_html}");
        }
        all.insert(in_html);
    }
    assert_eq!(all.len(), 3);
}

#[test]
fn a_real_run_needs_the_key_and_a_resumed_one_too() {
    let api = FakeApi::taking_all();
    let campaign = with_link(campaign(&api));
    let failed = send(&campaign).run();
    failed.code(1).stderr_has("MAILRUN_FEEDBACK_KEY is not set");
    failed.stderr_has("feedback.env");
    let bad = send(&campaign).env("MAILRUN_FEEDBACK_KEY", "secret").run();
    bad.code(1).stderr_has("64 hexadecimal digits");
    assert!(!bad.stderr.contains("secret:"), "{}", bad.stderr);
    assert_eq!(api.requests().len(), 0);

    let run = with_key(send(&campaign)).args(["--limit", "1"]).run();
    let run = run.code(5).run_dir();
    let failed = Run::on("resume", &run).run();
    failed.code(1).stderr_has("MAILRUN_FEEDBACK_KEY is not set");
    // A key may be replaced at any time.
    let resumed = Run::on("resume", &run)
        .env("MAILRUN_FEEDBACK_KEY", OTHER_KEY)
        .env("MAILRUN_FEEDBACK_RETIRED_KEYS", KEY);
    resumed.run().code(0);
    assert_eq!(api.requests().len(), 3);
    let stored = std::fs::read(run.join("ledger.db")).expect("the ledger");
    assert!(!String::from_utf8_lossy(&stored).contains(KEY));
}

#[test]
fn tests_local_runs_previews_and_dry_runs_have_a_test_link_and_need_no_key() {
    let api = FakeApi::taking_all();
    let campaign = with_link(campaign(&api));
    let test = send(&campaign).args(["--test-to", "me@sender.example"]);
    test.run().code(0);
    assert_eq!(tokens(&api.requests()[0]).0, "test");

    let local = Run::new("send").arg(campaign.path()).arg("--local").run();
    for mail in outbox(local.code(0).run_dir().join("outbox")) {
        assert_eq!(mail.header("List-Unsubscribe"), format!("<{LINK}test>"));
    }
    for command in [&["preview"][..], &["send", "--dry-run"]] {
        let run = Run::new(command[0]).arg(campaign.path());
        let run = run.args(&command[1..]).run();
        run.code(0).stdout_has(&format!("{LINK}test"));
    }
}

#[test]
fn headers_of_the_campaign_and_columns_come_first() {
    let api = FakeApi::taking_all();
    let campaign = with_link(campaign(&api))
        .set(
            "message.headers.list-unsubscribe",
            "<mailto:leave@sender.example>",
        )
        .recipients(
            "email,first_name,unsubscribe_url\nann@one.example,Ann,https://own.example/7\n",
        );
    with_key(send(&campaign)).run().code(0);
    let request = &api.requests()[0];
    let headers = request.fields().into_iter();
    let headers: Vec<_> = headers
        .filter(|(name, _)| name.to_lowercase().contains("unsubscribe"))
        .collect();
    assert_eq!(
        headers,
        [(
            "headers[list-unsubscribe]".to_owned(),
            "<mailto:leave@sender.example>".to_owned()
        )]
    );
    let html = request.field("html").expect("HTML");
    assert!(html.contains("href=\"https://own.example/7\""), "{html}");
}

#[test]
fn a_message_goes_through_subjects_texts_and_own_headers() {
    let api = FakeApi::taking_all();
    let campaign = with_link(campaign(&api))
        .set("message.headers.X-Leave", "{{ unsubscribe_url }}")
        .set("message.text", "t.txt")
        .template("t.txt", "Leave: {{ unsubscribe_url }}");
    with_key(send(&campaign)).run().code(0);
    for request in api.requests() {
        let (token, _) = tokens(&request);
        let text = request.field("text").expect("a text");
        assert_eq!(text, format!("Leave: {LINK}{token}"));
        let own = request.field("headers[X-Leave]").expect("a header");
        assert_eq!(own, format!("{LINK}{token}"));
    }
}

#[test]
fn without_a_url_there_is_neither_variable_nor_header() {
    let api = FakeApi::start(|_, _| Reply::Take);
    let campaign = with_link(campaign(&api)).unset("feedback.url");
    let report = check(&campaign);
    report
        .only()
        .is("undefined-variable", "`unsubscribe_url`")
        .helps("[feedback] url");
    let campaign = campaign.template("newsletter.html", "<p>Hello</p>");
    send(&campaign).run().code(0);
    let fields = api.requests()[0].fields();
    assert!(fields.iter().all(|(name, _)| !name.contains("Unsubscribe")));
}

#[test]
fn mistakes_in_the_table_are_findings() {
    for (key, value, code) in [
        (
            "feedback.url",
            "http://news.sender.example",
            "over https: only",
        ),
        (
            "feedback.url",
            "ftp://news.sender.example",
            "over https: only",
        ),
        ("feedback.url", "news.sender.example", "not a URL"),
        ("feedback.url", "https://a:b@news.sender.example", "login"),
        ("feedback.url", "https://news.sender.example/?a", "`?`"),
        ("feedback.page.accent", "blueish", "not a colour"),
    ] {
        let campaign = with_link(Campaign::new()).set(key, value);
        let report = check(&campaign);
        let finding = report.only();
        assert_eq!(finding.code, "bad-value");
        assert!(finding.message.contains(code), "{finding:?}");
    }
    let report = check(&with_link(Campaign::new()).unset("recipients.suppress"));
    report.only().is("bad-value", "there is no list");
}
