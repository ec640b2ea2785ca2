//! Kills and shutdowns under load: each message that was answered 200 is stored once.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::run::{Run, Running};
use crate::support::shim::{Fault, Shim};

/// The number of kills.
const KILLS: u64 = 50;
/// The number of concurrent clients.
const CLIENTS: usize = 4;

fn start(data: &Path) -> (Running, SocketAddr) {
    let run = Run::new("gateway").arg("--data").arg(data);
    listening(run.args(["--listen", "127.0.0.1:0"]))
}

fn listening(run: Run) -> (Running, SocketAddr) {
    let running = run.spawn();
    let line = running.first_line();
    let address = line.trim_start_matches("http://").trim_end_matches('/');
    (running, address.parse().expect("where it listens"))
}

/// A message to three recipients with message IDs of the client.
fn request(number: u64) -> (Vec<String>, Vec<u8>) {
    let ids: Vec<_> = (0..3)
        .map(|n| format!("{number}.{n}@acme.example"))
        .collect();
    let mut body = String::from(
        "smtp_account=1.acme.smtp&from=news%40acme.example&subject=Hello&html=%3Cp%3EHello%3C%2Fp%3E",
    );
    for (n, id) in ids.iter().enumerate() {
        body += &format!("&to%5Bjan{n}%40example.com%5D%5Bmessage_id%5D={id}");
    }
    let head = format!(
        "POST /api/new_sendmail HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    (ids, (head + &body).into_bytes())
}

/// The status of the next complete response, or `None` if the connection ends before.
fn status(stream: &mut TcpStream) -> Option<u16> {
    let mut bytes = Vec::new();
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut answer = httparse::Response::new(&mut headers);
        if let Ok(httparse::Status::Complete(begin)) = answer.parse(&bytes) {
            let length = answer
                .headers
                .iter()
                .find(|header| header.name.eq_ignore_ascii_case("content-length"));
            let length = length.and_then(|header| std::str::from_utf8(header.value).ok());
            let length: usize = length.expect("a length").parse().expect("a number");
            if bytes.len() >= begin + length {
                return answer.code;
            }
        }
        let mut more = [0; 4096];
        match stream.read(&mut more) {
            Ok(count @ 1..) => bytes.extend_from_slice(&more[..count]),
            _ => return None,
        }
    }
}

/// What the clients have sent, and which messages were accepted.
#[derive(Default)]
struct Clients {
    numbers: AtomicU64,
    /// The message IDs that were answered 200.
    accepted: Mutex<Vec<String>>,
}

impl Clients {
    /// Posts messages until the connection ends, or until `stop`.
    fn post(&self, address: SocketAddr, stop: &AtomicBool) {
        let Ok(mut stream) = TcpStream::connect(address) else {
            return;
        };
        while !stop.load(Ordering::Relaxed) {
            let (ids, request) = request(self.numbers.fetch_add(1, Ordering::Relaxed));
            if stream.write_all(&request).is_err() {
                return;
            }
            match status(&mut stream) {
                Some(200) => self.accepted.lock().expect("no panic").extend(ids),
                Some(other) => panic!("answered {other}"),
                None => return,
            }
        }
    }

    /// How many messages were answered 200.
    fn count(&self) -> usize {
        self.accepted.lock().expect("no panic").len()
    }

    /// Runs `meanwhile` while several clients post messages.
    fn load(&self, address: SocketAddr, meanwhile: impl FnOnce()) {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| self.post(address, &stop));
            }
            meanwhile();
            stop.store(true, Ordering::Relaxed);
        });
    }
}

/// How often each message ID is in the store.
fn stored(data: &Path) -> BTreeMap<String, i64> {
    let store = rusqlite::Connection::open(data.join("gateway.db")).expect("a store");
    let mut select = store
        .prepare("SELECT message_id, count(*) FROM message GROUP BY message_id")
        .expect("a table");
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.expect("messages")
        .map(|row| row.expect("a row"))
        .collect()
}

#[track_caller]
fn assert_stored_once(clients: &Clients, data: &Path) {
    let stored_ids = stored(data);
    let accepted = clients.accepted.lock().expect("no panic");
    let missing: Vec<_> = accepted
        .iter()
        .filter(|id| !stored_ids.contains_key(*id))
        .collect();
    assert!(
        missing.is_empty(),
        "{} of {} are missing: {missing:?}",
        missing.len(),
        accepted.len()
    );
    let twice: Vec<_> = stored_ids.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    for id in stored_ids.keys() {
        // A request is stored as a whole or not at all.
        let number = id.split('.').next().expect("a number");
        for n in 0..3 {
            assert!(
                stored_ids.contains_key(&format!("{number}.{n}@acme.example")),
                "a part of {number}"
            );
        }
    }
    assert!(!accepted.is_empty(), "nothing was accepted");
}

#[test]
fn fifty_kills_under_load_neither_lose_nor_duplicate_messages() {
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    let clients = Clients::default();
    let mut rounds = 0;
    for kill in 0..KILLS {
        let (running, address) = start(&data);
        let before = clients.count();
        clients.load(address, || {
            // Every fourth gateway is killed at any time, the others while they accept messages.
            if kill % 4 > 0 {
                running.wait_until("some are accepted", |_| clients.count() > before);
            }
            thread::sleep(Duration::from_millis(10 + kill * 37 % 90));
            running.kill();
        });
        rounds += u64::from(clients.count() > before);
    }
    assert!(
        rounds > KILLS / 2,
        "something was accepted in {rounds} rounds"
    );
    // The next start recovers from the last kill.
    let (running, _) = start(&data);
    running.signal(Signal::TERM);
    running.wait().code(0);
    assert_stored_once(&clients, &data);
}

#[test]
fn a_shutdown_under_load_loses_no_message() {
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    let clients = Clients::default();
    let (running, address) = start(&data);
    clients.load(address, || {
        running.wait_until("some are accepted", |_| clients.count() > 30);
        running.signal(Signal::TERM);
        running.wait().code(0);
    });
    assert_stored_once(&clients, &data);
    // Messages without a response are not stored, so clients can post them again.
    assert_eq!(stored(&data).len(), clients.count());
}

#[test]
fn a_full_disk_is_answered_503_and_stores_nothing() {
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
    let run = Run::new("gateway").arg("--data").arg(&data);
    let run = run.args(["--listen", "127.0.0.1:0"]);
    let (running, address) = listening(shim.fail_once_armed(run, folder.path(), &full));
    let post = |address, number| {
        let mut stream = TcpStream::connect(address).expect("a connection");
        stream.write_all(&request(number).1).expect("a request");
        status(&mut stream)
    };
    assert_eq!(post(address, 1), Some(200));
    shim.arm()();
    assert_eq!(post(address, 2), Some(503));
    running.kill();
    let (running, address) = start(&data);
    assert_eq!(post(address, 3), Some(200));
    running.kill();
    let numbers: Vec<_> = stored(&data).into_keys().collect();
    let numbers = numbers.iter().filter_map(|id| id.split('.').next());
    assert_eq!(numbers.collect::<Vec<_>>(), ["1", "1", "1", "3", "3", "3"]);
}
