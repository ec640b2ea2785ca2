//! A 250 means that the message is on the disk, and no reply that it may be.

use std::path::Path;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::gateway::smtp_address;
use crate::support::run::{Run, Running};
use crate::support::shim::{Fault, Shim};
use crate::support::smtp_client::{SmtpClient, with_dots};

fn command(data: &Path) -> Run {
    let run = Run::new("gateway").arg("--data").arg(data);
    run.args(["--listen", "127.0.0.1:0", "--smtp", "127.0.0.1:0"])
}

/// The subjects of the stored messages, each for both recipients.
fn stored(data: &Path) -> Vec<String> {
    let store = rusqlite::Connection::open(data.join("gateway.db")).expect("a store");
    let sql = "SELECT subject, count(*) FROM message GROUP BY subject ORDER BY min(id)";
    let mut select = store.prepare(sql).expect("a query");
    let rows = select.query_map([], |row| {
        assert_eq!(
            row.get::<_, i64>(1)?,
            2,
            "a message is stored for both or for none"
        );
        row.get(0)
    });
    rows.expect("rows").map(|row| row.expect("a row")).collect()
}

/// Sends a message with this subject. Returns the code of the reply, if there is one.
fn send(client: &mut SmtpClient, subject: &str) -> Option<String> {
    client.send("RSET\r\nMAIL FROM:<a@acme.example>\r\nRCPT TO:<jan@example.com>\r\nRCPT TO:<ola@example.com>\r\nDATA\r\n");
    for code in ["250", "250", "250", "250", "354"] {
        let reply = client.try_reply()?;
        assert!(reply.starts_with(code), "{reply}");
    }
    client.send(with_dots(
        format!("Subject: {subject}\r\n\r\nHello\r\n").as_bytes(),
    ));
    client.try_reply().map(|reply| reply[..3].to_owned())
}

fn greeted(running: &Running) -> SmtpClient {
    let mut client = SmtpClient::connect(smtp_address(running));
    client.say("EHLO client.example", "250");
    client
}

#[test]
fn every_accepted_message_survives_a_kill() {
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    let mut accepted = Vec::new();
    for round in 0..10 {
        let running = command(&data).spawn();
        let clients: Vec<_> = (0..3)
            .map(|number| {
                let mut client = greeted(&running);
                thread::spawn(move || {
                    let subjects = (0..).map(|n| format!("{round}.{number}.{n}"));
                    let sent = subjects.map_while(|subject| {
                        let reply = send(&mut client, &subject)?;
                        assert_eq!(reply, "250");
                        Some(subject)
                    });
                    sent.collect::<Vec<_>>()
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(50 + 13 * round));
        running.kill();
        for client in clients {
            accepted.extend(client.join().expect("a client"));
        }
    }
    let stored = stored(&data);
    assert!(accepted.len() > 30, "{}", accepted.len());
    for subject in &accepted {
        assert!(stored.contains(subject), "{subject} is lost");
    }
    // At most the last message of each client is stored without a reply.
    assert!(stored.len() <= accepted.len() + 30);
}

#[test]
fn a_full_disk_is_answered_451_and_stores_nothing() {
    let Some(shim) = Shim::new() else { return };
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    let full = Fault {
        call: "write",
        error: rustix::io::Errno::NOSPC,
        nth: 1,
        how: "on",
        part: "gateway.db",
    };
    let run = shim.fail_once_armed(command(&data), folder.path(), &full);
    let running = run.spawn();
    let mut client = greeted(&running);
    assert_eq!(send(&mut client, "1").as_deref(), Some("250"));
    shim.arm()();
    assert_eq!(send(&mut client, "2").as_deref(), Some("451"));
    running.kill();
    let running = command(&data).spawn();
    assert_eq!(send(&mut greeted(&running), "3").as_deref(), Some("250"));
    running.kill();
    assert_eq!(stored(&data), ["1", "3"]);
}

#[test]
fn a_commit_in_doubt_is_not_answered() {
    let Some(shim) = Shim::new() else { return };
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    let failing = Fault {
        call: "sync",
        error: rustix::io::Errno::IO,
        nth: 1,
        how: "on",
        part: "gateway.db",
    };
    let run = shim.fail_once_armed(command(&data), folder.path(), &failing);
    let running = run.spawn();
    let mut client = greeted(&running);
    assert_eq!(send(&mut client, "1").as_deref(), Some("250"));
    shim.arm()();
    assert_eq!(send(&mut client, "2"), None);
    running.wait().code(1).stderr_has("unknown");
}
