//! The pass over all rows, on all cores: each rendered and looked at before the first request.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use super::lint::{Common, Gathered, Lint};
use crate::finding::Finding;
use crate::ledger::{Ledger, LedgerError};
use crate::run::Stages;

/// How many rows a thread takes at once.
const PAGE: u32 = 256;

/// Something that is wrong with a row.
#[derive(Debug)]
pub struct RowFinding {
    /// The row.
    pub row: u32,
    /// Its line in the file.
    pub line: u64,
    /// What.
    pub finding: Finding,
}

/// What a pass needs.
pub struct Pass<'a> {
    /// The ledger, with the rows planned.
    pub ledger: &'a Path,
    /// The number of the last row.
    pub last: u32,
    /// The rules.
    pub lint: &'a Lint<'a>,
    /// Where to tell how far it is.
    pub stages: &'a Stages,
}

/// Looks at every pending row, and gives what is wrong with single ones to `take`, in no order. Gives
/// what many have in common.
///
/// # Errors
/// When the ledger can't be read, or what `take` says.
pub fn pass(
    inputs: &Pass<'_>,
    mut take: impl FnMut(RowFinding) -> Result<(), LedgerError>,
) -> Result<Vec<Common>, LedgerError> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicU32::new(0);
    thread::scope(|scope| {
        let (found, findings) = sync_channel(1024);
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                let (found, next) = (found.clone(), &next);
                scope.spawn(move || work(inputs, next, &found))
            })
            .collect();
        drop(found);
        findings.into_iter().try_for_each(&mut take)?;
        let died = || LedgerError::Stopped("a thread of the preflight died".to_owned());
        let gathered = workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|_| Err(died())))
            .collect::<Result<_, _>>()?;
        Ok(inputs.lint.common(gathered))
    })
}

/// Who takes the findings wants no more.
struct Gone;

fn work(
    inputs: &Pass<'_>,
    next: &AtomicU32,
    found: &SyncSender<RowFinding>,
) -> Result<Gathered, LedgerError> {
    let ledger = Ledger::open(inputs.ledger)?;
    let mut gathered = Gathered::default();
    loop {
        let first = next.fetch_add(PAGE, Ordering::Relaxed);
        if first >= inputs.last {
            return Ok(gathered);
        }
        for planned in ledger.pending_between(first, first.saturating_add(PAGE))? {
            inputs.stages.rendered.fetch_add(1, Ordering::Relaxed);
            let (row, line) = (planned.row.number, planned.line);
            let take = |finding| {
                let finding = RowFinding { row, line, finding };
                found.send(finding).map_err(|_| Gone)
            };
            let looked = inputs.lint.row(&planned.row, line, &mut gathered, take);
            if let Err(Gone) = looked {
                return Ok(gathered);
            }
        }
    }
}
