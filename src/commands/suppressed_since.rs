//! People who were put on a suppression list after the run was planned. A run reads the lists again, because they can
//! only make it skip more rows.

use std::sync::Arc;

use super::console::Console;
use super::failure::Failure;
use super::kept_lists::{ListHome, campaign_lists, lists_in};
use super::run_home::RunHome;
use super::session::PlannedRun;
use crate::campaign::Campaign;
use crate::cli::LedgerOption;
use crate::clock::Clock;
use crate::ledger::postgres::PostgresLedger;
use crate::ledger::{Ledger, LeftOut, Run};
use crate::report::counted;
use crate::run::{Exclusions, Folder};

/// Skips the rows of a run that is about to be sent.
///
/// # Errors
/// A list or the ledger can't be read.
pub(super) fn skip_suppressed_since(
    planned: &PlannedRun<'_>,
    ledger: &dyn Ledger,
    console: &Console,
) -> Result<(), Failure> {
    let (campaign, run) = (planned.campaign, planned.run);
    match planned.home {
        RunHome::Folder(folder) => {
            skip_suppressed_in_folder(campaign, run, folder, ledger, planned.ledger, console)
        }
        RunHome::Database(shared) => {
            skip_suppressed_in_ledger(campaign, run, shared, ledger, console)
        }
    }
}

pub(super) fn skip_suppressed_in_folder(
    campaign: &Campaign,
    run: &Run,
    folder: &Folder,
    ledger: &dyn Ledger,
    option: &LedgerOption,
    console: &Console,
) -> Result<(), Failure> {
    // A copy may be on another machine than the lists.
    let has_lists = !folder.is_copy() || run.campaign.is_dir();
    if has_lists {
        let lists = campaign_lists(campaign, &run.campaign, option)?;
        let exclusions = Exclusions::new(campaign, &run.campaign, lists)?;
        return skip_suppressed(&exclusions, ledger, console);
    }
    let recipients = &campaign.recipients;
    if !recipients.suppress.is_empty() || !recipients.kept_lists.is_empty() {
        console.print(&format!(
            "The suppression lists are not read again: {} is not on this machine",
            run.campaign.display()
        ));
    }
    Ok(())
}

/// Skips rows that are on a suppression list now. A run reads the lists again, because they can only
/// make it skip more rows.
fn skip_suppressed(
    exclusions: &Exclusions,
    ledger: &dyn Ledger,
    console: &Console,
) -> Result<(), Failure> {
    if exclusions.suppresses_nobody() {
        return Ok(());
    }
    let (mut after, mut skipped) = (0, 0);
    loop {
        let page = ledger.pending(after, 1000)?;
        let Some(last) = page.last() else { break };
        after = last.row.number;
        let suppressed = page.iter().filter_map(|row| {
            let reason = exclusions.suppressed(&row.row.mailbox.address)?;
            Some(LeftOut {
                row: row.row.number,
                code: reason.code(),
                reason: reason.to_string(),
            })
        });
        let suppressed: Vec<_> = suppressed.collect();
        ledger.skip(&suppressed, Clock::system().now())?;
        skipped += suppressed.len() as u64;
    }
    if skipped > 0 {
        let rows = counted(skipped, "row");
        console.print(&format!("{rows} skipped: on a suppression list now"));
    }
    Ok(())
}

/// The same for a run in a ledger and the kept lists there, unless workers send the run. Other lists are on the machine
/// that planned it.
pub(super) fn skip_suppressed_in_ledger(
    campaign: &Campaign,
    run: &Run,
    shared: &PostgresLedger,
    ledger: &dyn Ledger,
    console: &Console,
) -> Result<(), Failure> {
    let recipients = &campaign.recipients;
    let has_lists = !recipients.kept_lists.is_empty() && recipients.lists.is_none();
    if !has_lists || !shared.workers()?.is_empty() {
        return Ok(());
    }
    let database = Arc::new(shared.database().second());
    let lists = lists_in(&ListHome::Ledger(database), campaign, &run.campaign)?;
    skip_suppressed(&Exclusions::of_lists(lists), ledger, console)
}
