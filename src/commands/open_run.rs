//! Opens an existing run.

use std::path::Path;

use super::failure::Failure;
use crate::address::Address;
use crate::campaign::Campaign;
use crate::ledger::sqlite::SqliteLedger;
use crate::ledger::{Ledger, LedgerError, Run};
use crate::render::{Engine, Inputs, KEY_LENGTH, has_token};
use crate::run::{Folder, Lock};

pub(super) struct OpenRun {
    pub(super) folder: Folder,
    pub(super) ledger: SqliteLedger,
    pub(super) run: Run,
}

/// Opens a run for reading. `path` is a run folder, or a campaign for its newest run.
///
/// # Errors
/// If there is no run, or its plan is not complete.
pub(super) fn open(path: &Path) -> Result<OpenRun, Failure> {
    let folder = Folder::find(path)?;
    // Must not be called while this process holds the lock: looking for a holder releases it.
    let holder = Lock::holder(&folder);
    match (read(folder.clone()), holder) {
        (Err(LedgerError::NotPlanned), Some(pid)) => Err(Failure::with_help(
            "not-planned",
            format!(
                "process {pid} is still planning {}: nothing has been sent yet",
                folder.path().display()
            ),
            "try again when it is sending, or name the folder of another run",
        )),
        (opened, _) => Ok(opened?),
    }
}

fn read(folder: Folder) -> Result<OpenRun, LedgerError> {
    let ledger = SqliteLedger::open(&folder.ledger()).map_err(|error| match error {
        // The process that started the run ended before it created the ledger.
        LedgerError::Missing(_) => LedgerError::NotPlanned,
        error => error,
    })?;
    let run = ledger.run()?;
    Ok(OpenRun {
        folder,
        ledger,
        run,
    })
}

/// Opens a run to change it or to send it.
///
/// # Errors
/// As [`open`]; also if the run is damaged, or if another process works on it or sends its campaign.
pub(super) fn open_locked(path: &Path) -> Result<(OpenRun, Lock), Failure> {
    let folder = Folder::find(path)?;
    let lock = Lock::run(&folder)?;
    let opened = read(folder.clone())?;
    let lock = lock.and(Lock::campaign_for_resume(&folder, &opened.run)?);
    opened.ledger.check()?;
    Ok((opened, lock))
}

impl OpenRun {
    /// Whether another process works on it.
    pub(super) fn is_live(&self) -> bool {
        Lock::holder(&self.folder).is_some()
    }
}

/// The template engine for a run, with the run's frozen copy of the campaign.
///
/// # Errors
/// If the frozen templates can't be compiled.
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
        verp_key: verp_key(campaign, folder)?,
        test_to: test_to.as_ref(),
    })?)
}

fn verp_key(campaign: &Campaign, folder: &Folder) -> Result<[u8; KEY_LENGTH], Failure> {
    match &campaign.message.return_path {
        Some(return_path) if has_token(return_path.get_ref()) => folder
            .verp_key()
            .map_err(|error| no_verp_key(folder, &error)),
        _ => Ok([0; KEY_LENGTH]),
    }
}

/// The key of the return paths can't be read or written.
pub(super) fn no_verp_key(folder: &Folder, error: &std::io::Error) -> Failure {
    let message = format!(
        "can't use the key for `{{{{ verp }}}}` in {}: {error}",
        folder.path().display()
    );
    Failure::new("io", message)
}
