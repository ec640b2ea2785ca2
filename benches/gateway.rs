//! Measures how many messages a gateway stores durably in a second, and how long lists and searches over
//! 100,000 messages take: `cargo bench --bench gateway`.
//!
//! This process makes the load on the same machine: each of its keep-alive connections posts one message
//! after the other. `MAILRUN_BENCH_SECONDS` sets the duration, `MAILRUN_BENCH_DIR` the folder.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The bytes of a message's HTML.
const HTML_SIZE: usize = 6_000;
/// The messages in lists and searches.
const MESSAGES: u64 = 100_000;

fn main() {
    let seconds = std::env::var("MAILRUN_BENCH_SECONDS").ok();
    let seconds = seconds
        .and_then(|seconds| seconds.parse().ok())
        .unwrap_or(10);
    let over = Duration::from_secs(seconds);
    let dir = match std::env::var_os("MAILRUN_BENCH_DIR") {
        Some(dir) => tempfile::tempdir_in(dir),
        None => tempfile::tempdir(),
    };
    let dir = dir.expect("a folder");
    for clients in [16, 64, 256] {
        let gateway = Gateway::start(&dir.path().join(clients.to_string()));
        let load = gateway.load(clients, Until::Over(over));
        println!(
            "{clients:>3} connections: {:>6.0} messages/s, median {:.2?}, 99th percentile {:.2?}, \
             server {:.2} s of CPU a second",
            load.messages as f64 / load.took.as_secs_f64(),
            load.quantile(0.5),
            load.quantile(0.99),
            load.cpu / load.took.as_secs_f64(),
        );
    }
    let data = dir.path().join("lists");
    let gateway = Gateway::start(&data);
    gateway.load(64, Until::Messages(MESSAGES));
    gateway.wait_for_index(&data);
    for path in [
        "api/emails",
        "api/emails?sort=created_at&offset=50000",
        "api/emails?filter=to::jan77777@example.com",
        "api/emails?filter=message_id::nothing",
        "api/emails?filter=account::1.acme.smtp|created_at.from::2020-01-01&limit=500",
        "api/smtp_events/ok",
        "api/smtp_events/dropped",
        "api/smtp",
    ] {
        println!("{:>9.2?} GET {path}", gateway.median(path));
    }
    for (name, query) in [
        ("everything", ""),
        ("a word in all messages", "paragraph"),
        ("a prefix of many words", "p"),
        ("a word in one message", "jan77777"),
        ("a word in no message", "nowhere"),
        ("to:", "to:jan77777@example.com"),
        ("excluded word", "-paragraph"),
        ("no match", "subject:autumn has:attachment"),
    ] {
        let path = format!("inbox/messages?limit=50&q={}", percent_encoded(query));
        println!("{:>9.2?} search: {name}", gateway.median(&path));
    }
}

fn median(once: impl Fn() -> Duration) -> Duration {
    let mut times: Vec<_> = (0..21).map(|_| once()).collect();
    times.sort();
    times[times.len() / 2]
}

/// A process that is killed when dropped.
struct Gateway {
    child: Child,
    address: String,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Clone, Copy)]
enum Until {
    Over(Duration),
    Messages(u64),
}

struct LoadResult {
    messages: u64,
    took: Duration,
    /// The sorted response times.
    responses: Vec<Duration>,
    /// The CPU seconds that the gateway used.
    cpu: f64,
}

impl LoadResult {
    fn quantile(&self, quantile: f64) -> Duration {
        let at = (self.responses.len() as f64 * quantile) as usize;
        self.responses.get(at).copied().unwrap_or_default()
    }
}

impl Gateway {
    fn start(data: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mailrun"))
            .args(["gateway", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .stdout(Stdio::piped())
            // The access log.
            .stderr(Stdio::null())
            .spawn()
            .expect("the gateway starts");
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        stdout.read_line(&mut line).expect("a line");
        let address = line
            .trim()
            .trim_start_matches("http://")
            .trim_end_matches('/');
        Self {
            address: address.to_owned(),
            child,
        }
    }

    fn load(&self, clients: usize, until: Until) -> LoadResult {
        let (numbers, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        let max = match until {
            Until::Over(_) => u64::MAX,
            Until::Messages(max) => max,
        };
        let (started, cpu) = (Instant::now(), self.cpu());
        let mut responses: Vec<_> = thread::scope(|scope| {
            let client = || self.client(&numbers, max, &stop);
            let clients: Vec<_> = (0..clients).map(|_| scope.spawn(client)).collect();
            if let Until::Over(over) = until {
                thread::sleep(over);
                stop.store(true, Ordering::Relaxed);
            }
            let all = clients.into_iter();
            all.flat_map(|client| client.join().expect("a client"))
                .collect()
        });
        let took = started.elapsed();
        responses.sort();
        LoadResult {
            messages: responses.len() as u64,
            took,
            responses,
            cpu: self.cpu() - cpu,
        }
    }

    /// Posts one message after the other, and returns the response times.
    fn client(&self, numbers: &AtomicU64, max: u64, stop: &AtomicBool) -> Vec<Duration> {
        let mut connection = Connection::open(&self.address);
        let html = percent_encoded(&html());
        let mut times = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let number = numbers.fetch_add(1, Ordering::Relaxed);
            if number >= max {
                break;
            }
            let body = format!(
                "to%5B0%5D=jan{number}%40example.com&smtp_account=1.acme.smtp&from=news%40acme.example\
                 &subject=Autumn+{number}&html={html}"
            );
            let started = Instant::now();
            let response = connection.request("POST /api/sendmail", &body);
            times.push(started.elapsed());
            assert!(response.contains("\"code\":200"), "{response}");
        }
        times
    }

    fn median(&self, path: &str) -> Duration {
        let once = || {
            let mut connection = Connection::open(&self.address);
            let started = Instant::now();
            connection.request(&format!("GET /{path}"), "");
            started.elapsed()
        };
        median(once)
    }

    fn cpu(&self) -> f64 {
        let path = PathBuf::from(format!("/proc/{}/stat", self.child.id()));
        let stat = std::fs::read_to_string(path).unwrap_or_default();
        let after = stat.rsplit(") ").next().unwrap_or_default();
        let fields: Vec<&str> = after.split(' ').collect();
        let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<f64>().ok());
        // utime and stime, in hundredths of a second.
        (ticks(11).unwrap_or_default() + ticks(12).unwrap_or_default()) / 100.0
    }

    fn wait_for_index(&self, data: &Path) {
        let index = rusqlite::Connection::open(data.join("words.db")).expect("an index");
        let newest = "SELECT coalesce(max(id), 0) FROM words_docsize";
        let started = Instant::now();
        while index
            .query_row(newest, [], |row| row.get::<_, i64>(0))
            .expect("the index")
            < MESSAGES as i64
        {
            thread::sleep(Duration::from_millis(50));
        }
        println!(
            "the search index was complete {:.1?} after the last response",
            started.elapsed()
        );
    }
}

/// A keep-alive connection.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_nodelay(true).expect("an option");
        Self {
            stream,
            buffer: vec![0; 1 << 20],
        }
    }

    /// Sends a request, and returns the body of the response.
    fn request(&mut self, line: &str, body: &str) -> String {
        let request = format!(
            "{line} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream
            .write_all(request.as_bytes())
            .expect("a request");
        let mut end = 0;
        loop {
            let count = self
                .stream
                .read(&mut self.buffer[end..])
                .expect("a response");
            assert!(count > 0, "the connection ended");
            end += count;
            let mut headers = [httparse::EMPTY_HEADER; 32];
            let mut head = httparse::Response::new(&mut headers);
            let Ok(httparse::Status::Complete(begin)) = head.parse(&self.buffer[..end]) else {
                continue;
            };
            let length = head
                .headers
                .iter()
                .find(|header| header.name.eq_ignore_ascii_case("content-length"));
            let length = length.and_then(|header| std::str::from_utf8(header.value).ok());
            let length: usize = length.expect("a length").parse().expect("a number");
            if end >= begin + length {
                return String::from_utf8_lossy(&self.buffer[begin..end]).into_owned();
            }
        }
    }
}

/// A newsletter of [`HTML_SIZE`] bytes.
fn html() -> String {
    let mut html = String::from("<html><body>");
    let mut number = 0;
    while html.len() < HTML_SIZE - 20 {
        html +=
            &format!("<p class=\"text\">A paragraph of words, number {number}: żółw & co.</p>\n");
        number += 1;
    }
    html + "</body></html>"
}

fn percent_encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
