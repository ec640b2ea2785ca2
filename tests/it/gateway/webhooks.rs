//! Events that the gateway pushes to a webhook, against a receiver that shares no code with it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::fake_api::{FakeApi, Reply, Request};
use crate::support::gateway::Gateway;
use crate::support::run::Run;
use crate::support::{client, has_program, real_part};

const SECRET: (&str, &str) = ("MAILRUN_WEBHOOK_SECRET", "top secret & more");
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK";
const BUSY: &str =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
/// Accepted, but not with 200.
const LATER: &str = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

fn reply(text: &str) -> Reply {
    Reply::Raw(text.as_bytes().to_vec(), false)
}

/// A gateway that pushes to the receiver, with more lines in `[webhooks]`.
fn gateway(receiver: &FakeApi, lines: &str) -> Gateway {
    let config = format!(
        "[webhooks]\nurl = \"http://{}/hook?a=b\"\n{lines}\n",
        receiver.address()
    );
    Gateway::with_env(
        &config,
        &[],
        &[SECRET, ("MAILRUN_WEBHOOK_LOGIN", "acme:pa:ss")],
    )
}

fn header<'a>(request: &'a Request, name: &str) -> &'a str {
    let mut headers = request.headers.iter();
    let header = headers.find(|(other, _)| other.eq_ignore_ascii_case(name));
    header.map_or("", |(_, value)| value)
}

fn events(request: &Request) -> Vec<Value> {
    let json: Value = serde_json::from_slice(&request.body).expect("JSON");
    json.as_array().expect("an array").clone()
}

/// The events in the field `p` of a form.
fn events_of_form(request: &Request) -> Vec<Value> {
    let fields: Vec<_> = form_urlencoded::parse(&request.body).collect();
    assert_eq!(fields.len(), 1);
    assert_eq!(fields[0].0, "p");
    let json = STANDARD.decode(&*fields[0].1).expect("base64");
    let json: Value = serde_json::from_slice(&json).expect("JSON");
    json.as_array().expect("an array").clone()
}

/// What Python computes of texts with a hash function.
fn hashes(function: &str, texts: &[String]) -> Vec<String> {
    let script = format!(
        "import hashlib, json\nfor text in json.loads({:?}):\n    print(hashlib.{function}(text.encode()).hexdigest())",
        json!(texts).to_string()
    );
    client("python3", &["-"], &script)
        .lines()
        .map(str::to_owned)
        .collect()
}

/// Waits until the receiver has answered this many requests.
fn wait_for(gateway: &Gateway, receiver: &FakeApi, requests: usize) -> Vec<Arc<Request>> {
    let running = gateway.running();
    running.wait_until("requests of the webhook", |_| {
        receiver.requests().len() >= requests
    });
    receiver.requests()
}

/// Waits until nothing is queued.
fn wait_until_empty(gateway: &Gateway) {
    let sql = "SELECT (SELECT count(*) FROM webhook_event) + (SELECT count(*) FROM webhook_request)
               + (SELECT count(*) FROM upcoming_event)";
    gateway.running().wait_until("an empty queue", |_| {
        let left = gateway.store().query_row(sql, [], |row| row.get(0));
        left == Ok(0_i64)
    });
}

fn assert_metric(gateway: &Gateway, result: &str, count: usize) {
    let metrics = gateway.ask("GET /metrics", &[], "").body;
    let line = format!("mailrun_gateway_webhook_requests_total{{result=\"{result}\"}} {count}");
    assert!(metrics.lines().any(|other| other == line), "{metrics}");
}

#[test]
fn events_are_pushed_with_the_headers_of_the_new_panel_until_the_answer_is_200() {
    let receiver = FakeApi::start(|n, _| match n {
        0 => reply(BUSY),
        1 => reply(LATER),
        _ => reply(OK),
    });
    let gateway = gateway(&receiver, "retry = [\"100ms\", \"200ms\"]");
    gateway.post(&[
        "click@one.example",
        "hardbounce@one.example",
        "complaint@one.example",
    ]);
    wait_for(&gateway, &receiver, 3);
    wait_until_empty(&gateway);
    let requests = receiver.requests();
    let mut attempts: BTreeMap<&str, Vec<&Request>> = BTreeMap::new();
    for request in &requests {
        let id = header(request, "Request-Id");
        assert_eq!(id.len(), 32);
        attempts.entry(id).or_default().push(request);
        assert_eq!(request.method, "POST");
        assert_eq!(request.target, "/hook?a=b");
        assert_eq!(header(request, "Content-Type"), "application/json");
        let login = format!("Basic {}", STANDARD.encode("acme:pa:ss"));
        assert_eq!(header(request, "Authorization"), login);
        let date = header(request, "X-Webhook-Date");
        date.parse::<jiff::Timestamp>().expect("RFC 3339");
    }
    // A repeated request is the same, and other events do not wait for it.
    let repeated = &attempts[header(&requests[0], "Request-Id")];
    assert!(repeated.len() >= 2, "{attempts:?}");
    assert!(repeated.iter().all(|other| other.body == repeated[0].body));
    let mut pushed: Vec<(String, String)> = Vec::new();
    for attempts in attempts.values() {
        for event in events(attempts[0]) {
            let text = |value: &Value| value.as_str().expect("a text").to_owned();
            pushed.push((text(&event["to"]["email"]), text(&event["status"])));
            assert!(event["statusTime"].is_i64());
            assert_eq!(event["smtpAccount"], "1.acme.smtp");
            assert_eq!(event["subject"], "Hello");
            if event["status"] == "hardbounce" {
                assert_eq!(event["statusDesc"], "550 5.1.1 User unknown");
                assert_eq!(event["allStatuses"], json!(["injected", "hardbounce"]));
                assert_eq!(event["to"]["messageId"], gateway.message_ids()[1]);
            }
        }
    }
    pushed.sort();
    let expected = [
        ("click@one.example", "ok"),
        ("click@one.example", "open"),
        ("click@one.example", "track"),
        // The new panel does not report complaints.
        ("complaint@one.example", "ok"),
        ("hardbounce@one.example", "hardbounce"),
    ];
    assert_eq!(
        pushed,
        expected.map(|(to, status)| (to.to_owned(), status.to_owned()))
    );
    assert_metric(&gateway, "failed", 2);
    assert_metric(&gateway, "delivered", requests.len() - 2);
    let log = gateway.running().stderr();
    assert!(log.contains("the answer is 503"), "{log}");
    assert!(
        !log.contains("one.example") && !log.contains("pa:ss"),
        "{log}"
    );
    if real_part("python3", has_program("python3")) {
        let signed: Vec<_> = requests
            .iter()
            .map(|it| {
                let (date, id) = (header(it, "X-Webhook-Date"), header(it, "Request-Id"));
                format!("{}|{date}|{id}", SECRET.1)
            })
            .collect();
        for (request, hash) in requests.iter().zip(hashes("sha1", &signed)) {
            assert_eq!(header(request, "X-Webhook-Checksum"), hash);
        }
    }
}

#[test]
fn events_are_pushed_with_the_headers_of_the_old_panel() {
    let receiver = FakeApi::start(|n, _| match n {
        0 => Reply::Hang { take: false },
        _ => reply(OK),
    });
    let lines = "kind = \"events\"\npanel = \"acme.panel\"\nretry = [\"100ms\"]";
    let gateway = gateway(&receiver, lines);
    gateway.post(&["complaint@one.example"]);
    wait_for(&gateway, &receiver, 2);
    wait_until_empty(&gateway);
    let requests = receiver.requests();
    let kinds: BTreeSet<_> = requests[1..]
        .iter()
        .flat_map(|request| events_of_form(request))
        .map(|event| {
            assert_eq!(event["to"], "complaint@one.example");
            assert_eq!(event["account"], "1.acme.smtp");
            assert_eq!(event["message_id"], gateway.message_ids()[0]);
            assert_eq!(event["event_time"].as_str().map(str::len), Some(19));
            event["event"].as_str().expect("a kind").to_owned()
        })
        .collect();
    assert_eq!(kinds, ["feedback", "ok"].map(str::to_owned).into());
    assert_eq!(header(&requests[0], "X-EMAILLABS-EV"), "NEW_EVENTS");
    let repeated = requests[1..].iter().find(|it| it.body == requests[0].body);
    let repeated = repeated.expect("the request without an answer, again");
    assert_eq!(header(repeated, "X-EMAILLABS-EV"), "REPEAT_EVENTS");
    let log = gateway.running().stderr();
    assert!(log.contains("no answer within 500 ms"), "{log}");
    if real_part("python3", has_program("python3")) {
        let signed: Vec<_> = requests
            .iter()
            .map(|it| {
                let (ts, mt) = (header(it, "X-EMAILLABS-TS"), header(it, "X-EMAILLABS-MT"));
                assert!(mt.starts_with(&format!("{ts}.")) && mt.len() == ts.len() + 7);
                format!("{ts}|{mt}|acme.panel|{}", SECRET.1)
            })
            .collect();
        for (request, hash) in requests.iter().zip(hashes("md5", &signed)) {
            assert_eq!(header(request, "X-EMAILLABS-ID"), hash);
        }
    }
}

#[test]
fn no_event_is_lost_when_the_gateway_is_killed() {
    let takes = Arc::new(AtomicBool::new(false));
    let answers = Arc::clone(&takes);
    let receiver = FakeApi::start(move |_, _| match answers.load(Ordering::SeqCst) {
        true => reply(OK),
        false => reply(BUSY),
    });
    let mut gateway = gateway(
        &receiver,
        "retry = [\"1s\", \"1s\", \"1s\", \"1s\", \"1s\"]",
    );
    let to: Vec<_> = (0..150).map(|n| format!("r{n}@one.example")).collect();
    gateway.post(&to.iter().map(String::as_str).collect::<Vec<_>>());
    let before = wait_for(&gateway, &receiver, 1);
    gateway.kill();
    takes.store(true, Ordering::SeqCst);
    gateway.restart();
    wait_until_empty(&gateway);
    let requests = receiver.requests();
    let after = &requests[before.len()..];
    let again = after
        .iter()
        .find(|it| header(it, "Request-Id") == header(&before[0], "Request-Id"));
    assert_eq!(again.expect("the same request").body, before[0].body);
    // Everything was answered with 200 exactly once.
    let mut pushed: Vec<_> = after
        .iter()
        .flat_map(|request| events(request))
        .map(|event| event["to"]["email"].as_str().expect("a text").to_owned())
        .collect();
    pushed.sort();
    let mut expected = to.clone();
    expected.sort();
    assert_eq!(pushed, expected);
}

#[test]
fn a_request_has_at_most_100_events_in_their_order() {
    let receiver = FakeApi::start(|_, _| reply(OK));
    let gateway = gateway(&receiver, "");
    for part in 0..3 {
        let to: Vec<_> = (0..150)
            .map(|n| format!("r{part}.{n}@one.example"))
            .collect();
        gateway.post(&to.iter().map(String::as_str).collect::<Vec<_>>());
    }
    wait_until_empty(&gateway);
    let requests = receiver.requests();
    let pushed: Vec<_> = requests
        .iter()
        .flat_map(|request| {
            let events = events(request);
            assert!((1..=100).contains(&events.len()));
            events
        })
        .map(|event| event["to"]["email"].as_str().expect("a text").to_owned())
        .collect();
    let stored = gateway.stored_messages().into_iter().map(|(to, _)| to);
    assert_eq!(pushed, stored.collect::<Vec<_>>());
    assert!(requests.len() <= 10, "{}", requests.len());
}

#[test]
fn events_are_given_up_after_the_last_attempt_and_later_ones_still_come() {
    let receiver = FakeApi::start(|n, _| reply(if n == 0 { BUSY } else { OK }));
    let gateway = gateway(&receiver, "retry = []");
    gateway.post(&["ann@one.example"]);
    wait_for(&gateway, &receiver, 1);
    wait_until_empty(&gateway);
    gateway.post(&["bob@one.example"]);
    wait_for(&gateway, &receiver, 2);
    wait_until_empty(&gateway);
    assert_eq!(
        events(&receiver.requests()[1])[0]["to"]["email"],
        "bob@one.example"
    );
    assert_eq!(receiver.requests().len(), 2);
    assert_metric(&gateway, "given_up", 1);
    assert_metric(&gateway, "delivered", 1);
}

#[test]
fn nothing_is_queued_without_a_webhook() {
    let receiver = FakeApi::start(|_, _| reply(BUSY));
    let mut gateway = gateway(&receiver, "");
    gateway.post(&["ann@one.example"]);
    wait_for(&gateway, &receiver, 1);
    gateway.stop().code(0);
    let config = gateway.data().with_file_name("gateway.toml");
    std::fs::write(config, "").expect("a file");
    gateway.restart();
    gateway.post(&["bob@one.example"]);
    wait_until_empty(&gateway);
    assert_eq!(receiver.requests().len(), 1);
}

#[test]
fn mistakes_in_the_configuration_say_what_to_write() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |lines: &str, environment: &[(&str, &str)]| {
        let config = folder.path().join("gateway.toml");
        std::fs::write(&config, format!("[webhooks]\n{lines}\n")).expect("a file");
        let run = Run::new("gateway").arg("--config").arg(config);
        let run = run.arg("--data").arg(Path::new(folder.path()).join("data"));
        environment
            .iter()
            .fold(run, |run, (name, value)| run.env(name, value))
            .run()
    };
    let good = "url = \"http://127.0.0.1:1/\"";
    run(good, &[])
        .code(1)
        .stderr_has("MAILRUN_WEBHOOK_SECRET is not set");
    run(good, &[SECRET, ("MAILRUN_WEBHOOK_LOGIN", "acme")])
        .code(1)
        .stderr_has("user:password")
        .stderr_lacks("acme");
    for (lines, words) in [
        ("url = \"http://acme.example/\"", "https"),
        (
            "url = \"https://a:b@acme.example/\"",
            "MAILRUN_WEBHOOK_LOGIN",
        ),
        (
            "url = \"http://127.0.0.1:1/\"\nkind = \"events\"",
            "set `panel`",
        ),
        ("url = \"http://127.0.0.1:1/\"\nkind = \"v3\"", "v3"),
        (
            "url = \"http://127.0.0.1:1/\"\nretry = [\"soon\"]",
            "“soon” is not a duration",
        ),
        ("kind = \"v2\"", "url"),
    ] {
        run(lines, &[SECRET]).code(1).stderr_has(words);
    }
}
