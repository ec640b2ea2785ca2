//! Measures `mailrun send` from outside: time, CPU by thread, memory.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How often the process is sampled.
const LOOK: Duration = Duration::from_millis(10);

pub(crate) struct Sent {
    /// The time for planning, rendering and checking.
    pub(crate) prepared: Duration,
    /// The time from then to the end of the process: sending, settling and writing the results.
    pub(crate) sent: Duration,
    /// The peak resident size, in KiB.
    pub(crate) peak_kib: u64,
    /// CPU seconds before the first request.
    pub(crate) cpu_prepared: f64,
    /// CPU seconds afterwards, by thread name, in descending order.
    pub(crate) cpu: Vec<(String, f64)>,
}

impl Sent {
    /// CPU seconds of all threads after the first request.
    pub(crate) fn cpu_sent(&self) -> f64 {
        self.cpu.iter().map(|(_, seconds)| seconds).sum()
    }
}

/// Sends a campaign. Its first line on standard output marks the end of the preparation.
pub(crate) fn send(campaign: &Path) -> Sent {
    let began = Instant::now();
    let mut child = start(campaign, Stdio::piped());
    let proc = format!("/proc/{}", child.id());
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    stdout.read_line(&mut line).expect("a line");
    let prepared = began.elapsed();
    let cpu_prepared = ticks(&format!("{proc}/stat")).unwrap_or_default();
    let before = threads(&proc);
    let (mut peak_kib, mut after) = (0, before.clone());
    loop {
        peak_kib = peak(&proc).unwrap_or(peak_kib);
        after.extend(threads(&proc));
        if let Some(status) = child.try_wait().expect("a child") {
            assert!(
                status.success(),
                "mailrun did not send everything: {status}"
            );
            return Sent {
                prepared,
                sent: began.elapsed() - prepared,
                peak_kib,
                cpu_prepared,
                cpu: by_name(&before, &after),
            };
        }
        thread::sleep(LOOK);
    }
}

/// The time until a campaign's first request, which `first` reports.
pub(crate) fn until(campaign: &Path, first: impl Fn() -> bool) -> Duration {
    let began = Instant::now();
    let mut child = start(campaign, Stdio::null());
    while !first() {
        thread::sleep(Duration::from_micros(200));
    }
    let took = began.elapsed();
    assert!(child.wait().expect("a child").success());
    took
}

/// `mailrun send CAMPAIGN`.
fn start(campaign: &Path, stdout: Stdio) -> Child {
    Command::new(env!("CARGO_BIN_EXE_mailrun"))
        .args(["send", "--yes", "--quiet"])
        .arg(campaign)
        .env("EMAILLABS_APP_KEY", "key")
        .env("EMAILLABS_SECRET_KEY", "secret")
        .stdout(stdout)
        .spawn()
        .expect("mailrun runs")
}

/// The time that `mailrun --version` takes.
pub(crate) fn version() -> Duration {
    let start = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_mailrun"))
        .arg("--version")
        .output()
        .expect("mailrun runs");
    assert!(output.status.success());
    start.elapsed()
}

/// The peak resident size so far, in KiB.
pub(crate) fn peak(proc: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("{proc}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The name and the CPU seconds of each thread so far.
fn threads(proc: &str) -> BTreeMap<String, (String, f64)> {
    let tasks = fs::read_dir(format!("{proc}/task")).into_iter().flatten();
    let thread = |task: fs::DirEntry| {
        let path = task.path();
        let name = fs::read_to_string(path.join("comm"))
            .ok()?
            .trim()
            .to_owned();
        let seconds = ticks(path.join("stat").to_str()?)?;
        Some((
            task.file_name().to_string_lossy().into_owned(),
            (name, seconds),
        ))
    };
    tasks.flatten().filter_map(thread).collect()
}

/// The CPU time of a process or thread so far, in seconds: user and system time, at 100 ticks per second.
fn ticks(stat: &str) -> Option<f64> {
    let stat = fs::read_to_string(stat).ok()?;
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

fn by_name(
    before: &BTreeMap<String, (String, f64)>,
    after: &BTreeMap<String, (String, f64)>,
) -> Vec<(String, f64)> {
    let mut names = BTreeMap::new();
    for (id, (name, seconds)) in after {
        let earlier = before.get(id).map_or(0.0, |(_, seconds)| *seconds);
        *names.entry(name.clone()).or_insert(0.0) += seconds - earlier;
    }
    let mut names: Vec<_> = names.into_iter().collect();
    names.sort_by(|a, b| b.1.total_cmp(&a.1));
    names
}
