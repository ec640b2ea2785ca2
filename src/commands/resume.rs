//! `mailrun resume`.

use std::path::Path;
use std::sync::Arc;

use super::deliver::{Deliver, deliver};
use super::failure::Failure;
use super::interrupt::Interrupt;
use super::keys::keys;
use super::open::{Opened, engine_of, open_locked};
use super::show::Shown;
use crate::campaign::Campaign;
use crate::cli::Resume;
use crate::clock::Clock;
use crate::exit_code::ExitCode;
use crate::ledger::{self, Run, Status, Target, Writer};
use crate::pace::Rate;
use crate::report;
use crate::run::{Folder, Lock, later, suppression_list};

pub(super) fn run(args: &Resume, shown: &Shown) -> Result<ExitCode, Failure> {
    let (opened, lock) = open_locked(&args.run)?;
    let overrides = Overrides {
        rate: args.rate.clone(),
        concurrency: args.concurrency,
        limit: args.limit,
    };
    go_on(opened, lock, overrides, shown)
}

/// What is different from the campaign.
#[derive(Default)]
pub(super) struct Overrides {
    pub(super) rate: Vec<Rate>,
    pub(super) concurrency: Option<std::num::NonZeroU32>,
    pub(super) limit: Option<u64>,
}

/// Sends the pending rows of a run.
pub(super) fn go_on(
    opened: Opened,
    lock: Lock,
    overrides: Overrides,
    shown: &Shown,
) -> Result<ExitCode, Failure> {
    let interrupt = Interrupt::watch()?;
    let Opened {
        folder,
        ledger,
        run,
    } = opened;
    let campaign = Campaign::load_frozen(&folder.frozen())?;
    let keys = if run.target == Target::Local {
        None
    } else {
        Some(keys(&campaign.api)?)
    };
    let engine = engine_of(&campaign, &folder, &run)?;
    let skipped = suppress_again(&campaign, &run.campaign, &ledger, &folder.ledger())?;
    if skipped > 0 {
        shown.say(&format!(
            "{} on a suppression list by now, and skipped",
            report::counted(skipped, "row")
        ));
    }
    skip_sent_later(&folder, &run, shown)?;
    println!("{}", folder.path().display());
    let rate = if overrides.rate.is_empty() {
        campaign.pace.rate.clone()
    } else {
        overrides.rate
    };
    let to_send = Deliver {
        folder: &folder,
        lock,
        campaign: &campaign,
        run: &run,
        engine: Arc::new(engine),
        keys,
        rate,
        concurrency: overrides.concurrency.unwrap_or(campaign.pace.concurrency),
        limit: overrides.limit,
    };
    deliver(to_send, &interrupt, shown)
}

/// A later run of the campaign may have sent to those who are still pending in this one.
fn skip_sent_later(folder: &Folder, run: &Run, shown: &Shown) -> Result<(), Failure> {
    if run.target != Target::Real {
        return Ok(());
    }
    for later in later(run) {
        let name = later.folder.path().display();
        let reason = format!("already sent in the run {name}");
        let now = Clock::system().now();
        let path = later.folder.ledger();
        let skipped = ledger::skip_sent_later(&folder.ledger(), &path, &reason, now)?;
        if skipped > 0 {
            let rows = report::counted(skipped as u64, "row");
            shown.say(&format!("{rows} {reason} since, and skipped"));
        }
    }
    Ok(())
}

/// The suppression lists are one thing that a run looks at again: they can only skip more rows.
fn suppress_again(
    campaign: &Campaign,
    dir: &Path,
    ledger: &crate::ledger::Ledger,
    path: &Path,
) -> Result<u64, Failure> {
    let list = suppression_list(campaign, dir)?;
    if list.is_empty() {
        return Ok(0);
    }
    let clock = Clock::system();
    let writer = Writer::open(path, clock.now())?;
    let (mut after, mut skipped) = (0, 0);
    loop {
        let page = ledger.pending(after, 1000)?;
        let Some(last) = page.last() else { break };
        after = last.row.number;
        for row in &page {
            if let Some(file) = list.file_of(&row.row.mailbox.address) {
                let reason = format!("on the suppression list {file}");
                writer.leave_out(
                    row.row.number,
                    Status::Skipped,
                    "suppressed",
                    &reason,
                    clock.now(),
                )?;
                skipped += 1;
            }
        }
    }
    writer.flush_blocking()?;
    Ok(skipped)
}
