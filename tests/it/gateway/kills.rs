//! The gateway killed and told to end under load: what was answered 200 is there, once.

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

/// How often it is killed.
const KILLS: u64 = 50;
/// How many clients post at a time.
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

/// A message to three recipients, with IDs of the client's own.
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

/// The status of the next answer, whole; none when the connection ends before.
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

/// What clients were told.
#[derive(Default)]
struct Told {
    numbers: AtomicU64,
    /// The IDs of what was answered 200.
    taken: Mutex<Vec<String>>,
}

impl Told {
    /// Posts one message after the other until the connection ends, or `stop`.
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
                Some(200) => self.taken.lock().expect("no panic").extend(ids),
                Some(other) => panic!("answered {other}"),
                None => return,
            }
        }
    }

    /// How many messages were answered 200.
    fn count(&self) -> usize {
        self.taken.lock().expect("no panic").len()
    }

    /// Posts from several clients at once while `meanwhile` is done, and until they are cut off.
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

/// How often each message ID is in the store, read by SQLite alone.
fn kept(data: &Path) -> BTreeMap<String, i64> {
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
fn assert_kept(told: &Told, data: &Path) {
    let kept = kept(data);
    let taken = told.taken.lock().expect("no panic");
    let lost: Vec<_> = taken.iter().filter(|id| !kept.contains_key(*id)).collect();
    assert!(
        lost.is_empty(),
        "{} of {} are lost: {lost:?}",
        lost.len(),
        taken.len()
    );
    let twice: Vec<_> = kept.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    for id in kept.keys() {
        // All messages of a request are there, or none.
        let number = id.split('.').next().expect("a number");
        for n in 0..3 {
            assert!(
                kept.contains_key(&format!("{number}.{n}@acme.example")),
                "a part of {number}"
            );
        }
    }
    assert!(!taken.is_empty(), "nothing was taken");
}

#[test]
fn killed_fifty_times_under_load_it_has_everything_once() {
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    let told = Told::default();
    let mut rounds = 0;
    for kill in 0..KILLS {
        let (running, address) = start(&data);
        let before = told.count();
        told.load(address, || {
            // Every fourth is killed at any time, the others while they take messages.
            if kill % 4 > 0 {
                running.wait_until("some are taken", |_| told.count() > before);
            }
            thread::sleep(Duration::from_millis(10 + kill * 37 % 90));
            running.kill();
        });
        rounds += u64::from(told.count() > before);
    }
    assert!(rounds > KILLS / 2, "something was taken in {rounds} rounds");
    // The next start takes up whatever the last kill left.
    let (running, _) = start(&data);
    running.signal(Signal::TERM);
    running.wait().code(0);
    assert_kept(&told, &data);
}

#[test]
fn told_to_end_under_load_it_loses_nothing() {
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    let told = Told::default();
    let (running, address) = start(&data);
    told.load(address, || {
        running.wait_until("some are taken", |_| told.count() > 30);
        running.signal(Signal::TERM);
        running.wait().code(0);
    });
    assert_kept(&told, &data);
    // Whoever was not answered has nothing there and can post it again.
    assert_eq!(kept(&data).len(), told.count());
}

#[test]
fn on_a_full_disk_nothing_is_taken_and_that_is_said() {
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
    let ask = |address, number| {
        let mut stream = TcpStream::connect(address).expect("a connection");
        stream.write_all(&request(number).1).expect("a request");
        status(&mut stream)
    };
    assert_eq!(ask(address, 1), Some(200));
    shim.arm()();
    assert_eq!(ask(address, 2), Some(503));
    running.kill();
    let (running, address) = start(&data);
    assert_eq!(ask(address, 3), Some(200));
    running.kill();
    let numbers: Vec<_> = kept(&data).into_keys().collect();
    let numbers = numbers.iter().filter_map(|id| id.split('.').next());
    assert_eq!(numbers.collect::<Vec<_>>(), ["1", "1", "1", "3", "3", "3"]);
}
