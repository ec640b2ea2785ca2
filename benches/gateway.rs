//! How much a gateway takes in a second, durably, and how long lists and searches take when it keeps
//! 100,000 messages: `cargo bench --bench gateway`.
//!
//! The load comes from this process, on the same machine: kept-alive connections, each of which posts
//! one message after the other. `MAILRUN_BENCH_SECONDS` sets how long, `MAILRUN_BENCH_DIR` on which disk.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The HTML of a message.
const HTML: usize = 6_000;
/// How many messages the lists and searches are over.
const KEPT: u64 = 100_000;

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
    gateway.load(64, Until::Messages(KEPT));
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
        ("a word that all have", "paragraph"),
        ("the beginning of many words", "p"),
        ("a word that one has", "jan77777"),
        ("a word that none has", "nowhere"),
        ("to:", "to:jan77777@example.com"),
        ("without a word", "-paragraph"),
        ("of which there is none", "subject:autumn has:attachment"),
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

/// `mailrun gateway`, killed at the end.
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

/// What came of a load.
struct Load {
    messages: u64,
    took: Duration,
    /// How long each answer took, the shortest first.
    answers: Vec<Duration>,
    /// The CPU seconds of the gateway.
    cpu: f64,
}

impl Load {
    fn quantile(&self, part: f64) -> Duration {
        let at = (self.answers.len() as f64 * part) as usize;
        self.answers.get(at).copied().unwrap_or_default()
    }
}

impl Gateway {
    fn start(data: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mailrun"))
            .args(["gateway", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .stdout(Stdio::piped())
            // A line for each answer, which nobody reads here.
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

    fn load(&self, clients: usize, until: Until) -> Load {
        let (numbers, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        let most = match until {
            Until::Over(_) => u64::MAX,
            Until::Messages(most) => most,
        };
        let (began, cpu) = (Instant::now(), self.cpu());
        let answers = thread::scope(|scope| {
            let client = || self.client(&numbers, most, &stop);
            let clients: Vec<_> = (0..clients).map(|_| scope.spawn(client)).collect();
            if let Until::Over(over) = until {
                thread::sleep(over);
                stop.store(true, Ordering::Relaxed);
            }
            let all = clients.into_iter();
            all.flat_map(|client| client.join().expect("a client"))
                .collect::<Vec<_>>()
        });
        let took = began.elapsed();
        let mut answers = answers;
        answers.sort();
        Load {
            messages: answers.len() as u64,
            took,
            answers,
            cpu: self.cpu() - cpu,
        }
    }

    /// Posts one message after the other; gives how long each answer took.
    fn client(&self, numbers: &AtomicU64, most: u64, stop: &AtomicBool) -> Vec<Duration> {
        let mut connection = Connection::open(&self.address);
        let html = percent_encoded(&html());
        let mut times = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let number = numbers.fetch_add(1, Ordering::Relaxed);
            if number >= most {
                break;
            }
            let body = format!(
                "to%5B0%5D=jan{number}%40example.com&smtp_account=1.acme.smtp&from=news%40acme.example\
                 &subject=Autumn+{number}&html={html}"
            );
            let began = Instant::now();
            let answer = connection.ask("POST /api/sendmail", &body);
            times.push(began.elapsed());
            assert!(answer.contains("\"code\":200"), "{answer}");
        }
        times
    }

    fn median(&self, path: &str) -> Duration {
        let once = || {
            let mut connection = Connection::open(&self.address);
            let began = Instant::now();
            connection.ask(&format!("GET /{path}"), "");
            began.elapsed()
        };
        median(once)
    }

    /// The CPU seconds that the gateway has used.
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
        let began = Instant::now();
        while index
            .query_row(newest, [], |row| row.get::<_, i64>(0))
            .expect("the index")
            < KEPT as i64
        {
            thread::sleep(Duration::from_millis(50));
        }
        println!(
            "the index was complete {:.1?} after the last answer",
            began.elapsed()
        );
    }
}

/// A kept-alive connection.
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

    /// Sends a request, and gives the answer.
    fn ask(&mut self, line: &str, body: &str) -> String {
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
                .expect("an answer");
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

/// A newsletter of [`HTML`] bytes.
fn html() -> String {
    let mut html = String::from("<html><body>");
    let mut number = 0;
    while html.len() < HTML - 20 {
        html +=
            &format!("<p class=\"text\">A paragraph of words, number {number}: żółw & co.</p>\n");
        number += 1;
    }
    html + "</body></html>"
}

fn percent_encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
