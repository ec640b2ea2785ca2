//! `mailrun resume`.

use std::path::Path;
use std::sync::Arc;

use super::console::Console;
use super::deliver::{PlannedRun, deliver};
use super::failure::Failure;
use super::interrupt::Interrupt;
use super::open_run::{OpenRun, engine_of, open_locked};
use super::output;
use super::secrets::Secrets;
use crate::campaign::Campaign;
use crate::cli::ResumeArgs;
use crate::clock::Clock;
use crate::exit_code::ExitCode;
use crate::ledger::{Ledger, LeftOut, Run, Target, sqlite};
use crate::pace::Rate;
use crate::report::counted;
use crate::run::{Folder, Lock, later_runs, suppression_list};

pub(super) fn run(args: &ResumeArgs, console: &Console) -> Result<ExitCode, Failure> {
    let (opened, lock) = open_locked(&args.run)?;
    let overrides = Overrides {
        rate: args.rate.clone(),
        concurrency: args.concurrency,
        limit: args.limit,
    };
    send_pending(opened, lock, overrides, console)
}

/// What replaces the campaign's settings.
#[derive(Default)]
pub(super) struct Overrides {
    pub(super) rate: Vec<Rate>,
    pub(super) concurrency: Option<std::num::NonZeroU32>,
    pub(super) limit: Option<u64>,
}

pub(super) fn send_pending(
    opened: OpenRun,
    lock: Lock,
    overrides: Overrides,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let interrupt = Interrupt::watch()?;
    let OpenRun {
        folder,
        ledger,
        run,
    } = opened;
    let campaign = Campaign::load_frozen(&folder.frozen())?;
    let secrets = if run.target == Target::Local {
        None
    } else {
        Some(Secrets::load(&campaign, &run.campaign)?)
    };
    let engine = engine_of(&campaign, &folder, &run)?;
    let skipped = skip_suppressed(&campaign, &run.campaign, &ledger)?;
    if skipped > 0 {
        console.print(&format!(
            "{} skipped: on a suppression list now",
            counted(skipped, "row")
        ));
    }
    skip_sent_later(&folder, &run, console)?;
    output::path_line(folder.path());
    let rate = if overrides.rate.is_empty() {
        campaign.pace.rate.clone()
    } else {
        overrides.rate
    };
    let planned = PlannedRun {
        folder: &folder,
        lock,
        campaign: &campaign,
        run: &run,
        engine: Arc::new(engine),
        secrets,
        rate,
        concurrency: overrides.concurrency.unwrap_or(campaign.pace.concurrency),
        limit: overrides.limit,
    };
    deliver(planned, &interrupt, console)
}

/// Skips rows that a later run of the campaign has sent to.
fn skip_sent_later(folder: &Folder, run: &Run, console: &Console) -> Result<(), Failure> {
    if run.target != Target::Real {
        return Ok(());
    }
    for later in later_runs(run) {
        let name = later.folder.path().display();
        let reason = format!("already sent in the run {name}");
        let now = Clock::system().now();
        let path = later.folder.ledger();
        let skipped = sqlite::skip_sent_later(&folder.ledger(), &path, &reason, now)?;
        if skipped > 0 {
            let rows = counted(skipped as u64, "row");
            console.print(&format!("{rows} skipped: {reason}"));
        }
    }
    Ok(())
}

/// Skips rows that are on a suppression list now. A run reads the lists again, because they can only
/// make it skip more rows.
fn skip_suppressed(campaign: &Campaign, dir: &Path, ledger: &dyn Ledger) -> Result<u64, Failure> {
    let list = suppression_list(campaign, dir)?;
    if list.is_empty() {
        return Ok(0);
    }
    let (mut after, mut skipped) = (0, 0);
    loop {
        let page = ledger.pending(after, 1000)?;
        let Some(last) = page.last() else { break };
        after = last.row.number;
        let suppressed = page.iter().filter_map(|row| {
            let file = list.file_of(&row.row.mailbox.address)?;
            Some(LeftOut {
                row: row.row.number,
                code: "suppressed",
                reason: format!("on the suppression list {file}"),
            })
        });
        let suppressed: Vec<_> = suppressed.collect();
        ledger.skip(&suppressed, Clock::system().now())?;
        skipped += suppressed.len() as u64;
    }
    Ok(skipped)
}
