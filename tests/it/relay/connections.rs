//! How a connection starts, and when it carries no more messages.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::{EVENTS, Gateway, QUEUE, STATUSES, account, rows, wait_for_rows};
use crate::support::smtp::{Act, FakeSmtp, Moment, Stage};

/// No retry happens during a test.
const NO_RETRY: &str = "retry_delay = \"10h\"\nmax_delay = \"10h\"\n";

/// A script that accepts `limit` messages on a connection, and refuses more at `stage`.
fn at_most(limit: usize, stage: Stage, refusal: Act) -> impl Fn(&Moment) -> Act {
    let accepted = Mutex::new(BTreeMap::<usize, usize>::new());
    move |moment| {
        let mut accepted = accepted.lock().expect("a lock");
        let messages = accepted.entry(moment.connection).or_default();
        if moment.stage == stage && *messages >= limit {
            return refusal.clone();
        }
        *messages += usize::from(moment.stage == Stage::Dot);
        Act::Go
    }
}

#[test]
fn a_connection_that_has_carried_enough_messages_is_replaced() {
    let full = "452 4.4.5 Maximum number of messages per session exceeded.";
    for (stage, refusal) in [
        (Stage::Data, Act::Say(full)),
        (Stage::Rcpt, Act::Say("450 too many mails in this session")),
        (Stage::Mail, Act::SayAndClose("421 4.7.0 too many messages")),
        (Stage::Data, Act::SayAndClose("421 4.7.0 closing")),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let server = FakeSmtp::with(at_most(5, stage, refusal.clone()));
        let config = account(&server.url(), &format!("connections = 2\n{NO_RETRY}"));
        let gateway = Gateway::start(folder.path(), &config);
        for number in 0..24 {
            gateway.send(&format!("a{number}@example.com"), &[]);
        }
        let taken = server.wait_for(24);
        wait_for_rows(folder.path(), QUEUE, &[]);
        assert_eq!(server.taken().len(), 24, "{stage:?} {refusal:?}");
        let connections = taken.iter().map(|mail| mail.connection).max();
        assert!(connections <= Some(6), "{connections:?}");
        let log = gateway.running.stderr();
        assert!(!log.contains("deferred"), "{log}");
    }
}

#[test]
fn a_refusal_of_the_first_message_of_a_connection_is_about_the_message() {
    let full = "452 4.4.5 Maximum number of messages per session exceeded.";
    for refusal in [Act::Say(full), Act::SayAndClose("421 4.7.0 come back")] {
        let folder = tempfile::tempdir().expect("a folder");
        let server = FakeSmtp::with(at_most(0, Stage::Data, refusal));
        let gateway = Gateway::start(folder.path(), &account(&server.url(), NO_RETRY));
        gateway.send("jan@example.com", &[]);
        wait_for_rows(folder.path(), QUEUE, &["jan@example.com|waiting|1"]);
        let commands = server.commands();
        let tries = commands.iter().filter(|(_, command)| command == "DATA");
        assert_eq!(tries.count(), 1, "{commands:?}");
    }
}

#[test]
fn a_server_that_does_not_know_ehlo_gets_helo() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = FakeSmtp::with(|moment| match moment.stage {
        Stage::Ehlo => Act::Say("500 5.5.1 command unrecognized"),
        _ => Act::Go,
    });
    let config = account(&server.url(), "hello = \"mail.acme.example\"\n");
    let gateway = Gateway::start(folder.path(), &config);
    gateway.send("jan@example.com", &[]);
    server.wait_for(1);
    wait_for_rows(folder.path(), STATUSES, &["jan@example.com|ok"]);
    let commands = server.commands();
    let hello = |name: &str| {
        let line = format!("{name} mail.acme.example");
        commands.iter().any(|(_, command)| *command == line)
    };
    assert!(hello("EHLO") && hello("HELO"), "{commands:?}");
    let log = gateway.running.stderr();
    assert!(!log.contains("can't use the server"), "{log}");
}

#[test]
fn opportunistic_starttls_falls_back_to_a_connection_without_tls() {
    let no_tls = "454 4.7.0 TLS not available";
    for refusal in [Act::Say(no_tls), Act::CutAfter(5), Act::Close] {
        let folder = tempfile::tempdir().expect("a folder");
        let script = at_most(1, Stage::Mail, Act::SayAndClose("421 4.7.0 enough"));
        let tls = refusal.clone();
        let server = FakeSmtp::with_starttls(move |moment| match moment.stage {
            Stage::StartTls => tls.clone(),
            _ => script(moment),
        });
        let config = account(&server.url(), "starttls = \"opportunistic\"\n");
        let gateway = Gateway::start(folder.path(), &config);
        for messages in 1..=3 {
            gateway.send("jan@example.com", &[]);
            server.wait_for(messages);
        }
        let expected = ["ok|250 2.0.0 taken"; 3];
        wait_for_rows(folder.path(), EVENTS, &expected);
        let log = gateway.running.stderr();
        let warnings = log.matches("messages are sent without TLS").count();
        assert_eq!(warnings, 1, "{refusal:?}: {log}");
        assert!(log.contains(": STARTTLS: "), "{refusal:?}: {log}");
    }
}

#[test]
fn required_starttls_never_falls_back_and_the_log_says_what_to_change() {
    let no_tls = "454 4.7.0 TLS not available";
    for refusal in [Act::Say(no_tls), Act::CutAfter(5)] {
        let folder = tempfile::tempdir().expect("a folder");
        let server = FakeSmtp::with_starttls(move |moment| match moment.stage {
            Stage::StartTls => refusal.clone(),
            _ => Act::Go,
        });
        let config = account(&server.url(), "starttls = \"required\"\n");
        let gateway = Gateway::start(folder.path(), &config);
        gateway.send("jan@example.com", &[]);
        gateway.wait_for_log(&format!("{}: STARTTLS: ", server.address));
        gateway.wait_for_log("set `starttls` to");
        assert_eq!(rows(folder.path(), QUEUE).len(), 1);
        let commands = server.commands();
        assert!(
            !commands.iter().any(|(_, it)| it.starts_with("MAIL")),
            "{commands:?}"
        );
    }
}

#[test]
fn the_log_names_the_server_and_the_refused_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = FakeSmtp::with(|moment| match (moment.stage, &*moment.address) {
        (Stage::Rcpt, "jan@example.com") => Act::Say("450 4.2.0 greylisted"),
        (Stage::Dot, _) => Act::Say("554 5.7.1 spam"),
        _ => Act::Go,
    });
    let gateway = Gateway::start(folder.path(), &account(&server.url(), NO_RETRY));
    gateway.send("jan@example.com", &[]);
    gateway.send("ola@example.com", &[]);
    for (command, reply) in [
        ("RCPT TO", "450 4.2.0 greylisted"),
        ("the message", "554 5.7.1 spam"),
    ] {
        gateway.wait_for_log(reply);
        let log = gateway.running.stderr();
        let line = log.lines().find(|line| line.contains(reply));
        let line = line.expect("a line");
        let named = [command, &server.address.to_string()];
        assert!(named.iter().all(|name| line.contains(name)), "{line}");
    }
}
