//! Requests that public clients of the API send, and how they parse the responses.

use mail_parser::{Message, MessageParser, MimeHeaders};

use crate::support::gateway::{Gateway, Reply};

/// Posts the required fields and `fields` to an endpoint.
fn post(gateway: &Gateway, endpoint: &str, fields: &[(&str, &str)]) -> Reply {
    const COMMON: [(&str, &str); 4] = [
        ("smtp_account", "1.acme.smtp"),
        ("from", "news@acme.example"),
        ("subject", "S"),
        ("text", "T"),
    ];
    ask(gateway, endpoint, COMMON.iter().chain(fields))
}

fn ask<'a>(
    gateway: &Gateway,
    endpoint: &str,
    fields: impl IntoIterator<Item = &'a (&'a str, &'a str)>,
) -> Reply {
    let form = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    gateway.ask(&format!("POST /api/{endpoint}"), &[], &form)
}

/// The source of the newest message.
fn newest(gateway: &Gateway) -> Vec<u8> {
    let select =
        "SELECT head || bytes FROM message JOIN body ON body.id = body ORDER BY message.id DESC";
    let row = gateway
        .store()
        .query_row(select, [], |row| Ok(row.get_ref(0)?.as_bytes()?.to_vec()));
    row.expect("a message")
}

fn parsed(source: &[u8]) -> Message<'_> {
    MessageParser::default().parse(source).expect("a message")
}

/// The only value in a response for an address.
fn value(reply: &Reply, address: &str) -> String {
    let json = reply.json();
    let data = json["data"].as_array().expect("a list");
    let mut values = data.iter().filter_map(|entry| entry[address].as_str());
    let value = values.next().unwrap_or_else(|| panic!("{address}: {json}"));
    value.to_owned()
}

#[test]
fn an_invalid_address_is_reported_under_its_key() {
    let gateway = Gateway::start();
    for (bad, key, filled, reason) in [
        ("bad", "to[bad]", "", "Reason: "),
        ("bad", "to[bad]", "Jan", "Reason: "),
        (
            "A <a@a.tld>",
            "to[A <a@a.tld>]",
            "",
            "Address has white sign.",
        ),
    ] {
        let to = [(key, filled), ("to[ok@example.com]", "")];
        let reply = post(&gateway, "new_sendmail", &to);
        assert_eq!(reply.status, 200, "{key}: {}", reply.body);
        assert!(!value(&reply, "ok@example.com").contains(' '), "{key}");
        let refused = value(&reply, bad);
        let (id, details) = refused.split_once(" > Address: ").expect("its form");
        assert!(id.contains('@') && !id.contains(' '), "{refused}");
        let begin = format!("{bad} is incorrect. {reason}");
        assert!(details.starts_with(&begin), "{refused}");
    }
    // With key and value exchanged, it is an address.
    let reply = post(
        &gateway,
        "new_sendmail",
        &[("to[address]", "jan@x.example")],
    );
    assert!(!value(&reply, "jan@x.example").contains(' '));
    let reply = post(&gateway, "sendmail", &[("to[jan@x.example]", "")]);
    assert_eq!(reply.status, 400);
    assert!(
        reply.body.contains("to[jan@x.example] is empty"),
        "{}",
        reply.body
    );
}

#[test]
fn headers_that_the_message_gets_anyway_are_ignored() {
    let gateway = Gateway::start();
    let reply = post(
        &gateway,
        "new_sendmail",
        &[
            ("to[jan@x.example][name]", "Jan Żak"),
            ("headers[]", "Return-Path: <bounces@acme.example>"),
            ("headers[]", "Sender: Ola <ola@acme.example>"),
            ("headers[]", "Content-Type: text/plain; charset=utf-8"),
            ("headers[]", "Content-Transfer-Encoding: 8bit"),
            (
                "headers[]",
                "X-List: =?utf-8?Q?Za=C5=BC?= =?utf-8?Q?=C3=B3=C5=82=C4=87?= x",
            ),
            ("headers[]", "X-Hidden: =?utf-8?Q?a=0D=0ABcc:_x@x.example?="),
            (
                "headers[]",
                "Errors-To: =?utf-8?Q?Kowalski=2C_Jan?= <l@x.example>",
            ),
            ("headers[X-Text]", "=?utf-8?Q?=41?="),
            ("files[name]", "\"=?utf-8?Q?=C5=BC=C3=B3=C5=82w=2Epdf?=\""),
            ("files[mime]", "application/pdf"),
            ("files[content]", "QUJD"),
        ],
    );
    assert_eq!(reply.status, 200, "{}", reply.body);
    let source = newest(&gateway);
    let message = parsed(&source);
    let text = |name: &'static str| {
        let raw = message.header_raw(name).expect("the header");
        let subject = format!("Subject: {}\r\n\r\n", raw.trim());
        let decoded = parsed(subject.as_bytes());
        decoded.subject().expect("a text").to_owned()
    };
    assert_eq!(text("X-List"), "Zażółć x");
    // A text that looks like an encoded word stays as it is, and a line break in a word adds no header.
    assert_eq!(text("X-Text"), "=?utf-8?Q?=41?=");
    assert_eq!(text("X-Hidden"), "=?utf-8?Q?a=0D=0ABcc:_x@x.example?=");
    let one = "=?utf-8?Q?Kowalski=2C_Jan?= <l@x.example>";
    assert_eq!(text("Errors-To"), one);
    assert!(message.bcc().is_none() && message.header("Sender").is_none());
    let to = message.to().and_then(|to| to.first()).expect("a recipient");
    assert_eq!(to.name(), Some("Jan Żak"));
    let file = message.attachments().next().expect("a file");
    assert_eq!(file.attachment_name(), Some("żółw.pdf"));
    assert_eq!(file.contents(), b"ABC");
    let envelope = "SELECT envelope_from FROM message";
    let envelope: String = gateway
        .store()
        .query_row(envelope, [], |row| row.get(0))
        .expect("a message");
    assert_eq!(envelope, "bounces@acme.example");
}

#[test]
fn a_name_in_place_of_an_address_is_reported() {
    let gateway = Gateway::start();
    let fields = [("to[]", "jan@x.example"), ("reply_to", "Jan Reply")];
    let reply = post(&gateway, "sendmail", &fields);
    assert_eq!(reply.status, 500);
    assert!(
        reply.body.contains("reply_to is not valid"),
        "{}",
        reply.body
    );
    assert!(!reply.body.contains("is empty"), "{}", reply.body);
}

#[test]
fn opens_and_clicks_are_empty_and_an_address_may_be_in_the_path() {
    let gateway = Gateway::start();
    for list in ["opens", "clicks"] {
        let reply = gateway.ask(
            &format!("GET /api/{list}?offset=0&sort=-created_at"),
            &[],
            "",
        );
        assert_eq!(reply.status, 404, "{list}");
        assert_eq!(reply.json()["message"], "No items", "{list}");
    }
    let entry = [
        ("account", "1.acme.smtp"),
        ("reason", "other"),
        ("comment", "x"),
    ];
    let reply = ask(&gateway, "blacklists/email/jan@x.example", &entry);
    assert_eq!(reply.status, 200, "{}", reply.body);
    let listed = gateway.ask("GET /api/blacklists/email/jan@x.example", &[], "");
    assert_eq!(listed.json()["data"][0]["comment"], "x");
    let reply = ask(&gateway, "blacklists/email/nobody", &entry);
    assert_eq!(reply.status, 400, "{}", reply.body);
}
