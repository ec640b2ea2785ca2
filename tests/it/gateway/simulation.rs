//! What happens to messages after the gateway has taken them: by the names of recipients, and by chance.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::campaign::Campaign;
use crate::support::gateway::{Gateway, Reply};
use crate::support::results::Results;
use crate::support::run::Run;
use crate::support::smtp_client::{SmtpClient, with_dots};

/// Each recipient, the events of the message in the API's words, and the state that `follow` finds.
const RECIPIENTS: [(&str, &[&str], &str); 11] = [
    ("ann@one.example", &["ok"], "delivered"),
    ("hardbounce@one.example", &["hardbounce"], "hard-bounce"),
    ("softbounce+2@two.example", &["softbounce"], "soft-bounce"),
    ("SpamBounce@one.example", &["spambounce"], "spam-bounce"),
    ("spam@one.example", &["spambounce"], "spam-bounce"),
    ("deferred@one.example", &["deferred", "ok"], "delivered"),
    ("dropped@one.example", &["dropped"], "dropped"),
    ("complaint@one.example", &["ok", "feedback"], "complaint"),
    ("open@one.example", &["ok", "open"], "opened"),
    ("click@one.example", &["ok", "open", "track"], "clicked"),
    ("opener@one.example", &["ok"], "delivered"),
];

fn get(gateway: &Gateway, path: &str) -> Reply {
    gateway.ask(&format!("GET /{path}"), &[], "")
}

/// The rows of a list; none if it is empty.
fn rows(gateway: &Gateway, path: &str) -> Vec<Value> {
    let reply = get(gateway, path);
    match reply.status {
        404 => Vec::new(),
        _ => reply.json()["data"].as_array().expect("a list").clone(),
    }
}

/// The events of each message in the store in their order, by recipient, without `injected`.
fn events(gateway: &Gateway) -> BTreeMap<String, Vec<String>> {
    let store = gateway.store();
    let mut select = store
        .prepare(
            "SELECT to_address, kind FROM message JOIN event ON event.message = message.id
             WHERE kind <> 'injected' ORDER BY at, event.id",
        )
        .expect("tables");
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    let mut events: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows.expect("events") {
        let (to, kind): (String, String) = row.expect("an event");
        events.entry(to).or_default().push(kind);
    }
    events
}

/// Waits until this many events of all messages are in the store.
fn wait_for_events(gateway: &Gateway, count: usize) {
    gateway.running().wait_until("all events", |_| {
        events(gateway).values().map(Vec::len).sum::<usize>() >= count
    });
}

fn assert_events(gateway: &Gateway) {
    let count = RECIPIENTS.iter().map(|(_, events, _)| events.len()).sum();
    wait_for_events(gateway, count);
    let events = events(gateway);
    for (to, expected, _) in RECIPIENTS {
        assert_eq!(events[to], expected, "{to}");
    }
}

#[test]
fn follow_ends_with_the_outcome_that_each_recipient_asks_for() {
    for dialect in ["sendmail", "new_sendmail", "v2"] {
        let mut gateway = Gateway::start();
        let url = match dialect {
            "v2" => gateway.api().replace("/api/", "/v2.1/"),
            _ => gateway.api(),
        };
        let list: String = RECIPIENTS
            .iter()
            .map(|(to, ..)| format!("{to},A\n"))
            .collect();
        let campaign = Campaign::new()
            .api(&url)
            .set("api.dialect", dialect)
            .recipients(format!("email,first_name\n{list}"));
        let sent = Run::send(campaign.path()).run().code(0).run_dir();
        assert_events(&gateway);
        // They are kept with the messages.
        gateway.stop().code(0);
        gateway.restart();
        let followed = Run::on("follow", &sent)
            .args(["--rate", "500/s", "--for", "20s"])
            .run();
        followed.code(0);
        let results = Results::of(&sent);
        for (row, (to, _, state)) in results.rows.iter().zip(RECIPIENTS) {
            assert_eq!(row["email"], to);
            // The API v2.1 does not report complaints.
            let state = match (dialect, state) {
                ("v2", "complaint") => "delivered",
                _ => state,
            };
            assert_eq!(row["delivery"], state, "{dialect}: {to}");
        }
        let events = std::fs::read_to_string(sent.join("events.csv")).expect("events");
        assert!(events.contains("550 5.1.1 User unknown"), "{events}");
    }
}

#[test]
fn events_that_are_still_to_happen_survive_a_kill() {
    let mut gateway = Gateway::start();
    let to = RECIPIENTS.map(|(to, ..)| to);
    assert_eq!(gateway.post(&to).status, 200);
    gateway.kill();
    gateway.restart();
    assert_events(&gateway);
    let left = "SELECT count(*) FROM upcoming_event";
    gateway.running().wait_until("no upcoming event", |_| {
        let left = gateway.store().query_row(left, [], |row| row.get(0));
        left == Ok(0)
    });
    let metrics = get(&gateway, "metrics").body;
    for line in [
        "mailrun_gateway_events_total{event=\"injected\"} 11",
        "mailrun_gateway_events_total{event=\"ok\"} 6",
        "mailrun_gateway_events_total{event=\"track\"} 1",
        "mailrun_gateway_events_total{event=\"spambounce\"} 2",
    ] {
        assert!(metrics.lines().any(|other| other == line), "{metrics}");
    }
}

#[test]
fn the_lists_of_the_form_api_have_the_events() {
    let gateway = Gateway::start();
    gateway.post(&[
        "click@one.example",
        "complaint@one.example",
        "ann@one.example",
    ]);
    wait_for_events(&gateway, 6);
    let emails = rows(&gateway, "api/emails?filter=to::click@one.example");
    let [email] = emails.as_slice() else {
        panic!("{emails:?}")
    };
    for kind in ["injected", "ok", "open", "track"] {
        assert!(email[format!("{kind}_time")].is_string(), "{kind}: {email}");
    }
    for kind in [
        "deferred",
        "softbounce",
        "hardbounce",
        "spambounce",
        "dropped",
        "feedback",
    ] {
        assert_eq!(email[format!("{kind}_time")], Value::Null, "{kind}");
    }
    assert_eq!(email["track_desc"], "the recipient followed a link");
    for (list, to) in [
        ("opens", "click@one.example"),
        ("clicks", "click@one.example"),
        ("smtp_events/feedback", "complaint@one.example"),
    ] {
        let listed = rows(&gateway, &format!("api/{list}?sort=-created_at"));
        assert_eq!(listed.len(), 1, "{list}");
        assert_eq!(listed[0]["to"], to, "{list}");
        assert!(listed[0]["event_time"].is_string());
        let none = format!("api/{list}?from_time=2100-01-01&limit=5");
        assert_eq!(rows(&gateway, &none), [json!(null); 0], "{list}");
    }
    let delivered = |query: &str| rows(&gateway, &format!("api/smtp_events/ok?{query}")).len();
    assert_eq!(
        (delivered(""), delivered("limit=2"), delivered("offset=2")),
        (3, 2, 1)
    );
    // The vendor has no such lists.
    for list in ["open", "track", "deferred"] {
        assert_eq!(
            get(&gateway, &format!("api/smtp_events/{list}")).status,
            404
        );
    }
}

#[test]
fn the_lists_of_the_json_api_have_the_events() {
    let gateway = Gateway::start();
    gateway.post(&[
        "click@one.example",
        "complaint@one.example",
        "open@two.example",
    ]);
    wait_for_events(&gateway, 7);
    let message = |to: &str| rows(&gateway, &format!("v2.1/email?to={to}")).remove(0);
    let clicked = message("click@one.example");
    assert_eq!(clicked["status"], "track");
    assert_eq!(
        clicked["allStatuses"],
        json!(["injected", "ok", "open", "track"])
    );
    assert_eq!(clicked["statusDesc"], "the recipient followed a link");
    assert!(clicked["statusTime"].is_i64());
    // Complaints are not reported here.
    assert_eq!(message("complaint@one.example")["status"], "ok");
    let opens = |query: &str| rows(&gateway, &format!("v2.1/email/open?{query}"));
    assert_eq!(opens("").len(), 2);
    assert_eq!(opens("limit=1&offset=1").len(), 1);
    let id = clicked["to"]["messageId"].as_str().expect("an ID");
    let of_message = opens(&format!("messageId={id}&smtpAccount=1.acme.smtp"));
    assert_eq!(of_message.len(), 1);
    assert_eq!(of_message[0]["status"], "open");
    assert!(of_message[0]["statusTime"].is_i64());
    assert_eq!(opens("dateFrom=2000-01-01&dateTo=2100-01-01").len(), 2);
    for none in [
        "dateFrom=2100-01-01",
        "dateTo=2000-01-01",
        "smtpAccount=x",
        "messageId=x",
    ] {
        assert_eq!(opens(none).len(), 0, "{none}");
    }
    assert_eq!(rows(&gateway, "v2.1/email/click").len(), 1);
}

#[test]
fn a_hard_bounce_and_a_complaint_block_the_address() {
    let gateway = Gateway::start();
    let all = [
        "hardbounce@one.example",
        "complaint@one.example",
        "spambounce@one.example",
        "softbounce@one.example",
    ];
    gateway.post(&all);
    wait_for_events(&gateway, 5);
    let blocked: BTreeMap<_, _> = rows(&gateway, "api/blacklists?filter=account::1.acme.smtp")
        .into_iter()
        .map(|row| {
            (
                row["email"].as_str().expect("an address").to_owned(),
                row["reason"].clone(),
            )
        })
        .collect();
    assert_eq!(
        json!(blocked),
        json!({"hardbounce@one.example": "hardbounce", "complaint@one.example": "spam_complaint"})
    );
    gateway.post(&all);
    let events = events(&gateway);
    assert_eq!(events["hardbounce@one.example"], ["hardbounce", "dropped"]);
    assert_eq!(
        events["complaint@one.example"],
        ["ok", "feedback", "dropped"]
    );
    assert_eq!(
        events["spambounce@one.example"],
        ["spambounce", "spambounce"]
    );
    assert_eq!(
        events["softbounce@one.example"],
        ["softbounce", "softbounce"]
    );
    let list = "api/blacklists/email/hardbounce@one.example";
    assert_eq!(gateway.ask(&format!("DELETE /{list}"), &[], "").status, 200);
    gateway.post(&["hardbounce@one.example"]);
    assert_eq!(
        super::simulation::events(&gateway)["hardbounce@one.example"][2],
        "hardbounce"
    );
}

#[test]
fn chance_decides_by_seed_and_address() {
    let outcomes = |spec: &str| {
        let gateway = Gateway::with("", &["--chaos", spec]);
        for half in 0..2 {
            let to: Vec<_> = (0..100)
                .map(|n| format!("r{}@one.example", 2 * n + half))
                .collect();
            gateway.post(&to.iter().map(String::as_str).collect::<Vec<_>>());
        }
        let store = gateway.store();
        let mut select = store
            .prepare("SELECT to_address, status FROM message")
            .expect("a table");
        let rows = select
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .expect("rows");
        rows.map(|row| row.expect("a row"))
            .collect::<BTreeMap<String, String>>()
    };
    let spec = "hardbounce=20%,deferred=30%,seed=3";
    let drawn = outcomes(spec);
    let count = |status| drawn.values().filter(|other| *other == status).count();
    assert_eq!(drawn.len(), 200);
    assert!((20..60).contains(&count("hardbounce")), "{drawn:?}");
    assert!((30..90).contains(&count("deferred")), "{drawn:?}");
    assert_eq!(drawn, outcomes(spec));
    assert_ne!(drawn, outcomes("hardbounce=20%,deferred=30%,seed=4"));
}

#[test]
fn events_are_deleted_with_their_messages() {
    let mut gateway = Gateway::with("[keep]\nmessages = 2\n", &[]);
    let to: Vec<_> = (0..20).map(|n| format!("click+{n}@one.example")).collect();
    gateway.post(&to.iter().map(String::as_str).collect::<Vec<_>>());
    let count = |table: &str| {
        let sql = format!("SELECT count(*) FROM {table}");
        gateway
            .store()
            .query_row(&sql, [], |row| row.get::<_, i64>(0))
            .expect("a count")
    };
    gateway
        .running()
        .wait_until("two messages", |_| count("message") == 2);
    gateway.running().wait_until("their events", |_| {
        count("event") == 8 && count("upcoming_event") == 0
    });
    gateway.stop().code(0);
}

#[test]
fn names_ask_for_events_by_smtp_too() {
    let gateway = Gateway::with_smtp("", &[]);
    let mut client = SmtpClient::connect(gateway.smtp());
    client.say("EHLO client.example", "250");
    client.begin(
        "a@acme.example",
        &["open@one.example", "hardbounce+1@one.example"],
    );
    client
        .send(with_dots(b"Subject: x\r\n\r\nx\r\n"))
        .expect("250");
    wait_for_events(&gateway, 3);
    let events = events(&gateway);
    assert_eq!(events["open@one.example"], ["ok", "open"]);
    assert_eq!(events["hardbounce+1@one.example"], ["hardbounce"]);
}
