//! `cargo bench --bench throughput [-- ROWS]`: messages a second and peak memory of `mailrun send`
//! for the newsletter of `examples/`, posted to a minimal sink on this machine.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const ROWS: u64 = 100_000;
const CONCURRENCY: u32 = 64;

fn main() -> ExitCode {
    let rows = std::env::args()
        .filter_map(|arg| arg.parse().ok())
        .next()
        .unwrap_or(ROWS);
    let taken = Arc::new(AtomicU64::new(0));
    let url = sink(Arc::clone(&taken));
    for attachments in [true, false] {
        taken.store(0, Ordering::Relaxed);
        let campaign = campaign(rows, &url, attachments);
        let what = if attachments {
            "newsletter with logo and PDF"
        } else {
            "newsletter alone"
        };
        let run = run(campaign.path());
        println!(
            "{what}: {rows} rows: planned, rendered and checked in {:.2} s; sent in {:.2} s, {:.0} messages/s; peak memory {} MiB; CPU {:.1} s",
            run.prepared.as_secs_f64(),
            run.sent.as_secs_f64(),
            rows as f64 / run.sent.as_secs_f64(),
            run.peak_kib / 1024,
            run.cpu,
        );
        if taken.load(Ordering::Relaxed) != rows {
            eprintln!("the sink took {} messages", taken.load(Ordering::Relaxed));
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// The newsletter of `examples/`, for many recipients, without a limit.
fn campaign(rows: u64, url: &str, attachments: bool) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/newsletter");
    copy(&example, dir.path());
    let toml = fs::read_to_string(example.join("campaign.toml")).expect("the example");
    let mut table: toml::Table = toml.parse().expect("the example is TOML");
    let mut set = |section: &str, key: &str, value: toml::Value| {
        let section = table
            .get_mut(section)
            .and_then(toml::Value::as_table_mut)
            .expect("a section");
        section.insert(key.to_owned(), value);
    };
    set("api", "url", url.into());
    set("pace", "rate", toml::Value::Array(Vec::new()));
    set("pace", "concurrency", i64::from(CONCURRENCY).into());
    if !attachments {
        set("message", "attachments", toml::Value::Array(Vec::new()));
    }
    fs::write(dir.path().join("campaign.toml"), table.to_string()).expect("a file");
    let mut csv = "email,first_name,city,segment,points,token\n".to_owned();
    for row in 1..=rows {
        csv.push_str(&format!(
            "reader{row}@list.example,Zofia,Kraków,home,{},{row:016x}\n",
            row % 300
        ));
    }
    fs::write(dir.path().join("recipients.csv"), csv).expect("a file");
    dir
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder").flatten() {
        let target = to.join(entry.file_name());
        match entry.path() {
            path if path.ends_with("runs") => {}
            path if path.is_dir() => {
                fs::create_dir_all(&target).expect("a folder");
                copy(&path, &target);
            }
            path => {
                fs::copy(path, target).expect("a copy");
            }
        }
    }
}

struct Run {
    prepared: Duration,
    sent: Duration,
    peak_kib: u64,
    cpu: f64,
}

/// Sends the campaign. Its first line on standard output parts preparation from sending.
fn run(campaign: &Path) -> Run {
    let start = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_mailrun"))
        .args(["send", "--yes", "--quiet"])
        .arg(campaign)
        .env("EMAILLABS_APP_KEY", "key")
        .env("EMAILLABS_SECRET_KEY", "secret")
        .stdout(Stdio::piped())
        .spawn()
        .expect("mailrun runs");
    let proc = format!("/proc/{}", child.id());
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe"))
        .read_line(&mut line)
        .expect("a line");
    let prepared = start.elapsed();
    let (mut peak_kib, mut cpu) = (0, 0.0);
    loop {
        peak_kib = peak(&proc).unwrap_or(peak_kib);
        cpu = ticks(&proc).unwrap_or(cpu);
        if let Some(status) = child.try_wait().expect("a child") {
            if !status.success() {
                let status = Command::new(env!("CARGO_BIN_EXE_mailrun"))
                    .arg("status")
                    .arg(line.trim())
                    .status();
                panic!("mailrun did not send everything: {status:?}");
            }
            return Run {
                prepared,
                sent: start.elapsed() - prepared,
                peak_kib,
                cpu,
            };
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// The greatest resident size so far, in KiB.
fn peak(proc: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("{proc}/status")).ok()?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

/// The CPU time so far, in seconds: user and system, at 100 ticks a second.
fn ticks(proc: &str) -> Option<f64> {
    let stat = fs::read_to_string(format!("{proc}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

/// A server that takes everything, and does as little as it can.
fn sink(taken: Arc<AtomicU64>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let taken = Arc::clone(&taken);
            thread::spawn(move || serve(stream, &taken));
        }
    });
    format!("http://{address}/api/")
}

fn serve(mut stream: TcpStream, taken: &AtomicU64) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut buffer = Vec::new();
    let mut chunk = vec![0; 64 << 10];
    loop {
        let (head, length) = loop {
            if let Some(found) = request(&buffer) {
                break found;
            }
            match stream.read(&mut chunk).ok()? {
                0 => return None,
                read => buffer.extend_from_slice(&chunk[..read]),
            }
        };
        while buffer.len() < head + length {
            match stream.read(&mut chunk).ok()? {
                0 => return None,
                read => buffer.extend_from_slice(&chunk[..read]),
            }
        }
        let body = &buffer[head..head + length];
        let field = b"to%5B0%5D=";
        let at = body
            .windows(field.len())
            .position(|window| window == field)?
            + field.len();
        let to = body[at..].split(|byte| *byte == b'&').next()?;
        let to = String::from_utf8_lossy(to).replace("%40", "@");
        let json = format!(
            r#"{{"code":200,"status":"success","message":"ok","data":[{{"{to}":"id@sink"}}]}}"#
        );
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{json}",
            json.len()
        );
        stream.write_all(answer.as_bytes()).ok()?;
        taken.fetch_add(1, Ordering::Relaxed);
        buffer.drain(..head + length);
    }
}

/// Where the body of the first request starts, and its length.
fn request(buffer: &[u8]) -> Option<(usize, usize)> {
    let head = buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&buffer[..head])
        .ok()?
        .to_ascii_lowercase();
    let length = text
        .split("content-length:")
        .nth(1)?
        .split("\r\n")
        .next()?
        .trim()
        .parse()
        .ok()?;
    Some((head, length))
}
