//! `resolve --how reconcile`: what the API lists was taken; what it does not list stays in doubt.

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

/// An API that loses every answer to a message and takes those to addresses with an odd number;
/// questions are answered as `asked` says: it gets the number of the question, from 0.
fn loses_answers(asked: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static) -> FakeApi {
    let questions = AtomicUsize::new(0);
    FakeApi::start(move |_, request| {
        if request.method == "GET" {
            return asked(questions.fetch_add(1, Ordering::SeqCst), request);
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

/// A run of which every row is unknown.
fn in_doubt(campaign: &Campaign) -> PathBuf {
    let run = send(campaign).run().code(4).run_dir();
    assert_eq!(rows(&run, "unknown") as usize, Results::of(&run).rows.len());
    run
}

fn reconcile(run: &Path) -> Run {
    Run::on("resolve", run).args(["--how", "reconcile"])
}

fn questions(api: &FakeApi) -> Vec<Arc<Request>> {
    let mut requests = api.requests();
    requests.retain(|request| request.method == "GET");
    requests
}

/// How often each question was asked.
fn asked(api: &FakeApi) -> BTreeMap<String, usize> {
    let mut asked = BTreeMap::new();
    for question in questions(api) {
        *asked.entry(question.target.clone()).or_default() += 1;
    }
    asked
}

/// The row in the API's list with this ID.
fn listed(message_id: &str) -> Reply {
    let row = serde_json::json!({"id": 7, "message_id": message_id, "to": "x@one.example"});
    let body = serde_json::json!({
        "code": 200, "status": "success", "data": [row], "number_of_elements": 1, "req_id": "r",
    });
    Reply::json(200, body.to_string()).into()
}

/// The ID that a question asks for.
fn wanted(request: &Request) -> String {
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
fn what_the_api_lists_is_accepted_and_the_rest_stays_unknown() {
    let api = loses_answers(|_, _| Reply::Take);
    let campaign = of(&api, 9);
    let run = in_doubt(&campaign);
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
    for question in questions(&api) {
        assert_eq!(question.endpoint(), "emails");
        assert_eq!(question.login(), Some((APP_KEY.into(), SECRET_KEY.into())));
        assert!(question.body.is_empty());
    }
    let often: Vec<_> = asked(&api).into_values().collect();
    assert_eq!(often.iter().filter(|often| **often == 1).count(), 5);
    assert_eq!(often.iter().filter(|often| **often == 5).count(), 4);
    assert!(api.max_in_flight() <= 4);
    assert_eq!(
        api.requests().len() - questions(&api).len(),
        9,
        "nothing is posted"
    );
    assert_eq!(campaign.runs(), [run]);
}

#[test]
fn what_is_listed_late_is_found() {
    let api = loses_answers(|n, _| {
        if n < 6 {
            Reply::error(404, "No items").into()
        } else {
            Reply::Take
        }
    });
    let campaign = of(&api, 1);
    let campaign = campaign.recipients("email,first_name\nr1@one.example,A\nr3@one.example,B\n");
    let run = in_doubt(&campaign);
    reconcile(&run)
        .run()
        .code(0)
        .stderr_has("2 rows are not listed yet; asking again in")
        .stderr_has("2 rows are accepted now")
        .stderr_lacks("still unknown");
    assert_eq!(questions(&api).len(), 8);
    assert_eq!(Results::of(&run).counts(), [("accepted", 2)].into());
    reconcile(&run).run().code(0).stderr_has("no unknown rows");
    assert_eq!(questions(&api).len(), 8, "there was nothing to ask");
}

#[test]
fn another_message_in_the_answer_is_no_proof() {
    let api = loses_answers(|n, request| {
        let id = wanted(request);
        match n % 4 {
            0 => listed(&format!("{id}x")),
            1 => listed(&id.to_uppercase()),
            2 => listed("other@sender.example"),
            _ => listed(""),
        }
    });
    let campaign = of(&api, 3);
    let run = in_doubt(&campaign);
    reconcile(&run).run().code(4);
    assert_eq!(Results::of(&run).counts(), [("unknown", 3)].into());
}

#[test]
fn a_message_that_was_sent_again_is_asked_for_by_its_new_id() {
    let api = loses_answers(|_, _| Reply::Take);
    let campaign = of(&api, 1);
    let run = in_doubt(&campaign);
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
    assert_eq!(wanted(&questions(&api)[0]), posted[1]);
}

#[test]
fn the_id_has_the_domain_of_each_rows_sender() {
    let api = loses_answers(|_, _| Reply::Take);
    let campaign = of(&api, 1)
        .set("message.from", "news@{{ brand }}.example")
        .recipients("email,brand,first_name\nr1@x.example,red,A\nr3@x.example,żółw,B\n");
    let run = in_doubt(&campaign);
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
        let run = in_doubt(&campaign);
        reconcile(&run).run().code(0);
        assert_eq!(questions(&api).len(), 4, "HTTP {trouble}");
    }
    let api = loses_answers(|_, _| Reply::error(500, "Out of\u{1b}[2J order").into());
    let campaign = of(&api, 40).set("retry.attempts", 2);
    let run = in_doubt(&campaign);
    let ran = reconcile(&run).run();
    ran.code(4)
        .stderr_has("0 rows are accepted now")
        .stderr_has("40 rows still unknown")
        .stderr_has("without an answer")
        .stderr_has("not asked about")
        .stderr_has("Out of")
        .stderr_lacks("\u{1b}");
    assert!(questions(&api).len() <= 20, "{}", questions(&api).len());
    assert_eq!(rows(&run, "unknown"), 40);
}

#[test]
fn a_server_that_is_gone_proves_nothing() {
    let mut api = loses_answers(|_, _| Reply::Take);
    let campaign = of(&api, 2).set("retry.attempts", 2);
    let run = in_doubt(&campaign);
    api.stop();
    reconcile(&run)
        .run()
        .code(4)
        .stderr_has("2 rows still unknown: 2 without an answer");
    assert_eq!(rows(&run, "unknown"), 2);
}

#[test]
fn one_question_without_an_answer_does_not_hold_the_others_up() {
    let api = loses_answers(|_, request| {
        if wanted(request).contains(".1@") {
            Reply::error(500, "Bad row").into()
        } else {
            Reply::Take
        }
    });
    let campaign = of(&api, 8)
        .set("pace.concurrency", 1)
        .set("retry.attempts", 2);
    let run = in_doubt(&campaign);
    reconcile(&run)
        .run()
        .code(4)
        .stderr_has("3 rows are accepted now")
        .stderr_has("1 without an answer")
        .stderr_has("Bad row");
}

#[test]
fn a_retry_after_is_waited_for_and_a_long_one_is_not() {
    let api = loses_answers(|n, _| match n {
        0 => Reply::too_many(Some("1")),
        _ => Reply::Take,
    });
    let campaign = of(&api, 1);
    let run = in_doubt(&campaign);
    reconcile(&run).run().code(0);
    let at: Vec<_> = questions(&api).iter().map(|it| it.at).collect();
    assert!(at[1] - at[0] >= Duration::from_secs(1), "{at:?}");

    let api = loses_answers(|_, _| Reply::too_many(Some("3600")));
    let campaign = of(&api, 1);
    let run = in_doubt(&campaign);
    reconcile(&run).run().code(5).stderr_has("60 minutes");
    assert_eq!(questions(&api).len(), 1);
}

#[test]
fn a_refused_login_ends_the_asking_and_keeps_what_was_found() {
    let api = loses_answers(|n, _| match n {
        0..3 => Reply::Take,
        _ => Reply::wrong_key(),
    });
    let campaign = of(&api, 1)
        .recipients("email,first_name\nr1@x.example,A\nr3@x.example,B\nr5@x.example,C\nr7@x.example,D\nr9@x.example,E\n")
        .set("pace.concurrency", 1);
    let run = in_doubt(&campaign);
    reconcile(&run)
        .run()
        .code(5)
        .stderr_has("App Key is invalid")
        .stderr_has("3 rows are accepted now")
        .stderr_has("2 rows still unknown");
    assert_eq!(questions(&api).len(), 4);
    assert_eq!(
        Results::of(&run).counts(),
        [("accepted", 3), ("unknown", 2)].into()
    );
}

#[test]
fn there_is_nothing_to_ask_where_the_sender_did_not_choose_the_ids() {
    let api = loses_answers(|_, _| Reply::Take);
    let campaign = campaign(&api).rows(1);
    let run = in_doubt(&campaign);
    reconcile(&run).run().code(2).stderr_has("sendmail");
    let local = Campaign::new().set("api.dialect", "new_sendmail");
    let command = Run::new("send").arg(local.path()).arg("--local");
    let run = command.run().code(0).run_dir();
    reconcile(&run).run().code(2).stderr_has("local");
    assert!(questions(&api).is_empty());
}

#[test]
fn a_test_can_be_asked_for_too() {
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
    let run = in_doubt(&campaign);
    let running = reconcile(&run).spawn();
    running.wait_until("20 rows accepted", |_| {
        questions(&api).len() == 24 && rows(&run, "accepted") == 20
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
    let often = asked(&api);
    assert!(often.values().all(|often| *often <= 2), "{often:?}");
}

#[test]
fn a_signal_keeps_what_was_found() {
    stopped_in_the_middle(|running| {
        running.signal(Signal::INT);
        running.wait().code(130);
    });
}

#[test]
fn a_kill_keeps_what_was_found() {
    stopped_in_the_middle(|running| {
        running.kill();
    });
}
