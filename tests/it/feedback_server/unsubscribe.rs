//! Clicks on links to unsubscribe.

use super::links::token_of;
use super::server::{ONE_CLICK, Server, entries, events, journal, proof};
use super::{OTHER_KEY, with_key, with_link};
use crate::support::campaign::Campaign;
use crate::support::fake_api::FakeApi;
use crate::support::results::Results;
use crate::support::run::Run;
use crate::support::send::{addresses, campaign, send};

/// A campaign that was sent, and the tokens of its rows.
fn sent(api: &FakeApi) -> (Campaign, std::path::PathBuf, Vec<String>) {
    let campaign = with_link(campaign(api)).set("pace.concurrency", 1);
    let run = with_key(send(&campaign)).run().code(0).run_dir();
    let tokens = api.requests().iter().map(|it| token_of(it)).collect();
    (campaign, run, tokens)
}

#[test]
fn a_click_unsubscribes_at_once_and_the_next_send_leaves_the_address_out() {
    let api = FakeApi::taking_all();
    let (campaign, run, tokens) = sent(&api);
    let server = Server::start(&[&campaign]);
    // Scanners of mail follow links.
    server.get(&tokens[0]).code(200);
    server.site.ask(&format!("HEAD /u/{}", tokens[0]), &[], b"");
    server.click(&tokens[0]).code(200);
    server.wait_until_applied(&campaign);
    assert_eq!(entries(&campaign), ["ann@one.example unsubscribe"]);
    assert_eq!(events(&run), [(1, "unsubscribed".to_owned())]);
    server.stop().code(0);

    let again = with_key(send(&campaign)).arg("--again").run();
    let results = Results::of(again.code(0).run_dir());
    let row = results.row("ann@one.example");
    assert_eq!(row["status"], "skipped");
    assert!(row["error"].contains("unsubscribed"), "{row:?}");
    assert_eq!(results.count("accepted"), 2);
    assert_eq!(addresses(&results).len(), 3);
}

#[test]
fn nothing_that_was_answered_is_lost_by_a_kill() {
    let api = FakeApi::taking_all();
    let (campaign, run, tokens) = sent(&api);
    for token in &tokens {
        let server = Server::start(&[&campaign]);
        server.click(token).code(200);
        server.kill();
    }
    let server = Server::start(&[&campaign]);
    server.wait_until_applied(&campaign);
    assert_eq!(entries(&campaign).len(), 3);
    assert_eq!(events(&run).len(), 3);
    server.stop().code(0);
}

#[test]
fn guesses_forgeries_and_foreign_tokens_unsubscribe_nobody() {
    let api = FakeApi::taking_all();
    let (campaign, run, tokens) = sent(&api);
    let other = with_link(Campaign::new()).kept_list("@other");
    let server = Server::start(&[&other]);
    // The list of the token is not served.
    server.click(&tokens[0]).code(404);
    server.stop();

    let foreign = Server::with(&[&campaign], |run| {
        run.env("MAILRUN_FEEDBACK_KEY", OTHER_KEY)
    });
    foreign.click(&tokens[0]).code(404);
    foreign.stop();
    let rotated = Server::with(&[&campaign], |run| {
        run.env("MAILRUN_FEEDBACK_KEY", OTHER_KEY)
            .env("MAILRUN_FEEDBACK_RETIRED_KEYS", super::KEY)
    });
    rotated.get(&tokens[0]).code(200);
    rotated.stop();

    let server = Server::start(&[&campaign]);
    let mut seed = 7_u64;
    for n in 0..10_000_usize {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(n as u64);
        let at = (seed >> 33) as usize % tokens[0].len();
        let mut guess = tokens[n % 3].clone().into_bytes();
        guess[at] = if guess[at] == b'A' { b'B' } else { b'A' };
        let guess = String::from_utf8(guess).expect("ASCII");
        server.click(&guess).code(404);
    }
    let body = b"unsubscribe=yes";
    server
        .site
        .ask(&format!("POST /u/{}", tokens[0]), &[], body)
        .code(400);
    server.click("test").code(200);
    server.get("test").code(200);
    server.wait_until_applied(&campaign);
    assert_eq!(entries(&campaign), [""; 0]);
    assert_eq!(events(&run), []);

    // The log names the endpoints, and neither addresses nor tokens.
    server.click(&tokens[1]).code(200);
    server.wait_until_applied(&campaign);
    let log = server.stop().code(0).stderr.clone();
    assert!(log.contains("u/test"), "{}", &log[..500.min(log.len())]);
    assert!(log.lines().count() > 10_000);
    for secret in [
        &tokens[0][..20],
        &tokens[1][..20],
        "one.example",
        "two.example",
    ] {
        assert!(!log.contains(secret), "{secret}");
    }
}

#[test]
fn an_undo_takes_back_its_own_click_and_nothing_else() {
    let api = FakeApi::taking_all();
    let (campaign, run, tokens) = sent(&api);
    let server = Server::start(&[&campaign]);
    let first = proof(&server.click(&tokens[0]).code(200));
    let second = proof(&server.click(&tokens[0]).code(200));
    server.wait_until_applied(&campaign);
    // The second click changed nothing, so its undo doesn't either.
    server.undo(&tokens[0], &second).code(200);
    server.wait_until_applied(&campaign);
    assert_eq!(entries(&campaign), ["ann@one.example unsubscribe"]);
    // A proof belongs to one token.
    server.undo(&tokens[1], &first).code(404);
    server.undo(&tokens[0], "1.AAAA").code(404);
    let manual = Run::new("suppress").args(["add", "@acme", "ann@one.example", "--campaign"]);
    manual.arg(campaign.path()).run().code(0);
    server.undo(&tokens[0], &first).code(200);
    server.wait_until_applied(&campaign);
    assert_eq!(entries(&campaign), ["ann@one.example manual"]);
    assert_eq!(events(&run), []);
    server.stop().code(0);
}

#[test]
fn old_mail_unsubscribes_when_its_run_is_gone() {
    let api = FakeApi::taking_all();
    let (campaign, run, tokens) = sent(&api);
    std::fs::remove_dir_all(run).expect("it is deleted");
    let server = Server::start(&[&campaign]);
    server.click(&tokens[2]).code(200);
    server.wait_until_applied(&campaign);
    assert_eq!(entries(&campaign), ["cleo@one.example unsubscribe"]);
    assert_eq!(journal(&campaign, "SELECT count(*) FROM click"), 0);
    server.stop().code(0);
}

#[test]
fn clicks_in_both_encodings_of_forms_count() {
    let api = FakeApi::taking_all();
    let (campaign, _, tokens) = sent(&api);
    let server = Server::start(&[&campaign]);
    let line = format!("POST /u/{}", tokens[0]);
    let multipart = b"--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n";
    let kind = ["Content-Type: multipart/form-data; boundary=b"];
    server.site.ask(&line, &kind, multipart).code(200);
    let wrong = String::from_utf8_lossy(multipart).replace("One-Click", "Never");
    server.site.ask(&line, &kind, wrong.as_bytes()).code(400);
    let form = ["Content-Type: application/x-www-form-urlencoded"];
    server.site.ask(&line, &form, ONE_CLICK).code(200);
    server.site.ask(&line, &[], &[b'a'; 20_000]).code(413);
    server.stop().code(0);
}

#[test]
fn the_export_follows_the_list_and_the_journal_has_one_server() {
    let api = FakeApi::taking_all();
    let (campaign, _, tokens) = sent(&api);
    let file = campaign.path().join("export.csv");
    let server = Server::with(&[&campaign], |run| run.arg("--export").arg(&file));
    server.click(&tokens[0]).code(200);
    server.wait_for("the export", || {
        std::fs::read_to_string(&file).is_ok_and(|csv| csv.contains("ann@one.example,unsubscribe"))
    });
    let second = Run::new("feedback")
        .arg(campaign.path())
        .env("MAILRUN_FEEDBACK_KEY", super::KEY);
    let second = second.args(["--listen", "127.0.0.1:0"]).run();
    second.code(1).stderr_has("another `mailrun feedback` uses");
    server.stop().code(0);
    let without = Run::new("feedback").arg(campaign.path()).run();
    without
        .code(1)
        .stderr_has("MAILRUN_FEEDBACK_KEY is not set");
}

#[test]
fn a_click_waits_for_a_list_that_is_not_served() {
    let api = FakeApi::taking_all();
    let (campaign, _, tokens) = sent(&api);
    let lists = campaign.path().join("lists/acme.db");
    let lists = rusqlite::Connection::open(lists).expect("a list");
    lists.execute_batch("BEGIN IMMEDIATE").expect("a lock");
    let server = Server::start(&[&campaign]);
    server.click(&tokens[0]).code(200);
    server.kill();
    lists.execute_batch("ROLLBACK").expect("unlocked");

    let other = with_link(crate::support::send::campaign(&api)).kept_list("@other");
    let store = campaign.path().join("feedback.db");
    let server = Server::with(&[&other], |run| run.arg("--store").arg(&store));
    server.stop().code(0).stderr_has("@acme, which no campaign");
    assert_eq!(entries(&campaign), [""; 0]);

    let server = Server::start(&[&campaign]);
    server.wait_until_applied(&campaign);
    assert_eq!(entries(&campaign), ["ann@one.example unsubscribe"]);
    server.stop().code(0);
}

#[test]
fn campaigns_of_one_server_agree_on_what_it_has_once() {
    let api = FakeApi::taking_all();
    let folder = tempfile::tempdir().expect("a folder");
    let lists = folder.path().display().to_string();
    let of = |soft: i64, panel: &str| {
        with_link(campaign(&api).set("recipients.lists", lists.as_str()))
            .set("feedback.soft_bounces", soft)
            .set("feedback.panel", panel)
    };
    let first = of(3, "one");
    let start = |other: &Campaign| {
        let run = Run::new("feedback").arg(first.path());
        let run = run
            .arg(other.path())
            .env("MAILRUN_FEEDBACK_KEY", super::KEY);
        let run = run.env("MAILRUN_WEBHOOK_SECRET", super::server::SECRET);
        run.args(["--listen", "127.0.0.1:0"]).run()
    };
    start(&of(4, "one"))
        .code(1)
        .stderr_has("campaigns of the list @acme have different `soft_bounces`");
    start(&of(3, "two"))
        .code(1)
        .stderr_has("the campaigns have different panels");
}
