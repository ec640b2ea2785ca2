//! The moments at which a process can be hit.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};

use super::server::Server;
use crate::support::campaign::Campaign;
use crate::support::run::Running;

/// How long to wait for a moment.
const LIMIT: Duration = Duration::from_secs(60);

/// A moment of a process that can be observed from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// It was started.
    Started,
    /// The folder of its run exists: it plans.
    Folder,
    /// All rows can be read from a ledger whose plan is not complete: it renders them.
    Preflight,
    /// This many requests have arrived since it was started.
    Requests(usize),
    /// It writes the results.
    Results,
}

/// The state before a process was started, to observe what it does.
pub struct Watch<'a> {
    campaign: &'a Campaign,
    server: &'a dyn Server,
    run: Option<PathBuf>,
    runs: usize,
    requests: usize,
    results: Option<(u64, u64)>,
    unfinished: Vec<PathBuf>,
}

impl<'a> Watch<'a> {
    /// Reads the state. `run` is the run that the process will resume, if it does not create one.
    pub fn new(campaign: &'a Campaign, server: &'a dyn Server, run: Option<&Path>) -> Self {
        Self {
            campaign,
            server,
            run: run.map(Path::to_owned),
            runs: campaign.runs().len(),
            requests: server.requests(),
            results: run.and_then(results),
            unfinished: run.map(unfinished_results).unwrap_or_default(),
        }
    }

    /// Waits for the moment, and then for `then`. Returns false if the process ended before.
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
            // Writing the results takes little time.
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
            Moment::Requests(count) => self.server.requests() >= self.requests + count,
            Moment::Results => self.run().is_some_and(|run| {
                // Files left by an earlier kill do not count.
                let unfinished = unfinished_results(&run);
                let new = |path| !self.unfinished.contains(path);
                unfinished.iter().any(new) || results(&run) != self.results
            }),
        }
    }

    /// The folder of the run, once it exists.
    pub fn run(&self) -> Option<PathBuf> {
        let made = || self.campaign.runs().into_iter().nth(self.runs);
        self.run.clone().or_else(made)
    }
}

/// The inode and the length of the results.
fn results(run: &Path) -> Option<(u64, u64)> {
    let found = fs::metadata(run.join("results.csv")).ok()?;
    Some((found.ino(), found.len()))
}

/// The files in which results are written before they are complete.
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
