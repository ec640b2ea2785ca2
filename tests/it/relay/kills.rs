//! After a gateway was killed, every message that was answered 200 reaches the server, and arrives twice
//! only if the log says that it may.

use std::collections::HashMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{Gateway, QUEUE, QUICK, account, message, rows, wait_for_rows};
use crate::support::smtp::{Act, FakeSmtp, Stage};

/// The log line for a message that may arrive twice.
const TWICE: &str = "the message may have been accepted and is sent again";

#[test]
fn a_message_in_flight_is_sent_again_and_logged() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = FakeSmtp::with(|moment| match (moment.stage, moment.times) {
        (Stage::Dot, 0) => Act::Late(Duration::from_secs(60)),
        _ => Act::Go,
    });
    let config = account(&server.url(), "");
    let gateway = Gateway::start(folder.path(), &config);
    gateway.send("jan@example.com", &[]);
    // The server has the message but does not reply.
    server.wait_for(1);
    assert_eq!(rows(folder.path(), QUEUE), ["jan@example.com|sending|0"]);
    gateway.running.kill();
    let gateway = Gateway::start(folder.path(), &config);
    gateway.wait_for_log(TWICE);
    server.wait_for(2);
    let description = "SELECT description FROM event WHERE kind = 'ok'";
    let expected = "250 2.0.0 taken (possibly accepted in 1 interrupted transaction)";
    wait_for_rows(folder.path(), description, &[expected]);
}

#[test]
fn no_message_is_lost_or_arrives_twice_unlogged() {
    let seed = 0x1d0c_5e7f;
    let mut rng = StdRng::seed_from_u64(seed);
    let folder = tempfile::tempdir().expect("a folder");
    // The server also fails sometimes, at every stage.
    let server = FakeSmtp::with(|moment| match (moment.stage, moment.times % 23) {
        (Stage::Dot, 7) => Act::Close,
        (Stage::Dot, 15) => Act::Say("451 4.3.0 not now"),
        (Stage::Data, 9) => Act::CutAfter(50),
        (Stage::Rcpt, 11) => Act::Say("450 4.2.0 greylisted"),
        (Stage::Mail, 13) => Act::SayAndClose("421 4.3.2 going"),
        (Stage::Dot, _) => Act::Late(Duration::from_millis(3)),
        _ => Act::Go,
    });
    let config = account(&server.url(), &format!("connections = 4\n{QUICK}"));
    let mut answered = Vec::new();
    let mut logs = String::new();
    for round in 0..12 {
        let gateway = Gateway::start(folder.path(), &config);
        let until = std::time::Instant::now() + Duration::from_millis(rng.random_range(20..250));
        std::thread::scope(|scope| {
            let posts = (0..3).map(|thread| {
                let gateway = &gateway;
                scope.spawn(move || {
                    let mut accepted = Vec::new();
                    for number in 0.. {
                        let to = format!("r{round}-t{thread}-n{number}@example.com");
                        match gateway.try_post(&message(&to, &[])) {
                            Some((200, _)) => accepted.push(to),
                            _ => break,
                        }
                        if std::time::Instant::now() > until {
                            break;
                        }
                    }
                    accepted
                })
            });
            for post in posts.collect::<Vec<_>>() {
                answered.extend(post.join().expect("a thread"));
            }
        });
        logs += &gateway.running.kill().stderr;
    }
    let gateway = Gateway::start(folder.path(), &config);
    wait_for_rows(folder.path(), QUEUE, &[]);
    logs += &gateway.running.kill().stderr;

    let mut times: HashMap<String, usize> = HashMap::new();
    for mail in server.taken() {
        *times.entry(mail.to[0].clone()).or_default() += 1;
    }
    assert!(
        answered.len() > 50,
        "only {} messages were accepted",
        answered.len()
    );
    let lost: Vec<_> = answered
        .iter()
        .filter(|to| !times.contains_key(*to))
        .collect();
    assert!(lost.is_empty(), "seed {seed}: {lost:?} were lost\n{logs}");
    for (to, times) in &times {
        let logged = logs
            .lines()
            .filter(|line| line.contains(TWICE) && line.contains(to.as_str()));
        let logged = logged.count();
        assert!(
            *times <= 1 + logged,
            "seed {seed}: {to} arrived {times} times, logged {logged} times"
        );
    }
}
