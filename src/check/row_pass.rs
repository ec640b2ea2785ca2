//! Renders and checks all planned rows on all cores, before the first request.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use super::checker::{CommonFinding, Totals};
use super::checkers::Checkers;
use crate::finding::Finding;
use crate::ledger::LedgerError;
use crate::ledger::sqlite::SqliteLedger;
use crate::run::PlanProgress;

/// How many rows a thread reads at once.
const PAGE: u32 = 256;

/// A finding about one row.
#[derive(Debug)]
pub struct RowFinding {
    pub row: u32,
    /// The row's line in the recipients' file.
    pub line: u64,
    pub finding: Finding,
}

pub struct RowPass<'a> {
    /// A ledger with the planned rows.
    pub ledger: &'a Path,
    /// The number of the last row.
    pub last: u32,
    pub checkers: &'a Checkers<'a>,
    /// Counts the rows checked so far.
    pub stages: &'a PlanProgress,
}

/// Checks every pending row. `take` gets the findings about single rows in any order; the findings about many
/// rows are returned.
///
/// # Errors
/// If the ledger can't be read, and those of `take`.
pub fn check_rows(
    pass: &RowPass<'_>,
    mut take: impl FnMut(RowFinding) -> Result<(), LedgerError>,
) -> Result<Vec<CommonFinding>, LedgerError> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicU32::new(0);
    thread::scope(|scope| {
        let (sender, findings) = sync_channel(1024);
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                let (sender, next) = (sender.clone(), &next);
                scope.spawn(move || work(pass, next, &sender))
            })
            .collect();
        drop(sender);
        findings.into_iter().try_for_each(&mut take)?;
        let died = || LedgerError::Stopped("a thread of the preflight died".to_owned());
        let totals = workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|_| Err(died())))
            .collect::<Result<_, _>>()?;
        Ok(pass.checkers.finish(totals))
    })
}

/// The receiver of the findings has stopped.
struct Disconnected;

fn work(
    pass: &RowPass<'_>,
    next: &AtomicU32,
    sender: &SyncSender<RowFinding>,
) -> Result<Vec<Totals>, LedgerError> {
    let ledger = SqliteLedger::open(pass.ledger)?;
    let mut totals = pass.checkers.totals();
    loop {
        let first = next.fetch_add(PAGE, Ordering::Relaxed);
        if first >= pass.last {
            return Ok(totals);
        }
        let last = first.saturating_add(PAGE);
        // Rows with large groups come in several pages.
        let mut after = first;
        let mut page = ledger.pending_between(after, last)?;
        while let Some(end) = page.last().map(|row| row.row.number) {
            for planned in page {
                pass.stages.rendered.fetch_add(1, Ordering::Relaxed);
                let (row, line) = (planned.row.number, planned.line);
                let take = |finding| {
                    let finding = RowFinding { row, line, finding };
                    sender.send(finding).map_err(|_| Disconnected)
                };
                let checked = pass.checkers.row(&planned.row, line, &mut totals, take);
                if let Err(Disconnected) = checked {
                    return Ok(totals);
                }
            }
            after = end;
            page = ledger.pending_between(after, last)?;
        }
    }
}
