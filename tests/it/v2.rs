//! The dialect v2 over the wire: what is posted, batches, lookups, and the gateway's side of it.

use serde_json::json;

use crate::support::campaign::Campaign;
use crate::support::fake_api::{FakeApi, Reply};
use crate::support::gateway::Gateway;
use crate::support::results::Results;
use crate::support::run::{APP_KEY, Run, SECRET_KEY};
use crate::support::send::{addresses, campaign, newsletter, send};

fn of(api: &FakeApi) -> Campaign {
    campaign(api).set("api.dialect", "v2")
}

fn news(api: &FakeApi) -> Campaign {
    newsletter(api).set("api.dialect", "v2")
}

#[test]
fn a_message_with_everything_is_posted_as_json() {
    let api = FakeApi::taking_all();
    let file = |path: &str, inline: bool| {
        toml::Table::from_iter([
            ("path".to_owned(), path.into()),
            ("inline".to_owned(), inline.into()),
        ])
    };
    let headers = toml::Table::from_iter([("X-List".to_owned(), "a \"quoted\" list".into())]);
    let campaign = of(&api)
        .recipients("email,first_name\n\"\"\"Ann \\\\ Lee\"\" <ann@one.example>\",Ann\n")
        .set("message.from_name", "Acme – News")
        .set("message.subject", "Hello {{ first_name }} \"you\"")
        .set("message.reply_to", "re@sender.example")
        .set("message.cc", "cc@one.example")
        .set("message.cc_name", "C C")
        .set("message.bcc", "bcc@one.example")
        .set("message.bcc_name", "B")
        .set("message.tags", vec!["t1", "t2"])
        .set("message.headers", headers)
        .set(
            "message.attachments",
            vec![file("a.txt", false), file("b.png", true)],
        )
        .file("a.txt", b"\x00\xffhello")
        .file("b.png", b"png");
    let run = send(&campaign).run().code(0).run_dir();
    let request = &api.requests()[0];
    assert_eq!(request.target, "/api/email");
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("application-key"), Some(APP_KEY));
    assert_eq!(request.header("authorization"), Some(SECRET_KEY));
    let mut body = request.json();
    let id = body["to"][0]["messageId"].take();
    let id = id.as_str().expect("an ID").to_owned();
    assert!(id.ends_with(".1@sender.example"), "{id}");
    let content = body["content"].take();
    assert!(
        content["html"]
            .as_str()
            .is_some_and(|it| it.contains("Ann"))
    );
    assert!(
        content["text"]
            .as_str()
            .is_some_and(|it| it.contains("Ann"))
    );
    let expected = json!({
        "subject": "Hello Ann \"you\"",
        "smtpAccount": "1.test.smtp",
        "from": {"email": "news@sender.example", "name": "Acme – News"},
        "to": [{"email": "ann@one.example", "name": "Ann \\ Lee", "messageId": null}],
        "content": null,
        "cc": [{"email": "cc@one.example", "name": "C C"}],
        "bcc": [{"email": "bcc@one.example"}],
        "replyTo": {"email": "re@sender.example"},
        "headers": {"X-List": "a \"quoted\" list"},
        "tags": ["t1", "t2"],
        "attachments": [
            {"fileName": "a.txt", "fileMime": "text/plain", "fileContent": "AP9oZWxsbw==", "inline": false},
            {"fileName": "b.png", "fileMime": "image/png", "fileContent": "cG5n", "inline": true},
        ],
    });
    assert_eq!(body, expected);
    assert_eq!(Results::of(&run).rows[0]["message_id"], id);
}

#[test]
fn rows_with_the_same_message_share_a_request_of_up_to_200() {
    let api = FakeApi::taking_all();
    let campaign = news(&api).rows(450).set("pace.batch", 200);
    let run = send(&campaign).run().code(0).run_dir();
    let sizes: Vec<_> = (api.requests().iter())
        .map(|request| request.recipients.len())
        .collect();
    assert_eq!(sizes.iter().sum::<usize>(), 450);
    assert!(sizes.iter().all(|size| *size <= 200), "{sizes:?}");
    assert_eq!(api.taken_addresses(), addresses(&Results::of(&run)));
    send(&news(&api).set("pace.batch", 201)).run().code(1);
}

#[test]
fn one_bad_value_does_not_reject_the_others() {
    let api = FakeApi::start(|_, request| {
        if request.addresses().iter().any(|to| to.starts_with("r7@")) {
            Reply::error_v2(400, "Name is too long").into()
        } else {
            Reply::Take
        }
    });
    let campaign = news(&api).rows(20).set("pace.batch", 10);
    let run = send(&campaign).run().code(3).run_dir();
    let results = Results::of(&run);
    assert_eq!(results.counts(), [("accepted", 19), ("rejected", 1)].into());
    let rejected = &results.rows.iter().find(|row| row["status"] == "rejected");
    let rejected = rejected.expect("a row");
    assert!(rejected["email"].starts_with("r7@"), "{rejected:?}");
    assert!(
        rejected["error"].contains("Name is too long"),
        "{rejected:?}"
    );
    // Two batches, and ten requests for the recipients of the one that was refused.
    assert_eq!(api.requests().len(), 12);
    assert_eq!(api.taken().len(), 19);
}

#[test]
fn limits_of_names_and_subjects_are_found_before_sending() {
    let api = FakeApi::taking_all();
    let long = "n".repeat(65);
    let rows =
        format!("email,first_name\n\"{long} <ann@one.example>\",Ann\nB <bob@one.example>,Bob\n");
    let campaign = of(&api).recipients(rows);
    let ran = Run::new("check").arg(campaign.path()).run();
    ran.code(1)
        .stdout_has("the recipient's name has 65 characters; the maximum is 64");
    let campaign = campaign.recipients("email,first_name\nB <bob@one.example>,Bob\n");
    send(&campaign).run().code(0);
    assert_eq!(api.requests()[0].recipients[0].name, None, "one character");
    let campaign = of(&api).set("message.subject", "S");
    let ran = Run::new("check").arg(campaign.path()).run();
    ran.code(1)
        .stdout_has("the subject has 1 character; the minimum is 2");
}

#[test]
fn unknown_rows_are_looked_up_by_their_message_id() {
    let api = FakeApi::start(|_, request| {
        if request.method == "GET" {
            return Reply::Take;
        }
        let take = request.addresses().iter().all(|to| to.starts_with("r1"));
        Reply::CloseAfterReading { take }
    });
    let campaign = of(&api).rows(12).set("pace.concurrency", 2);
    let run = send(&campaign).run().code(4).run_dir();
    let taken = api.taken().len() as u64;
    assert!(taken > 0);
    let ran = Run::on("resolve", &run).args(["--how", "reconcile"]).run();
    ran.code(4)
        .stderr_has("It finds messages for 1 to 15 days, depending on your plan.")
        .stderr_has(&format!("{taken} rows are accepted now"));
    let results = Results::of(&run);
    for row in &results.rows {
        let taken = api.taken();
        let taken = taken.iter().find(|taken| taken.address == row["email"]);
        let id = taken.map(|taken| &*taken.message_id).unwrap_or_default();
        assert_eq!(row["message_id"], id, "{row:?}");
    }
    let requests = api.requests();
    let lookup = requests.iter().find(|request| request.method == "GET");
    let target = &lookup.expect("a lookup").target;
    assert!(
        target.starts_with("/api/email?smtpAccount=1.test.smtp&messageId="),
        "{target}"
    );
}

#[test]
fn a_local_run_speaks_the_dialect_of_the_campaign() {
    let campaign = Campaign::new().set("api.dialect", "v2").rows(30);
    let ran = Run::new("send").arg(campaign.path()).arg("--local").run();
    let run = ran.code(0).run_dir();
    assert_eq!(Results::of(&run).counts(), [("accepted", 30)].into());
    let messages = std::fs::read_dir(run.join("outbox/new")).expect("an outbox");
    assert_eq!(messages.count(), 30);
}

/// A `POST v2.1/email` to these addresses.
fn post(gateway: &Gateway, to: &[&str]) -> crate::support::gateway::Reply {
    let to: Vec<_> = to.iter().map(|to| json!({"email": to})).collect();
    let body = json!({
        "subject": "Hello", "smtpAccount": "1.acme.smtp", "to": to,
        "from": {"email": "news@sender.example", "name": "News"},
        "content": {"text": "Hello"},
    });
    let lines = ["Content-Type: application/json"];
    gateway.ask("POST /v2.1/email", &lines, &body.to_string())
}

#[test]
fn the_gateway_answers_as_the_api_does() {
    let gateway = Gateway::start();
    let reply = post(&gateway, &["ann@one.example"]);
    assert_eq!(reply.status, 200);
    let json = reply.json();
    assert_eq!(json["meta"]["numberOfData"], 1);
    assert_eq!(json["data"][0]["to"]["email"], "ann@one.example");
    let id = json["data"][0]["to"]["messageId"].as_str().expect("an ID");
    assert_eq!(gateway.message_ids(), [id]);

    let reply = post(&gateway, &["ann@one.example", "bob at one"]);
    let json = reply.json();
    assert_eq!(
        (reply.status, &json["meta"]["numberOfErrors"]),
        (207, &json!(1))
    );
    let message = json["errors"][0]["message"].as_str().expect("a message");
    assert!(message.contains("bob at one"), "{message}");

    let reply = post(&gateway, &["bob at one"]);
    assert_eq!(reply.status, 400);
    let reply = gateway.ask("POST /v2.1/email", &["Content-Type: application/json"], "{");
    assert_eq!(reply.status, 400);
    assert_eq!(reply.json()["meta"]["status"], 400);
    let reply = gateway.ask("GET /v2.1/nothing", &[], "");
    assert_eq!(
        (reply.status, reply.json()["meta"]["status"].clone()),
        (404, json!(404))
    );
    assert_eq!(gateway.stored_messages().len(), 2);
}
