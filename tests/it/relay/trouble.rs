//! Broken connections, missing and slow servers, and stopping the gateway.

use std::net::TcpListener;
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

use mailrun::clock::Clock;
use mailrun::gateway::config::Config;
use mailrun::gateway::relay::Relay;
use mailrun::gateway::store::Store;
use rand::rngs::StdRng;
use rustix::process::Signal;

use super::{EVENTS, Gateway, QUEUE, QUICK, STATUSES, account, rows, wait_for_rows};
use crate::support::postfix::free_port;
use crate::support::smtp::{Act, FakeSmtp, Stage};

#[test]
fn a_transaction_interrupted_before_the_dot_was_not_accepted() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = FakeSmtp::with(|moment| match (moment.stage, moment.times) {
        (Stage::Data, 0) => Act::CutAfter(100),
        (Stage::Data, 1) => Act::Close,
        (Stage::Rcpt, 2) => Act::Close,
        _ => Act::Go,
    });
    let gateway = Gateway::start(folder.path(), &account(&server.url(), QUICK));
    // Larger than the socket buffers, so that its end can't be written to a closed connection.
    let text = "0123456789 0123456789 0123456789 0123456789\r\n".repeat(200_000);
    gateway.send("jan@example.com", &[("text", &text)]);
    let taken = server.wait_for(1);
    wait_for_rows(folder.path(), STATUSES, &["jan@example.com|ok"]);
    assert_eq!(taken.len(), 1);
    assert_eq!(rows(folder.path(), EVENTS), ["ok|250 2.0.0 taken"]);
    let log = gateway.running.stderr();
    assert_eq!(log.matches("it was not accepted").count(), 3, "{log}");
    assert!(!log.contains("may have been accepted"), "{log}");
}

#[test]
fn a_transaction_interrupted_after_the_dot_is_repeated_and_logged() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = FakeSmtp::with(|moment| match (moment.stage, moment.times) {
        (Stage::Dot, 0) => Act::Close,
        _ => Act::Go,
    });
    let gateway = Gateway::start(folder.path(), &account(&server.url(), QUICK));
    gateway.send("jan@example.com", &[]);
    let taken = server.wait_for(2);
    assert_eq!((taken[0].answered, taken[1].answered), (false, true));
    assert_eq!(taken[0].data, taken[1].data);
    wait_for_rows(folder.path(), STATUSES, &["jan@example.com|ok"]);
    let expected = "ok|250 2.0.0 taken (possibly accepted in 1 interrupted transaction)";
    assert_eq!(rows(folder.path(), EVENTS), [expected]);
    let log = gateway.running.stderr();
    assert_eq!(
        log.matches("the message may have been accepted and is sent again")
            .count(),
        1,
        "{log}"
    );
}

#[test]
fn queued_and_doubtful_messages_are_not_deleted() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = FakeSmtp::with(|moment| match (moment.stage, &*moment.address) {
        (Stage::Dot, _) => Act::Close,
        (Stage::Rcpt, "later@example.com") => Act::Say("450 4.2.0 greylisted"),
        _ => Act::Go,
    });
    let config = account(&server.url(), "retry_delay = \"1h\"\nmax_delay = \"1h\"\n");
    let gateway = Gateway::start(folder.path(), &config);
    gateway.send("jan@example.com", &[]);
    gateway.send("later@example.com", &[]);
    let states = "SELECT recipient, state FROM queue WHERE attempts = 1 ORDER BY id";
    let expected = ["jan@example.com|doubtful", "later@example.com|waiting"];
    wait_for_rows(folder.path(), states, &expected);
    for uid in rows(folder.path(), "SELECT uid FROM message") {
        let line = format!("DELETE /inbox/m/{uid}");
        let (status, answer) = gateway
            .ask(&line, "X-Mailrun: 1\r\n", "")
            .expect("an answer");
        assert_eq!(status, 409, "{answer}");
    }
    let all = gateway.ask("DELETE /inbox/messages", "X-Mailrun: 1\r\n", "");
    let (status, answer) = all.expect("an answer");
    assert_eq!((status, &answer["kept"]), (200, &2.into()), "{answer}");
}

#[test]
fn a_server_that_closes_an_old_connection_costs_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = FakeSmtp::with(|moment| match (moment.stage, moment.times) {
        (Stage::Mail, 1) => Act::SayAndClose("421 4.4.2 idle for too long"),
        (Stage::Mail, 3) => Act::Close,
        _ => Act::Go,
    });
    // A retry would take longer than the test.
    let config = account(&server.url(), "connections = 1\nretry_delay = \"1h\"\n");
    let gateway = Gateway::start(folder.path(), &config);
    for messages in 1..=3 {
        gateway.send("jan@example.com", &[]);
        server.wait_for(messages);
    }
    let connections: Vec<_> = server.taken().iter().map(|mail| mail.connection).collect();
    assert_eq!(connections, [0, 1, 2]);
}

#[test]
fn messages_wait_for_a_server_that_is_down() {
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let config = account(&format!("smtp://127.0.0.1:{port}"), "");
    let gateway = Gateway::start(folder.path(), &config);
    for number in 0..20 {
        gateway.send(&format!("a{number}@example.com"), &[]);
    }
    gateway.wait_for_log("can't use the server");
    let attempts = "SELECT DISTINCT attempts FROM queue";
    assert_eq!(rows(folder.path(), attempts), ["0"]);
    let address = format!("127.0.0.1:{port}").parse().expect("an address");
    let server = FakeSmtp::on(address, |moment| match (moment.stage, moment.times) {
        (Stage::Greeting, 0) => Act::SayAndClose("421 4.3.2 starting"),
        (Stage::Greeting, 1) => Act::Close,
        _ => Act::Go,
    });
    server.wait_for(20);
    wait_for_rows(folder.path(), QUEUE, &[]);
    assert_eq!(server.taken().len(), 20);
    let log = gateway.running.stderr();
    assert!(log.contains("refused"), "{log}");
    assert!(log.contains("421 4.3.2 starting"), "{log}");
}

#[test]
fn messages_for_a_server_that_stays_down_are_given_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("smtp://127.0.0.1:{}", free_port());
    let gateway = Gateway::start(folder.path(), &account(&url, "give_up = \"1s\"\n"));
    gateway.send("jan@example.com", &[]);
    wait_for_rows(folder.path(), STATUSES, &["jan@example.com|softbounce"]);
    let event = rows(folder.path(), EVENTS).remove(0);
    assert!(
        event.starts_with("softbounce|given up: 127.0.0.1:"),
        "{event}"
    );
    assert!(event.contains("refused"), "{event}");
}

#[test]
fn a_server_that_requires_starttls_rejects_no_message() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = FakeSmtp::with(|moment| match (moment.stage, moment.times) {
        (Stage::Mail, 0) => Act::Say("530 5.7.0 must issue STARTTLS first"),
        _ => Act::Go,
    });
    let gateway = Gateway::start(folder.path(), &account(&server.url(), ""));
    gateway.send("jan@example.com", &[]);
    server.wait_for(1);
    wait_for_rows(folder.path(), STATUSES, &["jan@example.com|ok"]);
    gateway.wait_for_log("must issue STARTTLS first");
}

#[test]
fn a_server_that_hangs_does_not_delay_other_accounts() {
    let folder = tempfile::tempdir().expect("a folder");
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = silent.local_addr().expect("an address");
    let server = FakeSmtp::start();
    let config = format!(
        "[accounts.silent]\nrelay = \"smtp://{silent}\"\n{}",
        account(&server.url(), "")
    );
    let gateway = Gateway::start(folder.path(), &config);
    for number in 0..50 {
        gateway.send(
            &format!("a{number}@example.com"),
            &[("smtp_account", "silent")],
        );
        gateway.send(&format!("b{number}@example.com"), &[]);
    }
    let taken = server.wait_for(50);
    assert!(taken.iter().all(|mail| mail.to[0].starts_with('b')));
    let waiting = rows(
        folder.path(),
        "SELECT count(*) FROM queue WHERE account = 'silent'",
    );
    assert_eq!(waiting, ["50"]);
}

#[test]
fn a_reply_that_does_not_arrive_times_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = FakeSmtp::with(|moment| match (moment.stage, moment.times) {
        (Stage::Rcpt, 0) => Act::Late(Duration::from_secs(5)),
        (Stage::Mail, 1) => Act::Late(Duration::from_millis(50)),
        _ => Act::Go,
    });
    let config = account(&server.url(), &format!("timeout = \"1s\"\n{QUICK}"));
    let gateway = Gateway::start(folder.path(), &config);
    gateway.send("jan@example.com", &[]);
    server.wait_for(1);
    wait_for_rows(folder.path(), STATUSES, &["jan@example.com|ok"]);
    gateway.wait_for_log("the server did not reply in time");
}

#[test]
fn transactions_finish_before_the_gateway_stops() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = FakeSmtp::with(|moment| match moment.stage {
        Stage::Dot => Act::Late(Duration::from_millis(500)),
        _ => Act::Go,
    });
    let config = account(&server.url(), "connections = 2\n");
    let gateway = Gateway::start(folder.path(), &config);
    for number in 0..6 {
        gateway.send(&format!("a{number}@example.com"), &[]);
    }
    server.wait_for(1);
    gateway.running.signal(Signal::TERM);
    let ran = gateway.running.wait();
    ran.code(0).stderr_lacks("may have been accepted");
    let taken = server.taken();
    assert!(taken.len() < 6, "it did not wait for the whole queue");
    assert!(taken.iter().all(|mail| mail.answered));
    let waiting = format!("{}", 6 - taken.len());
    let count = "SELECT count(*) FROM queue WHERE state = 'waiting'";
    assert_eq!(rows(folder.path(), count), [waiting]);

    let gateway = Gateway::start(folder.path(), &config);
    let taken = server.wait_for(6);
    wait_for_rows(folder.path(), QUEUE, &[]);
    let mut to: Vec<_> = taken.iter().map(|mail| mail.to[0].clone()).collect();
    to.sort();
    to.dedup();
    assert_eq!((to.len(), server.taken().len()), (6, 6));
    assert!(!gateway.running.stderr().contains("may have been accepted"));
}

#[test]
fn idle_connections_are_closed_together() {
    const CONNECTIONS: usize = 8;
    let folder = tempfile::tempdir().expect("a folder");
    let (all, quits) = (Barrier::new(CONNECTIONS), Arc::new(Mutex::new(Vec::new())));
    let recorded = Arc::clone(&quits);
    let server = FakeSmtp::with(move |moment| match moment.stage {
        Stage::Dot => {
            all.wait();
            Act::Go
        }
        // The gateway waits one second for the reply.
        Stage::Quit => {
            recorded.lock().expect("a lock").push(Instant::now());
            Act::Late(Duration::from_secs(60))
        }
        _ => Act::Go,
    });
    let config = account(&server.url(), &format!("connections = {CONNECTIONS}\n"));
    let gateway = Gateway::start(folder.path(), &config);
    for _ in 0..CONNECTIONS {
        gateway.send("jan@example.com", &[]);
    }
    server.wait_for(CONNECTIONS);
    wait_for_rows(folder.path(), QUEUE, &[]);
    gateway.running.signal(Signal::TERM);
    gateway.running.wait().code(0);
    let quits = quits.lock().expect("a lock");
    assert_eq!(quits.len(), CONNECTIONS);
    // One after the other would take seven seconds.
    let between = quits[CONNECTIONS - 1] - quits[0];
    assert!(between < Duration::from_secs(4), "{between:?}");
}

#[test]
fn slow_transactions_are_aborted_and_wait_for_the_next_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let gateway = Gateway::start(
        folder.path(),
        &account(&format!("smtp://127.0.0.1:{port}"), ""),
    );
    for to in ["early@example.com", "late@example.com"] {
        gateway.send(to, &[]);
    }
    gateway.running.signal(Signal::TERM);
    gateway.running.wait().code(0);

    let hangs = Act::Late(Duration::from_secs(60));
    let address = format!("127.0.0.1:{port}").parse().expect("an address");
    let server = FakeSmtp::on(address, move |moment| {
        match (moment.stage, &*moment.address) {
            (Stage::Rcpt, "early@example.com") | (Stage::Dot, "late@example.com") => hangs.clone(),
            _ => Act::Go,
        }
    });
    let config = Config::load(&folder.path().join("gateway.toml")).expect("a config");
    let accounts = config.accounts.into_iter().map(|account| (account, None));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let store = Store::open(&folder.path().join("data")).expect("a store");
        let new_rng = || Box::new(rand::make_rng::<StdRng>()) as Box<dyn rand::Rng + Send>;
        let relay = Relay::start(&store, accounts.collect(), &Clock::system(), new_rng)
            .await
            .expect("a relay");
        let hang = |command: &str| server.commands().iter().any(|(_, it)| it.contains(command));
        while server.taken().is_empty() || !hang("RCPT TO:<early@example.com>") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        relay.stop(Duration::from_millis(50)).await;
    });
    let expected = ["early@example.com|waiting|0", "late@example.com|doubtful|1"];
    assert_eq!(rows(folder.path(), QUEUE), expected);
}
