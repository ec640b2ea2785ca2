//! A run that several workers send while they are killed, stopped or cut off, or while the database
//! crashes. Then both ends are counted.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rustix::process::Signal;

use super::fault::{Fault, SharedLedger};
use super::network::{Link, Network};
use super::server::{Server, unsteady_at};
use super::story::Story;
use super::{Campaign, Promises, Results, Run, Scenario};
use crate::support::postgres::Stop;
use crate::support::promises::{counts_of, input};
use crate::support::run::{Ran, Running};

/// The shortest that a campaign may have.
const LEASE: Duration = Duration::from_secs(2);
const TIMEOUT: Duration = Duration::from_secs(3);
/// How long a scenario may make no progress.
const LIMIT: Duration = Duration::from_secs(50);
const POLL: Duration = Duration::from_millis(2);

/// A scenario of several workers. Its kills are faults.
#[derive(Debug, Clone)]
pub struct SharedScenario {
    pub base: Scenario,
    pub workers: usize,
    pub fault: Fault,
}

impl SharedScenario {
    pub fn random(seed: u64, faults: usize, workers: usize, fault: Fault) -> Self {
        let mut base = Scenario::random(seed, faults);
        base.rows = 1200 * workers / 2;
        base.concurrency = base.concurrency.min(8);
        if fault.link().is_some() && base.dialect == "smtp" {
            // The fake SMTP server is only on the loopback.
            base.dialect = "new_sendmail";
        }
        Self {
            base,
            workers,
            fault,
        }
    }

    /// Plays it to its end.
    pub fn play(&self, ledger: &mut SharedLedger) -> Story {
        let mut play = Play::new(self, ledger);
        play.start();
        while !play.done && play.story.broken.is_empty() && play.story.kills() < self.base.kills {
            let rows = self.base.rows / self.base.batch / (self.base.kills + 2);
            let requests = play.rng.random_range(1..=rows.max(2));
            play.wait_for_requests(requests);
            play.hit();
        }
        play.finish()
    }
}

struct Worker {
    running: Running,
    /// The number of its namespace.
    place: usize,
}

/// A fault that ends later.
struct Pending {
    ends: Instant,
    /// The place of the worker.
    place: usize,
    /// The process that was stopped, unless a link is down.
    process: Option<u32>,
}

struct Play<'a> {
    scenario: &'a SharedScenario,
    ledger: &'a mut SharedLedger,
    rng: StdRng,
    server: Box<dyn Server>,
    campaign: Campaign,
    /// The run's name.
    run: String,
    workers: Vec<Worker>,
    pending: Vec<Pending>,
    /// A worker has found no more rows.
    done: bool,
    story: Story,
}

impl<'a> Play<'a> {
    fn new(scenario: &'a SharedScenario, ledger: &'a mut SharedLedger) -> Self {
        let base = &scenario.base;
        let server: Box<dyn Server> = match ledger.network {
            Some(_) => Box::new(unsteady_at((Link::Api.address(), 0).into(), base.seed)),
            None => base.server(),
        };
        let section = if base.dialect == "smtp" {
            "smtp"
        } else {
            "api"
        };
        let campaign = base
            .campaign(&*server)
            .set("name", format!("soak-{}", base.seed))
            .set("ledger.url", ledger.url())
            .set("ledger.lease", format!("{}s", LEASE.as_secs()))
            .set("breaker.share", 1.0)
            .set(
                &format!("{section}.timeout"),
                format!("{}s", TIMEOUT.as_secs()),
            );
        Self {
            campaign,
            rng: StdRng::seed_from_u64(!base.seed),
            server,
            run: String::new(),
            workers: Vec::new(),
            pending: Vec::new(),
            done: false,
            story: Story::default(),
            scenario,
            ledger,
        }
    }

    /// Rows that one worker can have in flight.
    fn in_flight(&self) -> usize {
        self.scenario.base.concurrency * self.scenario.base.batch
    }

    fn spawn(&self, command: Run, place: usize) -> Running {
        match self.ledger.network {
            Some(_) => command.in_namespace(&Network::namespace(place)),
            None => command,
        }
        .spawn()
    }

    /// Starts `send`, which is sometimes killed while it plans, and the other workers.
    fn start(&mut self) {
        while self.run.is_empty() {
            let send = self.spawn(Run::send(self.campaign.path()), 0);
            if self.scenario.fault == Fault::Kill && self.rng.random_bool(0.3) {
                std::thread::sleep(Duration::from_millis(self.rng.random_range(0..400)));
                let ran = send.kill();
                self.story.hit("planning");
                if !ran.stdout.is_empty() {
                    self.story.bound += self.in_flight();
                }
                // The database notices the end of the process a moment later.
                let sessions =
                    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'mailrun'";
                self.ledger.cluster.wait_until(sessions, "0");
                self.run = self.name_in_ledger().unwrap_or_default();
                continue;
            }
            self.run = send.first_line();
            self.workers.push(Worker {
                running: send,
                place: 0,
            });
        }
        for place in 0..self.scenario.workers {
            if !self.workers.iter().any(|worker| worker.place == place) {
                self.resume(place);
            }
        }
    }

    /// The name of the campaign's run, if it was added before its worker was killed.
    fn name_in_ledger(&self) -> Option<String> {
        let name = format!("soak-{}", self.scenario.base.seed);
        let runs = Run::new("runs").args(["--format", "json"]);
        let ran = self
            .spawn(runs.args(["--ledger", self.ledger.url()]), 0)
            .wait();
        let runs: serde_json::Value = serde_json::from_str(&ran.code(0).stdout).expect("JSON");
        let runs = runs.as_array().expect("an array");
        let mut mine = runs.iter().filter(|run| run["name"] == name);
        let run = mine.next()?;
        assert!(mine.next().is_none(), "two runs of {name}");
        run["run"].as_str().map(str::to_owned)
    }

    fn resume(&mut self, place: usize) {
        let running = self.spawn(self.command("resume"), place);
        self.workers.push(Worker { running, place });
    }

    fn command(&self, command: &str) -> Run {
        let command = Run::new(command).arg(&self.run).keys();
        command.args(["--ledger", self.ledger.url()])
    }

    /// Waits until this many requests have come, or the run is done.
    fn wait_for_requests(&mut self, requests: usize) {
        let (limit, goal) = (Instant::now() + LIMIT, self.server.requests() + requests);
        while !self.done && self.story.broken.is_empty() && self.server.requests() < goal {
            self.tend();
            if Instant::now() > limit {
                let said: Vec<_> = self.workers.iter().map(|it| it.running.stderr()).collect();
                self.story.broken.push(format!("no progress: {said:?}"));
            }
            std::thread::sleep(POLL);
        }
    }

    /// Ends the faults that are due, and replaces workers that have ended.
    fn tend(&mut self) {
        let now = Instant::now();
        let (due, pending) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition::<Vec<_>, _>(|fault| fault.ends <= now);
        self.pending = pending;
        due.iter().for_each(|fault| self.end(fault));
        let (ended, workers) = std::mem::take(&mut self.workers)
            .into_iter()
            .map(|mut worker| (worker.running.has_ended(), worker))
            .partition::<Vec<_>, _>(|(ended, _)| *ended);
        self.workers = workers.into_iter().map(|(_, worker)| worker).collect();
        for (_, Worker { running, place }) in ended {
            if self.ended(&running.wait()) {
                self.resume(place);
            }
        }
    }

    fn end(&self, fault: &Pending) {
        if let Some(process) = fault.process {
            let stopped = self.workers.iter().find(|it| it.running.pid() == process);
            if let Some(worker) = stopped {
                worker.running.signal(Signal::CONT);
            }
        } else if let Some((network, link)) =
            self.ledger.network.as_ref().zip(self.scenario.fault.link())
        {
            network.set(fault.place, link, true);
        }
    }

    /// A worker has ended by itself. Returns whether another one is needed.
    fn ended(&mut self, ran: &Ran) -> bool {
        let was_ended = ran.exit() == Some(5)
            && ran.stderr.contains("ended by the others")
            && self.scenario.fault.may_end_workers();
        let done = match ran.exit() {
            Some(0 | 4) => true,
            // An answer that came late fails its row if the server did not take the message.
            Some(3) => self.scenario.fault.may_end_workers(),
            _ => false,
        };
        self.done |= done;
        self.story.expect(done || was_ended, || {
            let (out, err) = (&ran.stdout, &ran.stderr);
            format!("a worker ended with {:?}: {out}\n{err}", ran.exit())
        });
        was_ended
    }

    /// Makes the fault happen.
    fn hit(&mut self) {
        let more = Duration::from_millis(self.rng.random_range(0..6));
        std::thread::sleep(more);
        self.tend();
        if self.done {
            return;
        }
        let fault = self.scenario.fault;
        match fault {
            Fault::Kill => self.kill(),
            Fault::Stop => self.stop(),
            Fault::Database => self.crash_database(),
            Fault::CutDatabase | Fault::CutApi => self.cut(),
        }
    }

    fn kill(&mut self) {
        let victim = self.rng.random_range(0..self.workers.len());
        let Worker { running, place } = self.workers.swap_remove(victim);
        let starting = running.stdout().is_empty();
        let ran = running.kill();
        if ran.exit().is_some() {
            self.ended(&ran);
            return;
        }
        self.story.hit(if starting { "starting" } else { "kill" });
        self.story.bound += self.in_flight();
        self.resume(place);
    }

    fn stop(&mut self) {
        let is_free = |worker: &&Worker| {
            let process = Some(worker.running.pid());
            !self.pending.iter().any(|fault| fault.process == process)
        };
        let free: Vec<_> = self.workers.iter().filter(is_free).collect();
        // One must be left to notice.
        if free.len() < 2 {
            return std::thread::sleep(Duration::from_millis(50));
        }
        let worker = free.choose(&mut self.rng).expect("one of two");
        worker.running.signal(Signal::STOP);
        let (process, place) = (Some(worker.running.pid()), worker.place);
        let longer = Duration::from_millis(self.rng.random_range(200..2500));
        let ends = Instant::now() + LEASE + longer;
        self.pending.push(Pending {
            ends,
            place,
            process,
        });
        self.story.hit("stop");
        self.story.bound += self.in_flight();
    }

    fn crash_database(&mut self) {
        let down = match self.rng.random_range(0..8) {
            0 => LEASE + Duration::from_millis(self.rng.random_range(0..1500)),
            _ => Duration::from_millis(self.rng.random_range(0..700)),
        };
        self.ledger.cluster.stop(Stop::Immediate);
        std::thread::sleep(down);
        self.ledger.cluster.start_again();
        self.story.hit("database");
    }

    fn cut(&mut self) {
        let free: Vec<usize> = (0..self.scenario.workers)
            .filter(|place| !self.pending.iter().any(|fault| fault.place == *place))
            .collect();
        let Some((place, link)) = free
            .choose(&mut self.rng)
            .copied()
            .zip(self.scenario.fault.link())
        else {
            return std::thread::sleep(Duration::from_millis(50));
        };
        let millis = self.rng.random_range(100..4500);
        let ends = Instant::now() + Duration::from_millis(millis);
        let network = self.ledger.network.as_ref().expect("namespaces");
        network.set(place, link, false);
        self.pending.push(Pending {
            ends,
            place,
            process: None,
        });
        self.story.hit(self.scenario.fault.name());
        self.story.bound += self.in_flight();
    }

    /// Waits for the end of the run, and counts both ends.
    fn finish(mut self) -> Story {
        let (mut limit, mut requests) = (Instant::now() + LIMIT, 0);
        while !(self.workers.is_empty() && self.pending.is_empty()) {
            self.tend();
            if self.server.requests() > requests {
                (limit, requests) = (Instant::now() + LIMIT, self.server.requests());
            }
            if Instant::now() > limit || !self.story.broken.is_empty() {
                let said: Vec<_> = self.workers.iter().map(|it| it.running.stderr()).collect();
                self.story.broken.push(format!("it does not end: {said:?}"));
                for fault in std::mem::take(&mut self.pending) {
                    self.end(&fault);
                }
                return self.story;
            }
            std::thread::sleep(POLL);
        }
        let results = self.command("results").args(["--out", "-"]);
        let results = Results::parse(&self.spawn(results, 0).wait().code(0).stdout);
        let status = self.command("status").args(["--format", "json"]);
        let status = self.spawn(status, 0).wait();
        let promises = Promises {
            input: Some(input(&self.campaign)),
            counts: Some(counts_of(&status.code(0).stdout)),
            ended: true,
            ..Promises::between(&results, &self.server.taken())
        };
        self.story.compare(&promises, self.scenario.base.rows);
        self.story
    }
}
