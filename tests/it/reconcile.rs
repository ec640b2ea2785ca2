//! `resolve --how reconcile`: rows that the API lists were taken; the others stay unknown.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::Signal;

use crate::support::campaign::Campaign;
use crate::support::fake_api::{FakeApi, Reply, Request};
use crate::support::results::Results;
use crate::support::run::{APP_KEY, Run, SECRET_KEY};
use crate::support::send::{campaign, rows, send};

/// An API that loses every answer to a message, and takes those to addresses with an odd number.
/// `answer` answers lookups; its argument is the number of the lookup, from 0.
fn loses_answers(answer: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static) -> FakeApi {
    let lookups = AtomicUsize::new(0);
    FakeApi::start(move |_, request| {
        if request.method == "GET" {
            return answer(lookups.fetch_add(1, Ordering::SeqCst), request);
        }
        let take = request.addresses().iter().all(|address| is_odd(address));
        Reply::CloseAfterReading { take }
    })
}

/// Whether the number in `r7@…` is odd.
fn is_odd(address: &str) -> bool {
    let digits: String = address.chars().filter(char::is_ascii_digit).collect();
    digits.parse::<u32>().expect("a number") % 2 == 1
}

fn of(api: &FakeApi, rows: usize) -> Campaign {
    campaign(api)
        .rows(rows)
        .set("api.dialect", "new_sendmail")
        .set("pace.concurrency", 4)
}

/// A run with only unknown rows.
fn unknown_run(campaign: &Campaign) -> PathBuf {
    let run = send(campaign).run().code(4).run_dir();
    assert_eq!(rows(&run, "unknown") as usize, Results::of(&run).rows.len());
    run
}

fn reconcile(run: &Path) -> Run {
    Run::on("resolve", run).args(["--how", "reconcile"])
}

fn lookups(api: &FakeApi) -> Vec<Arc<Request>> {
    let mut requests = api.requests();
    requests.retain(|request| request.method == "GET");
    requests
}

/// How often each lookup was made.
fn lookup_counts(api: &FakeApi) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for lookup in lookups(api) {
        *counts.entry(lookup.target.clone()).or_default() += 1;
    }
    counts
}

/// The API's list with this message.
fn listed(message_id: &str) -> Reply {
    let row = serde_json::json!({"id": 7, "message_id": message_id, "to": "x@one.example"});
    let body = serde_json::json!({
        "code": 200, "status": "success", "data": [row], "number_of_elements": 1, "req_id": "r",
    });
    Reply::json(200, body.to_string()).into()
}

/// The message ID of a lookup.
fn message_id(request: &Request) -> String {
    let (_, query) = request.target.split_once('?').expect("a query");
    let (name, filter) = form_urlencoded::parse(query.as_bytes())
        .next()
        .expect("a pair");
    assert_eq!(name, "filter");
    filter
        .strip_prefix("message_id::")
        .expect("the filter")
        .to_owned()
}

#[test]
fn listed_rows_are_accepted_and_the_others_stay_unknown() {
    let api = loses_answers(|_, _| Reply::Take);
    let campaign = of(&api, 9);
    let run = unknown_run(&campaign);
    let ran = reconcile(&run).run();
    ran.code(4)
        .stdout_is("")
        .stderr_has("5 rows are accepted now")
        .stderr_has("4 rows still unknown: 4 not listed by the API")
        .stderr_has(&format!("mailrun resolve {} --how accepted", run.display()))
        .stderr_has("--how resend")
        .stderr_lacks(SECRET_KEY);
    let results = Results::of(&run);
    for row in &results.rows {
        let taken = api.taken();
        let taken = taken.iter().find(|taken| taken.address == row["email"]);
        let status = if is_odd(&row["email"]) {
            "accepted"
        } else {
            "unknown"
        };
        assert_eq!(row["status"], status, "{}", row["email"]);
        assert_eq!(
            row["message_id"],
            taken.map(|taken| &*taken.message_id).unwrap_or_default()
        );
        assert_eq!(row["error"].is_empty(), status == "accepted");
        assert_eq!(
            (&*row["possible_duplicate"], &*row["attempts"]),
            ("false", "1")
        );
    }
    assert_eq!(rows(&run, "unknown"), 4);
    for question in lookups(&api) {
        assert_eq!(question.endpoint(), "emails");
        assert_eq!(question.login(), Some((APP_KEY.into(), SECRET_KEY.into())));
        assert!(question.body.is_empty());
    }
    let often: Vec<_> = lookup_counts(&api).into_values().collect();
    assert_eq!(often.iter().filter(|often| **often == 1).count(), 5);
    assert_eq!(often.iter().filter(|often| **often == 5).count(), 4);
    assert!(api.max_in_flight() <= 4);
    assert_eq!(
        api.requests().len() - lookups(&api).len(),
        9,
        "nothing is posted"
    );
    assert_eq!(campaign.runs(), [run]);
}

#[test]
fn rows_that_are_listed_late_are_accepted() {
    let api = loses_answers(|n, _| {
        if n < 6 {
            Reply::error(404, "No items").into()
        } else {
            Reply::Take
        }
    });
    let campaign = of(&api, 1);
    let campaign = campaign.recipients("email,first_name\nr1@one.example,A\nr3@one.example,B\n");
    let run = unknown_run(&campaign);
    reconcile(&run)
        .run()
        .code(0)
        .stderr_has("2 rows are not listed yet. Asking again in")
        .stderr_has("2 rows are accepted now")
        .stderr_lacks("still unknown");
    assert_eq!(lookups(&api).len(), 8);
    assert_eq!(Results::of(&run).counts(), [("accepted", 2)].into());
    reconcile(&run).run().code(0).stderr_has("no unknown rows");
    assert_eq!(lookups(&api).len(), 8, "there was nothing to ask");
}

#[test]
fn another_message_in_the_answer_proves_nothing() {
    let api = loses_answers(|n, request| {
        let id = message_id(request);
        match n % 4 {
            0 => listed(&format!("{id}x")),
            1 => listed(&id.to_uppercase()),
            2 => listed("other@sender.example"),
            _ => listed(""),
        }
    });
    let campaign = of(&api, 3);
    let run = unknown_run(&campaign);
    reconcile(&run).run().code(4);
    assert_eq!(Results::of(&run).counts(), [("unknown", 3)].into());
}

#[test]
fn a_resent_message_is_looked_up_by_its_new_id() {
    let api = loses_answers(|_, _| Reply::Take);
    let campaign = of(&api, 1);
    let run = unknown_run(&campaign);
    Run::on("resolve", &run)
        .args(["--how", "resend", "--yes"])
        .run()
        .code(0);
    Run::on("resume", &run).run().code(4);
    let posted: Vec<_> = api.taken().into_iter().map(|it| it.message_id).collect();
    assert_eq!(posted.len(), 2);
    assert!(posted[1].contains(".1.2@"), "{posted:?}");
    reconcile(&run).run().code(0);
    let results = Results::of(&run);
    assert_eq!(results.rows[0]["message_id"], posted[1]);
    assert_eq!(results.rows[0]["possible_duplicate"], "true");
    assert_eq!(message_id(&lookups(&api)[0]), posted[1]);
}

#[test]
fn the_id_has_the_domain_of_each_rows_sender() {
    let api = loses_answers(|_, _| Reply::Take);
    let campaign = of(&api, 1)
        .set("message.from", "news@{{ brand }}.example")
        .recipients("email,brand,first_name\nr1@x.example,red,A\nr3@x.example,żółw,B\n");
    let run = unknown_run(&campaign);
    reconcile(&run).run().code(0);
    let results = Results::of(&run);
    for (row, domain) in results.rows.iter().zip(["red", "xn--"]) {
        assert_eq!(row["status"], "accepted");
        assert!(row["message_id"].contains(&format!("@{domain}")));
    }
}

#[test]
fn a_server_in_trouble_is_asked_again_and_then_left_alone() {
    for trouble in [429, 500, 503] {
        let api = loses_answers(move |n, _| match n {
            0..3 => Reply::error(trouble, "Not now").into(),
            _ => Reply::Take,
        });
        let campaign = of(&api, 1);
        let run = unknown_run(&campaign);
        reconcile(&run).run().code(0);
        assert_eq!(lookups(&api).len(), 4, "HTTP {trouble}");
    }
    let api = loses_answers(|_, _| Reply::error(500, "Out of\u{1b}[2J order").into());
    let campaign = of(&api, 40).set("retry.attempts", 2);
    let run = unknown_run(&campaign);
    let ran = reconcile(&run).run();
    ran.code(4)
        .stderr_has("0 rows are accepted now")
        .stderr_has("40 rows still unknown")
        .stderr_has("without an answer")
        .stderr_has("not asked about")
        .stderr_has("Out of")
        .stderr_lacks("\u{1b}");
    assert!(lookups(&api).len() <= 20, "{}", lookups(&api).len());
    assert_eq!(rows(&run, "unknown"), 40);
}

#[test]
fn a_server_that_is_down_proves_nothing() {
    let mut api = loses_answers(|_, _| Reply::Take);
    let campaign = of(&api, 2).set("retry.attempts", 2);
    let run = unknown_run(&campaign);
    api.stop();
    reconcile(&run)
        .run()
        .code(4)
        .stderr_has("2 rows still unknown: 2 without an answer");
    assert_eq!(rows(&run, "unknown"), 2);
}

#[test]
fn a_lookup_without_an_answer_does_not_delay_the_others() {
    let api = loses_answers(|_, request| {
        if message_id(request).contains(".1@") {
            Reply::error(500, "Bad row").into()
        } else {
            Reply::Take
        }
    });
    let campaign = of(&api, 8)
        .set("pace.concurrency", 1)
        .set("retry.attempts", 2);
    let run = unknown_run(&campaign);
    reconcile(&run)
        .run()
        .code(4)
        .stderr_has("3 rows are accepted now")
        .stderr_has("1 without an answer")
        .stderr_has("Bad row");
}

#[test]
fn a_short_retry_after_pauses_and_a_long_one_stops_the_lookups() {
    let api = loses_answers(|n, _| match n {
        0 => Reply::too_many(Some("1")),
        _ => Reply::Take,
    });
    let campaign = of(&api, 1);
    let run = unknown_run(&campaign);
    reconcile(&run).run().code(0);
    let at: Vec<_> = lookups(&api).iter().map(|it| it.at).collect();
    assert!(at[1] - at[0] >= Duration::from_secs(1), "{at:?}");

    let api = loses_answers(|_, _| Reply::too_many(Some("3600")));
    let campaign = of(&api, 1);
    let run = unknown_run(&campaign);
    reconcile(&run).run().code(5).stderr_has("60 minutes");
    assert_eq!(lookups(&api).len(), 1);
}

#[test]
fn a_refused_login_stops_the_lookups_and_keeps_accepted_rows() {
    let api = loses_answers(|n, _| match n {
        0..3 => Reply::Take,
        _ => Reply::wrong_key(),
    });
    let campaign = of(&api, 1)
        .recipients("email,first_name\nr1@x.example,A\nr3@x.example,B\nr5@x.example,C\nr7@x.example,D\nr9@x.example,E\n")
        .set("pace.concurrency", 1);
    let run = unknown_run(&campaign);
    reconcile(&run)
        .run()
        .code(5)
        .stderr_has("App Key is invalid")
        .stderr_has("3 rows are accepted now")
        .stderr_has("2 rows still unknown");
    assert_eq!(lookups(&api).len(), 4);
    assert_eq!(
        Results::of(&run).counts(),
        [("accepted", 3), ("unknown", 2)].into()
    );
}

#[test]
fn reconcile_is_refused_if_the_api_chose_the_ids() {
    let api = loses_answers(|_, _| Reply::Take);
    let campaign = campaign(&api).rows(1);
    let run = unknown_run(&campaign);
    reconcile(&run).run().code(2).stderr_has("sendmail");
    let local = Campaign::new().set("api.dialect", "new_sendmail");
    let command = Run::new("send").arg(local.path()).arg("--local");
    let run = command.run().code(0).run_dir();
    reconcile(&run).run().code(2).stderr_has("local");
    assert!(lookups(&api).is_empty());
}

#[test]
fn a_test_can_be_reconciled_too() {
    let api = loses_answers(|_, _| Reply::Take);
    let campaign = of(&api, 3);
    let run = send(&campaign)
        .args(["--test-to", "me1@one.example"])
        .run()
        .code(4)
        .run_dir();
    reconcile(&run).run().code(0);
    assert_eq!(Results::of(&run).counts(), [("accepted", 1)].into());
}

/// Stops a reconciliation of 30 rows by `stop` when the API has answered 20 of them and hangs.
fn stopped_in_the_middle(stop: impl FnOnce(crate::support::run::Running)) {
    let api = loses_answers(|n, _| match n {
        20..24 => Reply::Hang { take: false },
        _ => Reply::Take,
    });
    let mut csv = String::from("email,first_name\n");
    for n in 0..30 {
        csv += &format!("r{}@one.example,N\n", 2 * n + 1);
    }
    let campaign = of(&api, 1).recipients(csv);
    let run = unknown_run(&campaign);
    let running = reconcile(&run).spawn();
    running.wait_until("20 rows accepted", |_| {
        lookups(&api).len() == 24 && rows(&run, "accepted") == 20
    });
    stop(running);
    assert_eq!(rows(&run, "unknown"), 10, "what was found is kept");
    reconcile(&run).run().code(0);
    let results = Results::of(&run);
    assert_eq!(results.counts(), [("accepted", 30)].into());
    for row in &results.rows {
        assert!(
            api.taken()
                .iter()
                .any(|it| it.message_id == row["message_id"])
        );
    }
    assert_eq!(api.taken().len(), 30);
    let often = lookup_counts(&api);
    assert!(often.values().all(|often| *often <= 2), "{often:?}");
}

#[test]
fn a_signal_keeps_accepted_rows() {
    stopped_in_the_middle(|running| {
        running.signal(Signal::INT);
        running.wait().code(130);
    });
}

#[test]
fn a_kill_keeps_accepted_rows() {
    stopped_in_the_middle(|running| {
        running.kill();
    });
}
