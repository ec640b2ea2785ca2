//! The limits of the SMTP server, and how it stops.

use std::time::{Duration, Instant};

use super::smtp::stored;
use crate::support::gateway::Gateway;
use crate::support::smtp_client::{SmtpClient, with_dots};

const SMALL: &[u8] = b"Subject: Hello\r\n\r\nHello\r\n";
/// The largest message in bytes.
const MAX: usize = 16_000_000;

/// A message of this many bytes.
fn message(size: usize) -> Vec<u8> {
    let mut message = b"Subject: Large\r\n\r\n".to_vec();
    message.extend(std::iter::repeat_n(b'x', size - message.len() - 2));
    message.extend_from_slice(b"\r\n");
    message
}

#[test]
fn a_message_that_is_too_large_is_refused_and_the_next_one_is_not() {
    let gateway = Gateway::with_smtp("", &[]);
    let mut client = SmtpClient::connect(gateway.smtp());
    client.say("EHLO client.example", "250");
    client.say(
        &format!("MAIL FROM:<a@acme.example> SIZE={}", MAX + 1),
        "552 5.3.4",
    );
    client.begin("a@acme.example", &["jan@example.com"]);
    client
        .send(with_dots(&message(MAX + 1)))
        .expect("552 5.3.4");
    client.begin("a@acme.example", &["jan@example.com"]);
    let largest = message(MAX);
    client.send(with_dots(&largest)).expect("250");
    let stored = stored(&gateway);
    assert!(stored.len() == 1 && stored[0].1 == largest);
}

#[test]
fn a_message_without_end_ends_the_connection() {
    let gateway = Gateway::with_smtp("", &[]);
    let mut client = SmtpClient::connect(gateway.smtp());
    client.begin("a@acme.example", &["jan@example.com"]);
    let piece = vec![b'x'; 1_000_000];
    for _ in 0..70 {
        client.send(&piece);
    }
    client.expect("552 5.3.4");
    assert!(client.ends());
    assert_eq!(stored(&gateway), []);
}

#[test]
fn lines_recipients_and_mistakes_are_limited() {
    let gateway = Gateway::with_smtp("", &[]);
    let mut client = SmtpClient::connect(gateway.smtp());
    client.send("x".repeat(20_000)).expect("500 5.5.2");
    assert!(client.ends());
    let mut client = SmtpClient::connect(gateway.smtp());
    client.say("EHLO client.example", "250");
    client.say("MAIL FROM:<a@acme.example>", "250");
    for n in 0..200 {
        client.say(&format!("RCPT TO:<{n}@example.com>"), "250");
    }
    client.say("RCPT TO:<one.more@example.com>", "452 4.5.3");
    client.say("DATA", "354");
    client.send(with_dots(SMALL)).expect("250");
    assert_eq!(stored(&gateway).len(), 200);
    for _ in 0..20 {
        client.say("WHAT", "500 5.5.2");
    }
    client.say("WHAT", "421 4.7.0");
    assert!(client.ends());
}

#[test]
fn slow_clients_are_disconnected() {
    let config = "[limits]\nhead = \"300ms\"\nbody = \"300ms\"\nidle = \"1s\"\n";
    let gateway = Gateway::with_smtp(config, &[]);
    let started = Instant::now();
    let mut idle = SmtpClient::connect(gateway.smtp());
    idle.expect("421 4.4.2");
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert!(idle.ends());
    let mut half_a_line = SmtpClient::connect(gateway.smtp());
    half_a_line.send("EHLO ").expect("421 4.4.2");
    assert!(half_a_line.ends());
    let mut half_a_message = SmtpClient::connect(gateway.smtp());
    half_a_message.begin("a@acme.example", &["jan@example.com"]);
    half_a_message
        .send("Subject: Hello\r\n")
        .expect("421 4.4.2");
    assert!(half_a_message.ends());
    assert_eq!(stored(&gateway), []);
}

#[test]
fn connections_are_limited() {
    let gateway = Gateway::with_smtp("[limits]\nconnections = 2\n", &[]);
    let _first = SmtpClient::connect(gateway.smtp());
    let mut second = SmtpClient::connect(gateway.smtp());
    let mut third = SmtpClient::silent(gateway.smtp());
    third.expect("421 4.3.2");
    assert!(third.ends());
    second.say("QUIT", "221");
    assert!(second.ends());
    // The place is free soon after that.
    let started = Instant::now();
    loop {
        let reply = SmtpClient::silent(gateway.smtp()).try_reply();
        if reply.is_some_and(|reply| reply.starts_with("220")) {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "no free place");
    }
}

#[test]
fn a_stop_completes_the_message_that_is_arriving() {
    let mut gateway = Gateway::with_smtp("", &[]);
    let mut idle = SmtpClient::connect(gateway.smtp());
    idle.say("EHLO client.example", "250");
    idle.say("MAIL FROM:<a@acme.example>", "250");
    let mut busy = SmtpClient::connect(gateway.smtp());
    busy.begin("a@acme.example", &["jan@example.com"]);
    busy.send("Subject: Hello\r\n");
    gateway.running().signal(rustix::process::Signal::TERM);
    idle.expect("421 4.3.2");
    assert!(idle.ends());
    busy.send("\r\nHello\r\n.\r\n").expect("250 2.0.0");
    busy.expect("421 4.3.2");
    assert!(busy.ends());
    gateway.wait().code(0);
    assert_eq!(stored(&gateway)[0].1, SMALL);
}

#[test]
fn a_message_is_refused_if_it_cannot_be_stored() {
    let gateway = Gateway::with_smtp("", &[]);
    let store = gateway.store();
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON body BEGIN SELECT RAISE(ABORT, 'no'); END";
    store.execute_batch(refuse).expect("a trigger");
    let mut client = SmtpClient::connect(gateway.smtp());
    client.begin("a@acme.example", &["jan@example.com"]);
    client.send(with_dots(SMALL)).expect("451 4.3.0");
    store
        .execute_batch("DROP TRIGGER refuse")
        .expect("no trigger");
    client.begin("a@acme.example", &["jan@example.com"]);
    client.send(with_dots(SMALL)).expect("250 2.0.0");
    assert_eq!(stored(&gateway).len(), 1);
}

#[test]
fn messages_in_messages_do_not_exhaust_the_stack() {
    let gateway = Gateway::with_smtp("", &[]);
    let mut client = SmtpClient::connect(gateway.smtp());
    for levels in [4_000, 40_000] {
        let level = "Content-Type: message/rfc822\r\n\r\n";
        let nested = format!("Subject: {levels}\r\n{}", level.repeat(levels));
        client.begin("a@acme.example", &["jan@example.com"]);
        client.send(with_dots(nested.as_bytes())).expect("250");
    }
    let list = gateway.ask("GET /inbox/messages", &[], "").json();
    let messages = list["messages"].as_array().expect("a list");
    assert_eq!(messages.len(), 2);
    for message in messages {
        let uid = message["uid"].as_str().expect("an ID");
        let shown = gateway.ask(&format!("GET /inbox/m/{uid}"), &[], "");
        assert_eq!(shown.status, 200, "{}", shown.body);
    }
}
