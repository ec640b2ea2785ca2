//! Webhooks of the vendor.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::server::{SECRET, Server, entries, events, journal};
use super::{with_key, with_link};
use crate::support::campaign::Campaign;
use crate::support::fake_api::FakeApi;
use crate::support::send::{campaign, send};

/// A campaign of some rows that was sent, its run, and the addresses and message IDs of the rows.
fn sent(api: &FakeApi, rows: usize) -> (Campaign, PathBuf, Vec<(String, String)>) {
    let campaign = with_link(campaign(api).rows(rows))
        .set("api.dialect", "v2")
        .set("feedback.panel", "acme panel");
    let run = with_key(send(&campaign)).run().code(0).run_dir();
    let mut messages: Vec<_> = api
        .requests()
        .iter()
        .map(|request| (request.addresses()[0].to_owned(), request.message_id(0)))
        .collect();
    messages.sort();
    (campaign, run, messages)
}

fn event((address, id): &(String, String), status: &str, time: i64) -> Value {
    json!({
        "subject": "Hello", "smtpAccount": "1.test.smtp", "to": {"email": address, "name": "", "messageId": format!("<{id}>")},
        "from": {"email": "news@sender.example", "name": "Sender"}, "tags": null, "status": status,
        "statusTime": time, "statusDesc": "250 OK", "allStatuses": [],
    })
}

#[test]
fn events_of_both_panels_reach_the_run_and_bounces_the_list() {
    let api = FakeApi::taking_all();
    let (campaign, run, messages) = sent(&api, 3);
    let server = Server::start(&[&campaign]);
    let batch = json!([
        event(&messages[0], "hardbounce", 1_796_000_000),
        event(&messages[1], "ok", 1_796_000_001)
    ]);
    assert_eq!(server.webhook("r1", &batch).code(200).text(), "OK");
    let old =
        json!([{"message_id": messages[2].1, "to": messages[2].0, "open_time": 1_796_000_002}]);
    server
        .old_webhook("1700000003.123456", &old, SECRET)
        .code(403);
    let now = format!("{}.123456", jiff::Timestamp::now().as_second());
    server.old_webhook(&now, &old, "wrong").code(403);
    server.old_webhook(&now, &old, SECRET).code(200);
    server.wait_until_applied(&campaign);
    let kinds: Vec<_> = events(&run).into_iter().map(|(_, kind)| kind).collect();
    assert_eq!(kinds.len(), 3, "{kinds:?}");
    assert_eq!(
        entries(&campaign),
        [format!("{} hard-bounce", messages[0].0)]
    );
    server.stop().code(0);
}

#[test]
fn a_redelivery_counts_once_and_a_known_request_changes_nothing() {
    let api = FakeApi::taking_all();
    let (campaign, run, messages) = sent(&api, 3);
    let server = Server::start(&[&campaign]);
    let batch = json!([event(&messages[0], "ok", 1_796_000_000)]);
    for id in ["r1", "r1", "r2"] {
        server.webhook(id, &batch).code(200);
    }
    // The checksum does not cover the body: a captured request can't bring other events.
    let other = json!([event(&messages[1], "hardbounce", 1_796_000_000)]);
    server.webhook("r1", &other).code(200);
    server.wait_until_applied(&campaign);
    assert_eq!(events(&run), [(1, "delivered".to_owned())]);
    assert_eq!(entries(&campaign), [""; 0]);
    server.stop().code(0);
}

#[test]
fn only_the_vendor_may_send_events() {
    let api = FakeApi::taking_all();
    let (campaign, run, messages) = sent(&api, 3);
    let batch = json!([event(&messages[0], "hardbounce", 1_796_000_000)]).to_string();
    let server = Server::start(&[&campaign]);
    server
        .webhook_with("r1", batch.as_bytes(), "wrong", &[])
        .code(403);
    server
        .site
        .ask("POST /webhook/v2", &[], batch.as_bytes())
        .code(403);
    // Behind a proxy, everybody is on this machine.
    for line in [
        "X-Forwarded-For: 203.0.113.7",
        "Forwarded: for=203.0.113.7",
        "Via: 1.1 caddy",
    ] {
        server
            .webhook_with("r1", batch.as_bytes(), SECRET, &[line])
            .code(403);
    }
    server.stop().code(0);

    let server = Server::with(&[&campaign], |run| {
        run.env("MAILRUN_WEBHOOK_SECRET", SECRET)
            .env("MAILRUN_WEBHOOK_LOGIN", "vendor:pass")
    });
    server
        .webhook_with("r1", batch.as_bytes(), SECRET, &[])
        .code(401);
    server
        .webhook_with("r1", batch.as_bytes(), "wrong", &[])
        .code(403);
    let login = |text: &str| format!("Authorization: Basic {}", STANDARD.encode(text));
    let wrong = login("vendor:no");
    server
        .webhook_with("r1", batch.as_bytes(), SECRET, &[&wrong])
        .code(401);
    let right = login("vendor:pass");
    server
        .webhook_with("r1", batch.as_bytes(), "wrong", &[&right])
        .code(403);
    server.wait_until_applied(&campaign);
    assert_eq!(events(&run), []);
    let forwarded = ["X-Forwarded-For: 203.0.113.7", &right];
    server
        .webhook_with("r1", batch.as_bytes(), SECRET, &forwarded)
        .code(200);
    server.wait_until_applied(&campaign);
    assert_eq!(events(&run).len(), 1);
    server.stop().code(0);

    // Without a secret, there are no webhooks.
    let server = Server::with(&[&campaign], |run| run);
    server
        .webhook_with("r2", batch.as_bytes(), "", &[])
        .code(404);
    server.stop().code(0);
}

#[test]
fn what_is_not_understood_is_kept_and_counted_and_refused_only_if_it_is_no_json() {
    let api = FakeApi::taking_all();
    let (campaign, run, messages) = sent(&api, 3);
    let server = Server::start(&[&campaign]);
    let foreign = (messages[0].0.clone(), "someone@else.example".to_owned());
    let wrong_address = ("x@y.example".to_owned(), messages[0].1.clone());
    let batch = json!([
        7, {"a": 1}, event(&messages[0], "teleported", 1), event(&messages[0], "injected", 1),
        event(&foreign, "hardbounce", 1), event(&wrong_address, "hardbounce", 1), event(&messages[1], "ok", 1),
    ]);
    server.webhook("r1", &batch).code(200);
    server.webhook_with("r2", b"[{", SECRET, &[]).code(400);
    server.wait_until_applied(&campaign);
    assert_eq!(events(&run).len(), 1);
    assert_eq!(entries(&campaign), [""; 0]);
    let count = |name: &str| {
        journal(
            &campaign,
            &format!("SELECT count FROM counter WHERE name = '{name}'"),
        )
    };
    assert_eq!(
        (count("unreadable items"), count("unknown statuses")),
        (2, 1)
    );
    assert_eq!(
        journal(&campaign, "SELECT count(*) FROM event WHERE parked"),
        2
    );
    server.stop().code(0);
}

#[test]
fn an_event_may_come_before_its_run() {
    let api = FakeApi::taking_all();
    let (campaign, run, messages) = sent(&api, 3);
    let away = campaign.path().join("away");
    std::fs::rename(&run, &away).expect("moved");
    let server = Server::start(&[&campaign]);
    server
        .webhook("r1", &json!([event(&messages[0], "ok", 1)]))
        .code(200);
    server.wait_for("a parked event", || {
        journal(&campaign, "SELECT count(*) FROM event WHERE parked") == 1
    });
    std::fs::rename(&away, &run).expect("moved");
    server.wait_for("the event", || events(&run).len() == 1);
    server.stop().code(0);
}

#[test]
fn kills_lose_no_answered_event_and_redelivery_counts_none_twice() {
    let api = FakeApi::taking_all();
    let (campaign, run, messages) = sent(&api, 400);
    let kinds = ["ok", "open", "track", "deferred", "softbounce"];
    let all: Vec<Value> = (0..2_000)
        .map(|n| event(&messages[n % 400], kinds[n / 400], 1_796_000_000 + n as i64))
        .collect();
    let mut server = Server::start(&[&campaign]);
    for (n, batch) in all.chunks(100).enumerate() {
        let batch = Value::from(batch.to_vec());
        let id = format!("batch-{n}");
        server.webhook(&id, &batch).code(200);
        if n % 4 == 3 {
            server.kill();
            server = Server::start(&[&campaign]);
            // The vendor has missed the answer.
            server.webhook(&id, &batch).code(200);
            server.webhook(&format!("{id} again"), &batch).code(200);
        }
    }
    server.wait_until_applied(&campaign);
    assert_eq!(events(&run).len(), 2_000);
    server.stop().code(0);
}
