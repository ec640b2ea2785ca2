//! A gateway that is killed: every message that was answered 200 reaches the server, and twice only
//! where the log says that it may.

use std::collections::HashMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{Gateway, QUEUE, QUICK, account, message, rows, wait_for_rows};
use crate::support::smtp::{Act, FakeSmtp, Stage};

/// The words of the log for what may come twice.
const TWICE: &str = "it may have been taken, and is sent again";

#[test]
fn what_was_in_flight_is_sent_again_and_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = FakeSmtp::with(|moment| match (moment.stage, moment.times) {
        (Stage::Dot, 0) => Act::Late(Duration::from_secs(60)),
        _ => Act::Go,
    });
    let config = account(&server.url(), "");
    let gateway = Gateway::start(folder.path(), &config);
    gateway.send("jan@example.com", &[]);
    // The fake has it, and will not say so.
    server.wait_for(1);
    assert_eq!(rows(folder.path(), QUEUE), ["jan@example.com|sending|0"]);
    gateway.running.kill();
    let gateway = Gateway::start(folder.path(), &config);
    gateway.wait_for_log(TWICE);
    server.wait_for(2);
    let told = "SELECT description FROM event WHERE kind = 'ok'";
    let expected = "250 2.0.0 taken (1 transaction broke off where it may have been taken)";
    wait_for_rows(folder.path(), told, &[expected]);
}

#[test]
fn nothing_is_lost_and_nothing_comes_twice_in_silence() {
    let seed = 0x1d0c_5e7f;
    let mut rng = StdRng::seed_from_u64(seed);
    let folder = tempfile::tempdir().expect("a folder");
    // Some trouble of the server's own, at every stage.
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
                    let mut taken = Vec::new();
                    for number in 0.. {
                        let to = format!("r{round}-t{thread}-n{number}@example.com");
                        match gateway.try_post(&message(&to, &[])) {
                            Some((200, _)) => taken.push(to),
                            _ => break,
                        }
                        if std::time::Instant::now() > until {
                            break;
                        }
                    }
                    taken
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
        "only {} messages were taken",
        answered.len()
    );
    let lost: Vec<_> = answered
        .iter()
        .filter(|to| !times.contains_key(*to))
        .collect();
    assert!(lost.is_empty(), "seed {seed}: {lost:?} were lost\n{logs}");
    for (to, times) in &times {
        let told = logs
            .lines()
            .filter(|line| line.contains(TWICE) && line.contains(to.as_str()));
        let told = told.count();
        assert!(
            *times <= 1 + told,
            "seed {seed}: {to} came {times} times, told {told} times"
        );
    }
}
