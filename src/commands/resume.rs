//! `mailrun resume`.

use std::sync::Arc;

use super::console::Console;
use super::deliver::deliver;
use super::failure::Failure;
use super::interrupt::Interrupt;
use super::open_run::{OpenRun, engines_of, open_locked};
use super::output;
use super::pace_group::{PaceHome, PostedReader};
use super::pace_text::ramp;
use super::row_key::{require_comparable, require_comparable_in_ledger};
use super::run_home::{RunHome, key_folder};
use super::secrets::{Secrets, feedback_keys};
use super::session::PlannedRun;
use super::suppressed_since::{skip_suppressed_in_folder, skip_suppressed_in_ledger};
use crate::campaign::{Campaign, PaceSettings};
use crate::cli::{LedgerOption, ResumeArgs};
use crate::clock::Clock;
use crate::exit_code::ExitCode;
use crate::ledger::postgres::PostgresLedger;
use crate::ledger::{Ledger, LedgerError, PostgresError, Run, Target, VariantChoice, sqlite};
use crate::pace::Rate;
use crate::report::{counted, is_or_are};
use crate::run::{Folder, Lock, forget_keys, later_runs};
use crate::terminal_text::printable_line;

pub(super) fn run(args: &ResumeArgs, console: &Console) -> Result<ExitCode, Failure> {
    let (opened, lock) = open_locked(&args.run)?;
    if args.accept_loss {
        let RunHome::Database(ledger) = &opened.home else {
            return Err(Failure::with_help(
                "usage",
                "`--accept-loss` is for runs in a ledger: this run is in a folder",
                "leave it out",
            )
            .usage());
        };
        ledger.accept_loss()?;
    }
    let choice = variant_choice(args, &opened)?;
    let overrides = Overrides {
        choice,
        rate: args.rate.clone(),
        concurrency: args.concurrency,
        limit: args.limit,
        ignore_schedule: args.ignore_schedule,
    };
    send_pending(opened, lock, overrides, &args.run.ledger, console)
}

/// What replaces the campaign's settings.
#[derive(Default)]
pub(super) struct Overrides {
    pub(super) rate: Vec<Rate>,
    pub(super) concurrency: Option<std::num::NonZeroU32>,
    pub(super) limit: Option<u64>,
    /// Send at any time.
    pub(super) ignore_schedule: bool,
    /// The variant for the rows that are held back.
    pub(super) choice: Option<String>,
}

pub(super) fn send_pending(
    opened: OpenRun,
    lock: Option<Lock>,
    overrides: Overrides,
    option: &LedgerOption,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let interrupt = Interrupt::watch()?;
    let (campaign, files) = opened.campaign()?;
    let OpenRun { home, ledger, run } = opened;
    let schedule = home.schedule(run.target)?;
    let feedback_keys = feedback_keys(&campaign, run.target)?;
    let secrets = if run.target == Target::Local {
        None
    } else {
        Some(Secrets::load(&campaign, &key_folder(&run.campaign))?)
    };
    let engines = engines_of(&campaign, &files, &home, &run, feedback_keys)?;
    match &home {
        RunHome::Folder(folder) => {
            skip_suppressed_in_folder(&campaign, &run, folder, &*ledger, option, console)?;
            skip_sent_later(folder, &run, &campaign, console)?;
            output::path_line(folder.path());
        }
        RunHome::Database(shared) => {
            if let Some(to) = shared.moved_to()? {
                let moved = PostgresError::Moved(format!(
                    "the run was copied to {to}, and continues there"
                ));
                return Err(LedgerError::from(moved).into());
            }
            skip_sent_in_later_runs(shared, &campaign, console)?;
            skip_suppressed_in_ledger(&campaign, &run, shared, &*ledger, console)?;
            output::line(shared.name());
        }
    }
    if let Some(name) = &overrides.choice {
        choose_variant(&*ledger, name, console)?;
    }
    let rate = if overrides.rate.is_empty() {
        campaign.pace.rate.clone()
    } else {
        overrides.rate
    };
    let schedule = schedule.map(|schedule| match overrides.ignore_schedule {
        true => schedule.always(),
        false => schedule,
    });
    if run.target == Target::Real {
        let pace = PaceSettings {
            rate: rate.clone(),
            ..campaign.pace.clone()
        };
        let schedule = schedule.as_ref();
        let reader = PostedReader::new(&PaceHome::of(&home, &run), &run.name, &pace, schedule)?;
        let posted = reader.read(Clock::system().now())?.unwrap_or_default();
        if let Some(ramp) = ramp(&pace, schedule, &posted) {
            console.print(&format!("ramp: {ramp}"));
        }
    }
    let planned = PlannedRun {
        home: &home,
        lock,
        campaign: &campaign,
        run: &run,
        engines: Arc::new(engines),
        secrets,
        schedule: schedule.map(Arc::new),
        ledger: option,
        rate,
        concurrency: overrides.concurrency.unwrap_or(campaign.pace.concurrency),
        limit: overrides.limit,
    };
    deliver(planned, &interrupt, console)
}

/// The variant to choose for the rows that are held back.
///
/// # Errors
/// The run has no such variant, or has rows that are held back and none was chosen.
fn variant_choice(args: &ResumeArgs, opened: &OpenRun) -> Result<Option<String>, Failure> {
    let variants = &opened.run.variants;
    if variants.is_empty() && (args.variant.is_some() || args.variant_sample) {
        let error = "`--variant` and `--variant-sample` are for runs of campaigns with [[variants]]: this run has none";
        return Err(Failure::with_help("usage", error, "leave it out").usage());
    }
    let Some(name) = &args.variant else {
        let held_back = opened.ledger.held_back()?;
        return match held_back == 0 || args.variant_sample {
            true => Ok(None),
            false => Err(not_chosen(opened, held_back)),
        };
    };
    if !variants.contains(name) {
        let error = format!("the run has no variant “{}”", printable_line(name));
        let help = format!("its variants are: {}", variants.join(", "));
        return Err(Failure::with_help("variant", error, help).usage());
    }
    match &opened.run.chosen {
        Some(chosen) if chosen != name => Err(chosen_before(chosen)),
        None if opened.ledger.held_back()? == 0 => Err(Failure::with_help(
            "variant",
            "no rows of this run are held back: each has its variant",
            "leave out `--variant`",
        )),
        _ => Ok(Some(name.clone())),
    }
}

/// Rows are held back.
fn not_chosen(opened: &OpenRun, held_back: u64) -> Failure {
    let name = opened.home.name();
    let variants = opened.run.variants.join(", ");
    Failure::with_help(
        "held-back",
        format!(
            "{} {} held back until a variant is chosen",
            counted(held_back, "row"),
            is_or_are(held_back)
        ),
        format!(
            "compare the variants (`mailrun follow {name}`, `mailrun report {name}`), and choose one: \
             `mailrun resume {name} --variant NAME`, with one of these names: {variants}; to continue with the rows of the sample only, add \
             `--variant-sample`"
        ),
    )
}

fn chosen_before(chosen: &str) -> Failure {
    Failure::with_help(
        "variant",
        format!(
            "the variant {chosen} was chosen for this run before, and the choice can't be changed"
        ),
        format!("continue with `--variant {chosen}`, or without the option"),
    )
}

/// Gives the rows that are held back a variant.
fn choose_variant(ledger: &dyn Ledger, name: &str, console: &Console) -> Result<(), Failure> {
    match ledger.choose_variant(name)? {
        VariantChoice::Other(chosen) => return Err(chosen_before(&chosen)),
        VariantChoice::Made(0) => {}
        VariantChoice::Made(rows) => {
            let rows = counted(rows, "row");
            console.print(&format!(
                "{rows} that were held back get the variant {name}"
            ));
        }
    }
    Ok(())
}

/// Skips rows that a later run of the campaign has sent to, unless workers send the run: they skipped
/// them already.
fn skip_sent_in_later_runs(
    shared: &PostgresLedger,
    campaign: &Campaign,
    console: &Console,
) -> Result<(), Failure> {
    let run = shared.run()?;
    if run.target != Target::Real || !shared.workers()?.is_empty() {
        return Ok(());
    }
    require_comparable_in_ledger(campaign, &run, shared)?;
    let skipped = shared.skip_sent_in_later_runs(Clock::system().now())?;
    if skipped > 0 {
        let rows = counted(skipped, "row");
        console.print(&format!("{rows} skipped: already sent in a later run"));
    }
    Ok(())
}

/// Skips rows that a later run of the campaign has sent to.
fn skip_sent_later(
    folder: &Folder,
    run: &Run,
    campaign: &Campaign,
    console: &Console,
) -> Result<(), Failure> {
    if run.target != Target::Real {
        return Ok(());
    }
    let later_runs = later_runs(run);
    require_comparable(campaign, &later_runs)?;
    for later in later_runs {
        let name = later.folder.path().display();
        let reason = format!("already sent in the run {name}");
        let now = Clock::system().now();
        let path = later.folder.ledger();
        let keys = forget_keys(&later.folder, &run.campaign)?;
        let skipped = sqlite::skip_sent_later(&folder.ledger(), &path, &keys, &reason, now)?;
        if skipped > 0 {
            let rows = counted(skipped as u64, "row");
            console.print(&format!("{rows} skipped: {reason}"));
        }
    }
    Ok(())
}
