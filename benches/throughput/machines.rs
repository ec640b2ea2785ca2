//! Several processes that send one run, whose ledger is in PostgreSQL.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::campaigns::Campaign;
use super::process::{peak, send};
use super::sink::Sink;
use super::support::postgres::Cluster;
use super::{ROUNDS, median, scaled};

/// A worker of a run, which is killed when this is dropped.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Worker {
    fn has_ended(&mut self) -> bool {
        match self.0.try_wait().expect("a child") {
            Some(status) => {
                assert!(
                    status.success(),
                    "a worker did not send everything: {status}"
                );
                true
            }
            None => false,
        }
    }

    fn peak_kib(&self) -> Option<u64> {
        peak(&format!("/proc/{}", self.0.id()))
    }
}

/// A database with a ledger.
fn ledger(cluster: &Cluster) -> String {
    let database = cluster.database();
    let url = cluster.url_of("postgres", &database);
    let init = mailrun(&url).args(["ledger", "init"]).output();
    assert!(init.expect("mailrun runs").status.success());
    url
}

fn mailrun(ledger: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailrun"));
    command
        .env("EMAILLABS_APP_KEY", "key")
        .env("EMAILLABS_SECRET_KEY", "secret")
        .env("MAILRUN_LEDGER", ledger);
    command
}

/// Starts `send`, and returns it with the run's name once the run is in the database.
fn first(ledger: &str, campaign: &Path, more: &[&str]) -> (Worker, String) {
    let mut child = mailrun(ledger)
        .args(["send", "--yes", "--quiet"])
        .args(more)
        .arg(campaign)
        .stdout(Stdio::piped())
        .spawn()
        .expect("mailrun runs");
    let mut name = String::new();
    let stdout = child.stdout.take().expect("a pipe");
    BufReader::new(stdout).read_line(&mut name).expect("a line");
    (Worker(child), name.trim().to_owned())
}

fn join(ledger: &str, run: &str) -> Worker {
    let child = mailrun(ledger)
        .args(["resume", "--quiet", run])
        .stdout(Stdio::null())
        .spawn();
    Worker(child.expect("mailrun runs"))
}

/// Waits until all workers have ended. Returns the highest peak of memory, in KiB.
fn finish(mut workers: Vec<Worker>) -> u64 {
    let mut highest = 0;
    while !workers.is_empty() {
        highest = workers
            .iter()
            .filter_map(Worker::peak_kib)
            .fold(highest, u64::max);
        workers.retain_mut(|worker| !worker.has_ended());
        thread::sleep(Duration::from_millis(5));
    }
    highest
}

/// Plans into the database, and sends with two workers to a server on this machine.
pub(super) fn plan_and_send(scale: f64) {
    let cluster = Cluster::start();
    let url = ledger(&cluster);
    let sink = Sink::start(Duration::ZERO);
    let rows = scaled(1_000_000, scale);
    let mut plans = Vec::new();
    for _ in 0..ROUNDS {
        let campaign = Campaign::newsletter(&sink.url, rows, 64);
        let began = Instant::now();
        let options = ["--no-preflight", "--again", "--limit", "0"];
        let (mut worker, _) = first(&url, campaign.path(), &options);
        let rate = rows as f64 / began.elapsed().as_secs_f64();
        let peak = worker.peak_kib().unwrap_or_default();
        worker.0.wait().expect("a child");
        println!(
            "{rows} rows planned at {rate:.0} rows/s, peak memory {} MiB",
            peak / 1024
        );
        plans.push(rate);
    }
    println!("median of {ROUNDS}: planned {:.0} rows/s", median(plans));
    let mut peaks = Vec::new();
    for rows in [10_000, scaled(300_000, scale)] {
        let before = sink.taken();
        let campaign = Campaign::newsletter(&sink.url, rows, 64);
        let (one, name) = first(&url, campaign.path(), &["--no-preflight", "--again"]);
        let began = Instant::now();
        let other = join(&url, &name);
        let peak = finish(vec![one, other]);
        let rate = rows as f64 / began.elapsed().as_secs_f64();
        assert_eq!(sink.taken() - before, rows, "the sink took all");
        println!(
            "{rows} rows, 2 workers: {rate:.0}/s, peak memory {} MiB",
            peak / 1024
        );
        peaks.push(peak as f64);
    }
    println!(
        "peak memory of a worker: {:.2} of that of 10000 rows",
        peaks[1] / peaks[0]
    );
    let alone = send(Campaign::newsletter(&sink.url, rows.min(100_000), 64).path());
    let rate = rows.min(100_000) as f64 / alone.sent.as_secs_f64();
    println!("the same from a folder, 1 process: {rate:.0}/s");
}

/// Two and four workers against a server that answers after 50 ms.
pub(super) fn latency(scale: f64) {
    const CONCURRENCY: u32 = 64;
    let answers_after = Duration::from_millis(50);
    let cluster = Cluster::start();
    let url = ledger(&cluster);
    for workers in [1, 2, 4] {
        let sink = Sink::with_a_clock_after(answers_after);
        let most = f64::from(workers * CONCURRENCY) / answers_after.as_secs_f64();
        let rows = scaled((most * 8.0) as u64, scale);
        let campaign = Campaign::newsletter(&sink.url, rows, CONCURRENCY);
        let (one, name) = first(&url, campaign.path(), &["--no-preflight", "--again"]);
        let others = (1..workers).map(|_| join(&url, &name));
        let all: Vec<_> = std::iter::once(one).chain(others).collect();
        finish(all);
        // Without the start, in which workers join, and the end, in which some have no rows left.
        let came = sink.arrivals();
        let middle = &came[came.len() / 4..came.len() * 3 / 4];
        let took = *middle.last().expect("some") - middle[0];
        let reached = (middle.len() - 1) as f64 / took.as_secs_f64();
        println!(
            "{workers} workers with {CONCURRENCY} connections: {reached:.0}/s of {most:.0}/s: {:.2}",
            reached / most
        );
    }
}

/// Four workers under one limit; one is killed, and another joins.
pub(super) fn pace(scale: f64) {
    let cluster = Cluster::start();
    let url = ledger(&cluster);
    for limit in [20.0, 300.0, 2000.0] {
        let sink = Sink::with_a_clock();
        let rows = scaled((limit * 30.0) as u64, scale);
        let rate = format!("{limit}/s");
        let campaign = Campaign::newsletter(&sink.url, rows, 64)
            .rate(&[&rate])
            .lease("3s");
        let (one, name) = first(&url, campaign.path(), &["--no-preflight", "--again"]);
        let mut workers = vec![one];
        workers.extend((0..3).map(|_| join(&url, &name)));
        thread::sleep(Duration::from_secs_f64(8.0 * scale));
        drop(workers.pop());
        thread::sleep(Duration::from_secs_f64(4.0 * scale));
        workers.push(join(&url, &name));
        for worker in &mut workers {
            let _ = worker.0.wait();
        }
        let came = sink.arrivals();
        // The killed worker's last rows are sent after its lease has ended.
        let last = came.len() - came.len() / 10;
        let took = came[last - 1] - came[0];
        let mean = (last - 1) as f64 / took.as_secs_f64() / limit * 100.0;
        let (most, at) = most_over(&came, limit);
        println!(
            "{rate}, 4 workers: {} recipients at {mean:.1} %; at most {most:.1} more than the limit in a window ({:.3} s of the rate), of {at} requests",
            came.len(),
            most / limit
        );
    }
}

/// How many more requests came in any window than the limit allows in that time, and the size of the
/// window.
fn most_over(came: &[Instant], limit: f64) -> (f64, usize) {
    let (mut most, mut at) = (0.0, 0);
    for size in [2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000] {
        for window in came.windows(size) {
            let allowed = (window[size - 1] - window[0]).as_secs_f64() * limit + 1.0;
            let over = size as f64 - allowed;
            if over > most {
                (most, at) = (over, size);
            }
        }
    }
    (most, at)
}
