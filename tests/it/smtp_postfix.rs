//! Campaigns that send by SMTP to a real Postfix: every message is delivered once.
//! `cargo bench --bench throughput -- postfix` does it with 10,000 messages, and with `--scale 10` with 100,000.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::campaign::Campaign;
use crate::support::fake_api::Authority;
use crate::support::postfix::{PASSWORD, Postfix, USER};
use crate::support::real_part;
use crate::support::results::Results;
use crate::support::run::Run;

const MESSAGES: usize = 400;

fn campaign(url: &str, rows: usize) -> Campaign {
    let mut csv = String::from("email,first_name\n");
    for row in 1..=rows {
        writeln!(csv, "u{row}@example.com,Name {row}").expect("a string takes all");
    }
    Campaign::new()
        .unset("api")
        .set("smtp.url", url)
        .set("smtp.hello", "client.example.com")
        .set("pace.rate", Vec::<toml::Value>::new())
        .recipients(csv)
}

/// The recipients of the delivered messages, once there are as many as `rows`.
fn delivered(postfix: &Postfix, rows: usize) -> Vec<String> {
    let limit = Instant::now() + Duration::from_secs(60);
    while postfix.count() < rows {
        assert!(Instant::now() < limit, "{} of {rows}", postfix.count());
        std::thread::sleep(Duration::from_millis(100));
    }
    postfix.recipients()
}

#[test]
fn every_message_is_delivered_once() {
    if !real_part("Postfix", Postfix::is_available()) {
        return;
    }
    let rows = MESSAGES;
    let postfix = Postfix::start(None);
    let campaign = campaign(&format!("smtp://127.0.0.1:{}", postfix.port), rows)
        .set("smtp.tls", "none")
        .set("pace.concurrency", 16);
    let run = Run::send(campaign.path()).run().code(0).run_dir();
    assert_eq!(Results::of(&run).count("accepted"), rows);
    let delivered = delivered(&postfix, rows);
    let different: BTreeSet<_> = delivered.iter().collect();
    assert_eq!((delivered.len(), different.len()), (rows, rows));
}

#[test]
fn replies_of_postfix_decide_about_the_rows() {
    if !real_part("Postfix", Postfix::is_available()) {
        return;
    }
    let postfix = Postfix::start(None);
    let campaign = campaign(&format!("smtp://127.0.0.1:{}", postfix.port), 0)
        .set("smtp.tls", "none")
        .set("retry.max_delay", "1s")
        .recipients(
            "email,first_name\njan@example.com,J\ngone@example.com,G\ngrey@example.com,G\njan@elsewhere.example,J\n",
        );
    let run = Run::send(campaign.path()).run().code(3).run_dir();
    let results = Results::of(&run);
    let of = |email: &str| {
        let row = results.row(email);
        (row["status"].as_str(), row["attempts"].as_str())
    };
    assert_eq!(of("jan@example.com"), ("accepted", "1"));
    assert_eq!(of("grey@example.com"), ("accepted", "2"));
    assert_eq!(of("gone@example.com"), ("rejected", "1"));
    assert_eq!(of("jan@elsewhere.example"), ("rejected", "1"));
    let error = &results.row("gone@example.com")["error"];
    assert!(error.contains("550 5.1.1"), "{error}");
    assert_eq!(delivered(&postfix, 2).len(), 2);
}

#[test]
fn a_bounce_of_postfix_is_found_in_its_maildir() {
    if !real_part("Postfix", Postfix::is_available()) {
        return;
    }
    let postfix = Postfix::start(None);
    let campaign = campaign(&format!("smtp://127.0.0.1:{}", postfix.port), 0)
        .set("smtp.tls", "none")
        .set("message.return_path", "bounces+{{ verp }}@example.com")
        .recipients("email,first_name\njan@example.com,J\nlate@example.com,L\n");
    let run = Run::send(campaign.path()).run().code(0).run_dir();
    let to = delivered(&postfix, 2);
    assert!(to.iter().any(|to| to.starts_with("bounces+")), "{to:?}");
    let follow = Run::on("follow", &run).arg("--bounces");
    let ran = follow.arg(postfix.maildir()).run();
    ran.code(0)
        .stderr_has("1 bounce matched, 0 for other messages, 1 other mail ignored.");
    let results = Results::of(&run);
    assert_eq!(results.row("late@example.com")["delivery"], "hard-bounce");
    assert_eq!(results.row("jan@example.com")["delivery"], "");
    let events = std::fs::read_to_string(run.join("events.csv")).expect("events");
    assert!(events.contains("the mailbox is gone"), "{events}");
}

#[test]
fn tls_and_the_login_work_with_postfix() {
    if !real_part("Postfix", Postfix::is_available()) {
        return;
    }
    let home = tempfile::tempdir().expect("a folder");
    let authority = Authority::new();
    let file = home.path().join("ca.pem");
    std::fs::write(&file, authority.pem()).expect("a file");
    let other = home.path().join("other.pem");
    std::fs::write(&other, Authority::new().pem()).expect("a file");
    let postfix = Postfix::start(Some(&authority.chain()));
    for url in [
        format!("smtp://{USER}@127.0.0.1:{}", postfix.submission),
        format!("smtps://{USER}@127.0.0.1:{}", postfix.submissions),
    ] {
        let before = postfix.count();
        let campaign = campaign(&url, 20);
        let send = |password: &str, trusted: &Path| {
            Run::send(campaign.path())
                .arg("--again")
                .env("MAILRUN_SMTP_PASSWORD", password)
                .env("SSL_CERT_FILE", trusted)
                .run()
        };
        send(PASSWORD, &file).code(0);
        delivered(&postfix, before + 20);
        let ran = send("wrong", &file);
        ran.code(5)
            .stderr_has("535 5.7.8")
            .stderr_has("check the user name in `url` in [smtp]");
        send(PASSWORD, &other).code(5).stderr_has("SSL_CERT_FILE");
    }
}
