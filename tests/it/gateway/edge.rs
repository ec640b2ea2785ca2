//! Access control, limits, the access log and the metrics.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::process::Signal;
use serde_json::Value;

use crate::support::gateway::{Gateway, Reply, Wire, form};
use crate::support::run::{APP_KEY, Run, SECRET_KEY};

/// An `Authorization` header with the keys of the tests.
const LOGIN: &str =
    "[login]\napp_key_env = \"EMAILLABS_APP_KEY\"\nsecret_key_env = \"EMAILLABS_SECRET_KEY\"\n";

fn right_login() -> String {
    basic(&format!("{APP_KEY}:{SECRET_KEY}"))
}

fn basic(pair: &str) -> String {
    format!("Authorization: Basic {}", STANDARD.encode(pair))
}

/// A request head without its end.
fn half_a_head(gateway: &Gateway) -> String {
    format!(
        "POST /api/sendmail HTTP/1.1\r\nHost: {}\r\nX-Slow: ",
        gateway.address()
    )
}

/// A request without its body.
fn without_body(gateway: &Gateway, length: usize) -> Vec<u8> {
    let length = format!("Content-Length: {length}");
    gateway.request("POST /api/sendmail", &[&length], "")
}

#[test]
fn only_allowed_host_names_are_answered() {
    let gateway = Gateway::with("hosts = [\"mail.acme.example\"]", &[]);
    let port = gateway.address().port();
    let of = |host: &str| gateway.ask("GET /healthz", &[&format!("Host: {host}")], "");
    for host in [
        "localhost".to_owned(),
        format!("localhost:{port}"),
        format!("127.0.0.1:{port}"),
        format!("[::1]:{port}"),
        "mail.acme.example".to_owned(),
        "MAIL.ACME.EXAMPLE:443".to_owned(),
    ] {
        assert_eq!(of(&host).status, 200, "{host}");
    }
    for host in [
        "rebind.evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "other.acme.example",
        "10.0.0.1",
        "0.0.0.0",
        "",
    ] {
        let reply = of(host);
        assert_eq!(reply.status, 403, "{host}");
        assert!(!reply.req_id().is_empty());
    }
    let twice = ["Host: localhost", "Host: localhost"];
    assert_eq!(gateway.ask("GET /healthz", &twice, "").status, 403);
    let line = "GET http://evil.example/healthz";
    assert_eq!(gateway.ask(line, &["Host: localhost"], "").status, 403);
}

#[test]
fn pages_of_other_origins_can_neither_read_nor_write() {
    let gateway = Gateway::start();
    let origin = format!("Origin: http://{}", gateway.address());
    for (line, headers) in [
        ("POST /api/sendmail", &["Origin: http://evil.example"][..]),
        ("POST /api/sendmail", &["Origin: null"]),
        ("POST /api/sendmail", &["Origin: http://localhost:3000"]),
        ("POST /api/sendmail", &["Sec-Fetch-Site: cross-site"]),
        ("GET /api/emails", &["Sec-Fetch-Site: same-site"]),
        ("GET /api/emails", &["Origin: http://evil.example"]),
        ("GET /metrics", &["Sec-Fetch-Site: cross-site"]),
        (
            "GET /",
            &[
                "Sec-Fetch-Site: cross-site",
                "Sec-Fetch-Mode: navigate",
                "Sec-Fetch-Dest: iframe",
            ],
        ),
        ("POST /", &["Sec-Fetch-Site: none"]),
        ("DELETE /anything", &[]),
    ] {
        let reply = gateway.ask(line, headers, &form(&["a@example.com"]));
        assert_eq!(reply.status, 403, "{line} {headers:?}");
        let mut names = reply.headers.iter().map(|(name, _)| name.as_str());
        assert!(names.all(|name| !name.starts_with("access-control-")));
    }
    let same_origin = gateway.ask("POST /api/sendmail", &[&origin], &form(&["a@example.com"]));
    assert_eq!(same_origin.status, 200);
    let visit = [
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Mode: navigate",
        "Sec-Fetch-Dest: document",
    ];
    assert_ne!(gateway.ask("GET /", &visit, "").status, 403);
}

#[test]
fn preflight_requests_of_other_origins_fail() {
    let gateway = Gateway::start();
    let lines = [
        "Origin: http://evil.example",
        "Access-Control-Request-Method: POST",
        "Access-Control-Request-Headers: x-mailrun",
    ];
    for line in ["OPTIONS /api/sendmail", "OPTIONS /", "OPTIONS *"] {
        let reply = gateway.ask(line, &lines, "");
        assert!(reply.status >= 400, "{line}: {}", reply.status);
        let mut names = reply.headers.iter().map(|(name, _)| name.as_str());
        assert!(names.all(|name| !name.starts_with("access-control-")));
    }
}

#[test]
fn a_missing_login_is_refused_with_a_challenge() {
    let gateway = Gateway::with(LOGIN, &[]);
    let logins = [
        basic(&format!("{APP_KEY}:wrong")),
        basic(&format!("{APP_KEY}:{SECRET_KEY}x")),
        basic(&format!("x{APP_KEY}:{SECRET_KEY}")),
        basic(""),
        "Authorization: Bearer x".to_owned(),
        "X-Nothing: x".to_owned(),
    ];
    for login in &logins {
        let reply = gateway.ask("POST /api/sendmail", &[login], &form(&["a@example.com"]));
        assert_eq!(reply.status, 401, "{login}");
        assert_eq!(reply.json()["message"], "Error: App Key is invalid");
        let page = gateway.ask("GET /", &[login], "");
        assert_eq!(page.status, 401);
        for reply in [reply, page] {
            let how = reply.header("www-authenticate").expect("a way to log in");
            assert_eq!(how, "Basic realm=\"mailrun\", charset=\"UTF-8\"");
        }
        assert_eq!(gateway.ask("GET /metrics", &[login], "").status, 401);
        assert_eq!(gateway.ask("GET /healthz", &[login], "").status, 200);
    }
    let right = right_login();
    let body = form(&["a@example.com"]);
    assert_eq!(
        gateway.ask("POST /api/sendmail", &[&right], &body).status,
        200
    );
    assert_eq!(gateway.ask("GET /metrics", &[&right], "").status, 200);
}

#[test]
fn a_public_address_needs_a_login() {
    for address in ["0.0.0.0:0", "[::]:0"] {
        let ran = Run::new("gateway").args(["--listen", address]).run();
        ran.code(1).stderr_has("no login").stderr_has("127.0.0.1");
        ran.stdout_is("");
    }
    let gateway = Gateway::with(LOGIN, &["--listen", "0.0.0.0:0"]);
    assert!(gateway.address().ip().is_unspecified());
}

#[test]
fn pages_have_security_headers() {
    let gateway = Gateway::start();
    let page = gateway.ask("GET /", &[], "");
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert_eq!(page.header(name), Some(value), "{name}");
    }
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.contains("default-src 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    let answer = gateway.post(&["a@example.com"]);
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
}

#[test]
fn a_trickling_head_is_disconnected() {
    let gateway = Gateway::with("[limits]\nhead = \"300ms\"", &[]);
    let mut silent = gateway.connect();
    let mut slow = gateway.connect();
    let head = half_a_head(&gateway) + &"x".repeat(1000);
    let sent = slow.trickle(head.as_bytes(), Duration::from_millis(20));
    assert!(sent < head.len(), "all of it was waited for");
    assert_eq!(silent.end(), b"");
    // A second head on the same connection has its own time limit.
    let mut wire = gateway.connect();
    for _ in 0..3 {
        wire.send(&gateway.request("GET /healthz", &[], ""));
        assert_eq!(wire.reply().status, 200);
        std::thread::sleep(Duration::from_millis(200));
    }
    let sent = wire.trickle(head.as_bytes(), Duration::from_millis(20));
    assert!(sent < head.len(), "all of it was waited for");
}

#[test]
fn a_trickling_body_is_disconnected() {
    let gateway = Gateway::with("[limits]\nbody = \"300ms\"", &[]);
    let mut slow = gateway.connect();
    slow.send(&without_body(&gateway, 1000));
    let sent = slow.trickle(&[b'a'; 1000], Duration::from_millis(20));
    assert!(sent < 1000, "all of it was waited for");
    let reply = slow.reply();
    assert_eq!(reply.status, 408);
    assert_eq!(reply.json()["code"], 408);
}

#[test]
fn a_client_that_reads_no_responses_is_disconnected() {
    let gateway = Gateway::with("[limits]\nbody = \"300ms\"", &[]);
    let mut wire = gateway.connect();
    // Unread responses fill the buffers of both ends.
    let many = gateway.request("GET /metrics", &[], "").repeat(20_000);
    wire.send(&many);
    gateway
        .running()
        .wait_until("the end of the connection", |_| {
            let metrics = gateway.ask("GET /metrics", &[], "").body;
            sample(&metrics, "mailrun_gateway_connections") == 1.0
        });
    let answers = wire.end();
    let heads = answers.windows(9).filter(|bytes| bytes == b"HTTP/1.1 ");
    assert!(heads.count() < 20_000, "all of it was waited for");
}

#[test]
fn slow_clients_do_not_block_a_fast_one() {
    let gateway = Gateway::start();
    let mut slow: Vec<Wire> = (0..96)
        .map(|n| {
            let mut wire = gateway.connect();
            match n % 3 {
                0 => {}
                1 => drop(wire.send(half_a_head(&gateway).as_bytes())),
                _ => drop(
                    wire.send(&without_body(&gateway, 1_000_000))
                        .send(b"to[0]="),
                ),
            }
            wire
        })
        .collect();
    let mut fast = gateway.connect();
    let begun = Instant::now();
    for n in 0..50 {
        let body = form(&[&format!("r{n}@example.com")]);
        fast.send(&gateway.request("POST /api/sendmail", &[], &body));
        assert_eq!(fast.reply().status, 200);
        let waiting = slow
            .iter_mut()
            .filter_map(|wire| (!wire.has_ended()).then_some(()));
        if begun.elapsed() < Duration::from_secs(5) {
            assert_eq!(waiting.count(), 96, "slow clients had time left");
        }
    }
}

#[test]
fn a_connection_beyond_the_limit_is_answered_503() {
    let gateway = Gateway::with("[limits]\nconnections = 4", &[]);
    let mut held: Vec<Wire> = (0..4).map(|_| gateway.connect()).collect();
    for wire in &mut held {
        wire.send(&gateway.request("GET /healthz", &[], ""));
        assert_eq!(wire.reply().status, 200);
    }
    let body = form(&["a@example.com"]);
    for _ in 0..3 {
        let reply = gateway.ask("POST /api/sendmail", &[], &body);
        assert_eq!(reply.status, 503);
        assert_eq!(reply.header("retry-after"), Some("1"));
        assert_eq!(reply.header("connection"), Some("close"));
        assert_eq!(reply.json()["code"], 503);
        assert!(!reply.req_id().is_empty());
    }
    let metrics = {
        held[0].send(&gateway.request("GET /metrics", &[], ""));
        held[0].reply().body
    };
    assert_eq!(
        sample(&metrics, "mailrun_gateway_connections_turned_away_total"),
        3.0
    );
    assert_eq!(sample(&metrics, "mailrun_gateway_connections"), 4.0);
    drop(held.pop());
    // The gateway may notice the closed connection later.
    gateway.running().wait_until("a free place", |_| {
        gateway.ask("GET /healthz", &[], "").status == 200
    });
}

#[test]
fn idle_connections_are_closed() {
    let gateway = Gateway::with("[limits]\nidle = \"300ms\"", &[]);
    let mut wire = gateway.connect();
    wire.send(&gateway.request("GET /healthz", &[], ""));
    assert_eq!(wire.reply().status, 200);
    assert_eq!(wire.end(), b"");
}

#[test]
fn requests_beyond_a_size_limit_are_refused() {
    let gateway = Gateway::start();
    let length = "Content-Length: 46000001";
    let reply = gateway.ask("POST /api/sendmail", &[length], "");
    assert_eq!((reply.status, &reply.json()["code"]), (413, &413.into()));
    let mut chunked = gateway.connect();
    chunked.send(&gateway.request("POST /api/sendmail", &["Transfer-Encoding: chunked"], ""));
    let chunk = [b"100000\r\n".as_slice(), &[b'a'; 0x10_0000], b"\r\n"].concat();
    for _ in 0..45 {
        chunked.send(&chunk);
    }
    assert_eq!(chunked.reply().status, 413);

    let long = format!("X-Long: {}", "x".repeat(70_000));
    assert_eq!(
        status(&gateway, &gateway.request("GET /healthz", &[&long], "")),
        431
    );
    let long = format!("GET /{}", "x".repeat(70_000));
    let long = status(&gateway, &gateway.request(&long, &[], ""));
    assert!([414, 431].contains(&long), "{long}");
    let many: Vec<String> = (0..120).map(|n| format!("X-{n}: x")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(
        status(&gateway, &gateway.request("GET /healthz", &many, "")),
        431
    );
    assert_eq!(gateway.ask("GET /healthz", &[], "").status, 200);
}

/// The status of the response to these bytes, or 0 if the connection ends without one.
fn status(gateway: &Gateway, bytes: &[u8]) -> u16 {
    let mut wire = gateway.connect();
    wire.send(bytes);
    wire.try_reply().map_or(0, |reply| reply.status)
}

#[test]
fn large_bodies_share_a_limit_and_small_ones_are_always_accepted() {
    const LARGEST: usize = 46_000_000;
    let gateway = Gateway::start();
    // The error about a NUL, which needs the whole body.
    let body = vec![0; LARGEST - 1];
    let mut large: Vec<Wire> = (0..8)
        .map(|_| {
            let mut wire = gateway.connect();
            wire.send(&without_body(&gateway, LARGEST)).send(&body);
            wire
        })
        .collect();
    assert_eq!(gateway.post(&["a@example.com"]).status, 200);
    let replies: Vec<Reply> = large
        .iter_mut()
        .map(|wire| wire.send(b"\0").reply())
        .collect();
    let (refused, read): (Vec<_>, Vec<_>) = replies.iter().partition(|it| it.status == 503);
    // The limit is 256 MB, plus 128 KiB for each body.
    assert_eq!(read.len(), 5, "{replies:?}");
    assert!(read.iter().all(|reply| reply.status == 400), "{read:?}");
    for reply in refused {
        assert_eq!(reply.header("retry-after"), Some("1"));
        assert_eq!(reply.json()["code"], 503);
        assert!(!reply.req_id().is_empty());
    }
    // The memory is free again.
    for wire in &mut large[..2] {
        wire.send(&without_body(&gateway, LARGEST)).send(&body);
        assert_eq!(wire.send(b"\0").reply().status, 400);
    }
}

#[test]
fn invalid_http_is_refused_and_the_next_request_is_served() {
    let gateway = Gateway::start();
    let host = format!("Host: {}\r\n", gateway.address());
    let post = |lines: &str, body: &str| {
        format!("POST /api/sendmail HTTP/1.1\r\n{host}{lines}\r\n\r\n{body}")
    };
    let body = form(&["a@example.com"]);
    let length = body.len();
    for request in [
        "\0\0\0\0\r\n\r\n".to_owned(),
        "hello\r\n\r\n".to_owned(),
        "\u{16}\u{3}\u{1}\u{2}\u{0}\r\n\r\n".to_owned(),
        "GET / HTTP/3.0\r\n\r\n".to_owned(),
        format!("GET / HTTP/1.1\r\n{host}: x\r\n\r\n"),
        format!("GET / HTTP/1.1\r\n{host}X : x\r\n\r\n"),
        format!("GET / HTTP/1.1\r\n{host}X: a\r\n b\r\n\r\n"),
        format!("GET / HTTP/1.1\r\n{host}X: a\0b\r\n\r\n"),
        format!("GET /\u{1} HTTP/1.1\r\n{host}\r\n"),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        post("Content-Length: -1", ""),
        post("Content-Length: +5", "abcde"),
        post("Content-Length: 99999999999999999999", ""),
        post(
            &format!("Content-Length: {length}\r\nContent-Length: 3"),
            &body,
        ),
        post("Transfer-Encoding: gzip", &body),
        post("Transfer-Encoding: chunked, identity", "0\r\n\r\n"),
        post("Transfer-Encoding: chunked", "zz\r\nabc\r\n0\r\n\r\n"),
        post("Transfer-Encoding: chunked", "fffffffffffffffff\r\nabc"),
    ] {
        let status = status(&gateway, request.as_bytes());
        assert!(
            status == 0 || (400..500).contains(&status),
            "{request:?}: {status}"
        );
    }
    // With both headers, as in request smuggling, nothing after the head is read as a request.
    let smuggled = post(
        "Content-Length: 6\r\nTransfer-Encoding: chunked",
        "0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    );
    let mut wire = gateway.connect();
    wire.send(smuggled.as_bytes());
    let answers = String::from_utf8(wire.end()).expect("text");
    assert!(!answers.contains(" 200 "), "{answers}");
    assert_eq!(gateway.ask("GET /healthz", &[], "").status, 200);
    assert_eq!(gateway.ask("GET /metrics", &[], "").status, 200);
}

#[test]
fn other_methods_do_nothing() {
    let gateway = Gateway::start();
    let secret = "X-Secret: 1234567";
    for method in ["TRACE", "PUT", "PATCH", "CONNECT", "PROPFIND"] {
        for path in ["/api/sendmail", "/"] {
            let reply = gateway.ask(&format!("{method} {path}"), &[secret], "");
            assert!(reply.status >= 400, "{method} {path}");
            assert!(!reply.body.contains("1234567"));
        }
    }
    let target = format!("CONNECT {}", gateway.address());
    assert!(status(&gateway, &gateway.request(&target, &[], "")) >= 400);
}

#[test]
fn no_request_can_add_headers_to_a_response() {
    let gateway = Gateway::start();
    let injected = "x%0D%0AX-Injected: yes";
    let form = form(&["a@example.com"]).replace("Hello", "x%0D%0AX-Injected%3A%20yes");
    let by_id = "to[a@example.com][message_id]=x%0D%0AX-Injected%3A%20yes&smtp_account=a&from=a@example.com&subject=a&text=a";
    let replies = [
        gateway.ask(&format!("GET /{}", injected.replace(' ', "%20")), &[], ""),
        gateway.ask("POST /api/sendmail", &[], &form),
        gateway.ask("POST /api/new_sendmail", &[], by_id),
    ];
    for reply in replies {
        assert_eq!(reply.header("x-injected"), None, "{reply:?}");
    }
}

#[test]
fn http_1_0_is_answered() {
    let gateway = Gateway::start();
    let body = form(&["a@example.com"]);
    let head = format!(
        "POST /api/sendmail HTTP/1.0\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut wire = gateway.connect();
    wire.send(head.as_bytes());
    assert_eq!(wire.reply().status, 200);
    assert_eq!(wire.end(), b"", "it is closed");
    assert_eq!(status(&gateway, b"GET /healthz HTTP/1.0\r\n\r\n"), 403);
}

#[test]
fn a_chunked_body_is_accepted() {
    let gateway = Gateway::start();
    let body = form(&["a@example.com", "b@example.com"]);
    let mut wire = gateway.connect();
    wire.send(&gateway.request("POST /api/sendmail", &["Transfer-Encoding: chunked"], ""));
    for chunk in body.as_bytes().chunks(7) {
        wire.send(format!("{:x};x=y\r\n", chunk.len()).as_bytes());
        wire.send(chunk).send(b"\r\n");
    }
    wire.send(b"0\r\nX-Trailer: x\r\n\r\n");
    let reply = wire.reply();
    assert_eq!(reply.status, 200);
    assert_eq!(reply.values().len(), 2);
}

#[test]
fn expect_100_continue_is_answered() {
    let gateway = Gateway::with(LOGIN, &[]);
    let body = form(&["a@example.com"]);
    let length = format!("Content-Length: {}", body.len());
    let login = right_login();
    let mut wire = gateway.connect();
    let lines = [&*length, &login, "Expect: 100-continue"];
    wire.send(&gateway.request("POST /api/sendmail", &lines, ""));
    assert_eq!(wire.reply().status, 100);
    wire.send(body.as_bytes());
    assert_eq!(wire.reply().status, 200);
    // Without a login, the client need not send the body.
    let mut wire = gateway.connect();
    let lines = [&*length, "Expect: 100-continue"];
    wire.send(&gateway.request("POST /api/sendmail", &lines, ""));
    assert_eq!(wire.reply().status, 401);
}

#[test]
fn requests_on_one_connection_are_answered_in_their_order() {
    let gateway = Gateway::start();
    let addresses: Vec<_> = (0..20).map(|n| format!("r{n}@example.com")).collect();
    let requests: Vec<_> = addresses
        .iter()
        .flat_map(|to| gateway.request("POST /api/sendmail", &[], &form(&[to])))
        .collect();
    let mut wire = gateway.connect();
    wire.send(&requests);
    for to in &addresses {
        let reply = wire.reply();
        assert_eq!(reply.status, 200);
        assert!(
            reply.json()["data"][0][to].is_string(),
            "{to}: {}",
            reply.body
        );
    }
}

#[test]
fn a_shutdown_completes_running_requests_and_closes_idle_connections() {
    let mut gateway = Gateway::start();
    let mut resting = gateway.connect();
    resting.send(&gateway.request("GET /healthz", &[], ""));
    assert_eq!(resting.reply().status, 200);
    let silent = gateway.connect();
    let body = form(&["a@example.com"]);
    let (first, rest) = body.split_at(10);
    let mut sending = gateway.connect();
    sending
        .send(&without_body(&gateway, body.len()))
        .send(first.as_bytes());
    // The response to another request shows that the gateway had time to read this head.
    assert_eq!(gateway.ask("GET /healthz", &[], "").status, 200);
    gateway.running().signal(Signal::TERM);
    assert_eq!(resting.end(), b"");
    sending.send(rest.as_bytes());
    let reply = sending.reply();
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("connection"), Some("close"));
    gateway.wait().code(0);
    drop(silent);
    assert_eq!(gateway.message_ids(), reply.values());
}

#[test]
fn a_shutdown_has_a_time_limit() {
    let mut gateway = Gateway::with("[limits]\nstop = \"300ms\"", &[]);
    let mut sending = gateway.connect();
    sending.send(&without_body(&gateway, 1000)).send(b"to[0]=");
    assert_eq!(gateway.ask("GET /healthz", &[], "").status, 200);
    let ran = gateway.stop();
    ran.code(0)
        .stderr_has("closed connections that took too long to finish");
    assert_eq!(sending.end(), b"");
}

#[test]
fn an_event_stream_does_not_delay_the_shutdown() {
    let mut gateway = Gateway::with("[limits]\nstop = \"5s\"", &[]);
    let mut page = gateway.connect();
    page.send(&gateway.request("GET /inbox/events", &[], ""));
    let reply = page.reply();
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some("text/event-stream"));
    gateway.stop().code(0).stderr_lacks("cut");
    let events = page.end();
    assert!(events.ends_with(b"\r\n0\r\n\r\n"), "it was cut");
}

#[test]
fn every_response_is_logged_without_private_data() {
    let mut gateway = Gateway::with(LOGIN, &["--log-format", "json"]);
    let login = right_login();
    let body = form(&["ann@example.com", "bad address@example.com"]);
    let posted = gateway.ask("POST /api/sendmail?to=query@example.com", &[&login], &body);
    let refused = gateway.ask("POST /api/sendmail", &[], &body);
    let path = "GET /api/blacklists/email/walter%40example.com";
    let looked = gateway.ask(path, &[&login], "");
    let nothing = gateway.ask("GET /api/nothing", &[&login], "");
    let log = gateway.stop().stderr;
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line} is not JSON")))
        .collect();
    let of = |reply: &Reply| {
        let id = reply.req_id();
        let line = lines
            .iter()
            .find(|line| line["fields"]["req_id"] == *id && line["fields"]["method"].is_string());
        line.unwrap_or_else(|| panic!("{id} is not in\n{log}"))["fields"].clone()
    };
    let line = of(&posted);
    assert_eq!(line["method"], "POST");
    assert_eq!(line["path"], "/api/sendmail");
    assert_eq!(line["status"], 200);
    assert_eq!(line["account"], "1.acme.smtp");
    assert_eq!(line["recipients"], 2);
    assert_eq!(line["bytes"], body.len());
    assert!(line["ms"].is_number());
    assert_eq!(of(&refused)["status"], 401);
    assert_eq!(of(&looked)["path"], "/api/blacklists/email/*");
    assert_eq!(of(&nothing)["status"], 404);
    for private in [
        "ann",
        "walter",
        "query",
        "Hello",
        "example.com",
        SECRET_KEY,
        APP_KEY,
    ] {
        assert!(!log.contains(private), "{private} is in\n{log}");
    }
}

/// The value of a sample without labels.
fn sample(metrics: &str, name: &str) -> f64 {
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name} ")));
    let line = line.unwrap_or_else(|| panic!("no {name} in\n{metrics}"));
    line.parse().expect("a number")
}

#[test]
fn the_metrics_are_valid_prometheus_text() {
    let gateway = Gateway::start();
    gateway.post(&["a@example.com", "b@example.com", "bad address@example.com"]);
    gateway.ask("GET /api/nothing", &[], "");
    let reply = gateway.ask("GET /metrics", &[], "");
    let media = reply.header("content-type");
    assert_eq!(media, Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = &reply.body;
    assert_eq!(sample(text, "mailrun_gateway_messages_taken_total"), 2.0);
    assert_eq!(
        sample(text, "mailrun_gateway_recipients_refused_total"),
        1.0
    );
    for line in [
        "mailrun_gateway_requests_total{endpoint=\"sendmail\",code=\"200\"} 1",
        "mailrun_gateway_requests_total{endpoint=\"unknown\",code=\"404\"} 1",
        "mailrun_gateway_request_seconds_count 2",
    ] {
        assert!(
            text.lines().any(|other| other == line),
            "{line} is not in\n{text}"
        );
    }
    assert_exposition(text);
}

#[test]
fn the_metrics_count_queued_recipients() {
    let config =
        "[accounts.\"1.acme.smtp\"]\nrelay = \"smtp://127.0.0.1:1\"\nstarttls = \"never\"\n";
    let gateway = Gateway::with(config, &[]);
    let posted = gateway.post(&["a@example.com", "b@example.com"]);
    assert_eq!(posted.status, 200, "{}", posted.body);
    let metrics = gateway.ask("GET /metrics", &[], "").body;
    assert_eq!(sample(&metrics, "mailrun_gateway_queue_recipients"), 2.0);
    assert_exposition(&metrics);
}

/// Asserts that a text is in the exposition format: HELP, TYPE and the samples of each metric together.
fn assert_exposition(text: &str) {
    assert!(text.ends_with('\n'));
    let name = |text: &str| {
        let mut letters = text.bytes();
        letters.next().is_some_and(|b| b.is_ascii_lowercase())
            && letters.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    let mut metrics: Vec<&str> = Vec::new();
    let mut kind = "";
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (metric, words) = help.split_once(' ').expect("words");
            assert!(name(metric) && !words.is_empty(), "{line}");
            assert!(!metrics.contains(&metric), "{metric} occurs twice");
            metrics.push(metric);
            kind = "";
            continue;
        }
        let metric = *metrics.last().expect("HELP comes first");
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (of, what) = rest.split_once(' ').expect("a type");
            assert_eq!(of, metric);
            assert!(["counter", "gauge", "histogram"].contains(&what), "{line}");
            assert_eq!(what == "counter", metric.ends_with("_total"), "{line}");
            kind = what;
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').expect("a value");
        let value: f64 = value.parse().expect("a number");
        assert!(value >= 0.0, "{line}");
        let (of, labels) = sample.split_once('{').unwrap_or((sample, "}"));
        let suffix = of.strip_prefix(metric).expect("a sample of its metric");
        let may = if kind == "histogram" {
            ["_bucket", "_sum", "_count"].contains(&suffix)
        } else {
            !kind.is_empty() && suffix.is_empty()
        };
        assert!(may, "{line}");
        let labels = labels.strip_suffix('}').expect("the end of the labels");
        for label in labels.split(',').filter(|label| !label.is_empty()) {
            let (key, value) = label.split_once('=').expect("a label");
            assert!(name(key), "{line}");
            assert!(value.len() >= 2 && value.starts_with('"') && value.ends_with('"'));
        }
    }
    assert!(metrics.len() >= 8, "{metrics:?}");
}

#[test]
fn healthz_needs_no_login() {
    let gateway = Gateway::with(LOGIN, &[]);
    let reply = gateway.ask("GET /healthz", &[], "");
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json()["status"], "ok");
    assert!(!reply.req_id().is_empty());
}

#[test]
fn healthz_fails_if_nothing_can_be_stored() {
    let gateway = Gateway::start();
    assert_eq!(gateway.ask("GET /healthz", &[], "").status, 200);
    let store = gateway.store();
    store.execute_batch("BEGIN IMMEDIATE").expect("a lock");
    // A result is reused for a second.
    let mut reply = None;
    gateway
        .running()
        .wait_until("a store that is not well", |_| {
            let last = gateway.ask("GET /healthz", &[], "");
            let status = last.status;
            reply = Some(last);
            status == 503
        });
    let reply = reply.expect("an answer");
    assert_eq!(reply.json()["status"], "error");
    assert!(reply.json()["message"].is_string());
    store.execute_batch("ROLLBACK").expect("the lock is let go");
    gateway
        .running()
        .wait_until("a store that is well again", |_| {
            gateway.ask("GET /healthz", &[], "").status == 200
        });
}
