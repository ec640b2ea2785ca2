//! The API v2.1: every endpoint, over HTTP.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::gateway::{Gateway, Reply};
use crate::support::run::{APP_KEY, SECRET_KEY};

const LOGIN: &str =
    "[login]\napp_key_env = \"EMAILLABS_APP_KEY\"\nsecret_key_env = \"EMAILLABS_SECRET_KEY\"\n";
const JSON: &[&str] = &["Content-Type: application/json"];

/// Sends a request to a path below `/v2.1/email`. Every answer has the shape of the API.
fn ask(gateway: &Gateway, method: &str, path: &str, body: &Value) -> Reply {
    let body = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    let reply = gateway.ask(&format!("{method} /v2.1/email{path}"), JSON, &body);
    let answer = reply.json();
    let length = |list: &str| answer[list].as_array().map(Vec::len);
    assert_eq!(answer["meta"]["status"], reply.status, "{answer}");
    assert_eq!(json!(length("data")), answer["meta"]["numberOfData"]);
    assert_eq!(json!(length("errors")), answer["meta"]["numberOfErrors"]);
    assert!(answer["meta"]["uniqId"].is_string(), "{answer}");
    reply
}

fn get(gateway: &Gateway, path: &str) -> (u16, Value) {
    let reply = ask(gateway, "GET", path, &Value::Null);
    (reply.status, reply.json()["data"].clone())
}

/// A small message to these recipients, with more fields.
fn message(to: &[Value], more: &Value) -> Value {
    let mut message = json!({
        "subject": "Hello", "smtpAccount": "1.acme.smtp", "to": to,
        "from": {"email": "news@acme.example", "name": "News"}, "content": {"text": "Hello"},
    });
    for (field, value) in more.as_object().into_iter().flatten() {
        message[field] = value.clone();
    }
    message
}

fn post_to(gateway: &Gateway, to: &[&str]) -> Reply {
    let to: Vec<_> = to.iter().map(|to| json!({"email": to})).collect();
    ask(gateway, "POST", "", &message(&to, &json!({})))
}

#[track_caller]
fn assert_refused(reply: &Reply, status: u16, reason: &str) {
    let message = reply.json()["errors"][0]["message"].to_string();
    assert_eq!(reply.status, status, "{message}");
    assert!(message.contains(reason), "{message}");
}

/// The status of each message, oldest first.
fn statuses(gateway: &Gateway) -> Vec<String> {
    let store = gateway.store();
    let mut select = store
        .prepare("SELECT status FROM message ORDER BY id")
        .expect("messages");
    let rows = select.query_map([], |row| row.get(0)).expect("rows");
    rows.map(|row| row.expect("a status")).collect()
}

#[test]
fn messages_are_looked_up_with_their_status() {
    let gateway = Gateway::start();
    assert_eq!(get(&gateway, "").0, 404);
    let to = [
        json!({"email": "ann@one.example", "name": "Ann", "messageId": "<1@acme.example>"}),
        json!({"email": "bob@two.example"}),
    ];
    let more = json!({"tags": ["a", "b"]});
    let posted = ask(&gateway, "POST", "", &message(&to, &more)).json();
    assert_eq!(posted["data"][0]["to"]["name"], "Ann");
    let (status, data) = get(&gateway, "?messageId=1@acme.example");
    assert!(
        data[0]["statusTime"].as_i64() > Some(1_600_000_000),
        "{data}"
    );
    let expected = json!([{
        "subject": "Hello", "smtpAccount": "1.acme.smtp", "tags": ["a", "b"], "status": "ok",
        "statusTime": data[0]["statusTime"], "statusDesc": "captured", "allStatuses": ["injected", "ok"],
        "to": {"email": "ann@one.example", "name": "Ann", "messageId": "1@acme.example"},
        "from": {"email": "news@acme.example", "name": "News"},
    }]);
    assert_eq!((status, &data), (200, &expected));
    assert_eq!(
        get(&gateway, "?messageId=%3C1@acme.example%3E"),
        (200, expected.clone())
    );
    assert_eq!(
        get(&gateway, "?to=ANN@one.example&smtpAccount=1.acme.smtp"),
        (200, expected)
    );
    for nothing in [
        "?messageId=1",
        "?to=carl@x.example",
        "?smtpAccount=2.acme.smtp",
        "?offset=2",
    ] {
        assert_eq!(get(&gateway, nothing), (404, json!([])), "{nothing}");
    }
    let emails = |path: &str| -> Vec<String> {
        let (_, data) = get(&gateway, path);
        let rows = data.as_array().expect("a list").iter();
        rows.map(|row| row["to"]["email"].as_str().expect("an address").to_owned())
            .collect()
    };
    assert_eq!(
        emails("?limit=1000"),
        ["bob@two.example", "ann@one.example"]
    );
    assert_eq!(emails("?limit=1&offset=1"), ["ann@one.example"]);
    for wrong in ["?limit=1001", "?limit=x", "?offset=-1"] {
        let reply = ask(&gateway, "GET", wrong, &Value::Null);
        assert_refused(&reply, 400, "must be a whole number");
    }
    for list in ["/open", "/click"] {
        let query =
            "?dateFrom=2026-11-24+10:20:30&dateTo=2026-11-25&messageId=1@acme.example&limit=5";
        assert_eq!(get(&gateway, &format!("{list}{query}")).0, 404);
        let reply = ask(
            &gateway,
            "GET",
            &format!("{list}?dateFrom=yesterday"),
            &Value::Null,
        );
        assert_refused(&reply, 400, "dateFrom");
    }
}

#[test]
fn the_default_limit_is_100() {
    let gateway = Gateway::start();
    let to: Vec<_> = (0..101).map(|n| format!("r{n}@one.example")).collect();
    post_to(&gateway, &to.iter().map(String::as_str).collect::<Vec<_>>());
    let length = |path: &str| get(&gateway, path).1.as_array().map(Vec::len);
    assert_eq!((length(""), length("?limit=1000")), (Some(100), Some(101)));
}

#[test]
fn both_headers_log_in() {
    let gateway = Gateway::with(LOGIN, &[]);
    let app_key = format!("Application-Key: {APP_KEY}");
    let secret_key = format!("Authorization: {SECRET_KEY}");
    let body = message(&[json!({"email": "ann@one.example"})], &json!({})).to_string();
    for request in ["POST /v2.1/email", "OPTIONS /v2.1/email/blacklist/reason"] {
        for (lines, status) in [
            (vec![&*app_key, &*secret_key], 200),
            (vec![&*app_key], 401),
            (vec![&*secret_key], 401),
            (vec![], 401),
            (vec!["Application-Key: other", &secret_key], 401),
            (vec![&app_key, "Authorization: other"], 401),
        ] {
            let reply = gateway.ask(request, &lines, &body);
            assert_eq!(reply.status, status, "{request} {lines:?}");
            assert_eq!(reply.json()["meta"]["status"], status);
        }
    }
    assert_eq!(gateway.message_ids().len(), 1);
}

#[test]
fn values_fill_templates_for_each_recipient() {
    let gateway = Gateway::start();
    let to = [
        json!({"email": "ann@one.example", "vars": {"name": "Ann", "vip": true}}),
        json!({"email": "bob@one.example", "vars": {"name": "<Bob>", "vip": false}}),
        json!({"email": "eve@one.example", "vars": {"name": "Ann", "vip": true}}),
        json!({"email": "dan@one.example"}),
    ];
    let more = json!({
        "subject": "Hi {{ name|default('you') }}",
        "globalVars": {"shop": "Acme", "count": 2},
        "content": {
            "html": "<p>{{ name }} {% if vip %}VIP{% elseif name %}guest{% else %}nobody{% endif %}</p>",
            "text": "{{ shop }} {% if count > 1 %}many{% endif %}",
        },
    });
    let reply = ask(&gateway, "POST", "", &message(&to, &more));
    assert_eq!(reply.status, 200);
    let order: Vec<_> = (0..4)
        .map(|n| reply.json()["data"][n]["to"]["email"].clone())
        .collect();
    let sent: Vec<_> = to.iter().map(|to| to["email"].clone()).collect();
    assert_eq!(order, sent);
    let store = gateway.store();
    let mut select = store
        .prepare("SELECT to_address, subject, bytes, body FROM message JOIN body ON body.id = body")
        .expect("messages");
    let rows = select.query_map([], |row| {
        let bytes = String::from_utf8(row.get(2)?).expect("text");
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, String>(1)?,
            bytes,
            row.get::<_, i64>(3)?,
        ))
    });
    let mut rows: Vec<_> = rows.expect("rows").map(|row| row.expect("a row")).collect();
    rows.sort();
    let [ann, bob, dan, eve] = &rows[..] else {
        panic!("four messages")
    };
    for (row, subject, html) in [
        (ann, "Hi Ann", "<p>Ann VIP</p>"),
        (bob, "Hi <Bob>", "<p><Bob> guest</p>"),
        (dan, "Hi you", "<p> nobody</p>"),
        (eve, "Hi Ann", "<p>Ann VIP</p>"),
    ] {
        assert_eq!(row.1, subject);
        assert!(
            row.2.contains(html) && row.2.contains("Acme many"),
            "{}",
            row.2
        );
    }
    assert!(
        ann.3 == eve.3 && ann.3 != bob.3,
        "equal messages share one body"
    );
}

#[test]
fn text_in_braces_stays_without_values() {
    let gateway = Gateway::start();
    let more = json!({"content": {"text": "{{ name }} {% for"}, "globalVars": {}});
    ask(
        &gateway,
        "POST",
        "",
        &message(&[json!({"email": "ann@one.example"})], &more),
    );
    let body: Vec<u8> = (gateway.store())
        .query_row("SELECT bytes FROM body", [], |row| row.get(0))
        .expect("a body");
    assert!(String::from_utf8_lossy(&body).contains("{{ name }} {% for"));
}

#[test]
fn templates_are_stored_listed_used_and_deleted() {
    let gateway = Gateway::start();
    assert_eq!(get(&gateway, "/template").0, 404);
    let template = |id: &str, account: &str| {
        json!({"html": "<p>Hi {{ name }}</p>", "text": "Hi {{ name }}", "name": "Welcome", "externalId": id,
               "smtpAccount": account})
    };
    for (id, account) in [
        ("hello", "1.acme.smtp"),
        ("hello", "2.acme.smtp"),
        ("bye", "1.acme.smtp"),
    ] {
        let reply = ask(&gateway, "POST", "/template", &template(id, account));
        assert_eq!(
            (reply.status, &reply.json()["data"][0]["externalId"]),
            (200, &json!(id))
        );
    }
    let without_id = json!({"html": "{{ a }}", "smtpAccount": "1.acme.smtp", "externalId": null});
    let chosen = ask(&gateway, "POST", "/template", &without_id).json();
    let chosen = chosen["data"][0]["externalId"]
        .as_str()
        .expect("an ID")
        .to_owned();
    assert_eq!(
        get(&gateway, "/template").1.as_array().map(Vec::len),
        Some(4)
    );
    let (_, data) = get(
        &gateway,
        "/template?externalId=hello&smtpAccount=2.acme.smtp",
    );
    let mut expected = template("hello", "2.acme.smtp");
    expected["createdAt"] = data[0]["createdAt"].clone();
    assert_eq!(data, json!([expected]));
    assert!(
        data[0]["createdAt"]
            .as_str()
            .is_some_and(|time| time.len() == 19)
    );
    let (_, page) = get(&gateway, "/template?limit=1&offset=3");
    assert_eq!(page.as_array().map(Vec::len), Some(1));

    let to = json!({"email": "ann@one.example", "vars": {"name": "Ann"}});
    let with = |id: &str| json!({"content": {"templateId": id}});
    let send = |id: &str| {
        ask(
            &gateway,
            "POST",
            "",
            &message(std::slice::from_ref(&to), &with(id)),
        )
    };
    assert_eq!(send("hello").status, 200);
    let body: Vec<u8> = (gateway.store())
        .query_row("SELECT bytes FROM body", [], |row| row.get(0))
        .expect("a body");
    assert!(String::from_utf8_lossy(&body).contains("<p>Hi Ann</p>"));
    assert_refused(&send("other"), 400, "the templateId is unknown: other");

    let delete = |ids: Value| ask(&gateway, "DELETE", "/template", &json!({"externalId": ids}));
    let partly = delete(json!(["hello", "other", &chosen]));
    assert_eq!(partly.status, 207);
    assert_eq!(partly.json()["errors"][0]["meta"]["value"], "other");
    assert_eq!(delete(json!(["hello"])).status, 404);
    assert_eq!(delete(json!([])).status, 400);
    assert_refused(&send("hello"), 400, "unknown");
    for (wrong, reason) in [
        (json!({"html": "<p>"}), "the smtpAccount is missing"),
        (json!({"smtpAccount": "a"}), "the html is missing"),
        (
            json!({"smtpAccount": "a", "html": "\n{{ a"}),
            "html, line 2: a tag, a comment or a text in it is not closed",
        ),
        (
            json!({"smtpAccount": "a", "text": "{% include 'x' %}"}),
            "{% include %} is not supported",
        ),
        (json!({"smtpAccount": "a", "text": 5}), "text: invalid type"),
    ] {
        assert_refused(&ask(&gateway, "POST", "/template", &wrong), 400, reason);
    }
    let more = json!({"globalVars": {"a": 1}, "content": {"html": "{% for a in b %}"}});
    let reply = ask(&gateway, "POST", "", &message(&[to], &more));
    assert_refused(
        &reply,
        400,
        "content.html, line 1: the tag {% for %} is not supported",
    );
}

#[test]
fn a_template_is_replaced_under_the_same_id() {
    let gateway = Gateway::start();
    for html in ["one", "two"] {
        let template = json!({"html": html, "externalId": "t", "smtpAccount": "1.acme.smtp"});
        assert_eq!(ask(&gateway, "POST", "/template", &template).status, 200);
    }
    let (_, data) = get(&gateway, "/template");
    assert_eq!(
        (data.as_array().map(Vec::len), &data[0]["html"]),
        (Some(1), &json!("two"))
    );
}

#[test]
fn messages_to_blocked_addresses_are_dropped() {
    let gateway = Gateway::start();
    assert_eq!(get(&gateway, "/blacklist").0, 404);
    let entry = json!({"email": "Ann@ONE.example", "smtpAccount": "1.acme.smtp", "reason": "unsubscribe",
                       "comment": "asked"});
    assert_eq!(ask(&gateway, "POST", "/blacklist", &entry).status, 200);
    let (_, data) = get(&gateway, "/blacklist?smtpAccount=1.acme.smtp&limit=10");
    assert_eq!(
        (&data[0]["email"], &data[0]["comment"]),
        (&json!("ann@one.example"), &json!("asked"))
    );
    assert_eq!(get(&gateway, "/blacklist?smtpAccount=2.acme.smtp").0, 404);
    // A 200 is not a promise.
    assert_eq!(
        post_to(&gateway, &["ann@one.example", "bob@one.example"]).status,
        200
    );
    assert_eq!(statuses(&gateway), ["dropped", "ok"]);
    let (_, data) = get(&gateway, "?to=ann@one.example");
    assert_eq!(data[0]["status"], "dropped");

    let remove = |account: &str, ids: Value| {
        ask(
            &gateway,
            "DELETE",
            &format!("/blacklist/{account}"),
            &json!({"id": ids}),
        )
    };
    assert_eq!(
        remove("2.acme.smtp", json!(["ann@one.example"])).status,
        404
    );
    assert_eq!(
        remove(
            "1.acme.smtp",
            json!(["ANN@one.example", "bob@one.example", "bob"])
        )
        .status,
        207
    );
    assert_eq!(
        remove("1.acme.smtp", json!(["ann@one.example"])).status,
        404
    );
    assert_eq!(remove("1.acme.smtp", json!("ann@one.example")).status, 400);
    post_to(&gateway, &["ann@one.example"]);
    assert_eq!(statuses(&gateway)[2], "ok");
    for (wrong, reason) in [
        (
            json!({"email": "ann", "smtpAccount": "a"}),
            "the email is not an address",
        ),
        (json!({"smtpAccount": "a"}), "the email is missing"),
        (
            json!({"email": "a@x.example"}),
            "the smtpAccount is missing",
        ),
        (
            json!({"email": "a@x.example", "smtpAccount": "a", "reason": "x"}),
            "the reason must be",
        ),
    ] {
        assert_refused(&ask(&gateway, "POST", "/blacklist", &wrong), 400, reason);
    }
    let reasons = ask(&gateway, "OPTIONS", "/blacklist/reason", &Value::Null);
    let reasons = reasons.json()["data"].to_string();
    for reason in ["unsubscribe", "hardbounce", "spam_complaint", "other"] {
        assert!(
            reasons.contains(&format!("{{\"reason\":\"{reason}\"}}")),
            "{reasons}"
        );
    }
}

#[test]
fn messages_to_blocked_domains_are_dropped() {
    let gateway = Gateway::start();
    let path = "/domain/blacklist/1.acme.smtp";
    assert_eq!(get(&gateway, path).0, 404);
    let block = |body: Value| ask(&gateway, "POST", path, &body);
    assert_eq!(block(json!({"domain": "ONE.example"})).status, 200);
    let partly = block(json!(["two.example", "not a domain", "one.example"]));
    assert_eq!(partly.status, 207);
    assert_eq!(partly.json()["errors"][0]["meta"]["value"], "not a domain");
    assert_eq!(block(json!(["not a domain"])).status, 400);
    assert_eq!(block(json!({})).status, 400);
    assert_eq!(block(json!([])).status, 400);
    let (_, data) = get(&gateway, path);
    assert_eq!(data.as_array().map(Vec::len), Some(2));
    assert_eq!(get(&gateway, "/domain/blacklist/2.acme.smtp").0, 404);

    let to = ["ann@one.example", "bob@Two.Example", "dan@sub.one.example"];
    assert_eq!(post_to(&gateway, &to).status, 200);
    assert_eq!(statuses(&gateway), ["dropped", "dropped", "ok"]);
    let description: String = (gateway.store())
        .query_row(
            "SELECT description FROM event WHERE kind = 'dropped'",
            [],
            |row| row.get(0),
        )
        .expect("an event");
    assert_eq!(description, "the domain is on the blacklist: one.example");

    let remove = |ids: Value| ask(&gateway, "DELETE", path, &json!({"id": ids}));
    assert_eq!(remove(json!(["One.example", "three.example"])).status, 207);
    assert_eq!(remove(json!(["one.example"])).status, 404);
    post_to(&gateway, &to);
    assert_eq!(statuses(&gateway)[3..], ["ok", "dropped", "ok"]);
}

#[test]
fn accounts_are_those_of_the_messages_or_of_the_configuration() {
    let gateway = Gateway::start();
    assert_eq!(get(&gateway, "/smtpAccount").0, 404);
    post_to(&gateway, &["ann@one.example"]);
    let expected = json!([{"smtpAccount": "1.acme.smtp"}]);
    assert_eq!(get(&gateway, "/smtpAccount"), (200, expected.clone()));
    let options = ask(&gateway, "OPTIONS", "/smtpAccount", &Value::Null);
    assert_eq!(options.json()["data"], expected);
}

#[test]
fn scripted_recipients_work_in_json() {
    let mut gateway = Gateway::with("", &["--chaos", "magic"]);
    let tries = |to: &[&str]| post_to(&gateway, to).status;
    assert_eq!(
        tries(&["ann@one.example", "reject-too-large@one.example"]),
        413
    );
    assert_eq!(tries(&["ratelimit@one.example"]), 429);
    assert_eq!(tries(&["ratelimit@one.example"]), 200);
    let partly = post_to(&gateway, &["ann@one.example", "reject@one.example"]);
    assert_eq!(partly.status, 207);
    assert_eq!(
        partly.json()["errors"][0]["meta"]["value"],
        "reject@one.example"
    );
    assert_eq!(tries(&["hardbounce@one.example"]), 200);
    let (_, data) = get(&gateway, "?to=hardbounce@one.example");
    assert_eq!(data[0]["status"], "hardbounce");
    let body = message(&[json!({"email": "reset@one.example"})], &json!({})).to_string();
    let mut wire = gateway.connect();
    wire.send(&gateway.request("POST /v2.1/email", JSON, &body));
    assert!(wire.ends_by_reset());
    gateway.stop().code(0);
    assert_eq!(gateway.message_ids().len(), 3);
}

#[test]
fn huge_bodies_are_refused_quickly() {
    let gateway = Gateway::start();
    let repeat = |entry: &dyn Fn(usize) -> String, count: usize| {
        let mut all = String::new();
        for n in 0..count {
            let _ = write!(all, "{}{}", if n == 0 { "" } else { "," }, entry(n));
        }
        all
    };
    let to = repeat(&|_| "{\"email\":\"\"}".to_owned(), 1_000_000);
    let names = repeat(&|n| format!("\"{n:x}\":\"\""), 1_200_000);
    let brackets = "[".repeat(1_500_000);
    for (body, reason) in [
        (
            format!("{{\"to\":[{to}]}}"),
            "to: there are more than 200 entries",
        ),
        (
            format!("{{\"cc\":[{to}]}}"),
            "there are more than 1000 entries",
        ),
        (
            format!("{{\"headers\":{{{names}}}}}"),
            "there are more than 1000 entries",
        ),
        (
            format!("{{\"globalVars\":{{{names}}}}}"),
            "there are more than 1000 entries",
        ),
        (format!("{{\"other\":{{{names}}}}}"), "the to is missing"),
        (format!("{{\"other\":{brackets}"), "The body is not valid"),
        (format!("{{\"tags\":{brackets}"), "invalid type"),
    ] {
        let begun = Instant::now();
        let reply = gateway.ask("POST /v2.1/email", JSON, &body);
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "{reason}: {:?}",
            begun.elapsed()
        );
        assert_refused(&reply, 400, reason);
    }
    let long = format!("{{\"other\":\"{}\"}}", "x".repeat(16_000_000));
    assert_eq!(gateway.ask("POST /v2.1/email", JSON, &long).status, 413);
    let tags = json!({"tags": ["t".repeat(1001)]});
    let reply = ask(
        &gateway,
        "POST",
        "",
        &message(&[json!({"email": "ann@one.example"})], &tags),
    );
    assert_refused(&reply, 400, "the tags have 1001 characters");
    assert_eq!(gateway.message_ids().len(), 0);
}

#[test]
fn templates_are_limited_in_time_and_size() {
    let gateway = Gateway::start();
    let to: Vec<_> = (0..200)
        .map(|n| json!({"email": format!("r{n}@one.example"), "vars": {"n": n, "v": "x".repeat(10_000)}}))
        .collect();
    let begun = Instant::now();
    for (html, reason) in [
        ("{{ v }}".repeat(2000), "Email size exceeds"),
        ("{{ v }}".repeat(100), "With their placeholders filled"),
        (
            "{% if v == v|upper %}{% endif %}".repeat(9000),
            "takes too long",
        ),
    ] {
        let more = json!({"content": {"html": html}});
        let reply = ask(&gateway, "POST", "", &message(&to, &more));
        assert_refused(&reply, 413, reason);
    }
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn wrong_requests_name_the_field() {
    let gateway = Gateway::start();
    let ann = json!({"email": "ann@one.example"});
    for (more, reason) in [
        (json!({"smtpAccount": null}), "the smtpAccount is missing"),
        (json!({"from": {"email": 5}}), "from.email: invalid type"),
        (
            json!({"headers": {"Bad name": "x"}}),
            "is not a valid header name",
        ),
        (
            json!({"from": {"email": "news@acme.example", "name": "N"}}),
            "the from.name has 1 character",
        ),
        (
            json!({"replyTo": ["a@x.example"]}),
            "replyTo: invalid type: sequence, expected an object",
        ),
        (
            json!({"replyTo": {"email": "a@x.example", "name": "N"}}),
            "the replyTo.name has 1 character",
        ),
        (json!({"content": null}), "neither html nor text"),
    ] {
        let reply = ask(
            &gateway,
            "POST",
            "",
            &message(std::slice::from_ref(&ann), &more),
        );
        assert_refused(&reply, 400, reason);
    }
    let nulls = json!({"cc": null, "bcc": null, "replyTo": null, "headers": null, "tags": null, "globalVars": null,
        "attachments": null, "content": {"text": "Hello", "html": null, "templateId": null}});
    assert_eq!(
        ask(&gateway, "POST", "", &message(&[ann], &nulls)).status,
        200
    );
    let form = gateway.ask("POST /v2.1/email", &["Content-Type: text/plain"], "{}");
    assert_eq!(form.status, 415);
}

#[test]
fn a_reply_to_keeps_its_name() {
    let gateway = Gateway::start();
    let more = json!({"replyTo": {"email": "jan@acme.example", "name": "Jan \"J\\\" Żak, CEO"}});
    let to = [json!({"email": "ann@one.example"})];
    assert_eq!(ask(&gateway, "POST", "", &message(&to, &more)).status, 200);
    let sql = "SELECT CAST(head || bytes AS BLOB) FROM message JOIN body ON body.id = body";
    let bytes: Vec<u8> = (gateway.store())
        .query_row(sql, [], |row| row.get(0))
        .expect("a message");
    let message = mail_parser::MessageParser::default().parse(&bytes);
    let message = message.expect("a message");
    let reply_to = message.reply_to().and_then(|list| list.first());
    let reply_to = reply_to.expect("an address");
    assert_eq!(reply_to.name(), Some("Jan \"J\\\" Żak, CEO"));
    assert_eq!(reply_to.address(), Some("jan@acme.example"));
}

#[test]
fn the_inbox_shows_the_fields_of_a_request() {
    let gateway = Gateway::start();
    let to = [json!({"email": "ann@one.example", "vars": {"n": 1}})];
    let attachments = json!([{"fileName": "a.txt", "fileMime": "text/plain", "fileContent": "AAAA", "inline": null}]);
    let plain = json!({"content": {"html": "<p>Hi</p>", "text": "Hi"}, "attachments": attachments, "odd": [true]});
    let template = json!({"content": {"text": "Hi {{ n }}"}});
    ask(
        &gateway,
        "POST",
        "",
        &message(&[json!({"email": "ann@one.example"})], &plain),
    );
    ask(&gateway, "POST", "", &message(&to, &template));
    let store = gateway.store();
    let uid = |id: i64| -> String {
        let sql = "SELECT uid FROM message WHERE id = ?";
        store
            .query_row(sql, [id], |row| row.get(0))
            .expect("a message")
    };
    let fields = |id: i64| {
        let request = gateway.ask(&format!("GET /inbox/m/{}/request", uid(id)), &[], "");
        let request = request.json();
        assert_eq!(request["endpoint"], "email");
        request["fields"].clone()
    };
    let has = |fields: &Value, name: &str, value: &str| {
        let list = fields.as_array().expect("a list");
        assert!(list.contains(&json!([name, value])), "{name}: {fields}");
    };
    let shown = fields(1);
    for (name, value) in [
        ("subject", "Hello"),
        ("to[0].email", "ann@one.example"),
        ("from.name", "News"),
        ("content.html", "<p>Hi</p>"),
        ("content.text", "Hi"),
        ("attachments[0].fileContent", "(4 characters of base64)"),
        ("attachments[0].inline", "null"),
        ("odd[0]", "true"),
    ] {
        has(&shown, name, value);
    }
    let shown = fields(2);
    has(&shown, "content.text", "Hi {{ n }}");
    has(&shown, "to[0].vars.n", "1");
}

#[test]
fn a_store_of_the_version_before_is_updated() {
    let mut gateway = Gateway::start();
    post_to(&gateway, &["ann@one.example"]);
    gateway.stop().code(0);
    let older =
        "DROP TABLE account_template; DROP TABLE domain_blacklist; DROP TABLE upcoming_event;
                 DROP TABLE event_total; DROP TABLE webhook; DROP TABLE webhook_event; DROP TABLE webhook_request;
                 DROP TABLE webhook_total; PRAGMA user_version = 2;";
    gateway
        .store()
        .execute_batch(older)
        .expect("an older store");
    gateway.restart();
    assert_eq!(get(&gateway, "?to=ann@one.example").0, 200);
    assert_eq!(get(&gateway, "/template").0, 404);
    assert_eq!(
        ask(
            &gateway,
            "POST",
            "/domain/blacklist/a",
            &json!({"domain": "x.example"})
        )
        .status,
        200
    );
}
