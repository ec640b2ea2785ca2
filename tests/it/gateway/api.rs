//! The whole API of the stand-alone gateway, with the requests of real clients.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mail_parser::{MessageParser, MimeHeaders};
use serde_json::{Value, json};

use crate::support::gateway::{Gateway, Reply, form};
use crate::support::{client, has_program, has_requests, real_part};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/wire/shapes")
}

fn fixture(name: &str) -> String {
    std::fs::read_to_string(fixtures().join(name).with_extension("form")).expect("a fixture")
}

fn post(gateway: &Gateway, endpoint: &str, body: &str) -> Reply {
    let kind = "Content-Type: application/x-www-form-urlencoded";
    gateway.ask(&format!("POST /api/{endpoint}"), &[kind], body)
}

fn get(gateway: &Gateway, path: &str) -> Reply {
    gateway.ask(&format!("GET /api/{path}"), &[], "")
}

fn pairs(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

/// One field of all rows of a list.
fn rows(reply: &Reply, field: &str) -> Vec<String> {
    assert_eq!(reply.status, 200, "{}", reply.body);
    let json = reply.json();
    let data = json["data"].as_array().expect("a list");
    assert_eq!(json["number_of_elements"], data.len());
    assert_eq!(json["status"], "success");
    reply.req_id();
    let field = |row: &Value| row[field].as_str().expect("a text").to_owned();
    data.iter().map(field).collect()
}

/// A message in the store, read by SQLite alone.
struct StoredMessage {
    row: BTreeMap<&'static str, String>,
    source: Vec<u8>,
}

fn stored(gateway: &Gateway) -> Vec<StoredMessage> {
    let columns = [
        "to_address",
        "to_name",
        "message_id",
        "envelope_from",
        "copies",
        "tags",
        "account",
    ];
    let store = gateway.store();
    let sql = format!(
        "SELECT {}, head || bytes FROM message JOIN body ON body.id = body ORDER BY message.id",
        columns.join(", ")
    );
    let mut select = store.prepare(&sql).expect("the tables");
    let rows = select.query_map([], |row| {
        let mut texts = BTreeMap::new();
        for (at, column) in columns.into_iter().enumerate() {
            texts.insert(column, row.get(at)?);
        }
        let source = row.get_ref(columns.len())?;
        Ok(StoredMessage {
            row: texts,
            source: source.as_bytes().expect("bytes").to_vec(),
        })
    });
    rows.expect("messages")
        .map(|row| row.expect("a message"))
        .collect()
}

/// Posts a fixture, and returns the stored messages and the values of the response.
fn post_fixture(endpoint: &str, name: &str) -> (Vec<StoredMessage>, Vec<String>) {
    let gateway = Gateway::start();
    let reply = post(&gateway, endpoint, &fixture(name));
    assert_eq!(reply.status, 200, "{name}: {}", reply.body);
    let stored = stored(&gateway);
    let values = reply.values();
    let ids: Vec<_> = stored
        .iter()
        .map(|stored| stored.row["message_id"].clone())
        .collect();
    let (mut sorted, mut expected) = (ids, values.clone());
    sorted.sort();
    expected.sort();
    assert_eq!(sorted, expected, "{name}");
    (stored, values)
}

fn recipients(stored: &[StoredMessage]) -> Vec<&str> {
    stored
        .iter()
        .map(|stored| stored.row["to_address"].as_str())
        .collect()
}

#[test]
fn every_form_of_recipients_is_accepted() {
    let both = ["jan+1@example.com", "ola@example.com"];
    for (endpoint, name) in [
        ("sendmail", "to_list"),
        ("sendmail", "to_next"),
        ("new_sendmail", "new_id"),
        ("new_sendmail", "new_empty"),
        ("new_sendmail", "new_list"),
    ] {
        assert_eq!(recipients(&post_fixture(endpoint, name).0), both, "{name}");
    }
    for (endpoint, name) in [
        ("sendmail", "to_one"),
        ("new_sendmail", "to_one"),
        ("new_sendmail", "new_text"),
    ] {
        let (stored, values) = post_fixture(endpoint, name);
        assert_eq!(recipients(&stored), ["jan+1@example.com"], "{name}");
        assert!(values[0].ends_with("@acme.example"), "{name}");
    }
    for name in ["new_id", "new_structure", "nested_wins"] {
        let (stored, values) = post_fixture("new_sendmail", name);
        assert_eq!(values[0], "id.1@acme.example", "{name}");
        let named = if name == "nested_wins" {
            ""
        } else {
            "Jan Żak"
        };
        assert_eq!(stored[0].row["to_name"], named, "{name}");
    }
}

#[test]
fn every_form_of_other_fields_is_accepted() {
    let message = |endpoint, name| {
        let (mut stored, _) = post_fixture(endpoint, name);
        stored.remove(0)
    };
    for name in ["headers_map", "headers_list"] {
        let stored = message("sendmail", name);
        let source = String::from_utf8(stored.source).expect("ASCII");
        assert!(source.contains("\r\nX-Campaign: autumn; 1\r\n"), "{name}");
    }
    for name in ["copies", "replay_to"] {
        let stored = message("sendmail", name);
        let parsed = MessageParser::default()
            .parse(&stored.source)
            .expect("a message");
        let reply_to = parsed
            .reply_to()
            .and_then(|to| to.first())
            .expect("an address");
        assert_eq!(reply_to.address(), Some("reply@acme.example"), "{name}");
        assert_eq!(parsed.subject(), Some("Zażółć & +"));
    }
    assert_eq!(
        message("sendmail", "copies").row["copies"],
        r#"["cc@example.com","bcc@example.com"]"#
    );
    assert_eq!(message("sendmail", "empty").row["copies"], "[]");
    let several = r#"["c1@example.com","c2@example.com","b1@example.com","b2@example.com"]"#;
    assert_eq!(
        message("new_sendmail", "multi_copies").row["copies"],
        several
    );
    assert_eq!(
        message("sendmail", "tags").row["tags"],
        r#"["autumn","Łódź, 2"]"#
    );
    let path = message("new_sendmail", "return_path");
    assert_eq!(path.row["envelope_from"], "bounces@acme.example");
    let text = message("sendmail", "txt");
    let parsed = MessageParser::default()
        .parse(&text.source)
        .expect("a message");
    assert_eq!(parsed.body_text(0).as_deref(), Some("Cześć\r\nżółw"));
    assert_eq!(parsed.html_body_count(), 1, "made from the text");
    let files = message("sendmail", "files");
    let parsed = MessageParser::default()
        .parse(&files.source)
        .expect("a message");
    let contents: Vec<_> = parsed
        .attachments()
        .map(mail_parser::MessagePart::contents)
        .collect();
    assert!(contents.contains(&"Hello".as_bytes()));
    let logo = b"\x00\xff\xc5\xbc\xc3\xb3".repeat(40);
    let inline = parsed
        .parts
        .iter()
        .find(|part| part.contents() == logo)
        .expect("the logo");
    assert_eq!(inline.content_id(), Some("logo.png"));
}

#[test]
fn placeholders_are_filled_for_each_recipient() {
    let (stored, values) = post_fixture("sendmail_templates", "templates");
    assert_eq!(values[0], "id.1@acme.example");
    assert_eq!(
        recipients(&stored),
        ["jan+1@example.com", "ola@example.com"]
    );
    let texts = stored.iter().map(|stored| {
        let parsed = MessageParser::default()
            .parse(&stored.source)
            .expect("a message");
        let subject = parsed.subject().expect("a subject").to_owned();
        (subject, parsed.body_text(0).expect("a text").into_owned())
    });
    let expected = [
        ("Jan & <b>, Tuesday {{other}}", "Jan & <b> on Tuesday"),
        ("Ola, Tuesday {{other}}", "Ola on Tuesday"),
    ];
    let expected = expected.map(|(subject, text)| (subject.to_owned(), text.to_owned()));
    assert_eq!(texts.collect::<Vec<_>>(), expected);
}

#[test]
fn a_small_request_cannot_expand_into_a_large_one() {
    let gateway = Gateway::start();
    let send = |fields: &[(&str, &str)]| {
        let all = [
            ("smtp_account", "1.acme.smtp"),
            ("from", "news@acme.example"),
            ("subject", "Hello"),
        ];
        let reply = post(
            &gateway,
            "sendmail_templates",
            &pairs(&[fields, &all].concat()),
        );
        let json = reply.json();
        (reply.status, json["message"].as_str().map(str::to_owned))
    };
    let (long, often) = ("x".repeat(1_000_000), "{{A}}".repeat(50_000));
    let one = [
        ("to[a@example.com]", ""),
        ("global_vars[A]", &*long),
        ("html", &*often),
    ];
    let (status, message) = send(&one);
    let message = message.expect("words");
    assert_eq!(
        (status, message.contains("size exceeds")),
        (413, true),
        "{message}"
    );
    // Each message is small enough, but all of them together are too large.
    let names: Vec<_> = (0..20)
        .map(|n| format!("to[r{n}@example.com][vars][n]"))
        .collect();
    let numbers: Vec<_> = (0..20).map(|n| n.to_string()).collect();
    let mut many: Vec<_> = names
        .iter()
        .zip(&numbers)
        .map(|(name, n)| (&**name, &**n))
        .collect();
    let html = format!("{{{{n}}}}{}", "{{A}}".repeat(10));
    many.extend([("global_vars[A]", &*long), ("html", &*html)]);
    let (status, message) = send(&many);
    let message = message.expect("words");
    assert_eq!(
        (status, message.contains("several")),
        (413, true),
        "{message}"
    );
    assert_eq!(gateway.stored_messages().len(), 0);
    let few: Vec<_> = many.drain(18..).collect();
    assert_eq!(send(&few).0, 200);
    assert_eq!(gateway.stored_messages().len(), 2);
}

#[test]
fn a_stored_template_is_used_and_cannot_add_headers() {
    let gateway = Gateway::start();
    let added = post(
        &gateway,
        "add_template",
        &pairs(&[("html", "<i>{{n}}</i>"), ("txt", "{{n}}!")]),
    );
    let id = added.json()["data"]["template_id"]
        .as_str()
        .expect("an ID")
        .to_owned();
    let send = |id: &str, n: &str| {
        let fields = [
            ("to[jan@example.com][vars][n]", n),
            ("smtp_account", "1.acme.smtp"),
            ("subject", "Hello {{n}}"),
            ("from", "news@acme.example"),
            ("template_id", id),
        ];
        post(&gateway, "sendmail_templates", &pairs(&fields))
    };
    assert_eq!(send(&id, "Jan").status, 200);
    let stored = stored(&gateway);
    let parsed = MessageParser::default()
        .parse(&stored[0].source)
        .expect("a message");
    assert_eq!(parsed.body_text(0).as_deref(), Some("Jan!"));
    assert_eq!(parsed.body_html(0).as_deref(), Some("<i>Jan</i>"));
    let unknown = send("nothing", "Jan");
    assert_eq!(unknown.status, 404);
    assert!(unknown.body.contains("template_id"), "{}", unknown.body);
    let injected = send(&id, "Jan\r\nBcc: eve@example.com");
    assert_eq!(injected.status, 500);
    assert!(injected.body.contains("subject"), "{}", injected.body);
    assert_eq!(gateway.stored_messages().len(), 1);
    let empty = post(&gateway, "add_template", "html=");
    assert_eq!((empty.status, empty.body.contains("html")), (400, true));
}

#[test]
fn sent_messages_are_listed_filtered_and_sorted() {
    let gateway = Gateway::start();
    assert_eq!(get(&gateway, "emails").status, 404);
    assert_eq!(get(&gateway, "emails").json()["message"], "No items");
    let ids: Vec<String> = ["ola@example.com", "jan@example.com", "ewa@example.com"]
        .iter()
        .flat_map(|to| gateway.post(&[to]).values())
        .collect();
    let to = |query: &str| rows(&get(&gateway, &format!("emails?{query}")), "to");
    assert_eq!(
        to("sort=to"),
        ["ewa@example.com", "jan@example.com", "ola@example.com"]
    );
    assert_eq!(to("sort=-to&limit=1"), ["ola@example.com"]);
    assert_eq!(to("sort=created_at&offset=1&limit=1"), ["jan@example.com"]);
    assert_eq!(
        to(""),
        ["ewa@example.com", "jan@example.com", "ola@example.com"]
    );
    assert_eq!(to("filter=to::JAN@example.com"), ["jan@example.com"]);
    assert_eq!(
        to("filter=account::1.acme.smtp|to::jan@example.com"),
        ["jan@example.com"]
    );
    assert_eq!(
        to("filter=account%3A%3A1.acme.smtp%7Cto%3A%3Ajan%40example.com"),
        ["jan@example.com"]
    );
    let by_id = get(&gateway, &format!("emails?filter=message_id::{}", ids[0]));
    assert_eq!(rows(&by_id, "message_id"), [ids[0].as_str()]);
    let row = &by_id.json()["data"][0];
    for field in [
        "id",
        "uid",
        "account",
        "from",
        "subject",
        "created_at",
        "updated_at",
        "ok_desc",
    ] {
        assert!(
            row[field].as_str().is_some_and(|text| !text.is_empty()),
            "{field}: {row}"
        );
    }
    for field in ["open_time", "open_desc", "hardbounce_time", "dropped_desc"] {
        assert_eq!(row.get(field), Some(&Value::Null), "{field}");
    }
    assert_eq!(
        (&row["ok_time"], &row["tags"]),
        (&row["injected_time"], &json!([]))
    );
    let created = row["created_at"].as_str().expect("a time").to_owned();
    let time: jiff::civil::DateTime = created.parse().expect("a time");
    let unix = time
        .to_zoned(jiff::tz::TimeZone::UTC)
        .expect("UTC")
        .timestamp()
        .as_second();
    for filter in [
        format!("created_at.from::{}", created.replace(' ', "%20")),
        format!("created_at.from::{unix}|created_at.to::{}", unix + 60),
        format!("injected_time.from::{unix}"),
        format!("injected_time::{}", &created[.."2026-11-24".len()]),
    ] {
        assert_eq!(to(&format!("filter={filter}")).len(), 3, "{filter}");
    }
    for field in ["injected_time", "created_at"] {
        let then = format!("filter={field}::{unix}|message_id::{}", ids[0]);
        assert_eq!(to(&then), ["ola@example.com"], "{field}");
        let before = format!("emails?filter={field}::{}", unix - 1);
        assert_eq!(get(&gateway, &before).status, 404, "{field}");
    }
    let none = get(
        &gateway,
        &format!("emails?filter=created_at.to::{}", unix - 1),
    );
    assert_eq!(
        (none.status, &none.json()["message"]),
        (404, &json!("No items"))
    );
    assert_eq!(get(&gateway, "emails?offset=3").status, 404);
    for (query, named) in [
        ("sort=subject", "sort"),
        ("filter=subject::x", "subject"),
        ("filter=x", "filter"),
        ("limit=9999", "limit"),
        ("offset=-1", "offset"),
        ("filter=created_at.to::soon", "created_at.to"),
    ] {
        let refused = get(&gateway, &format!("emails?{query}"));
        assert_eq!(refused.status, 400, "{query}");
        let message = refused.json()["message"]
            .as_str()
            .expect("words")
            .to_owned();
        assert!(message.contains(named), "{query}: {message}");
    }
    assert_eq!(rows(&get(&gateway, "smtp"), "account"), ["1.acme.smtp"]);
}

#[test]
fn a_recipient_is_found_by_its_ascii_or_unicode_domain() {
    let gateway = Gateway::start();
    for to in ["Jan@żółw.pl", "ola@xn--w-uga1v8h.pl", "ewa@example.com"] {
        gateway.post(&[to]);
    }
    for (address, listed) in [
        ("jan@xn--w-uga1v8h.pl", "Jan@żółw.pl"),
        ("JAN@żółw.pl", "Jan@żółw.pl"),
        ("ola@żółw.pl", "ola@xn--w-uga1v8h.pl"),
        ("ola@XN--w-uga1v8h.pl", "ola@xn--w-uga1v8h.pl"),
        ("Ewa@example.com", "ewa@example.com"),
    ] {
        let query = pairs(&[("filter", &format!("to::{address}"))]);
        for list in ["emails", "smtp_events/ok"] {
            let reply = get(&gateway, &format!("{list}?{query}"));
            assert_eq!(rows(&reply, "to"), [listed], "{list} {address}");
        }
    }
}

#[test]
fn an_invalid_recipient_does_not_affect_others_in_any_form() {
    let gateway = Gateway::start();
    let bad = "jan.example.com";
    let of_bad = |field| format!("to[{bad}][{field}]");
    let (id, vars) = (of_bad("message_id"), of_bad("vars"));
    let shapes: [(&str, Vec<(&str, &str)>); 5] = [
        (
            "sendmail",
            vec![("to[0]", bad), ("to[1]", "ok@example.com")],
        ),
        (
            "new_sendmail",
            vec![("to[0]", bad), ("to[1]", "ok@example.com")],
        ),
        (
            "new_sendmail",
            vec![(&id, "b1"), ("to[ok@example.com][message_id]", "b2")],
        ),
        (
            "new_sendmail",
            vec![
                ("new_structure", "1"),
                ("to[0][email]", bad),
                ("to[1][email]", "ok@example.com"),
            ],
        ),
        (
            "sendmail_templates",
            vec![(&vars, ""), ("to[ok@example.com][vars][a]", "b")],
        ),
    ];
    let common = [
        ("smtp_account", "1.acme.smtp"),
        ("from", "news@acme.example"),
        ("subject", "Hello"),
        ("text", "Hello"),
    ];
    for (endpoint, mut fields) in shapes {
        fields.extend(common);
        let reply = post(&gateway, endpoint, &pairs(&fields));
        assert_eq!(reply.status, 200, "{endpoint} {fields:?}: {}", reply.body);
        let json = reply.json();
        let refused = json["data"][0][bad].as_str().unwrap_or_default();
        let reason = format!(" > Address: {bad} is incorrect. ");
        assert!(refused.contains(&reason), "{endpoint} {fields:?}: {json}");
        let id = json["data"][1]["ok@example.com"].as_str();
        assert!(id.is_some_and(|id| !id.contains(' ')), "{json}");
    }
    assert_eq!(stored(&gateway).len(), 5);
    let mut twice = vec![("to[0]", "ok@example.com"), ("to[1]", "ok@example.com")];
    twice.extend(common);
    let reply = post(&gateway, "new_sendmail", &pairs(&twice));
    assert_eq!(
        (reply.status, reply.values().len()),
        (200, 2),
        "{}",
        reply.body
    );
}

#[test]
fn messages_to_blocked_addresses_are_accepted_and_dropped() {
    let gateway = Gateway::start();
    assert_eq!(get(&gateway, "blacklists").status, 404);
    let block = |fields: &[(&str, &str)]| post(&gateway, "blacklists", &pairs(fields));
    let entry = [
        ("account", "1.acme.smtp"),
        ("email", "Jan@Example.com"),
        ("reason", "spam_complaint"),
        ("comment", "Added by hand"),
        ("source", "api-client"),
    ];
    assert_eq!(block(&entry).status, 200);
    for (at, field) in ["account", "email", "reason"].into_iter().enumerate() {
        let mut wrong = entry;
        wrong[at].1 = if field == "account" { "" } else { "nonsense" };
        let refused = block(&wrong);
        assert_eq!(refused.status, 400, "{field}");
        assert!(refused.body.contains(field), "{}", refused.body);
    }
    assert_eq!(
        rows(&get(&gateway, "blacklists"), "email"),
        ["jan@example.com"]
    );
    let reply = get(
        &gateway,
        "blacklists?filter=email::JAN@example.com|reason::spam_complaint",
    );
    assert_eq!(rows(&reply, "comment"), ["Added by hand"]);
    let check = |method: &str, address: &str| {
        gateway.ask(
            &format!("{method} /api/blacklists/email/{address}"),
            &[],
            "",
        )
    };
    assert_eq!(
        rows(&check("GET", "jan%40example.com"), "reason"),
        ["spam_complaint"]
    );
    assert_eq!(check("GET", "ola@example.com").status, 404);

    let reply = gateway.post(&["jan@example.com", "ola@example.com"]);
    let ids = reply.values();
    assert!(ids.iter().all(|id| !id.contains(' ')), "{ids:?}");
    let events = |kind: &str| get(&gateway, &format!("smtp_events/{kind}?sort=-created_at"));
    assert_eq!(rows(&events("dropped"), "message_id"), [ids[0].as_str()]);
    assert_eq!(rows(&events("ok"), "to"), ["ola@example.com"]);
    assert_eq!(rows(&events("injected"), "to").len(), 2);
    for kind in ["softbounce", "hardbounce", "spambounce", "feedback"] {
        assert_eq!(events(kind).json()["message"], "No items", "{kind}");
    }
    assert_eq!(events("nonsense").json()["message"], "Unknown action");
    let future = get(&gateway, "smtp_events/ok?from_time=4000000000");
    assert_eq!(future.status, 404);

    assert_eq!(check("DELETE", "jan@example.com").status, 200);
    assert_eq!(check("DELETE", "jan@example.com").status, 404);
    gateway.post(&["jan@example.com"]);
    assert_eq!(
        rows(&events("ok"), "to"),
        ["jan@example.com", "ola@example.com"]
    );
}

#[test]
fn small_endpoints_answer() {
    let gateway = Gateway::start();
    let reasons = get(&gateway, "blacklist_reasons").json();
    let all = ["unsubscribe", "hardbounce", "spam_complaint", "other"];
    assert_eq!(
        (&reasons["data"], &reasons["number_of_elements"]),
        (&json!(all), &json!(4))
    );
    for (address, is_tmp) in [("a@mailinator.com", true), ("a@example.com", false)] {
        let answer = get(&gateway, &format!("is_mail_tmp/email/{address}")).json();
        assert_eq!(answer["data"]["is_tmp"], is_tmp, "{address}");
    }
    for (method, path) in [
        ("GET", "is_mail_tmp/email/nobody"),
        ("GET", "is_mail_tmp/email/%FF"),
        ("GET", "blacklists/email/%FF"),
        ("DELETE", "blacklists/email/%FF"),
    ] {
        let bad = gateway.ask(&format!("{method} /api/{path}"), &[], "");
        let json = bad.json();
        let message = json["message"].as_str().expect("words");
        assert_eq!(
            (bad.status, message.contains("email")),
            (400, true),
            "{path}"
        );
        bad.req_id();
    }
    let kind = get(&gateway, "smtp_events/%FF").json();
    assert_eq!(kind["message"], "Unknown action");
    let unknown = gateway.ask("PUT /api/emails", &[], "");
    assert_eq!(
        (unknown.status, &unknown.json()["message"]),
        (404, &json!("Unknown action"))
    );
}

#[test]
fn php_writes_the_fixtures() {
    if !real_part("PHP's http_build_query", has_program("php")) {
        return;
    }
    let script = fixtures().join("shapes.php");
    let script = script.to_str().expect("UTF-8");
    let names = client("php", &[script], "");
    assert!(names.lines().count() > 15, "{names}");
    for name in names.lines() {
        assert_eq!(client("php", &[script, name], ""), fixture(name), "{name}");
    }
}

#[test]
fn php_sends_and_reads_back() {
    if !real_part("PHP", has_program("php")) {
        return;
    }
    let gateway = Gateway::start();
    let api = gateway.api();
    let script = format!(
        r#"<?php
function ask($method, $path, $data = null) {{
    $http = ['method' => $method, 'ignore_errors' => true, 'header' => "Authorization: Basic " . base64_encode('key:secret') . "\r\nContent-Type: application/x-www-form-urlencoded\r\n"];
    if ($data !== null) $http['content'] = http_build_query($data);
    return json_decode(file_get_contents('{api}' . $path, false, stream_context_create(['http' => $http])));
}}
$to = ['jan@example.com' => ['message_id' => 'php.1@acme.example']];
$sent = ask('POST', 'new_sendmail', ['to' => $to, 'smtp_account' => '1.acme.smtp', 'subject' => 'S', 'html' => 'H', 'from' => 'news@acme.example']);
echo $sent->code, ' ', $sent->data[0]->{{'jan@example.com'}}, "\n";
$list = ask('GET', 'emails?' . http_build_query(['offset' => 0, 'limit' => 100, 'sort' => '-created_at']) . '&filter=account::1.acme.smtp|message_id::php.1@acme.example');
echo $list->code, ' ', $list->number_of_elements, ' ', $list->data[0]->message_id, "\n";
"#
    );
    let wrote = client("php", &[], &script);
    assert_eq!(wrote, "200 php.1@acme.example\n200 1 php.1@acme.example\n");
}

#[test]
fn pythons_requests_sends_and_reads_back() {
    if !real_part("Python's requests", has_requests()) {
        return;
    }
    let gateway = Gateway::start();
    let script = format!(
        r#"
import requests
session = requests.Session()
session.auth = ("key", "secret")
api = "{}"
sent = session.post(api + "new_sendmail", data={{"to[jan@example.com]": "", "smtp_account": "1.acme.smtp", "subject": "S ż", "html": "<p>H</p>", "txt": "H", "from": "news@acme.example", "from_name": "Żółw"}})
sent.raise_for_status()
message_id = sent.json()["data"][0]["jan@example.com"]
rows = session.get(api + "emails", params={{"filter": "to::jan@example.com", "sort": "created_at", "limit": 500}}).json()["data"]
assert [row["message_id"] for row in rows] == [message_id], rows
assert rows[0]["subject"] == "S ż", rows
assert session.get(api + "emails", params={{"offset": 1}}).status_code == 404
several = session.post(api + "sendmail", data=[("to[]", "a@example.com"), ("to[]", "b@example.com"), ("smtp_account", "1.acme.smtp"), ("subject", "S"), ("text", "T"), ("from", "news@acme.example")]).json()
print(several["code"], len(several["data"]))
"#,
        gateway.api()
    );
    assert_eq!(client("python3", &["-"], &script), "200 2\n");
    assert_eq!(gateway.stored_messages().len(), 3);
}

#[test]
fn curl_sends_and_reads_back() {
    if !real_part("curl", has_program("curl")) {
        return;
    }
    let gateway = Gateway::start();
    let curl = |arguments: &[&str], path: &str| -> Value {
        let url = gateway.api() + path;
        let all = [&["-sS", "-u", "key:secret"], arguments, &[url.as_str()]].concat();
        serde_json::from_str(&client("curl", &all, "")).expect("JSON")
    };
    let sent = curl(
        &[
            "-d",
            "to[0]=jan@example.com",
            "-d",
            "smtp_account=1.acme.smtp",
            "--data-urlencode",
            "subject=Zażółć & +",
            "--data-urlencode",
            "html=<p>Hello</p>",
            "-d",
            "from=news@acme.example",
        ],
        "sendmail",
    );
    let id = sent["data"][0]["jan@example.com"].as_str().expect("an ID");
    let list = curl(
        &[
            "-G",
            "--data-urlencode",
            &format!("filter=message_id::{id}"),
        ],
        "emails",
    );
    assert_eq!(list["data"][0]["subject"], "Zażółć & +");
    curl(
        &[
            "-d",
            "account=1.acme.smtp",
            "-d",
            "email=jan@example.com",
            "-d",
            "reason=other",
        ],
        "blacklists",
    );
    let gone = curl(&["-X", "DELETE"], "blacklists/email/jan@example.com");
    assert_eq!(gone["code"], 200);
}

#[test]
fn all_messages_can_be_exported_into_a_maildir() {
    let mut gateway = Gateway::start();
    gateway.ask("POST /api/sendmail", &[], &fixture("copies"));
    gateway.ask(
        "POST /api/sendmail",
        &[],
        &form(&["a@example.com", "jan@żółw.pl"]),
    );
    let data = gateway.data();
    let maildir = data.join("export");
    let export = || {
        crate::support::run::Run::new("gateway")
            .arg("--data")
            .arg(&data)
            .arg("--export")
            .arg(&maildir)
            .run()
    };
    export().code(0).stdout_has("3 messages");
    let mut files: Vec<_> = std::fs::read_dir(maildir.join("new"))
        .expect("a Maildir")
        .map(|entry| std::fs::read(entry.expect("an entry").path()).expect("a message"))
        .collect();
    files.sort_by_key(Vec::len);
    let copies = String::from_utf8(files.pop().expect("three")).expect("ASCII");
    for line in [
        "X-Mailrun-Envelope-From: news@acme.example\r\n",
        "X-Mailrun-Envelope-To: jan+1@example.com\r\n",
        "X-Mailrun-Envelope-To: bcc@example.com\r\n",
        "X-Mailrun-Account: 1.acme.smtp\r\n",
        "\r\nTo: <jan+1@example.com>\r\n",
    ] {
        assert!(copies.contains(line), "{line} in {copies}");
    }
    assert!(!copies.contains("\r\nBcc:"));
    let all = String::from_utf8_lossy(&files.concat()).into_owned();
    let to = "X-Mailrun-Envelope-To: jan@xn--w-uga1v8h.pl\r\n";
    assert!(all.contains(to), "{to} in {all}");
    let source = stored(&gateway)[0].source.clone();
    assert!(
        copies.as_bytes().ends_with(&source),
        "the message as it is stored"
    );
    gateway.stop().code(0);
    // An export needs no search index.
    std::fs::remove_file(data.join("words.db")).expect("an index");
    export().code(0).stdout_has("3 messages");
    let nothing = crate::support::run::Run::new("gateway")
        .args(["--data", "nowhere", "--export", "x"])
        .run();
    nothing
        .code(1)
        .stderr_has("nowhere")
        .stderr_has("no gateway keeps messages in this folder")
        .stderr_has("with --data");
}

#[test]
fn messages_beyond_the_limits_are_deleted() {
    let gateway = Gateway::with("[keep]\nmessages = 2\n", &[]);
    for to in ["a@example.com", "b@example.com", "c@example.com"] {
        gateway.post(&[to]);
    }
    let left = || {
        gateway
            .stored_messages()
            .into_iter()
            .map(|(to, _)| to)
            .collect::<Vec<_>>()
    };
    gateway
        .running()
        .wait_until("one is removed", |_| left().len() == 2);
    assert_eq!(left(), ["b@example.com", "c@example.com"]);
}
