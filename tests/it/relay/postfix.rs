//! Against Debian's Postfix.

use std::path::PathBuf;

use mail_parser::MessageParser;

use super::{
    ACCOUNT, EVENTS, Gateway, QUEUE, QUICK, STATUSES, account, command, rows, wait_for_rows,
};
use crate::support::fake_api::Authority;
use crate::support::postfix::{PASSWORD, Postfix, USER};
use crate::support::real_part;

/// The values of a header in the messages that Postfix delivered, sorted.
fn headers(mail: &[Vec<u8>], name: &str) -> Vec<String> {
    let mut values: Vec<_> = mail
        .iter()
        .map(|bytes| {
            let message = MessageParser::new().parse(bytes).expect("a message");
            let value = message.header_raw(name).unwrap_or_default();
            value.trim().to_owned()
        })
        .collect();
    values.sort();
    values
}

#[test]
fn postfix_delivers_defers_and_rejects() {
    if !real_part("Postfix", Postfix::is_available()) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let postfix = Postfix::start(None);
    let url = format!("smtp://127.0.0.1:{}", postfix.port);
    let gateway = Gateway::start(folder.path(), &account(&url, QUICK));
    gateway.send(
        "jan@example.com",
        &[
            ("subject", "Zażółć gęślą jaźń"),
            ("text", "Cześć,\r\n.\r\n..żółw\r\n"),
            ("html", "<p>Cześć</p>"),
            ("bcc", "hidden@example.com"),
            ("return_path", "bounces@acme.example"),
        ],
    );
    gateway.send("grey@example.com", &[]);
    gateway.send("gone@example.com", &[]);
    gateway.send("jan@elsewhere.example", &[]);
    let mail = postfix.wait_for(3);
    let statuses = [
        "jan@example.com|ok",
        "grey@example.com|ok",
        "gone@example.com|hardbounce",
        "jan@elsewhere.example|hardbounce",
    ];
    wait_for_rows(folder.path(), STATUSES, &statuses);
    wait_for_rows(folder.path(), QUEUE, &[]);
    let to = headers(&mail, "Delivered-To");
    assert_eq!(
        to,
        ["grey@example.com", "hidden@example.com", "jan@example.com"]
    );
    let senders = headers(&mail, "Return-Path");
    let bounces = "<bounces@acme.example>";
    assert_eq!(senders, [bounces, bounces, "<news@acme.example>"]);
    for bytes in &mail {
        let source = String::from_utf8_lossy(bytes);
        assert!(!source.contains("X-Mailrun"), "{source}");
        assert!(!source.contains("\nBcc:"), "{source}");
        let message = MessageParser::new().parse(bytes).expect("a message");
        if message.subject() == Some("Zażółć gęślą jaźń") {
            assert_eq!(
                message.body_text(0).as_deref(),
                Some("Cześć,\r\n.\r\n..żółw\r\n")
            );
            assert_eq!(message.body_html(0).as_deref(), Some("<p>Cześć</p>"));
        }
    }
    let events = rows(folder.path(), EVENTS).join("\n");
    assert!(events.contains("ok|250 2.0.0 Ok: queued as "), "{events}");
    assert!(
        events.contains("ok|copy to hidden@example.com: 250 2.0.0 Ok"),
        "{events}"
    );
    let refused = "hardbounce|550 5.1.1 <gone@example.com>: Recipient address rejected: nobody here of that name";
    assert!(events.contains(refused), "{events}");
    assert!(
        events.contains("hardbounce|554 5.7.1 <jan@elsewhere.example>"),
        "{events}"
    );
    let log = gateway.running.stderr();
    assert!(log.contains("greylisted, come back later"), "{log}");
}

/// The file of a certificate authority, and a Postfix with a certificate signed by it.
fn with_tls(folder: &std::path::Path) -> (PathBuf, Postfix) {
    let authority = Authority::new();
    let path = folder.join("ca.pem");
    std::fs::write(&path, authority.pem()).expect("a file");
    (path, Postfix::start(Some(&authority.chain())))
}

const LOGIN: &str = "username_env = \"SMTP_USER\"\npassword_env = \"SMTP_PASSWORD\"\n";

#[test]
fn postfix_accepts_mail_over_tls_with_a_login() {
    if !real_part("Postfix", Postfix::is_available()) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (authority, postfix) = with_tls(folder.path());
    let command_of = format!("password_command = [\"echo\", \"{PASSWORD}\"]");
    let config = format!(
        "{}[accounts.may]\nrelay = \"smtp://127.0.0.1:{}\"\nstarttls = \"opportunistic\"\n[accounts.first]\nrelay = \"smtps://127.0.0.1:{}\"\nusername_env = \"SMTP_USER\"\n{command_of}\n",
        account(
            &format!("smtp://127.0.0.1:{}", postfix.submission),
            &format!("starttls = \"required\"\n{LOGIN}")
        ),
        postfix.port,
        postfix.submissions
    );
    let gateway = Gateway::of(
        command(folder.path(), &config)
            .env("SSL_CERT_FILE", authority)
            .env("SMTP_USER", USER)
            .env("SMTP_PASSWORD", PASSWORD),
    );
    gateway.send("a@example.com", &[]);
    gateway.send("b@example.com", &[("smtp_account", "first")]);
    gateway.send("c@example.com", &[("smtp_account", "may")]);
    for bytes in postfix.wait_for(3) {
        let source = String::from_utf8_lossy(&bytes);
        let in_tls = if source.contains("Delivered-To: c@") {
            "with ESMTPS id"
        } else {
            "with ESMTPSA id"
        };
        assert!(source.contains(in_tls), "{in_tls}: {source}");
    }
    let expected = ["a@example.com|ok", "b@example.com|ok", "c@example.com|ok"];
    wait_for_rows(folder.path(), STATUSES, &expected);
    let log = gateway.running.stderr();
    assert!(!log.contains(PASSWORD), "{log}");
    let port = postfix.submission;
    let line = format!(
        "{ACCOUNT} → smtp://127.0.0.1:{port}, STARTTLS, with a login, 8 connections, from anyone"
    );
    assert!(log.contains(&line), "{log}");
}

#[test]
fn opportunistic_starttls_accepts_any_certificate() {
    if !real_part("Postfix", Postfix::is_available()) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    // Nobody trusts its authority.
    let (_, postfix) = with_tls(folder.path());
    let url = format!("smtp://127.0.0.1:{}", postfix.port);
    let gateway = Gateway::start(
        folder.path(),
        &account(&url, "starttls = \"opportunistic\"\n"),
    );
    gateway.send("c@example.com", &[]);
    let messages = postfix.wait_for(1);
    let source = String::from_utf8_lossy(&messages[0]);
    assert!(source.contains("with ESMTPS id"), "{source}");
    let log = gateway.running.stderr();
    assert!(!log.contains("without TLS"), "{log}");
}

#[test]
fn nothing_is_sent_with_an_invalid_certificate_or_login() {
    if !real_part("Postfix", Postfix::is_available()) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (authority, postfix) = with_tls(folder.path());
    let other = folder.path().join("other.pem");
    std::fs::write(&other, Authority::new().pem()).expect("a file");
    let submission = format!("smtp://127.0.0.1:{}", postfix.submission);
    let submissions = format!("smtps://127.0.0.1:{}", postfix.submissions);
    let required = "starttls = \"required\"\n";
    let with_login = format!("{required}{LOGIN}");
    let plain = Postfix::start(None);
    let plain = format!("smtp://127.0.0.1:{}", plain.port);
    let cases = [
        (&submission, &*with_login, &other, "certificate"),
        (&submissions, LOGIN, &other, "certificate"),
        (
            &submission,
            &with_login,
            &authority,
            "the server rejected the login: 535 5.7.8",
        ),
        (
            &plain,
            required,
            &authority,
            "the server does not offer STARTTLS",
        ),
    ];
    for (url, more, trusted, expected) in cases {
        let folder = tempfile::tempdir().expect("a folder");
        let gateway = Gateway::of(
            command(folder.path(), &account(url, more))
                .env("SSL_CERT_FILE", trusted)
                .env("SMTP_USER", USER)
                .env("SMTP_PASSWORD", "wrong-hush-77"),
        );
        gateway.send("a@example.com", &[]);
        gateway.wait_for_log(expected);
        assert_eq!(rows(folder.path(), QUEUE).len(), 1);
        assert!(!gateway.running.stderr().contains("wrong-hush-77"));
    }
    assert!(postfix.mail().is_empty());
}
