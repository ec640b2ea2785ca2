//! The harness's own readers: one that misreads would hide a bug.

use std::path::Path;

use crate::support::campaign::Campaign;
use crate::support::fake_api::Taken;
use crate::support::mail::{Mail, outbox};
use crate::support::parallel::each;
use crate::support::promises::Promises;
use crate::support::results::Results;
use crate::support::run::Run;
use crate::support::snapshot;

const MESSAGE: &str = "From: =?utf-8?q?J=C3=B3zef?= <a@one.example>\r\n\
    To: <b@two.example>\r\n\
    Subject: Hi\r\n\
    Message-ID: <1@one.example>\r\n\
    List-Unsubscribe: <https://one.example/u/1>,\r\n <mailto:u@one.example>\r\n\
    MIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed; boundary=m\r\n\r\n\
    --m\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n\
    --a\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nPlain\r\n\
    --a\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Rich</p>\r\n\
    --a--\r\n\
    --m\r\nContent-Type: image/png; name=logo.png\r\nContent-ID: <logo.png>\r\n\
    Content-Disposition: inline; filename=logo.png\r\nContent-Transfer-Encoding: base64\r\n\r\n\
    iVBORw==\r\n\
    --m--\r\n";

#[test]
fn reads_a_message_with_all_its_parts() {
    let mail = Mail::parse(MESSAGE.as_bytes());
    assert_eq!(mail.from, ["Józef <a@one.example>"]);
    assert_eq!(mail.to, ["b@two.example"]);
    assert_eq!(mail.message_id, "1@one.example");
    assert_eq!(mail.text.as_deref(), Some("Plain"));
    assert_eq!(mail.html.as_deref(), Some("<p>Rich</p>"));
    assert_eq!(
        mail.header("list-unsubscribe"),
        "<https://one.example/u/1>, <mailto:u@one.example>"
    );
    let logo = mail.attachment("logo.png");
    assert_eq!((logo.mime.as_str(), logo.inline), ("image/png", true));
    assert_eq!(logo.content_id.as_deref(), Some("logo.png"));
    assert_eq!(logo.bytes, b"\x89PNG");
}

#[test]
fn does_not_make_up_a_body() {
    let html = "Subject: x\r\nContent-Type: text/html\r\n\r\n<p>Rich</p>";
    assert_eq!(Mail::parse(html.as_bytes()).text, None);
    let text = "Subject: x\r\nContent-Type: text/plain\r\n\r\nPlain";
    assert_eq!(Mail::parse(text.as_bytes()).html, None);
}

#[test]
fn reads_an_outbox_in_order() {
    let folder = Campaign::new();
    let folder = folder.file("outbox/new/2", "Subject: second\r\n\r\n");
    let folder = folder.file("outbox/cur/1:2,S", "Subject: first\r\n\r\n");
    let mails = outbox(folder.path().join("outbox"));
    let subjects: Vec<_> = mails.iter().map(|mail| mail.subject.as_str()).collect();
    assert_eq!(subjects, ["first", "second"]);
}

#[test]
fn bends_a_campaign() {
    let campaign = Campaign::new()
        .set("message.headers.X-Test", "1")
        .set("pace.rate", vec!["5/s"])
        .unset("message.html")
        .rows(2);
    let read = |name| std::fs::read_to_string(campaign.path().join(name)).expect("a file");
    let toml: toml::Table = read("campaign.toml").parse().expect("TOML");
    assert_eq!(toml["message"]["headers"]["X-Test"].as_str(), Some("1"));
    assert_eq!(toml["pace"]["rate"][0].as_str(), Some("5/s"));
    assert!(toml["message"].get("html").is_none());
    let rows = "email,first_name\nr1@two.example,Name 1\nr2@three.example,Name 2\n";
    assert_eq!(read("recipients.csv"), rows);
    assert!(campaign.runs().is_empty());
}

#[test]
fn counts_results() {
    let results = Results::parse("row,email,status\n1,a@x.example,accepted\n2,b,invalid\n");
    assert_eq!(results.counts(), [("accepted", 1), ("invalid", 1)].into());
    assert_eq!(results.row("b")["row"], "2");
}

#[test]
fn takes_out_what_differs_from_run_to_run() {
    let text = "/tmp/x/runs/20261124T003825Z-autumn-abcd at 2026-11-24T00:38:25.123Z took 1.5 s, \
                2m 3s, 12ms on http://127.0.0.1:4711/api/";
    snapshot::settings(&[(Path::new("/tmp/x"), "[CAMPAIGN]")]).bind(|| {
        insta::assert_snapshot!(text, @"[CAMPAIGN]/runs/[TIME]-autumn-[RANDOM] at [TIME] took [DURATION], [DURATION], [DURATION] on http://127.0.0.1:[PORT]/api/");
    });
}

#[test]
fn says_all_that_a_command_said_when_it_fails_a_test() {
    let ran = Run::new("no-such-command").run();
    let failure = std::panic::catch_unwind(|| {
        ran.stdout_has("what no command ever says");
    });
    let message = failure.expect_err("it is not there");
    let message = message.downcast_ref::<String>().expect("a message");
    assert!(
        message.contains("`mailrun no-such-command`: expected"),
        "{message}"
    );
    assert!(message.contains("--- standard error"), "{message}");
}

/// What [`Promises`] says of a run of two rows, with these in the results and these messages taken.
fn broken(rows: &[&str], taken: &[(&str, &str)], ended: bool) -> String {
    let mut csv = String::from("row,email,status,message_id,error,possible_duplicate\n");
    rows.iter().for_each(|row| csv += &format!("{row}\n"));
    let results = Results::parse(&csv);
    let counts = results.counts().into_iter();
    let promises = Promises {
        label: "two rows".into(),
        input: Some(vec!["a@x.example".into(), "b@x.example".into()]),
        counts: Some(
            counts
                .map(|(status, rows)| (status.to_owned(), rows))
                .collect(),
        ),
        results,
        taken: (taken.iter())
            .map(|(address, id)| Taken {
                address: (*address).into(),
                message_id: (*id).into(),
                request: 0,
            })
            .collect(),
        requests: Vec::new(),
        fault: &|_| String::new(),
        ended,
    };
    promises.broken().join("\n")
}

const TAKEN: &str = "1,a@x.example,accepted,1@y,,false";
const REFUSED: &str = "2,b@x.example,rejected,,no,false";

#[test]
fn sees_promises_that_are_kept() {
    let a = ("a@x.example", "1@y");
    let b = ("b@x.example", "2@y");
    let doubtful = "2,b@x.example,unknown,,cut,false";
    assert_eq!(broken(&[TAKEN, REFUSED], &[a], true), "");
    assert_eq!(broken(&[TAKEN, doubtful], &[a], true), "");
    assert_eq!(broken(&[TAKEN, doubtful], &[a, b], true), "");
    let resent = "2,b@x.example,accepted,2@y,,true";
    assert_eq!(broken(&[TAKEN, resent], &[a, b, b], true), "");
    assert_eq!(
        broken(&[TAKEN, "2,b@x.example,pending,,,false"], &[a], false),
        ""
    );
}

#[test]
fn sees_promises_that_are_broken() {
    let (a, b) = (("a@x.example", "1@y"), ("b@x.example", "2@y"));
    let sees = |rows: &[&str], taken: &[_], words: &str| {
        let broken = broken(rows, taken, true);
        assert!(broken.contains(words), "{words:?} is not in {broken:?}");
    };
    sees(&[TAKEN], &[a], "1 rows, not the 2 of the input");
    sees(
        &[TAKEN, TAKEN, REFUSED],
        &[a],
        "3 rows, not the 2 of the input",
    );
    sees(&[REFUSED, TAKEN], &[a], "in its order");
    sees(
        &[TAKEN, "3,b@x.example,rejected,,,false"],
        &[a],
        "is no end of a row",
    );
    sees(
        &[TAKEN, "2,b@x.example,pending,,,false"],
        &[a],
        "is no end of a row",
    );
    sees(
        &[TAKEN, "2,b@x.example,sending,,,false"],
        &[a],
        "is no end of a row",
    );
    sees(&[TAKEN, REFUSED], &[a, a], "was taken 2 times");
    sees(&[TAKEN, REFUSED], &[a, b], "rejected (\"no\"), was taken");
    sees(&[TAKEN, REFUSED], &[a, ("c@x.example", "3@y")], "is no row");
    sees(&[TAKEN, REFUSED], &[], "was not taken");
    sees(
        &[TAKEN, REFUSED],
        &[("a@x.example", "9@y")],
        "as 1@y, taken as 9@y",
    );
}

#[test]
fn names_every_case_that_fails() {
    let cases: Vec<_> = (0..30).collect();
    let fails = |n: &i32| assert!(n % 7 != 3, "it is {n}");
    let failure = std::panic::catch_unwind(|| each(&cases, |n| format!("case {n}"), fails));
    let failure = failure.expect_err("four of them fail");
    let failure = failure.downcast_ref::<String>().expect("a message");
    assert!(failure.starts_with("4 of 30 cases failed"), "{failure}");
    for n in [3, 10, 17, 24] {
        assert!(
            failure.contains(&format!("case {n}: it is {n}")),
            "{failure}"
        );
    }
}
