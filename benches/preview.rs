//! Measures how fast `preview --web` answers with many recipients: `cargo bench --bench preview`.
//!
//! `MAILRUN_BENCH_ROWS` sets the number of recipients; the default is one million. Each request is
//! repeated over one connection. Each search has another text, so that the cache does not answer it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The number of repetitions.
const TIMES: u32 = 9;
const CITIES: [&str; 7] = [
    "Kraków", "Łódź", "Warszawa", "Gdańsk", "Poznań", "Wrocław", "",
];
const SEGMENTS: [&str; 3] = ["home", "bar", "office"];

fn main() {
    let rows = std::env::var("MAILRUN_BENCH_ROWS").ok();
    let rows: u32 = rows.and_then(|rows| rows.parse().ok()).unwrap_or(1_000_000);
    let dir = tempfile::tempdir().expect("a folder");
    copy(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/newsletter"),
        dir.path(),
    );
    write_recipients(dir.path(), rows);
    let mut page = Page::start(dir.path());
    println!(
        "read {rows} recipients in {:.2?}; {} kB of memory",
        page.startup,
        page.memory()
    );
    for (name, query) in [
        ("one address", "q=reader{}1@"),
        ("a common word", "q=list.example+reader1{}"),
        ("no row", "q=nobody{}"),
        ("an exact cell", "q=city:%C5%81%C3%B3d%C5%BA+-nobody{}"),
        ("blank cells", "q=missing:city+-nobody{}"),
        ("the longest cells", "q=longest:first_name+-nobody{}"),
    ] {
        let path = format!("/preview/rows?limit=0&{query}");
        page.measure(&format!("search for {name}"), &path);
    }
    page.measure("50 rows of the list", "/preview/rows?from={}000&limit=50");
    page.measure("a message", "/preview/m/{}001");
    page.measure("HTML in the frame", "/preview/m/{}001/html");
    page.measure("headers", "/preview/m/{}001/headers");
    page.measure("a diff", "/preview/m/{}001/diff?other=5");
    println!("one step of a scan for findings: {}", page.scan());
    println!("{} kB of memory", page.memory());
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("the example") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            std::fs::create_dir(&target).expect("a folder");
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("room");
        }
    }
}

fn write_recipients(dir: &Path, rows: u32) {
    let file = std::fs::File::create(dir.join("recipients.csv")).expect("a file");
    let mut file = std::io::BufWriter::new(file);
    let mut line = |text: String| file.write_all(text.as_bytes()).expect("room");
    line("email,first_name,city,segment,points,token\n".to_owned());
    for row in 1..=rows {
        let city = CITIES[row as usize % CITIES.len()];
        let segment = SEGMENTS[row as usize % SEGMENTS.len()];
        let token = u64::from(row).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        line(format!(
            "reader{row}@list.example,Zofia{},{city},{segment},{},{token:016x}\n",
            row % 97,
            row % 300
        ));
    }
}

/// A preview server with a connection to it.
struct Page {
    child: Child,
    stream: BufReader<TcpStream>,
    host: String,
    startup: Duration,
}

impl Page {
    fn start(campaign: &Path) -> Self {
        let begun = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_mailrun"))
            .arg("preview")
            .arg(campaign)
            .arg("--web")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        let output = child.stdout.take().expect("a pipe");
        BufReader::new(output)
            .read_line(&mut line)
            .expect("an address");
        let startup = begun.elapsed();
        let host = line
            .trim()
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .to_owned();
        let stream = TcpStream::connect(&host).expect("it listens");
        Self {
            child,
            stream: BufReader::new(stream),
            host,
            startup,
        }
    }

    fn get(&mut self, path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.host);
        let stream = self.stream.get_mut();
        stream.write_all(request.as_bytes()).expect("it listens");
        let (mut length, mut line) = (0, String::new());
        loop {
            line.clear();
            self.stream.read_line(&mut line).expect("an answer");
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).expect("a body");
        String::from_utf8_lossy(&body).into_owned()
    }

    /// Repeats a request, each time with another number for `{}`.
    fn measure(&mut self, name: &str, path: &str) {
        let mut times: Vec<Duration> = Vec::new();
        let mut length = 0;
        for time in 1..=TIMES {
            let path = path.replace("{}", &time.to_string());
            let begun = Instant::now();
            length = self.get(&path).len();
            times.push(begun.elapsed());
        }
        times.sort_unstable();
        println!(
            "{name}: median {:.1?}, maximum {:.1?} ({length} bytes)",
            times[times.len() / 2],
            times[times.len() - 1]
        );
    }

    fn scan(&mut self) -> String {
        self.get("/preview/scan?q=has:errors")
    }

    fn memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS"));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        number.and_then(|number| number.parse().ok()).unwrap_or(0)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
