//! The other runs of a campaign: whoever got the message there does not get it again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Folder, Lock};
use crate::campaign::{Campaign, RUNS};
use crate::ledger::sqlite::{self, SqliteLedger};
use crate::ledger::{Ledger, LedgerError, Run, Status, Target};

/// A real run of the same campaign with accepted, unknown or pending rows.
pub(crate) struct OtherRun {
    pub(crate) folder: Folder,
    pub(crate) accepted: u64,
    pub(crate) unknown: u64,
    pub(crate) pending: u64,
}

/// It can't be determined who got the message in an earlier run.
#[derive(Debug, thiserror::Error)]
#[error("can't determine who got the message in the run {}: {error}", folder.display())]
pub(crate) struct OtherRunError {
    folder: PathBuf,
    pub(crate) error: LedgerError,
}

/// The real runs of a campaign that forbid to send it again, oldest first. A run whose plan is not
/// complete has sent nothing.
///
/// # Errors
/// A ledger that may belong to such a run can't be read. Without this error everybody in it would
/// get the message twice.
pub(crate) fn earlier_runs(campaign: &Campaign) -> Result<Vec<OtherRun>, OtherRunError> {
    let mut runs = Vec::new();
    for folder in folders(&campaign.dir)? {
        let run = read_run(&campaign.name, &folder).map_err(|error| OtherRunError {
            folder: folder.path().to_owned(),
            error,
        })?;
        runs.extend(run);
    }
    Ok(runs)
}

/// The real runs of a run's campaign that began after it, oldest first. Runs that can't be read are
/// ignored.
pub(crate) fn later_runs(run: &Run) -> Vec<OtherRun> {
    let folders = folders(&run.campaign).unwrap_or_default();
    let runs = folders.iter().filter_map(|folder| {
        let began = SqliteLedger::open(&folder.ledger())
            .ok()?
            .run()
            .ok()?
            .started;
        (began > run.started).then(|| read_run(&run.name, folder).ok())?
    });
    runs.flatten().collect()
}

/// Removes the runs whose process died while it planned: they hold recipients' data and are useless.
/// The caller holds [`Lock::campaign_for_send`].
pub(crate) fn remove_unplanned_runs(campaign: &Campaign) {
    for folder in folders(&campaign.dir).unwrap_or_default() {
        // `earlier_runs` reports those that can't be read.
        let _ = folder.remove_unplanned();
    }
}

/// All folders in a campaign's `runs`, by name.
fn folders(campaign: &Path) -> Result<Vec<Folder>, OtherRunError> {
    let runs = campaign.join(RUNS);
    let unreadable = |error| OtherRunError {
        folder: runs.clone(),
        error: LedgerError::Io(runs.clone(), error),
    };
    let entries = match fs::read_dir(&runs) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(unreadable)?,
    };
    let paths: io::Result<Vec<PathBuf>> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths.map_err(unreadable)?;
    paths.retain(|path| path.is_dir());
    paths.sort();
    Ok(paths.iter().map(|path| Folder::at(path)).collect())
}

fn read_run(name: &str, folder: &Folder) -> Result<Option<OtherRun>, LedgerError> {
    let path = folder.ledger();
    let run = match fs::metadata(&path) {
        // This folder is not a run, or its process died before it planned. With results, it had a
        // ledger.
        Err(error) if error.kind() == io::ErrorKind::NotFound => match folder.results().exists() {
            true => Err(LedgerError::Missing(path.clone())),
            false => Ok(None),
        },
        Err(error) => Err(LedgerError::Io(path.clone(), error)),
        Ok(_) => read_ledger(name, folder),
    };
    run.or_else(|error| match sqlite::name_and_target(&path) {
        // The readable part shows that the run does not matter.
        Some((other, target)) if target != Target::Real || other != name => Ok(None),
        // A local run sends nothing to recipients.
        None if folder.outbox().exists() => Ok(None),
        _ => Err(error),
    })
}

fn read_ledger(name: &str, folder: &Folder) -> Result<Option<OtherRun>, LedgerError> {
    let ledger = SqliteLedger::open(&folder.ledger())?;
    if ledger.is_unplanned()? {
        return Ok(None);
    }
    let run = ledger.run()?;
    if run.target != Target::Real || run.name != name {
        return Ok(None);
    }
    ledger.check()?;
    let counts = ledger.counts()?.without_holder();
    let other = OtherRun {
        accepted: counts.of(Status::Accepted),
        unknown: counts.of(Status::Unknown),
        pending: counts.of(Status::Pending),
        folder: folder.clone(),
    };
    let matters = other.accepted + other.unknown + other.pending > 0;
    Ok(matters.then_some(other))
}

impl Folder {
    /// Whether the plan of the run here was never completed, and no process plans it now: its process
    /// died and had sent nothing.
    ///
    /// # Errors
    /// The ledger can't be read.
    fn is_unplanned(&self) -> Result<bool, LedgerError> {
        if !self.lock().exists() || Lock::holder(self).is_some() {
            return Ok(false);
        }
        if !self.ledger().exists() {
            return Ok(!self.results().exists());
        }
        SqliteLedger::open(&self.ledger())?.is_unplanned()
    }

    /// Removes the run here if its process died while it planned.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub(crate) fn remove_unplanned(&self) -> Result<(), LedgerError> {
        if !self.is_unplanned()? {
            return Ok(());
        }
        // Another process may just begin here.
        let Ok(_lock) = Lock::run(self) else {
            return Ok(());
        };
        // Only the run's own files are removed.
        let mut files = sqlite::files_in(self.path());
        files.push(self.lock());
        files.extend(self.planning_files());
        for file in files {
            // Some are missing; the folder stays if one can't be removed.
            let _ = fs::remove_file(file);
        }
        let _ = fs::remove_dir_all(self.frozen());
        let _ = fs::remove_dir(self.path());
        Ok(())
    }
}
