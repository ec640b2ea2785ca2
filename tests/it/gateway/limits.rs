//! Requests that try to make the gateway work hard, and guesses at the login.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::support::gateway::{Gateway, Reply};
use crate::support::run::{APP_KEY, SECRET_KEY};

const LOGIN: &str =
    "[login]\napp_key_env = \"EMAILLABS_APP_KEY\"\nsecret_key_env = \"EMAILLABS_SECRET_KEY\"\n";
const BASE: &str = "smtp_account=1.acme.smtp&from=news@acme.example&subject=Hello&text=Hello";

/// Posts a form that begins with [`BASE`]. The answer must come within the time of any test.
fn post(gateway: &Gateway, endpoint: &str, more: &str) -> Reply {
    gateway.ask(
        &format!("POST /api/{endpoint}"),
        &[],
        &format!("{BASE}{more}"),
    )
}

#[track_caller]
fn assert_refused(reply: &Reply, reason: &str) {
    let json = reply.json();
    let message = json["message"].as_str().expect("a message");
    assert!(message.contains(reason), "{} {message}", reply.status);
}

#[test]
fn many_filters_are_refused() {
    let gateway = Gateway::start();
    for list in ["emails", "smtp_events/ok", "blacklists"] {
        let filters = ["account::a"; 999].join("|");
        let reply = gateway.ask(&format!("GET /api/{list}?filter={filters}"), &[], "");
        assert_eq!(reply.status, 400);
        assert_refused(&reply, "there are more than 20 filters");
    }
}

#[test]
fn long_names_and_lists_of_addresses_cost_little_time() {
    let gateway = Gateway::start();
    let long = "x".repeat(50_000);
    let fields = |field: &dyn Fn(usize) -> String| (0..900).map(field).collect::<String>();
    let headers = fields(&|n| format!("&headers[X-{long}{n:03}]=v"));
    let reply = post(
        &gateway,
        "sendmail",
        &format!("&to[0]=a@x.example{headers}"),
    );
    assert_eq!(reply.status, 500);
    assert_refused(&reply, "is not a valid header name");

    let recipients = fields(&|n| format!("&to[{long}{n:03}@x.example]="));
    let reply = post(&gateway, "new_sendmail", &recipients);
    assert_eq!(reply.status, 500);
    assert_refused(&reply, "the request has 900 recipients");

    let addresses = "a@x.example,".repeat(1_500_000);
    let to = "&to[0]=a@x.example&reply_to=";
    let reply = post(&gateway, "sendmail", &format!("{to}{addresses}b@x.example"));
    assert_eq!(reply.status, 500);
    assert_refused(
        &reply,
        "the reply_to has 18000011 bytes; the maximum is 20000",
    );

    let domain = "%C5%BC.".repeat(3_000_000);
    let reply = post(&gateway, "sendmail", &format!("&to[0]=a@{domain}pl"));
    assert_eq!(reply.status, 200);
    let reasons = reply.values();
    assert!(reasons[0].contains("the address is 9000002 characters long"));
}

#[test]
fn a_long_account_is_not_stored_with_every_message() {
    let gateway = Gateway::start();
    let account = "a".repeat(256);
    let form = format!("smtp_account={account}&to[0]=a@x.example&subject=Hello&text=Hello");
    let form = format!("{form}&from=news@acme.example");
    let reply = gateway.ask("POST /api/sendmail", &[], &form);
    assert_eq!(reply.status, 500);
    assert_refused(&reply, "the smtp_account has 256 bytes; the maximum is 255");
}

#[test]
fn guesses_at_the_login_are_slowed_down() {
    let gateway = Gateway::with(LOGIN, &[]);
    let line = |login: &str| format!("Authorization: Basic {}", STANDARD.encode(login));
    let ask = |login: &str| {
        let begun = Instant::now();
        let reply = gateway.ask("GET /api/smtp", &[&line(login)], "");
        (reply, begun.elapsed())
    };
    let is_slow = |time| time > Duration::from_millis(900);
    let right = format!("{APP_KEY}:{SECRET_KEY}");
    // There is no account in the list.
    assert_eq!(ask(&right).0.status, 404);
    for number in 0..=10 {
        let (reply, time) = ask(&format!("key:guess{number}"));
        assert_eq!((reply.status, is_slow(time)), (401, false));
    }
    // A request without a login is no guess.
    assert_eq!(gateway.ask("GET /api/smtp", &[], "").status, 401);
    for (login, status) in [("key:guess", 401), (&right, 404)] {
        let (reply, time) = ask(login);
        assert_eq!((reply.status, is_slow(time)), (status, true));
    }
    // The right login has ended it.
    let (reply, time) = ask(&right);
    assert_eq!((reply.status, is_slow(time)), (404, false));

    (0..10).for_each(|_| assert_eq!(ask("key:guess").0.status, 401));
    let request = gateway.request("GET /api/smtp", &[&line("key:guess")], "");
    let mut waiting: Vec<_> = (0..13).map(|_| gateway.connect()).collect();
    for wire in &mut waiting {
        wire.send(&request);
    }
    std::thread::sleep(Duration::from_millis(300));
    for login in ["key:guess", &right] {
        let (reply, time) = ask(login);
        assert_eq!((reply.status, is_slow(time)), (429, false));
        assert_eq!(reply.header("retry-after"), Some("10"));
    }
}
