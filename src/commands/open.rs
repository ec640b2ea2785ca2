//! An existing run, opened.

use std::path::Path;

use super::failure::Failure;
use crate::ledger::{Ledger, LedgerError, Run};
use crate::run::{Folder, Lock};

/// A run to read.
pub(super) struct Opened {
    pub(super) folder: Folder,
    pub(super) ledger: Ledger,
    pub(super) run: Run,
}

/// Opens the run at `path`: its folder, or a campaign, of which it is the newest run.
///
/// # Errors
/// When there is none, or its plan was never completed.
pub(super) fn open(path: &Path) -> Result<Opened, Failure> {
    let folder = Folder::find(path)?;
    let ledger = Ledger::open(&folder.ledger()).map_err(|error| match error {
        // The process that began the run ended before it made one.
        LedgerError::Missing(_) => LedgerError::NotPlanned,
        error => error,
    })?;
    let run = ledger.run()?;
    Ok(Opened {
        folder,
        ledger,
        run,
    })
}

/// Opens it to be worked on.
///
/// # Errors
/// The same, or when another process works on it.
pub(super) fn open_locked(path: &Path) -> Result<(Opened, Lock), Failure> {
    let folder = Folder::find(path)?;
    let lock = Lock::take(&folder)?;
    Ok((open(folder.path())?, lock))
}

impl Opened {
    /// Whether a process works on it.
    pub(super) fn live(&self) -> bool {
        Lock::holder(&self.folder).is_some()
    }
}
