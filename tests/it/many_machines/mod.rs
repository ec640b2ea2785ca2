//! Several workers that send one run from a ledger in PostgreSQL.

mod faults;
mod files;
mod functions;
mod late;
mod outages;
mod pace;
mod sending;
mod starting;
mod variants;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::postgres::init;
pub(crate) use crate::postgres::is_available;
use crate::support::campaign::Campaign;
use crate::support::fake_api::{FakeApi, Reply};
use crate::support::postgres::{Cluster, USER};
use crate::support::promises::{Promises, counts_of, input};
use crate::support::results::Results;
use crate::support::run::{Run, Running};

/// How long something may take on a slow machine.
const LIMIT: Duration = Duration::from_secs(40);
const POLL: Duration = Duration::from_millis(5);

/// A database with a ledger.
struct Ledger<'a> {
    cluster: &'a Cluster,
    database: String,
    url: String,
}

impl Ledger<'static> {
    /// A ledger in a database of its own, on the cluster that tests share.
    fn new() -> Self {
        Self::on(Cluster::shared())
    }
}

impl<'a> Ledger<'a> {
    fn on(cluster: &'a Cluster) -> Self {
        let ledger = Self::at(cluster, cluster.database());
        init(&ledger.url).run().code(0);
        ledger
    }

    /// The ledger in this database.
    fn at(cluster: &'a Cluster, database: String) -> Self {
        Self {
            url: cluster.url_of(USER, &database),
            cluster,
            database,
        }
    }

    /// A campaign of this many rows, with the shortest lease.
    fn campaign(&self, api: &FakeApi, rows: usize) -> Campaign {
        self.keep(Campaign::new().api(&api.url()).rows(rows))
            .set("api.timeout", "30s")
            .set("pace.concurrency", 4)
    }

    /// Makes a campaign use this ledger.
    fn keep(&self, campaign: Campaign) -> Campaign {
        campaign
            .set("ledger.url", self.url.as_str())
            .set("ledger.lease", "2s")
    }

    /// `mailrun COMMAND RUN`, in an empty folder.
    fn command(&self, command: &str, run: &str) -> Run {
        let command = Run::new(command).arg(run).keys();
        command.args(["--ledger", &self.url])
    }

    /// Starts `send`, and waits until it is in the ledger. Returns it with the run's name.
    fn send(&self, campaign: &Campaign) -> (Running, String) {
        let running = Run::send(campaign.path()).spawn();
        let name = running.first_line();
        self.wait_for(&running);
        (running, name)
    }

    /// Joins a run, and waits until the worker is in the ledger.
    fn join(&self, run: &str) -> Running {
        let worker = self.command("resume", run).spawn();
        self.wait_for(&worker);
        worker
    }

    /// Waits until a worker is in the ledger.
    fn wait_for(&self, worker: &Running) {
        let pid = worker.pid();
        let is_there = format!("SELECT count(*) FROM mailrun.worker WHERE process = {pid}");
        self.wait(&is_there, "1");
    }

    fn results(&self, run: &str) -> Results {
        let ran = self.command("results", run).args(["--out", "-"]).run();
        Results::parse(&ran.code(0).stdout)
    }

    fn status(&self, run: &str) -> serde_json::Value {
        let ran = self.command("status", run);
        let ran = ran.args(["--format", "json"]).run();
        serde_json::from_str(&ran.code(0).stdout).expect("JSON")
    }

    /// Compares both ends of a run that has ended.
    #[track_caller]
    fn hold(&self, campaign: &Campaign, run: &str, api: &FakeApi) -> Results {
        let results = self.results(run);
        let promises = Promises {
            input: Some(input(campaign)),
            counts: Some(counts_of(&self.status(run).to_string())),
            ended: true,
            ..Promises::at(&results, api)
        };
        promises.hold();
        results
    }

    fn sql(&self, sql: &str) -> String {
        self.cluster.psql_in(&self.database, sql)
    }

    /// Waits until a query has this result.
    #[track_caller]
    fn wait(&self, sql: &str, result: &str) {
        until(sql, || self.sql(sql) == result);
    }
}

/// Waits until `done` returns true.
#[track_caller]
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < LIMIT, "timed out: {what}");
        std::thread::sleep(POLL);
    }
}

/// Lets requests through when it is open.
#[derive(Clone, Default)]
struct Gate(Arc<AtomicBool>);

impl Gate {
    fn open(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Waits until it is open. It ends if a test fails.
    fn wait(&self) {
        let started = Instant::now();
        while !self.0.load(Ordering::Relaxed) && started.elapsed() < LIMIT {
            std::thread::sleep(POLL);
        }
    }
}

/// An API that takes everything, once the gate is open.
fn gated(gate: &Gate) -> FakeApi {
    let gate = gate.clone();
    FakeApi::start(move |_, _| {
        gate.wait();
        Reply::Take
    })
}

/// An API that takes the first `before` requests at once, and answers the next `held` when the gate is open.
fn holding(before: usize, held: usize, gate: &Gate, late: fn() -> Reply) -> FakeApi {
    let gate = gate.clone();
    FakeApi::start(move |n, _| {
        if n < before || n >= before + held {
            return Reply::Take;
        }
        gate.wait();
        late()
    })
}
