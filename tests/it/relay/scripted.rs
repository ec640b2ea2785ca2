//! Against a scripted server: what goes over the wire, and what the replies mean.

use super::{
    ACCOUNT, EVENTS, Gateway, QUEUE, QUICK, STATUSES, account, message, rows, wait_for_rows,
};
use crate::support::smtp::{Act, FakeSmtp, Stage, Taken};

/// The message without the `Received` header of the relay.
fn without_received(mail: &Taken) -> String {
    let text = String::from_utf8(mail.data.clone()).expect("ASCII");
    let (received, rest) = text.split_once("\r\nMessage-ID:").expect("a message ID");
    assert!(received.starts_with("Received: by [127.0.0.1] (mailrun) with HTTP id "));
    format!("Message-ID:{rest}")
}

#[test]
fn a_message_arrives_byte_for_byte_and_copies_get_it_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = FakeSmtp::start();
    let gateway = Gateway::start(folder.path(), &account(&server.url(), ""));
    gateway.send(
        "Jan@żółw.pl",
        &[
            ("from_name", "Żółć"),
            ("html", "<p>.\r\n.\r\n</p>"),
            ("cc", "cc@example.com"),
            ("bcc", "bcc@example.com"),
            ("return_path", "bounces@acme.example"),
            ("tags[]", "autumn"),
            ("files[0][name]", "a.bin"),
            ("files[0][mime]", "application/octet-stream"),
            ("files[0][content]", "Li4uLi4uLi4uLi4uLi4uLi4u"),
        ],
    );
    let mut taken = server.wait_for(3);
    taken.sort_by(|a, b| a.to.cmp(&b.to));
    let kept = "SELECT head || body.bytes FROM message JOIN body ON body.id = message.body";
    let kept = rows(folder.path(), kept).remove(0);
    for (mail, to) in
        taken
            .iter()
            .zip(["Jan@xn--w-uga1v8h.pl", "bcc@example.com", "cc@example.com"])
    {
        assert_eq!(mail.to, [to]);
        assert_eq!(mail.from, "bounces@acme.example");
        assert_eq!(without_received(mail), kept);
    }
    assert!(!kept.contains("X-Mailrun"), "{kept}");
    assert!(!kept.contains("bcc@example.com"), "{kept}");
    assert!(kept.contains("cc@example.com"), "{kept}");
    wait_for_rows(folder.path(), QUEUE, &[]);
    wait_for_rows(folder.path(), STATUSES, &["Jan@żółw.pl|ok"]);
    let mut events = rows(folder.path(), EVENTS);
    events.sort();
    let expected = [
        "ok|250 2.0.0 taken",
        "ok|copy to bcc@example.com: 250 2.0.0 taken",
        "ok|copy to cc@example.com: 250 2.0.0 taken",
    ];
    assert_eq!(events, expected);
}

#[test]
fn a_repeated_address_gets_one_message() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = FakeSmtp::start();
    let gateway = Gateway::start(folder.path(), &account(&server.url(), "connections = 1\n"));
    gateway.send("a@example.com", &[("cc", "A@example.com")]);
    gateway.send("b@example.com", &[]);
    let to: Vec<_> = server.wait_for(2).into_iter().map(|mail| mail.to).collect();
    assert_eq!(to, [["a@example.com"], ["b@example.com"]]);
}

#[test]
fn connections_are_reused() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = FakeSmtp::start();
    let gateway = Gateway::start(
        folder.path(),
        &account(
            &server.url(),
            "connections = 1\nhello = \"mail.acme.example\"\n",
        ),
    );
    for _ in 0..5 {
        gateway.send("jan@example.com", &[]);
    }
    let taken = server.wait_for(5);
    assert!(taken.iter().all(|mail| mail.connection == 0));
    let (_, hello) = &server.commands()[0];
    assert_eq!(hello, "EHLO mail.acme.example");
    let text = String::from_utf8_lossy(&taken[0].data).into_owned();
    assert!(
        text.starts_with("Received: by mail.acme.example (mailrun) "),
        "{text}"
    );
}

#[test]
fn deferred_messages_are_retried() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = FakeSmtp::with(|moment| match (moment.stage, moment.times) {
        (Stage::Rcpt, 0) => Act::Say("450 4.2.0 greylisted"),
        (Stage::Dot, 0) => Act::Say("451-4.3.0 not now\n451 4.3.0 later"),
        _ => Act::Go,
    });
    let gateway = Gateway::start(folder.path(), &account(&server.url(), QUICK));
    gateway.send("jan@example.com", &[]);
    assert_eq!(server.wait_for(1).len(), 1);
    wait_for_rows(folder.path(), STATUSES, &["jan@example.com|ok"]);
    assert_eq!(rows(folder.path(), EVENTS), ["ok|250 2.0.0 taken"]);
    let log = gateway.running.stderr();
    assert!(log.contains("450 4.2.0 greylisted"), "{log}");
    assert!(log.contains("451 4.3.0 not now later"), "{log}");
}

#[test]
fn rejected_messages_are_not_retried() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = FakeSmtp::with(|moment| match (moment.stage, &*moment.address) {
        (Stage::Rcpt, "gone@example.com") => {
            Act::Say("550-5.1.1 there is nobody\n550-5.1.1 of that name\n550 5.1.1 here")
        }
        (Stage::Mail, "bad@acme.example") => Act::Say("553 5.1.8 not you"),
        (Stage::Dot, "spam@example.com") => Act::Say("554 5.7.1 spam"),
        _ => Act::Go,
    });
    let config = account(&server.url(), &format!("connections = 1\n{QUICK}"));
    let gateway = Gateway::start(folder.path(), &config);
    gateway.send("gone@example.com", &[]);
    gateway.send("x@example.com", &[("from", "bad@acme.example")]);
    gateway.send("spam@example.com", &[]);
    gateway.send("jan@example.com", &[]);
    assert_eq!(server.wait_for(1)[0].connection, 0);
    let expected = [
        "gone@example.com|hardbounce",
        "x@example.com|hardbounce",
        "spam@example.com|hardbounce",
        "jan@example.com|ok",
    ];
    wait_for_rows(folder.path(), STATUSES, &expected);
    let expected = [
        "hardbounce|550 5.1.1 there is nobody of that name here",
        "hardbounce|553 5.1.8 not you",
        "hardbounce|554 5.7.1 spam",
        "ok|250 2.0.0 taken",
    ];
    assert_eq!(rows(folder.path(), EVENTS), expected);
}

#[test]
fn a_rejected_copy_is_an_event_and_does_not_change_the_status() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = FakeSmtp::with(|moment| match (moment.stage, &*moment.address) {
        (Stage::Rcpt, "gone@example.com") => Act::Say("550 5.1.1 nobody"),
        _ => Act::Go,
    });
    let config = account(&server.url(), "connections = 1\n");
    let gateway = Gateway::start(folder.path(), &config);
    gateway.send(
        "jan@example.com",
        &[("cc", "gone@example.com"), ("bcc", "b@example.com")],
    );
    assert_eq!(server.wait_for(2).len(), 2);
    wait_for_rows(folder.path(), QUEUE, &[]);
    let expected = [
        "ok|250 2.0.0 taken",
        "hardbounce|copy to gone@example.com: 550 5.1.1 nobody",
        "ok|copy to b@example.com: 250 2.0.0 taken",
    ];
    assert_eq!(rows(folder.path(), EVENTS), expected);
    assert_eq!(rows(folder.path(), STATUSES), ["jan@example.com|ok"]);
    // The API's list shows the outcome for the recipient, not for copies.
    let row = &gateway.list("emails")[0];
    assert_eq!(row["ok_desc"], "250 2.0.0 taken");
    assert_eq!(row["hardbounce_time"], serde_json::Value::Null, "{row}");
    let events = gateway.list("smtp_events/hardbounce");
    let copy = "copy to gone@example.com: 550 5.1.1 nobody";
    assert_eq!(events[0]["event_desc"], copy);
}

#[test]
fn blacklisted_addresses_get_no_copies() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = FakeSmtp::start();
    let config = account(&server.url(), "connections = 1\n");
    let gateway = Gateway::start(folder.path(), &config);
    for email in ["gone@example.com", "left@xn--w-uga1v8h.pl"] {
        let body = format!("account={ACCOUNT}&email={email}&reason=unsubscribe");
        let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
        let answer = gateway.ask("POST /api/blacklists", kind, &body);
        assert_eq!(answer.map(|(status, _)| status), Some(200));
    }
    for copies in [
        [("cc", "Gone@Example.com"), ("bcc", "left@żółw.pl")],
        [("cc", "cc@example.com"), ("bcc", "gone@example.com")],
    ] {
        gateway.send("jan@example.com", &copies);
    }
    server.wait_for(3);
    wait_for_rows(folder.path(), QUEUE, &[]);
    let to: Vec<_> = server.taken().into_iter().map(|mail| mail.to).collect();
    assert_eq!(
        to,
        [["jan@example.com"], ["jan@example.com"], ["cc@example.com"]]
    );
    let dropped = "SELECT message, copy, description FROM event WHERE kind = 'dropped' ORDER BY id";
    let why = "the address is on the blacklist: unsubscribe";
    let expected = [
        format!("1|Gone@example.com|{why}"),
        format!("1|left@xn--w-uga1v8h.pl|{why}"),
        format!("2|gone@example.com|{why}"),
    ];
    assert_eq!(rows(folder.path(), dropped), expected);
    let expected = ["jan@example.com|ok", "jan@example.com|ok"];
    assert_eq!(rows(folder.path(), STATUSES), expected);
}

#[test]
fn messages_deferred_for_too_long_are_given_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = FakeSmtp::with(|moment| match moment.stage {
        Stage::Rcpt => Act::Say("452 4.2.2 mailbox full"),
        _ => Act::Go,
    });
    let config = account(&server.url(), &format!("{QUICK}give_up = \"1s\"\n"));
    let gateway = Gateway::start(folder.path(), &config);
    gateway.send("jan@example.com", &[]);
    wait_for_rows(folder.path(), STATUSES, &["jan@example.com|softbounce"]);
    let events = rows(folder.path(), EVENTS);
    assert_eq!(events, ["softbounce|given up: 452 4.2.2 mailbox full"]);
    assert_eq!(rows(folder.path(), QUEUE), [""; 0]);
}

#[test]
fn only_configured_accounts_and_senders_are_accepted() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = FakeSmtp::start();
    let config = account(
        &server.url(),
        "from = [\"@acme.example\", \"Jan@other.example\"]\n",
    );
    let gateway = Gateway::start(folder.path(), &config);
    let refused = |fields: &[(&str, &str)]| {
        let (status, answer) = gateway.post(&message("a@example.com", fields));
        assert_eq!(
            (status, &answer["code"]),
            (500, &serde_json::json!(500)),
            "{answer}"
        );
        answer["message"].as_str().expect("a message").to_owned()
    };
    assert_eq!(
        refused(&[("smtp_account", "2.acme.smtp")]),
        "SMTP account is not valid: there is no 2.acme.smtp"
    );
    for sender in ["news@sub.acme.example", "ola@other.example"] {
        let expected =
            format!("Sender address is not valid: {sender} may not send through {ACCOUNT}");
        assert_eq!(refused(&[("from", sender)]), expected);
        assert_eq!(refused(&[("return_path", sender)]), expected);
    }
    gateway.send("a@example.com", &[("from", "NEWS@ACME.example")]);
    gateway.send("a@example.com", &[("from", "jan@other.example")]);
    assert_eq!(server.wait_for(2).len(), 2);
    assert_eq!(rows(folder.path(), STATUSES).len(), 2);
}

#[test]
fn a_rate_spaces_messages() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = FakeSmtp::start();
    let config = account(&server.url(), "rate = [\"20/s\"]\n");
    let gateway = Gateway::start(folder.path(), &config);
    let begun = std::time::Instant::now();
    for _ in 0..11 {
        gateway.send("jan@example.com", &[]);
    }
    server.wait_for(11);
    // Ten intervals, minus the burst.
    assert!(begun.elapsed().as_millis() >= 480, "{:?}", begun.elapsed());
}

#[test]
fn a_daily_rate_survives_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = FakeSmtp::start();
    let config = account(&server.url(), "rate = [\"3/day\"]\n");
    for (messages, taken) in [(2, 2), (2, 3)] {
        let gateway = Gateway::start(folder.path(), &config);
        for _ in 0..messages {
            gateway.send("jan@example.com", &[]);
        }
        server.wait_for(taken);
        wait_for_rows(
            folder.path(),
            "SELECT count(*) FROM queue WHERE state = 'sending'",
            &["0"],
        );
        gateway.running.kill();
    }
    let waiting = rows(folder.path(), "SELECT state, attempts FROM queue");
    assert_eq!(waiting, ["waiting|0"]);
    assert_eq!(server.taken().len(), 3);
}

#[test]
fn the_api_shows_the_outcome_of_a_message() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = FakeSmtp::with(|moment| match (moment.stage, &*moment.address) {
        (Stage::Rcpt, "gone@example.com") => Act::Say("550 5.1.1 nobody"),
        (Stage::Rcpt, "full@example.com") => Act::Say("452 4.2.2 full"),
        _ => Act::Go,
    });
    let config = account(&server.url(), QUICK);
    let gateway = Gateway::start(folder.path(), &config);
    for name in ["jan", "gone", "full"] {
        gateway.send(&format!("{name}@example.com"), &[]);
    }
    let expected = [
        "jan@example.com|ok",
        "gone@example.com|hardbounce",
        "full@example.com|injected",
    ];
    wait_for_rows(folder.path(), STATUSES, &expected);
    let emails = gateway.list("emails?sort=to");
    let description = |row: &serde_json::Value, kind: &str| {
        let (time, desc) = (&row[format!("{kind}_time")], &row[format!("{kind}_desc")]);
        assert_eq!(time.is_null(), desc.is_null(), "{row}");
        desc.as_str().map(str::to_owned)
    };
    let (full, gone, jan) = (&emails[0], &emails[1], &emails[2]);
    assert_eq!(description(jan, "ok").as_deref(), Some("250 2.0.0 taken"));
    assert_eq!(description(jan, "hardbounce"), None);
    assert_eq!(
        description(gone, "hardbounce").as_deref(),
        Some("550 5.1.1 nobody")
    );
    assert_eq!(description(gone, "ok"), None);
    for kind in ["ok", "softbounce", "hardbounce"] {
        assert_eq!(description(full, kind), None, "it still waits");
    }
    let bounces = gateway.list("smtp_events/hardbounce");
    assert_eq!(bounces.len(), 1);
    assert_eq!(bounces[0]["to"], "gone@example.com");
    assert_eq!(bounces[0]["event_desc"], "550 5.1.1 nobody");
    assert_eq!(gateway.list("smtp").len(), 1);
}
