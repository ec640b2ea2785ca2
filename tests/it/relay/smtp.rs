//! Messages that arrive by SMTP are sent on only through an account that may send them.

use super::{ACCOUNT, Gateway, QUEUE, STATUSES, account, command, rows, wait_for_rows};
use crate::support::gateway::smtp_address;
use crate::support::smtp::FakeSmtp;
use crate::support::smtp_client::{SmtpClient, with_dots};

fn start(folder: &std::path::Path, config: &str) -> (Gateway, SmtpClient) {
    let gateway = Gateway::of(command(folder, config).args(["--smtp", "127.0.0.1:0"]));
    let client = SmtpClient::connect(smtp_address(&gateway.running));
    (gateway, client)
}

fn message(from: &str, account: &str) -> Vec<u8> {
    let account = match account {
        "" => String::new(),
        account => format!("X-Mailrun-Account: {account}\r\n"),
    };
    format!("From: {from}\r\n{account}Subject: S\r\n\r\n.\r\nżółw\r\n").into_bytes()
}

#[test]
fn a_message_is_sent_on_byte_for_byte_to_each_recipient() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = FakeSmtp::start();
    let config = account(&server.url(), "from = [\"@acme.example\"]\n");
    let config = format!("[smtp]\naccount = \"{ACCOUNT}\"\n{config}");
    let (_gateway, mut client) = start(folder.path(), &config);
    client.begin("b@acme.example", &["jan@example.com", "ola@example.com"]);
    let message = message("Żółw <news@acme.example>", "");
    client.send(with_dots(&message)).expect("250");
    let mut taken = server.wait_for(2);
    taken.sort_by(|a, b| a.to.cmp(&b.to));
    for (mail, to) in taken.iter().zip(["jan@example.com", "ola@example.com"]) {
        assert_eq!(
            (&*mail.from, &mail.to[..]),
            ("b@acme.example", &[to.to_owned()][..])
        );
        let received = mail.data.strip_suffix(&message[..]).expect("the message");
        let received = std::str::from_utf8(received).expect("ASCII");
        assert!(received.starts_with("Received: by [127.0.0.1] (mailrun) with ESMTP id "));
        assert_eq!(received.lines().count(), 2);
    }
    wait_for_rows(folder.path(), QUEUE, &[]);
    wait_for_rows(
        folder.path(),
        STATUSES,
        &["jan@example.com|ok", "ola@example.com|ok"],
    );
    let commands = server.commands();
    let mail = commands.iter().find(|(_, line)| line.starts_with("MAIL"));
    let (_, mail) = mail.expect("a command");
    assert!(mail.ends_with(" BODY=8BITMIME"), "{mail}");
}

#[test]
fn nothing_is_sent_on_that_no_account_allows() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = FakeSmtp::start();
    let config = account(&server.url(), "from = [\"@acme.example\"]\n");
    let (_gateway, mut client) = start(folder.path(), &config);
    let long = format!("From: a@acme.example\r\n\r\n{}\r\n", "x".repeat(999));
    let circling = "Received: from here\r\n".repeat(101) + "From: a@acme.example\r\n\r\n";
    for (sender, message, reply) in [
        ("a@acme.example", message("a@acme.example", ""), "550 5.7.1"),
        (
            "a@acme.example",
            message("a@acme.example", "other"),
            "550 5.7.1",
        ),
        (
            "a@acme.example",
            message("a@other.example", ACCOUNT),
            "550 5.7.1",
        ),
        (
            "a@other.example",
            message("a@acme.example", ACCOUNT),
            "550 5.7.1",
        ),
        (
            "a@acme.example",
            message("a@acme.example, b@other.example", ACCOUNT),
            "550 5.7.1",
        ),
        ("", message("a@other.example", ACCOUNT), "550 5.7.1"),
        (
            "a@acme.example",
            b"Subject: S\r\n\r\n".to_vec(),
            "550 5.6.0",
        ),
        ("a@acme.example", long.into_bytes(), "550 5.6.0"),
        ("a@acme.example", circling.into_bytes(), "554 5.4.6"),
    ] {
        client.begin(sender, &["jan@example.com"]);
        client.send(with_dots(&message)).expect(reply);
    }
    client.say("MAIL FROM:<a@acme.example>", "250");
    client.say("RCPT TO:<root@localhost>", "553 5.1.3");
    client.say("RSET", "250");
    assert_eq!(rows(folder.path(), STATUSES), [""; 0]);
    client.begin("", &["jan@example.com"]);
    client
        .send(with_dots(&message("a@acme.example", ACCOUNT)))
        .expect("250");
    let taken = server.wait_for(1);
    assert_eq!((taken.len(), &*taken[0].from), (1, ""));
}

#[test]
fn an_8bit_message_is_not_sent_to_a_server_that_cannot_take_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = FakeSmtp::without_extensions();
    let config = account(&server.url(), "");
    let (_gateway, mut client) = start(folder.path(), &config);
    client.begin("a@acme.example", &["jan@example.com"]);
    client
        .send(with_dots(&message("a@acme.example", ACCOUNT)))
        .expect("250");
    wait_for_rows(folder.path(), STATUSES, &["jan@example.com|hardbounce"]);
    let reason = "SELECT description FROM event WHERE kind = 'hardbounce'";
    let reason = rows(folder.path(), reason).remove(0);
    assert!(reason.contains("8BITMIME"), "{reason}");
}
