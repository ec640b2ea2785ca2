//! An existing run, opened.

use std::path::Path;

use super::failure::Failure;
use crate::address::Address;
use crate::campaign::Campaign;
use crate::ledger::{Ledger, LedgerError, Run};
use crate::render::{Engine, Inputs};
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
    // Only who does not hold the lock may ask for its holder: asking would drop it.
    let holder = Lock::holder(&folder);
    match (read(folder.clone()), holder) {
        (Err(LedgerError::NotPlanned), Some(pid)) => Err(Failure::with_help(
            "not-planned",
            format!(
                "{} is being planned by the process {pid}: nothing has been sent yet",
                folder.path().display()
            ),
            "ask again when it sends; or name the folder of another run",
        )),
        (opened, _) => Ok(opened?),
    }
}

fn read(folder: Folder) -> Result<Opened, LedgerError> {
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
/// The same, when it is damaged, or when another process works on it or sends its campaign.
pub(super) fn open_locked(path: &Path) -> Result<(Opened, Lock), Failure> {
    let folder = Folder::find(path)?;
    let lock = Lock::take(&folder)?;
    let opened = read(folder.clone())?;
    let lock = lock.and(Lock::go_on(&folder, &opened.run)?);
    opened.ledger.check()?;
    Ok((opened, lock))
}

/// The engine of a run, made from the campaign as it was frozen.
///
/// # Errors
/// When the frozen templates can't be compiled.
pub(super) fn engine_of(
    campaign: &Campaign,
    folder: &Folder,
    run: &Run,
) -> Result<Engine, Failure> {
    let test_to = run.test_to.as_deref().map(Address::parse).transpose();
    let test_to = test_to.map_err(|error| LedgerError::Damaged(error.to_string()))?;
    Ok(Engine::new(&Inputs {
        campaign,
        dir: &folder.frozen(),
        own_dir: &run.campaign,
        header: &run.header,
        started: run.started,
        id_prefix: &run.id_prefix,
        test_to: test_to.as_ref(),
    })?)
}

impl Opened {
    /// Whether a process works on it.
    pub(super) fn live(&self) -> bool {
        Lock::holder(&self.folder).is_some()
    }
}
