//! The moments at which a process can be hit.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};

use crate::support::campaign::Campaign;
use crate::support::fake_api::FakeApi;
use crate::support::run::Running;

/// How long a moment may take to come.
const LIMIT: Duration = Duration::from_secs(60);

/// Something that can be seen of a process from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// It was started.
    Started,
    /// The folder of its run is there: it plans.
    Folder,
    /// All rows can be read in a ledger whose plan is not complete: it renders them.
    Preflight,
    /// So many requests have come since it was started.
    Requests(usize),
    /// It writes the results.
    Results,
}

/// What was there before a process was started, to see what it does.
pub struct Watch<'a> {
    campaign: &'a Campaign,
    api: &'a FakeApi,
    run: Option<PathBuf>,
    runs: usize,
    requests: usize,
    results: Option<(u64, u64)>,
    unfinished: Vec<PathBuf>,
}

impl<'a> Watch<'a> {
    /// Looks at everything. `run` is the run that the process will go on with, unless it makes one.
    pub fn new(campaign: &'a Campaign, api: &'a FakeApi, run: Option<&Path>) -> Self {
        Self {
            campaign,
            api,
            run: run.map(Path::to_owned),
            runs: campaign.runs().len(),
            requests: api.requests().len(),
            results: run.and_then(results),
            unfinished: run.map(unfinished_results).unwrap_or_default(),
        }
    }

    /// Waits for the moment, and then for so long. False when the process ended before.
    pub fn wait(&self, running: &mut Running, moment: Moment, then: Duration) -> bool {
        let (begun, mut hit) = (Instant::now(), None);
        while !running.has_ended() {
            assert!(
                begun.elapsed() < LIMIT,
                "{moment:?} did not come about in {LIMIT:?}: {}",
                running.stderr()
            );
            if hit.is_none() && self.has_come(moment) {
                hit = Some(Instant::now() + then);
            }
            if hit.is_some_and(|hit| hit <= Instant::now()) {
                return true;
            }
            // What comes with the results is soon over.
            if moment != Moment::Results {
                std::thread::sleep(Duration::from_micros(300));
            }
        }
        false
    }

    fn has_come(&self, moment: Moment) -> bool {
        match moment {
            Moment::Started => true,
            Moment::Folder => self.run().is_some(),
            Moment::Preflight => self.run().is_some_and(|run| is_half_planned(&run)),
            Moment::Requests(count) => self.api.requests().len() >= self.requests + count,
            Moment::Results => self.run().is_some_and(|run| {
                // What a kill has left does not count.
                let unfinished = unfinished_results(&run);
                let new = |path| !self.unfinished.contains(path);
                unfinished.iter().any(new) || results(&run) != self.results
            }),
        }
    }

    /// The folder of the run, once it is there.
    pub fn run(&self) -> Option<PathBuf> {
        let made = || self.campaign.runs().into_iter().nth(self.runs);
        self.run.clone().or_else(made)
    }
}

/// Which file the results are, and how long it is.
fn results(run: &Path) -> Option<(u64, u64)> {
    let found = fs::metadata(run.join("results.csv")).ok()?;
    Some((found.ino(), found.len()))
}

/// The files in which results are written before they are whole.
fn unfinished_results(run: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(run).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(".results-")
        })
        .collect()
}

fn is_half_planned(run: &Path) -> bool {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let look = || {
        let ledger = Connection::open_with_flags(run.join("ledger.db"), flags)?;
        ledger.query_row(
            "SELECT planned = 0 AND EXISTS (SELECT 1 FROM recipient) FROM run",
            [],
            |row| row.get(0),
        )
    };
    look().unwrap_or(false)
}
