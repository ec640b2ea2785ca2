//! Earlier runs of the same campaign: who has it already.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Folder, Lock, folder};
use crate::campaign::Campaign;
use crate::ledger::{self, Ledger, LedgerError, Run, Status, Target};

/// A real run of the same name, with rows that were sent, may have been, or are still to be.
#[derive(Debug, Clone)]
pub struct Previous {
    /// Its folder.
    pub folder: Folder,
    /// Its accepted rows.
    pub accepted: u64,
    /// Its unknown rows.
    pub unknown: u64,
    /// Its pending rows.
    pub pending: u64,
}

/// An earlier run of which it can't be told whom it has sent to.
#[derive(Debug, thiserror::Error)]
#[error("whom {} has sent to can't be told: {error}", folder.display())]
pub struct PreviousError {
    /// The run's folder.
    pub folder: PathBuf,
    /// Why.
    pub error: LedgerError,
}

/// The earlier real runs of a campaign that stand against sending it again, oldest first. A run
/// whose plan was never completed has sent nothing.
///
/// # Errors
/// When a ledger can't be read to its end that may be of such a run: taken for nothing, it would let
/// everybody get the message twice.
pub fn previous(campaign: &Campaign) -> Result<Vec<Previous>, PreviousError> {
    let mut standing = Vec::new();
    for folder in folders(&campaign.dir)? {
        let found = look(&campaign.name, &folder).map_err(|error| PreviousError {
            folder: folder.path().to_owned(),
            error,
        })?;
        standing.extend(found);
    }
    Ok(standing)
}

/// The real runs of a run's campaign that were begun after it, oldest first, as far as they can be
/// read: whoever has got the message there need not get it from this one.
pub fn later(run: &Run) -> Vec<Previous> {
    let folders = folders(&run.campaign).unwrap_or_default();
    let found = folders.iter().filter_map(|folder| {
        let began = Ledger::open(&folder.ledger()).ok()?.run().ok()?.started;
        (began > run.started).then(|| look(&run.name, folder).ok())?
    });
    found.flatten().collect()
}

/// Removes what processes left in a campaign's `runs` that died while they planned: it holds
/// recipients' data, and is of no use. The caller holds [`Lock::send`].
pub fn sweep(campaign: &Campaign) {
    for folder in folders(&campaign.dir).unwrap_or_default() {
        // What can't be read is for `previous` to tell.
        let _ = folder.remove_unplanned();
    }
}

/// All folders in a campaign's `runs`, in the order of their names.
fn folders(campaign: &Path) -> Result<Vec<Folder>, PreviousError> {
    let runs = campaign.join(folder::RUNS);
    let mut folders = Vec::new();
    match fs::read_dir(&runs) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(unreadable(runs, error)),
        Ok(entries) => {
            for entry in entries {
                let path = entry.map_err(|error| unreadable(runs.clone(), error))?;
                folders.push(path.path());
            }
        }
    }
    folders.retain(|path| path.is_dir());
    folders.sort();
    Ok(folders.iter().map(|path| Folder::at(path)).collect())
}

fn unreadable(folder: PathBuf, error: io::Error) -> PreviousError {
    let error = LedgerError::Io(folder.clone(), error);
    PreviousError { folder, error }
}

fn look(name: &str, folder: &Folder) -> Result<Option<Previous>, LedgerError> {
    let path = folder.ledger();
    let found = match fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => without_ledger(folder),
        Err(error) => Err(LedgerError::Io(path.clone(), error)),
        Ok(_) => standing(name, folder),
    };
    found.or_else(|error| match ledger::whose(&path) {
        // What is readable says that it does not matter.
        Some((found, target)) if target != Target::Real || found != name => Ok(None),
        // A local run's messages are nobody's mail.
        None if folder.outbox().exists() => Ok(None),
        _ => Err(error),
    })
}

/// A folder that was no run's, or that a process left which died before it planned; but one with
/// results had a ledger.
fn without_ledger(folder: &Folder) -> Result<Option<Previous>, LedgerError> {
    if folder.results().exists() {
        Err(LedgerError::Missing(folder.ledger()))
    } else {
        Ok(None)
    }
}

fn standing(name: &str, folder: &Folder) -> Result<Option<Previous>, LedgerError> {
    let ledger = Ledger::open(&folder.ledger())?;
    if ledger.is_unplanned()? {
        return Ok(None);
    }
    let run = ledger.run()?;
    if run.target != Target::Real || run.name != name {
        return Ok(None);
    }
    ledger.check()?;
    let counts = ledger.counts()?.without_holder();
    let previous = Previous {
        accepted: counts.of(Status::Accepted),
        unknown: counts.of(Status::Unknown),
        pending: counts.of(Status::Pending),
        folder: folder.clone(),
    };
    let stands = previous.accepted + previous.unknown + previous.pending > 0;
    Ok(stands.then_some(previous))
}

impl Folder {
    /// Whether the folder has a run that was never planned to its end, and nobody plans it now: a
    /// process has died there that had sent nothing.
    ///
    /// # Errors
    /// When that can't be told from its ledger.
    pub(super) fn is_unplanned(&self) -> Result<bool, LedgerError> {
        if !self.lock().exists() || Lock::holder(self).is_some() {
            return Ok(false);
        }
        if !self.ledger().exists() {
            return Ok(!self.results().exists());
        }
        Ledger::open(&self.ledger())?.is_unplanned()
    }

    /// Removes what a process left that died while it planned. Gives whether there was such.
    ///
    /// # Errors
    /// When it can't be told from the ledger.
    pub(super) fn remove_unplanned(&self) -> Result<bool, LedgerError> {
        if !self.is_unplanned()? {
            return Ok(false);
        }
        // A process may just begin here; and nothing but a run's own files is removed.
        let Ok(_lock) = Lock::take(self) else {
            return Ok(false);
        };
        let mut files = ledger::files_in(self.path());
        files.push(self.lock());
        for file in files {
            // What is not there or can't be removed is no obstacle.
            let _ = fs::remove_file(file);
        }
        let _ = fs::remove_dir_all(self.frozen());
        let _ = fs::remove_dir(self.path());
        Ok(true)
    }
}
