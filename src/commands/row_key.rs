//! Whether the rows of an address can be told apart in two runs: by keys of the same column, `row_key`.

use super::failure::Failure;
use super::run_home::write_files;
use crate::campaign::Campaign;
use crate::ledger::postgres::{PostgresLedger, real_runs};
use crate::ledger::{Ledger as _, LedgerError, Run, Status};
use crate::recipients::trimmed;
use crate::run::OtherRun;

/// # Errors
/// The keys of an earlier run are from another column, so they differ although the rows are the same.
pub(super) fn require_same_column(
    campaign: &Campaign,
    frozen: &Campaign,
    run: &str,
) -> Result<(), Failure> {
    // Without a column, none of the rows that the run sent has a key.
    let Some(earlier) = key_column(frozen) else {
        return Ok(());
    };
    if key_column(campaign) == Some(earlier) {
        return Ok(());
    }
    Err(Failure::with_help(
        "row-key",
        format!(
            "the run {run} tells the rows of an address apart by another column: its `row_key` was \"{earlier}\""
        ),
        "set the same `row_key`, and name the column as before; or send to everyone with `--again`",
    ))
}

/// An earlier run sent rows without keys.
pub(super) fn no_keys(run: &str) -> Failure {
    Failure::with_help(
        "row-key",
        format!(
            "the run {run} does not know which rows of an address it sent: it was planned without `row_key`"
        ),
        "send the rows that are left as a campaign with another `name`, or to everyone with `--again`",
    )
}

/// # Errors
/// A later run in a folder sent rows whose keys can't be compared with those of this run, whose campaign this is.
pub(super) fn require_comparable(campaign: &Campaign, later: &[OtherRun]) -> Result<(), Failure> {
    for later in later.iter().filter(|it| it.accepted + it.unknown > 0) {
        let name = later.folder.path().display().to_string();
        compare(campaign, &name, || {
            Ok(Campaign::load_frozen(&later.folder.frozen())?)
        })?;
    }
    Ok(())
}

/// # Errors
/// A run in the same ledger that began after this one sent rows whose keys can't be compared with those of this run.
pub(super) fn require_comparable_in_ledger(
    campaign: &Campaign,
    run: &Run,
    ledger: &PostgresLedger,
) -> Result<(), Failure> {
    if key_column(campaign).is_none() {
        return Ok(());
    }
    for later in real_runs(ledger.database(), &run.name)? {
        if later.run()?.started > run.started && has_sent(&later)? {
            compare(campaign, later.name(), || frozen_campaign(&later))?;
        }
    }
    Ok(())
}

fn has_sent(ledger: &PostgresLedger) -> Result<bool, LedgerError> {
    let counts = ledger.counts()?;
    let sent = [Status::Accepted, Status::Unknown, Status::Sending];
    Ok(sent.iter().any(|status| counts.of(*status) > 0))
}

/// `later` reads the campaign of the later run.
fn compare(
    campaign: &Campaign,
    run: &str,
    later: impl FnOnce() -> Result<Campaign, Failure>,
) -> Result<(), Failure> {
    // Rows without keys are compared by their addresses.
    let Some(own) = key_column(campaign) else {
        return Ok(());
    };
    let later = later()?;
    let Some(other) = key_column(&later).filter(|other| *other != own) else {
        return Ok(());
    };
    Err(Failure::with_help(
        "row-key",
        format!(
            "the later run {run} tells the rows of an address apart by another column, so it can't be determined which rows \
             of this run it sent: its `row_key` is \"{other}\", and that of this run is \"{own}\""
        ),
        "compare the results of both runs, and send the rows that are left as a campaign with another `name`",
    ))
}

fn key_column(campaign: &Campaign) -> Option<&str> {
    let column = campaign.recipients.row_key.as_ref();
    column.map(|column| trimmed(column.get_ref()))
}

/// The campaign as a run in a ledger has it.
///
/// # Errors
/// It can't be read.
pub(super) fn frozen_campaign(ledger: &PostgresLedger) -> Result<Campaign, Failure> {
    let frozen = tempfile::tempdir().map_err(|error| (std::env::temp_dir(), error))?;
    write_files(ledger, frozen.path())?;
    Ok(Campaign::load_frozen(frozen.path())?)
}
