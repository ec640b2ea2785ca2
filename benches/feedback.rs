//! Pushes events by webhook at `mailrun feedback` while it is killed again and again, and measures how long answers take:
//! `cargo bench --bench feedback`.
//!
//! Every event that was answered with 200 must be in the events of the run, and none twice. `MAILRUN_BENCH_EVENTS` and
//! `MAILRUN_BENCH_KILLS` set how many, `MAILRUN_BENCH_SECONDS` how long answers are measured.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use sha1::{Digest as _, Sha1};

const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const SECRET: &str = "secret";
/// The events of a request, as the vendor sends them.
const BATCH: usize = 100;
const STATUSES: [&str; 5] = ["ok", "open", "track", "deferred", "softbounce"];
/// Requests per second, while answers are measured.
const RATE: u32 = 200;
const CLIENTS: u32 = 20;

fn main() {
    let number = |name: &str, default: usize| {
        let value = std::env::var(name).ok();
        value
            .and_then(|value| value.parse().ok())
            .unwrap_or(default)
    };
    let (events, kills) = (
        number("MAILRUN_BENCH_EVENTS", 100_000),
        number("MAILRUN_BENCH_KILLS", 50),
    );
    let seconds = number("MAILRUN_BENCH_SECONDS", 20);
    let dir = tempfile::tempdir().expect("a folder");
    let rows = (events / 20).max(1);
    let (campaign, messages) = sent(dir.path(), rows);
    push(&campaign, &messages, events, kills);
    measure(&campaign, &messages, seconds);
}

/// Sends a campaign to a gateway. Returns its folder, and the address and the message ID of each row.
fn sent(dir: &Path, rows: usize) -> (PathBuf, Vec<(String, String)>) {
    let gateway = Process::start(
        &["gateway", "--listen", "127.0.0.1:0", "--data"],
        &dir.join("gateway"),
    );
    let campaign = dir.join("news");
    std::fs::create_dir_all(campaign.join("templates")).expect("a folder");
    let toml = format!(
        "name = \"bench\"\n[api]\nurl = \"http://{}/api/\"\ndialect = \"new_sendmail\"\nsmtp_account = \"1.bench.smtp\"\n\
         [message]\nfrom = \"news@acme.example\"\nsubject = \"News\"\nhtml = \"a.html\"\n\
         [recipients]\nsuppress = [\"@bench\"]\n[pace]\nrate = [\"100000/s\"]\n",
        gateway.address
    );
    std::fs::write(campaign.join("campaign.toml"), toml).expect("a file");
    std::fs::write(campaign.join("templates/a.html"), "<p>News</p>").expect("a file");
    let mut csv = "email\n".to_owned();
    for row in 1..=rows {
        csv += &format!("r{row}@mail.example\n");
    }
    std::fs::write(campaign.join("recipients.csv"), csv).expect("a file");
    mailrun(&["suppress", "add", "@bench", "--campaign"], &campaign);
    mailrun(&["send", "--yes", "--no-preflight"], &campaign);
    let results = std::fs::read_to_string(run_of(&campaign).join("results.csv")).expect("results");
    let mut lines = results.lines();
    let header: Vec<_> = lines.next().expect("a header").split(',').collect();
    let at = |name: &str| {
        header
            .iter()
            .position(|column| *column == name)
            .expect("a column")
    };
    let (email, id) = (at("email"), at("message_id"));
    let messages = lines.map(|line| {
        let cells: Vec<_> = line.split(',').collect();
        (cells[email].to_owned(), cells[id].to_owned())
    });
    (campaign, messages.collect())
}

/// Pushes all events in batches, each at least once, and kills the server in between.
fn push(campaign: &Path, messages: &[(String, String)], events: usize, kills: usize) {
    let batches = events.div_ceil(BATCH);
    let every = (batches / kills.max(1)).max(1);
    let mut server = feedback(campaign);
    let (mut killed, mut repeated) = (0, 0);
    let started = Instant::now();
    for batch in 0..batches {
        let body = body(messages, batch);
        let id = format!("batch-{batch}");
        if batch % every == every - 1 && killed < kills {
            // The request is under way when the process dies.
            let address = server.address.clone();
            let post = request(&id, &body);
            let posting = thread::spawn(move || answer(&address, &post));
            thread::sleep(Duration::from_millis((batch % 7) as u64));
            drop(server);
            let _ = posting.join();
            killed += 1;
            server = feedback(campaign);
        }
        // The vendor repeats what was not answered, and sometimes what was.
        for _ in 0..1 + usize::from(batch % 10 == 0) {
            repeated += 1;
            assert_eq!(answer(&server.address, &request(&id, &body)), Some(200));
        }
    }
    let posted = started.elapsed();
    let expected = batches * BATCH;
    let path = run_of(campaign).join("events.db");
    let stored = loop {
        let stored = stored(&path);
        if stored >= expected as i64 || started.elapsed() > posted + Duration::from_secs(120) {
            break stored;
        }
        thread::sleep(Duration::from_millis(50));
    };
    println!(
        "{expected} events in {repeated} requests, {killed} kills: {posted:.1?}, {stored} stored after {:.1?}",
        started.elapsed()
    );
    assert_eq!(stored, expected as i64, "every event once");
}

/// Posts batches of events at a steady rate, and prints the response times.
fn measure(campaign: &Path, messages: &[(String, String)], seconds: usize) {
    let server = feedback(campaign);
    let times = Mutex::new(Vec::new());
    let started = Instant::now();
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (server, times) = (&server, &times);
            scope.spawn(move || {
                let requests = RATE as usize * seconds / CLIENTS as usize;
                for n in 0..requests as u32 {
                    let due = Duration::from_secs(1) * (n * CLIENTS + client) / RATE;
                    thread::sleep(due.saturating_sub(started.elapsed()));
                    let body = body(messages, 10_000_000 + (n * CLIENTS + client) as usize);
                    let post = request(&format!("single-{client}-{n}"), &body);
                    let sent = Instant::now();
                    assert_eq!(answer(&server.address, &post), Some(200));
                    times.lock().expect("no panic").push(sent.elapsed());
                }
            });
        }
    });
    let mut times = times.into_inner().expect("no panic");
    times.sort();
    let quantile =
        |quantile: f64| times[((times.len() as f64 * quantile) as usize).min(times.len() - 1)];
    println!(
        "{} requests of {BATCH} events at {RATE}/s: median {:.1?}, 99th percentile {:.1?}, longest {:.1?}",
        times.len(),
        quantile(0.5),
        quantile(0.99),
        times[times.len() - 1]
    );
}

/// The events of a batch. No two batches have the same event.
fn body(messages: &[(String, String)], batch: usize) -> String {
    let events = (0..BATCH).map(|n| {
        let event = batch * BATCH + n;
        let (address, id) = &messages[event % messages.len()];
        let status = STATUSES[event / messages.len() % STATUSES.len()];
        format!(
            "{{\"to\":{{\"email\":\"{address}\",\"messageId\":\"{id}\"}},\"status\":\"{status}\",\"statusTime\":{},\"statusDesc\":\"250 OK\"}}",
            1_700_000_000 + event
        )
    });
    format!("[{}]", events.collect::<Vec<_>>().join(","))
}

fn request(id: &str, body: &str) -> Vec<u8> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let date = now.expect("a time after 1970").as_secs();
    let checksum = Sha1::digest(format!("{SECRET}|{date}|{id}"));
    let checksum: String = checksum.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "POST /webhook/v2 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\nX-Webhook-Date: {date}\r\n\
         Request-Id: {id}\r\nX-Webhook-Checksum: {checksum}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The status of the answer, if there is one.
fn answer(address: &str, request: &[u8]) -> Option<u16> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.write_all(request).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    text.split(' ').nth(1)?.parse().ok()
}

fn stored(path: &Path) -> i64 {
    let Ok(events) = rusqlite::Connection::open(path) else {
        return 0;
    };
    let count = events.query_row("SELECT count(*) FROM event", [], |row| row.get(0));
    count.unwrap_or(0)
}

fn run_of(campaign: &Path) -> PathBuf {
    let runs = std::fs::read_dir(campaign.join("runs")).expect("a run");
    let mut runs = runs
        .flatten()
        .map(|run| run.path())
        .filter(|run| run.is_dir());
    runs.next().expect("a run")
}

fn command(arguments: &[&str], path: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailrun"));
    command
        .args(arguments)
        .arg(path)
        .arg("--quiet")
        .env("EMAILLABS_APP_KEY", "key")
        .env("EMAILLABS_SECRET_KEY", "secret")
        .env("MAILRUN_FEEDBACK_KEY", KEY)
        .env("MAILRUN_WEBHOOK_SECRET", SECRET);
    command
}

fn mailrun(arguments: &[&str], path: &Path) {
    let output = command(arguments, path)
        .output()
        .expect("the binary starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
}

fn feedback(campaign: &Path) -> Process {
    Process::start(&["feedback", "--listen", "127.0.0.1:0"], campaign)
}

/// A server that is killed when it is dropped.
struct Process {
    child: Child,
    address: String,
}

impl Process {
    fn start(arguments: &[&str], path: &Path) -> Self {
        let mut command = command(arguments, path);
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut line = String::new();
        let output = child.stdout.take().expect("a pipe");
        BufReader::new(output).read_line(&mut line).expect("a line");
        let address = line
            .trim()
            .trim_start_matches("http://")
            .trim_end_matches('/');
        Self {
            child,
            address: address.to_owned(),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
