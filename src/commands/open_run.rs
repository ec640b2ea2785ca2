//! Opens an existing run.

use super::failure::Failure;
use super::run_home::{RunFiles, RunHome};
use crate::address::Address;
use crate::campaign::Campaign;
use crate::cli::RunArgs;
use crate::ledger::sqlite::SqliteLedger;
use crate::ledger::{Ledger, LedgerError, Run, is_forgotten};
use crate::render::{Engines, Inputs};
use crate::report::{self, ResultsFormat};
use crate::run::{Folder, Lock};
use crate::unsubscribe::FeedbackKeys;

pub(super) struct OpenRun {
    pub(super) home: RunHome,
    pub(super) ledger: Box<dyn Ledger>,
    pub(super) run: Run,
}

/// Opens a run for reading.
///
/// # Errors
/// If there is no run, or its plan is not complete.
pub(super) fn open(args: &RunArgs) -> Result<OpenRun, Failure> {
    let home = RunHome::find(args)?;
    let RunHome::Folder(folder) = &home else {
        return Ok(read(home)?);
    };
    // Must not be called while this process holds the lock: looking for a holder releases it.
    let holder = Lock::holder(folder);
    let path = folder.path().display().to_string();
    match (read(home), holder) {
        (Err(LedgerError::NotPlanned), Some(pid)) => Err(Failure::with_help(
            "not-planned",
            format!("process {pid} is still planning {path}: nothing has been sent yet"),
            "try again when it is sending, or name the folder of another run",
        )),
        (opened, _) => Ok(opened?),
    }
}

fn read(home: RunHome) -> Result<OpenRun, LedgerError> {
    let ledger: Box<dyn Ledger> = match &home {
        RunHome::Folder(folder) => Box::new(open_sqlite(folder)?),
        RunHome::Database(ledger) => ledger.clone(),
    };
    let run = ledger.run()?;
    Ok(OpenRun { home, ledger, run })
}

fn open_sqlite(folder: &Folder) -> Result<SqliteLedger, LedgerError> {
    SqliteLedger::open(&folder.ledger()).map_err(|error| match error {
        // The process that started the run ended before it created the ledger.
        LedgerError::Missing(_) => LedgerError::NotPlanned,
        error => error,
    })
}

/// Opens a run to change it or to send it. There is no lock for a run in a database, which several
/// processes may send.
///
/// # Errors
/// As [`open`]; also if the run is damaged, or if another process works on it or sends its campaign.
pub(super) fn open_locked(args: &RunArgs) -> Result<(OpenRun, Option<Lock>), Failure> {
    let home = RunHome::find(args)?;
    let RunHome::Folder(folder) = &home else {
        return Ok((read(home)?, None));
    };
    let lock = Lock::run(folder)?;
    folder.refuse_if_moved()?;
    let ledger = open_sqlite(folder)?;
    let run = ledger.run()?;
    let lock = lock.and(Lock::campaign_for_resume(folder, &run)?);
    ledger.check()?;
    let ledger = Box::new(ledger);
    Ok((OpenRun { home, ledger, run }, Some(lock)))
}

impl OpenRun {
    /// Whether a process works on it.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub(super) fn is_live(&self) -> Result<bool, LedgerError> {
        self.home.is_in_use()
    }

    /// Writes the results into the run folder, if there is one. With `live`, rows in flight are `sending`.
    ///
    /// # Errors
    /// The ledger can't be read, or the file can't be written.
    pub(super) fn write_results(&self, live: bool) -> Result<(), Failure> {
        let Some(results) = self.home.results() else {
            return Ok(());
        };
        let events = self.home.readable_events();
        let format = ResultsFormat { raw: false, live };
        Ok(report::write_results(
            &*self.ledger,
            events.as_deref(),
            &results,
            format,
        )?)
    }

    /// The run's copy of its campaign, and the files that belong to it.
    ///
    /// # Errors
    /// They can't be read.
    pub(super) fn campaign(&self) -> Result<(Campaign, RunFiles), Failure> {
        let files = self.home.files(&self.run.campaign)?;
        Ok((Campaign::load_frozen(&files.frozen)?, files))
    }
}

/// The one recipient of a test.
///
/// # Errors
/// If that person was forgotten.
pub(super) fn test_recipient(run: &Run) -> Result<Option<Address>, Failure> {
    let Some(address) = &run.test_to else {
        return Ok(None);
    };
    if is_forgotten(address) {
        return Err(Failure::with_help(
            "forgotten",
            "the recipient of this test was forgotten",
            "start another test with `mailrun send --test-to`",
        ));
    }
    let address = Address::parse(address);
    Ok(Some(address.map_err(|error| {
        LedgerError::Damaged(error.to_string())
    })?))
}

/// The template engines for a run, with the run's copy of the campaign. Without keys, the links to unsubscribe are test links.
///
/// # Errors
/// If the frozen templates can't be compiled.
pub(super) fn engines_of(
    campaign: &Campaign,
    files: &RunFiles,
    home: &RunHome,
    run: &Run,
    feedback_keys: Option<FeedbackKeys>,
) -> Result<Engines, Failure> {
    let test_to = test_recipient(run)?;
    Ok(Engines::new(&Inputs {
        campaign,
        dir: &files.frozen,
        is_frozen: true,
        own_dir: &files.own_dir,
        header: &run.header,
        started: run.started,
        id_prefix: &run.id_prefix,
        verp_key: home.verp_key(campaign)?,
        test_to: test_to.as_ref(),
        feedback_keys,
    })?)
}
