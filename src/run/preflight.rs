//! The preflight: every row rendered before the first request, on all cores.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use super::Stages;
use crate::finding::Finding;
use crate::ledger::{Ledger, LedgerError};
use crate::render::Engine;

/// How many rows a thread takes at once.
const PAGE: u32 = 256;

/// A row that can't be sent.
#[derive(Debug)]
pub struct RowFinding {
    /// The row.
    pub row: u32,
    /// Its line in the file.
    pub line: u64,
    /// Why.
    pub finding: Finding,
}

/// What a preflight needs.
pub struct Preflight<'a> {
    /// The ledger, with the rows planned.
    pub ledger: &'a Path,
    /// The number of the last row.
    pub last: u32,
    /// The templates.
    pub engine: &'a Engine,
    /// Where to tell how far it is.
    pub stages: &'a Stages,
}

/// Renders every pending row, and gives those that can't be sent to `take`, in no order.
///
/// # Errors
/// When the ledger can't be read, or what `take` says.
pub fn preflight(
    inputs: &Preflight<'_>,
    mut take: impl FnMut(RowFinding) -> Result<(), LedgerError>,
) -> Result<(), LedgerError> {
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
        workers.into_iter().try_for_each(|worker| {
            worker.join().unwrap_or_else(|_| {
                Err(LedgerError::Stopped(
                    "a thread of the preflight died".to_owned(),
                ))
            })
        })
    })
}

fn work(
    inputs: &Preflight<'_>,
    next: &AtomicU32,
    found: &SyncSender<RowFinding>,
) -> Result<(), LedgerError> {
    let ledger = Ledger::open(inputs.ledger)?;
    loop {
        let first = next.fetch_add(PAGE, Ordering::Relaxed);
        if first >= inputs.last {
            return Ok(());
        }
        for planned in ledger.pending_between(first, first.saturating_add(PAGE))? {
            inputs.stages.rendered.fetch_add(1, Ordering::Relaxed);
            let Err(finding) = inputs.engine.check(&planned.row) else {
                continue;
            };
            let finding = RowFinding {
                row: planned.row.number,
                line: planned.line,
                finding: *finding,
            };
            if found.send(finding).is_err() {
                return Ok(());
            }
        }
    }
}
