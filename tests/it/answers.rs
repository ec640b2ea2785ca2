//! What each answer of the API means for its rows.

use std::net::TcpListener;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use mailrun::address::Address;
use mailrun::api::{self, HttpReply, Posted};
use mailrun::outcome::{Blame, PostOutcome, RecipientOutcome};
use mailrun::transport::{PostError, post_outcome};

use crate::support::campaign::Campaign;
use crate::support::fake_api::{FakeApi, Reply, Verdict};
use crate::support::results::Results;
use crate::support::run::Run;
use crate::support::send::{addresses, campaign, newsletter, send};

// The pure function, for each kind of answer.

const NOW: &str = "2026-03-01T12:00:00Z";

/// The outcome for `a@x.example` and `b@x.example`, in a few words.
fn meaning(result: &Result<HttpReply, PostError>) -> String {
    meaning_in("new_sendmail", result)
}

fn meaning_in(dialect: &str, result: &Result<HttpReply, PostError>) -> String {
    let to = ["a@x.example", "b@x.example"].map(|to| Address::parse(to).expect("an address"));
    let ids = ["1@us", "2@us"];
    let to: Vec<_> = std::iter::zip(&to, ids)
        .map(|(address, id)| Posted {
            address,
            message_id: Some(id),
        })
        .collect();
    let now: Timestamp = NOW.parse().expect("a time");
    let dialect = api::dialect(dialect).expect("a dialect");
    match post_outcome(result, dialect, &to, now) {
        PostOutcome::Settled(rows) => rows.iter().map(shown).collect::<Vec<_>>().join(", "),
        PostOutcome::NotTaken {
            blame: Blame::Server | Blame::Network,
            wait,
            ..
        } => format!("pause {wait:?}"),
        PostOutcome::NotTaken {
            blame: Blame::Request,
            wait,
            ..
        } => format!("again {wait:?}"),
        PostOutcome::TryAlone { .. } => "alone".into(),
        PostOutcome::Stop { not_taken, .. } if not_taken => "stop, pending".into(),
        PostOutcome::Stop { .. } => "stop, unknown".into(),
    }
}

fn shown(outcome: &RecipientOutcome) -> String {
    match outcome {
        RecipientOutcome::Accepted { message_id } => format!("accepted {message_id}"),
        RecipientOutcome::Rejected { code, error } => format!("rejected {code} {error}"),
        RecipientOutcome::Unknown { .. } => "unknown".into(),
    }
}

fn http(status: u16, retry_after: Option<&str>, body: &str) -> Result<HttpReply, PostError> {
    Ok(HttpReply {
        status,
        retry_after: retry_after.map(str::to_owned),
        location: None,
        body: Bytes::copy_from_slice(body.as_bytes()),
    })
}

/// The API refuses a whole request.
const REFUSAL: &str = r#"{"code":500,"status":"error","message":"No\nway","data":[]}"#;
const TAKEN: &str = r#"{"code":200,"status":"success","message":"Message sent","data":[{"a@x.example":"1@y"},{"b@x.example":"2@y"}]}"#;

#[track_caller]
fn means(status: u16, body: &str, wanted: &str) {
    assert_eq!(
        meaning(&http(status, None, body)),
        wanted,
        "{status} {body}"
    );
}

#[test]
fn some_statuses_stop_the_run_whatever_the_body_says() {
    for body in ["", REFUSAL, TAKEN, "<html>"] {
        for status in [401, 403, 404, 301, 307, 308] {
            means(status, body, "stop, pending");
        }
        for status in [302, 303] {
            means(status, body, "stop, unknown");
        }
    }
}

#[test]
fn some_statuses_mean_that_nothing_was_taken() {
    for body in ["", REFUSAL, "<html>"] {
        means(408, body, "again None");
        means(429, body, "pause None");
        assert_eq!(meaning(&http(503, Some("0"), body)), "pause Some(0ns)");
    }
    means(503, REFUSAL, "pause None");
    let not_connected = Err(PostError::NotConnected("refused".into()));
    assert_eq!(meaning(&not_connected), "pause None");
}

#[test]
fn retry_after_is_seconds_or_a_date_and_has_a_limit() {
    for (value, wanted) in [
        ("7", "pause Some(7s)"),
        (" 900 ", "pause Some(900s)"),
        ("901", "stop, pending"),
        ("99999999999999999999999", "stop, pending"),
        ("Sun, 01 Mar 2026 12:00:30 GMT", "pause Some(30s)"),
        ("Sun, 01 Mar 2026 11:00:00 GMT", "pause Some(0ns)"),
        ("Sun, 01 Mar 2026 14:00:00 GMT", "stop, pending"),
        ("soon", "pause None"),
        ("-1", "pause None"),
        ("", "pause None"),
    ] {
        for status in [429, 503] {
            assert_eq!(
                meaning(&http(status, Some(value), REFUSAL)),
                wanted,
                "{value:?}"
            );
        }
    }
}

#[test]
fn the_apis_json_decides_whatever_the_status() {
    for status in [200, 201, 207, 400, 413, 422, 500, 502, 504] {
        means(status, TAKEN, "accepted 1@y, accepted 2@y");
        means(status, REFUSAL, "rejected 500 No way, rejected 500 No way");
    }
}

#[test]
fn each_address_has_its_own_value() {
    let one = |data: &str| format!(r#"{{"code":"200","status":"success","data":{data}}}"#);
    let refused = r#"[{"a@x.example":"1@y"},{"b@x.example":"b@x.example is incorrect."}]"#;
    means(
        200,
        &one(refused),
        "accepted 1@y, rejected 200 b@x.example is incorrect.",
    );
    means(
        200,
        &one(r#"[{"a@x.example":"1@y"}]"#),
        "accepted 1@y, unknown",
    );
    means(
        200,
        &one(r#"[{"b@x.example":"2@y"},{"a@x.example":""}]"#),
        "unknown, accepted 2@y",
    );
    means(
        200,
        &one(r#"{"A@X.example":"1@y","b@x.example":"2@y"}"#),
        "accepted 1@y, accepted 2@y",
    );
    means(200, &one("[]"), "unknown, unknown");
    means(
        200,
        r#"{"code":200,"status":"success"}"#,
        "unknown, unknown",
    );
}

#[test]
fn a_refusal_without_the_apis_json_is_one_below_500() {
    for status in [400, 402, 405, 413, 422, 451] {
        let wanted = format!("rejected {status} HTTP {status} without an answer from the API");
        means(status, "<html>", &format!("{wanted}, {wanted}"));
    }
}

#[test]
fn everything_else_is_unknown() {
    for body in [
        "",
        "<html>",
        "{}",
        r#"{"code":200}"#,
        r#"{"status":"success"}"#,
        "[]",
        "null",
        &TAKEN[..60],
    ] {
        for status in [200, 201, 204, 500, 502, 503, 504, 599] {
            means(status, body, "unknown, unknown");
        }
    }
    assert_eq!(
        meaning(&Err(PostError::Broken("cut".into()))),
        "unknown, unknown"
    );
}

// Over the wire; `faults.rs` has every fault.

fn one(api: &FakeApi) -> Campaign {
    campaign(api)
        .rows(1)
        .set("api.timeout", "1s")
        .set("retry.attempts", 3)
}

#[test]
fn a_wrong_key_costs_one_request() {
    let api = FakeApi::start(|_, _| Reply::wrong_key().after(Duration::from_millis(50)));
    let campaign = campaign(&api).rows(9);
    let run = send(&campaign).run().code(5).run_dir();
    assert_eq!(Results::of(&run).counts(), [("pending", 9)].into());
    assert_eq!(api.seen(), 1);
}

#[test]
fn a_batch_is_settled_recipient_by_recipient() {
    let api = FakeApi::start(|_, request| Reply::by_address(request));
    let rows = "email,first_name\ngood@x.example,G\nreject@x.example,R\nomit@x.example,O\nlast@x.example,L\n";
    let campaign = newsletter(&api).recipients(rows).set("pace.batch", 4);
    let run = send(&campaign).run().code(4).run_dir();
    assert_eq!(api.requests().len(), 1);
    let results = Results::of(&run);
    let of = |email: &str| {
        let row = results.row(email);
        (row["status"].as_str(), row["message_id"].as_str())
    };
    assert_eq!(of("good@x.example"), ("accepted", "fake.0.0@api.example"));
    assert_eq!(of("reject@x.example"), ("rejected", ""));
    assert_eq!(of("omit@x.example"), ("unknown", ""));
    assert_eq!(of("last@x.example"), ("accepted", "fake.0.3@api.example"));
    let words = &results.row("reject@x.example")["error"];
    assert_eq!(
        words,
        "reject@x.example is incorrect. Address has white sign."
    );
}

#[test]
fn rejected_rows_are_tried_again_one_by_one() {
    let api = FakeApi::start(|_, request| {
        if request.addresses().iter().any(|to| to.starts_with("r2")) {
            Reply::error(500, "Recipient is not valid").into()
        } else {
            Reply::Take
        }
    });
    let campaign = newsletter(&api).rows(4).set("pace.batch", 4);
    let run = send(&campaign).run().code(3).run_dir();
    assert_eq!(Results::of(&run).counts(), [("rejected", 4)].into());
    Run::on("retry", &run).run().code(3);
    assert_eq!(api.requests().len(), 1, "rejected rows are not failed ones");
    Run::on("retry", &run).arg("--rejected").run().code(3);
    let results = Results::of(&run);
    assert_eq!(results.counts(), [("accepted", 3), ("rejected", 1)].into());
    assert!(
        api.requests()[1..]
            .iter()
            .all(|request| request.recipients.len() == 1)
    );
    assert_eq!(api.taken().len(), 3);
}

#[test]
fn attempts_are_limited_and_retry_starts_over() {
    let api = FakeApi::start(|n, _| {
        if n < 4 {
            Reply::json(408, "").into()
        } else {
            Reply::Take
        }
    });
    let campaign = one(&api);
    let run = send(&campaign).run().code(3).run_dir();
    assert_eq!(api.requests().len(), 3);
    let row = &Results::of(&run).rows[0];
    assert_eq!(
        (&*row["status"], &*row["attempts"], &*row["code"]),
        ("failed", "3", "408")
    );
    Run::on("resume", &run).run().code(3);
    assert_eq!(api.requests().len(), 3, "resume skips failed rows");
    Run::on("retry", &run).run().code(0);
    assert_eq!((api.requests().len(), api.taken().len()), (5, 1));
    assert_eq!(Results::of(&run).count("accepted"), 1);
}

/// How long a run pauses after `reply`.
fn pauses(reply: impl Fn() -> Reply + Send + Sync + 'static) -> Duration {
    let api = FakeApi::start(move |n, _| if n == 1 { reply() } else { Reply::Take });
    let campaign = campaign(&api).rows(12).set("pace.concurrency", 1);
    let run = send(&campaign).run().code(0).run_dir();
    let results = Results::of(&run);
    assert!(
        results.rows.iter().all(|row| row["attempts"] == "1"),
        "{results:?}"
    );
    assert_eq!(api.taken_addresses(), addresses(&results));
    assert_eq!(api.requests().len(), 13);
    api.arrivals()[2] - api.arrivals()[1]
}

#[test]
fn a_429_pauses_all_for_as_long_as_the_server_wants() {
    let paused = pauses(|| Reply::too_many(Some("1")));
    assert!(paused >= Duration::from_millis(990), "{paused:?}");
}

#[test]
fn a_503_pauses_all_for_as_long_as_the_server_wants() {
    let paused = pauses(|| Reply::unavailable(Some("1")));
    assert!(paused >= Duration::from_millis(990), "{paused:?}");
}

#[test]
fn requests_that_are_refused_together_are_all_posted_again() {
    let api = FakeApi::start(|n, _| match n {
        1..=20 => Reply::too_many(None).after(Duration::from_millis(20)),
        _ => Reply::Take,
    });
    let campaign = campaign(&api).rows(40);
    let run = send(&campaign).run().code(0).run_dir();
    assert_eq!(api.taken_addresses(), addresses(&Results::of(&run)));
    assert_eq!(api.requests().len(), 60);
}

#[test]
fn a_long_retry_after_stops_the_run_and_says_until_when() {
    let api = FakeApi::start(|n, _| {
        if n == 1 {
            Reply::too_many(Some("7200"))
        } else {
            Reply::Take
        }
    });
    let campaign = campaign(&api).rows(6).set("pace.concurrency", 1);
    let began = Timestamp::now();
    let ran = send(&campaign).run();
    let run = ran.code(5).run_dir();
    let hour = |at: Timestamp| {
        (at + Duration::from_secs(7200))
            .strftime("%Y-%m-%d %H:")
            .to_string()
    };
    let said = |hour: &str| ran.stderr.contains(&format!("before {hour}"));
    assert!(
        said(&hour(began)) || said(&hour(Timestamp::now())),
        "{}",
        ran.stderr
    );
    assert_eq!(
        Results::of(&run).counts(),
        [("accepted", 1), ("pending", 5)].into()
    );
    Run::on("resume", &run).run().code(0);
    assert_eq!(api.taken_addresses(), addresses(&Results::of(&run)));
}

#[test]
fn the_run_waits_for_a_server_that_is_down() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let campaign = Campaign::new()
        .api(&format!("http://{address}/api/"))
        .set("retry.max_delay", "1s");
    let running = send(&campaign).spawn();
    let run = running.first_line();
    running.wait_until("a failed attempt", |_| {
        Results::now(&run).rows[0]["error"].contains("no connection: ")
    });
    let api = FakeApi::start_at(address, |_, _| Reply::Take);
    running.wait().code(0);
    assert_eq!(api.taken_addresses(), addresses(&Results::of(&run)));
}

#[test]
fn spaces_around_an_id_are_ignored_and_spaces_inside_make_it_a_refusal() {
    let api = FakeApi::start(|_, _| {
        Reply::PerRecipient(Box::new(|to| match to {
            "ann@one.example" => Verdict::TakeAs(" 1@y ".into()),
            _ => Verdict::Refuse("not\tnow".into()),
        }))
    });
    let campaign = campaign(&api);
    let run = send(&campaign).run().code(3).run_dir();
    let results = Results::of(&run);
    assert_eq!(results.row("ann@one.example")["message_id"], "1@y");
    assert_eq!(results.count("rejected"), 2);
}

// v2.1.

#[track_caller]
fn means_v2(status: u16, body: &str, wanted: &str) {
    let meaning = meaning_in("v2", &http(status, None, body));
    assert_eq!(meaning, wanted, "{status} {body}");
}

const ERRORS: &str = r#"{"meta":{"status":400},"data":[],"errors":[{"title":"T","message":"No way","code":"E-1-002"}]}"#;

#[test]
fn v2_accepts_who_is_in_data_and_rejects_who_an_error_of_a_207_names() {
    let data = |to: &str| {
        format!(
            r#"{{"data":[{to}],"errors":[{{"message":"b@x.example is blocked","code":"E-1"}}]}}"#
        )
    };
    let both =
        r#"{"to":{"email":"A@X.example","messageId":"<1@srv>"}},{"to":[{"email":"b@x.example"}]}"#;
    means_v2(207, &data(both), "accepted 1@srv, accepted 2@us");
    means_v2(200, &data(both), "accepted 1@srv, accepted 2@us");
    let one = r#"{"to":{"email":"a@x.example","messageId":"1@srv"}}"#;
    means_v2(
        207,
        &data(one),
        "accepted 1@srv, rejected 207 b@x.example is blocked (E-1)",
    );
    means_v2(200, &data(one), "accepted 1@srv, unknown");
    means_v2(
        207,
        &data(""),
        "unknown, rejected 207 b@x.example is blocked (E-1)",
    );
    let value = r#"{"errors":[{"message":"blocked","code":"E-1","meta":{"value":"B@x.example"}}]}"#;
    means_v2(207, value, "unknown, rejected 207 blocked (E-1)");
}

#[test]
fn v2_tries_each_recipient_alone_when_a_400_has_errors() {
    means_v2(400, ERRORS, "alone");
    means_v2(400, "<html>", "unknown, unknown");
    means_v2(400, r#"{"data":[],"errors":[]}"#, "unknown, unknown");
}

#[test]
fn v2_means_the_same_as_the_forms_where_http_says_it() {
    for body in ["", ERRORS, "<html>"] {
        for status in [401, 403, 404, 301, 307, 308] {
            means_v2(status, body, "stop, pending");
        }
        means_v2(302, body, "stop, unknown");
        means_v2(408, body, "again None");
        means_v2(429, body, "pause None");
        means_v2(500, body, "unknown, unknown");
        means_v2(502, body, "unknown, unknown");
    }
    means_v2(503, ERRORS, "pause None");
    means_v2(503, "<html>", "unknown, unknown");
    for status in [413, 422] {
        let words = format!("rejected {status} No way (E-1-002)");
        means_v2(status, ERRORS, &format!("{words}, {words}"));
        let words = format!("rejected {status} HTTP {status} without an answer from the API");
        means_v2(status, "<html>", &format!("{words}, {words}"));
    }
    for status in [200, 201, 202, 204, 207] {
        means_v2(status, "", "unknown, unknown");
        means_v2(status, TAKEN, "unknown, unknown");
    }
}
