//! A campaign that is sent, killed at random moments, resumed and killed again, until a resume
//! ends by itself. Then both ends are counted.

mod fault;
mod moment;
#[allow(dead_code, reason = "only the soak test has namespaces")]
mod network;
mod server;
mod shared;
mod story;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::campaign::Campaign;
use super::promises::Promises;
use super::results::Results;
use super::run::{Ran, Run};

pub use fault::{Fault, SharedLedger};
pub use moment::{Moment, Watch};
#[allow(unused_imports, reason = "only the soak test has namespaces")]
pub use network::{Link, Network};
pub use server::{Server, unsteady, unsteady_smtp};
pub use shared::SharedScenario;
pub use story::Story;

/// What is sent, and how often it is killed. A seed always gives the same scenario.
#[derive(Debug, Clone)]
pub struct Scenario {
    pub seed: u64,
    pub rows: usize,
    pub batch: usize,
    pub concurrency: usize,
    /// A dialect of the API, or "smtp".
    pub dialect: &'static str,
    /// How often to kill, if the run lasts long enough.
    pub kills: usize,
}

impl Scenario {
    /// A scenario with this many kills.
    pub fn random(seed: u64, kills: usize) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let dialect = ["sendmail", "new_sendmail", "v2", "smtp"][rng.random_range(0..4)];
        let batch = match dialect {
            "smtp" => 1,
            _ => [1, 1, 1, 2, 5][rng.random_range(0..5)],
        };
        Self {
            seed,
            rows: batch * rng.random_range(60..120) + rng.random_range(140..240),
            batch,
            concurrency: rng.random_range(4..=16),
            dialect,
            kills,
        }
    }

    /// Plays it to its end.
    pub fn play(&self) -> Story {
        let mut play = Play::new(self);
        while !play.ended && play.story.kills() < self.kills {
            match &play.run {
                Some(run) if play.rng.random_bool(0.1) => play.kill_results(&run.clone()),
                _ => play.kill_sending(),
            }
        }
        play.finish()
    }

    fn server(&self) -> Box<dyn Server> {
        match self.dialect {
            "smtp" => Box::new(unsteady_smtp(self.seed)),
            _ => Box::new(unsteady(self.seed)),
        }
    }

    fn campaign(&self, server: &dyn Server) -> Campaign {
        let campaign = Campaign::new().rows(self.rows);
        let campaign = match self.dialect {
            "smtp" => campaign,
            dialect => campaign.set("api.dialect", dialect),
        };
        let campaign = server
            .receive(campaign)
            .set("pace.concurrency", self.concurrency as i64)
            .set("pace.batch", self.batch as i64);
        // Rows share a request when they have one message.
        match self.batch {
            1 => campaign,
            _ => campaign
                .set("message.subject", "News")
                .template("newsletter.html", "<p>News</p>"),
        }
    }
}

/// A scenario in progress.
struct Play<'a> {
    scenario: &'a Scenario,
    rng: StdRng,
    server: Box<dyn Server>,
    campaign: Campaign,
    /// The run, once its plan is complete.
    run: Option<PathBuf>,
    /// A process has ended by itself.
    ended: bool,
    story: Story,
}

impl<'a> Play<'a> {
    fn new(scenario: &'a Scenario) -> Self {
        let server = scenario.server();
        Self {
            campaign: scenario.campaign(&*server),
            rng: StdRng::seed_from_u64(!scenario.seed),
            server,
            scenario,
            run: None,
            ended: false,
            story: Story::default(),
        }
    }

    /// `send`, or `resume` once there is a run.
    fn command(&self) -> Run {
        match &self.run {
            Some(run) => Run::on("resume", run),
            None => Run::send(self.campaign.path()),
        }
    }

    fn moment(&mut self) -> (Moment, Duration) {
        let left = self.scenario.kills.saturating_sub(self.story.kills());
        let requests = self.scenario.rows / self.scenario.batch / (left + 1);
        let requests = Moment::Requests(self.rng.random_range(1..=requests.max(2)));
        let rng = &mut self.rng;
        let mut after = |millis: u64| Duration::from_micros(rng.random_range(0..=millis * 1000));
        let (soon, then, later) = (after(1), after(6), after(40));
        match (self.rng.random_range(0..20), self.run.is_some()) {
            (0..3, _) => (Moment::Started, later),
            (3..6, false) => (Moment::Folder, then),
            (6..8, false) => (Moment::Preflight, soon),
            (3..6, true) => (Moment::Requests(1), soon),
            _ if left == 1 => (Moment::Results, soon / 2),
            _ => (requests, then),
        }
    }

    /// Starts a process that sends, and kills it at a moment.
    fn kill_sending(&mut self) {
        let (moment, then) = self.moment();
        let watch = Watch::new(&self.campaign, &*self.server, self.run.as_deref());
        let mut running = self.command().spawn();
        let came = watch.wait(&mut running, moment, then);
        let ran = running.kill();
        let told = ran.stdout.lines().next().map(PathBuf::from);
        if ran.exit().is_some() {
            return self.ended_by_itself(&ran);
        }
        self.story.killed(moment);
        match told {
            Some(run) => self.run = Some(run),
            None if self.run.is_none() => self.killed_while_planning(),
            None => {}
        }
        // Nothing is in flight while the results are written, or before the run's folder is printed.
        let settled = came && moment == Moment::Results;
        if !settled && !ran.stdout.is_empty() {
            self.story.bound += self.scenario.concurrency * self.scenario.batch;
        }
        self.check_results();
    }

    /// A process that was killed before it printed its run has sent nothing. It is resumed if its plan is
    /// complete.
    fn killed_while_planning(&mut self) {
        let requests = self.server.requests();
        let ran = Run::on("resume", self.campaign.path()).run();
        if ran.exit() != Some(1) {
            return self.ended_by_itself(&ran);
        }
        let says = ran.stderr.contains("`mailrun send`") && ran.stdout.is_empty();
        self.story.expect(says, || {
            format!("after a kill while planning: {}", ran.stderr)
        });
        let posted = self.server.requests() - requests;
        self.story
            .expect(posted == 0, || "a run without a plan has posted".to_owned());
    }

    fn ended_by_itself(&mut self, ran: &Ran) {
        self.ended = true;
        let told = ran.stdout.lines().next().map(PathBuf::from);
        self.run = told.or(self.run.take());
        // All rows are done, except unknown ones.
        let done = matches!(ran.exit(), Some(0 | 4));
        self.story.expect(done, || {
            format!("it ended with {:?}: {}", ran.exit(), ran.stderr)
        });
    }

    /// Kills `mailrun results` while it writes.
    fn kill_results(&mut self, run: &Path) {
        let watch = Watch::new(&self.campaign, &*self.server, Some(run));
        let mut running = Run::new("results").arg(run).spawn();
        let then = Duration::from_micros(self.rng.random_range(0..500));
        watch.wait(&mut running, Moment::Results, then);
        if running.kill().exit().is_none() {
            self.story.killed(Moment::Results);
        }
        self.check_results();
    }

    /// The results are complete, or missing.
    fn check_results(&mut self) {
        let Some(run) = &self.run else { return };
        if let Err(why) = whole(&run.join("results.csv"), self.scenario.rows) {
            self.story.expect(false, || why);
        }
    }

    fn finish(mut self) -> Story {
        if !self.ended {
            let ran = self.command().run();
            self.ended_by_itself(&ran);
        }
        let run = self.run.clone().expect("what has ended has a run");
        let results = Results::of(&run);
        let promises = Promises::between(&results, &self.server.taken());
        let pending = results.count("pending");
        let story = &mut self.story;
        story.expect(pending == 0, || {
            format!("{pending} rows are left in {}", run.display())
        });
        story.compare(&promises, self.scenario.rows);
        self.story
    }
}

/// Checks that results are missing, or complete to their last line.
pub fn whole(path: &Path, rows: usize) -> Result<(), String> {
    let Ok(text) = std::fs::read_to_string(path) else {
        return Ok(());
    };
    let mut csv = csv::Reader::from_reader(text.as_bytes());
    let lines = csv.records().filter(Result::is_ok).count();
    if text.ends_with("\r\n") && lines == rows {
        Ok(())
    } else {
        Err(format!(
            "the results have {lines} good rows of {rows}, in {} bytes",
            text.len()
        ))
    }
}
