//! `mailrun send --dry-run`: everything but the network.

use crate::support::campaign::Campaign;
use crate::support::fake_api::FakeApi;
use crate::support::run::Run;

fn dry_run(campaign: &Campaign) -> Run {
    Run::new("send").arg(campaign.path()).arg("--dry-run")
}

#[test]
fn shows_what_would_be_sent_without_keys_requests_or_a_run() {
    let api = FakeApi::taking_all();
    let campaign = Campaign::new()
        .api(&api.url())
        .rows(1200)
        .set("pace.rate", vec!["10/s", "20000/day"])
        .set("pace.concurrency", 5);
    let ran = dry_run(&campaign).run();
    ran.code(0)
        .stdout_has("1,200 messages")
        .stdout_has("news@sender.example")
        .stdout_has("1.test.smtp")
        .stdout_has(&api.url())
        .stdout_has("10/s and 20000/day")
        .stdout_has("2m")
        .stdout_has("5 requests in flight")
        .stdout_has("To: r1@two.example")
        .stdout_has("Subject: Hello Name 1")
        .stdout_lacks("r2@three.example");
    assert_eq!((api.connections(), campaign.runs().len()), (0, 0));
    assert!(!campaign.path().join("runs").exists());
}

#[test]
fn counts_the_rows_that_are_left_out_and_why() {
    let campaign = Campaign::new()
        .set("recipients.suppress", vec!["no.csv"])
        .file("no.csv", "BOB@two.example\n")
        .recipients(
            "email,first_name\nann@one.example,Ann\nbob@two.example,Bob\nann@one.example,A\nx,X\n",
        );
    dry_run(&campaign)
        .run()
        .code(0)
        .stdout_has("would send: 1 message")
        .stdout_has("1 invalid")
        .stdout_has("2 skipped")
        .stdout_has("no.csv");
}

#[test]
fn limits_and_tests_are_counted() {
    let campaign = Campaign::new();
    let ran = dry_run(&campaign).args(["--limit", "2"]).run();
    ran.code(0).stdout_has("would send: 2 messages");
    let ran = dry_run(&campaign)
        .args(["--test-to", "me@sender.example"])
        .run();
    ran.code(0)
        .stdout_has("would send: 1 message")
        .stdout_has("all to me@sender.example")
        .stdout_has("To: me@sender.example")
        .stdout_has("Subject: [TEST] Hello Ann")
        .stdout_lacks("ann@one.example");
    let test = ["--test-to", "me@sender.example", "--limit", "3"];
    dry_run(&campaign)
        .args(test)
        .run()
        .stdout_has("would send: 3 messages");
}

#[test]
fn errors_that_stop_send_stop_it() {
    let campaign = Campaign::new().set("message.subject", "{{ typo }}");
    dry_run(&campaign)
        .run()
        .code(1)
        .stderr_has("`typo`")
        .stdout_is("");
}
