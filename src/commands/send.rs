//! `mailrun send`.

use std::sync::Arc;

use super::confirm::{Confirmation, can_ask, confirm};
use super::console::Console;
use super::deliver::{deliver, rng};
use super::earlier::EarlierRuns;
use super::failure::Failure;
use super::interrupt::Interrupt;
use super::output;
use super::pace_text::{pace_with_time, ramp};
use super::prepare::{PreparedRun, RunOptions, new_run, prepare};
use super::run_home::{RunHome, open_database};
use super::secrets::{Secrets, feedback_keys};
use super::session::PlannedRun;
use super::upload::{self, Upload};
use super::when::{estimate, lines, posted_before, rows_never_sent, schedule_settings};
use crate::campaign::{Campaign, PaceSettings, SameAddress};
use crate::check::{Findings, nobody};
use crate::cli::SendArgs;
use crate::clock::Clock;
use crate::exit_code::ExitCode;
use crate::finding::Severity;
use crate::ledger::postgres::{Database, PlanLock};
use crate::ledger::{Run, Status, Target};
use crate::pace::{GroupPosted, LaneNumbers};
use crate::render::Engines;
use crate::report::{counted, grouped, pending_by_variant, plural_s};
use crate::run::{self, Folder, Lock};
use crate::schedule::{Opening, Schedule};

pub(super) fn run(args: &SendArgs, console: &Console) -> Result<ExitCode, Failure> {
    let mut campaign = Campaign::load(&args.campaign)?;
    campaign
        .recipients
        .further_selection
        .clone_from(&args.selection);
    require_variants(args, &campaign)?;
    require_row_key(args, &campaign)?;
    let target = target(args);
    let database = ledger_of(args, &campaign)?;
    if database.is_some() && args.run_dir.is_some() {
        return Err(Failure::with_help(
            "usage",
            "`--run-dir` is for runs in a folder: this run would be in a ledger",
            "leave out `--run-dir`; `mailrun ledger copy` copies a run into a folder later",
        )
        .usage());
    }
    let secrets = match target {
        Target::Local => None,
        Target::Real | Target::Test => Some(Secrets::load(&campaign, &campaign.dir)?),
    };
    let feedback_keys = feedback_keys(&campaign, target)?;
    if secrets.is_some() && !args.yes && !can_ask(campaign.recipients.file.is_none()) {
        return Err(no_terminal());
    }
    let campaign_lock = match target {
        Target::Real => lock_campaign(&campaign, args.run_dir.is_some())?,
        Target::Local | Target::Test => None,
    };
    let plan_lock = match &database {
        Some(database) if target == Target::Real => Some(PlanLock::take(database, &campaign.name)?),
        _ => None,
    };
    let earlier = earlier_runs(args, &campaign, database.as_ref())?;
    refuse_second_send(args, &earlier)?;
    let interrupt = Interrupt::watch()?;
    let now = Clock::system().now();
    let schedule = schedule_settings(args, &campaign, now)?;
    // A run in a database is planned in a temporary folder.
    let scratch = match &database {
        Some(_) => {
            let temporary = std::env::temp_dir();
            Some(tempfile::tempdir().map_err(|error| (temporary, error))?)
        }
        None => None,
    };
    let run_dir = scratch.as_ref().map(|scratch| scratch.path().join("run"));
    let run_dir = run_dir.as_deref().or(args.run_dir.as_deref());
    let folder = interrupt.create_folder(|| Folder::create(&campaign, run_dir, now, &mut rng()))?;
    if let Some(lock) = &campaign_lock {
        lock.write_run(&folder);
    }
    let must_confirm = secrets.is_some() && !args.yes;
    let options = RunOptions {
        feedback_keys,
        schedule: schedule.as_ref(),
        ..run_options(args, &campaign, &folder, &earlier)
    };
    let planned = plan(args, options, database.as_ref(), must_confirm, console);
    let planned = planned.and_then(|(lock, engines, run, schedule)| {
        let home = match &database {
            Some(database) => {
                let name = Folder::new_name(&campaign.name, now, &mut rng());
                let upload = Upload {
                    name: &name,
                    run: &run,
                    folder: &folder,
                    own_dir: &campaign.dir,
                    moved_to: None,
                    known: &earlier.known,
                };
                RunHome::Database(Box::new(upload::upload(database, &upload)?))
            }
            None => RunHome::Folder(folder.clone()),
        };
        Ok((lock, engines, run, home, schedule))
    });
    interrupt.keep_folder();
    let (lock, engines, run, home, schedule) = planned.inspect_err(|_| folder.remove())?;
    if let Some(lock) = plan_lock {
        lock.release();
    }
    match &home {
        RunHome::Folder(folder) => output::path_line(folder.path()),
        RunHome::Database(ledger) => output::line(ledger.name()),
    }
    let planned = PlannedRun {
        home: &home,
        lock: Some(lock.and(campaign_lock)),
        campaign: &campaign,
        run: &run,
        engines,
        secrets,
        rate: campaign.pace.rate.clone(),
        concurrency: campaign.pace.concurrency,
        limit: args.limit,
        schedule: schedule.map(Arc::new),
        ledger: &args.ledger,
    };
    deliver(planned, &interrupt, console)
}

/// # Errors
/// There is a sample for variants, but the campaign has none.
pub(super) fn require_variants(args: &SendArgs, campaign: &Campaign) -> Result<(), Failure> {
    if args.variant_sample.is_none() || !campaign.variants.is_empty() {
        return Ok(());
    }
    Err(Failure::with_help(
        "usage",
        "`--variant-sample` is for campaigns with [[variants]], and this campaign has none",
        "add two [[variants]] to campaign.toml, or send to some of the rows with `--limit`",
    )
    .usage())
}

/// # Errors
/// Rows that an earlier run has sent are to be left out, but rows of an address can't be told apart.
pub(super) fn require_row_key(args: &SendArgs, campaign: &Campaign) -> Result<(), Failure> {
    let recipients = &campaign.recipients;
    let sends_each = recipients.same_address == SameAddress::Send;
    if !args.except_sent || !sends_each || recipients.row_key.is_some() {
        return Ok(());
    }
    Err(Failure::with_help(
        "row-key",
        "`--except-sent` can't tell which rows of an address were sent before, because an address may have several messages",
        "set row_key = \"COLUMN\" in [recipients]: a column that names each row, such as the number of the invoice",
    )
    .usage())
}

/// The ledger in a database that holds the run. A local run is always in a folder.
pub(super) fn ledger_of(
    args: &SendArgs,
    campaign: &Campaign,
) -> Result<Option<Arc<Database>>, Failure> {
    match target(args) {
        Target::Local => Ok(None),
        Target::Real | Target::Test => open_database(&args.ledger, Some(campaign)),
    }
}

/// The earlier runs that sent the campaign for real, unless these arguments ignore them. A local run with
/// `--except-sent` rehearses a real one.
pub(super) fn earlier_runs(
    args: &SendArgs,
    campaign: &Campaign,
    database: Option<&Arc<Database>>,
) -> Result<EarlierRuns, Failure> {
    let counts = match target(args) {
        Target::Real => !args.again,
        Target::Local => args.except_sent,
        Target::Test => false,
    };
    // A local run is in a folder, but the runs that it rehearses may be in a ledger.
    let of_rehearsal = match target(args) {
        Target::Local if counts => open_database(&args.ledger, Some(campaign))?,
        _ => None,
    };
    let database = database.or(of_rehearsal.as_ref());
    match counts {
        true => EarlierRuns::find(campaign, database),
        false => EarlierRuns::known_in(campaign, database),
    }
}

/// Takes the campaign's lock and removes the folders of runs that were never planned.
fn lock_campaign(campaign: &Campaign, has_run_dir: bool) -> Result<Option<Lock>, Failure> {
    let lock = Lock::campaign_for_send(campaign, has_run_dir)?;
    if lock.is_some() {
        run::remove_unplanned_runs(campaign);
    }
    Ok(lock)
}

fn target(args: &SendArgs) -> Target {
    match (args.local, &args.test_to) {
        (true, _) => Target::Local,
        (false, Some(_)) => Target::Test,
        (false, None) => Target::Real,
    }
}

/// The options of a run that `send` freezes and sends.
pub(super) fn run_options<'a>(
    args: &'a SendArgs,
    campaign: &'a Campaign,
    folder: &'a Folder,
    earlier: &'a EarlierRuns,
) -> RunOptions<'a> {
    let test_to = args.test_to.as_ref();
    let now = Clock::system().now();
    RunOptions {
        campaign,
        ledger: &args.ledger,
        folder,
        freeze: true,
        schedule: None,
        run: new_run(campaign, target(args), test_to, now, &mut rng()),
        test_to,
        max_rows: test_to.map(|_| args.limit.unwrap_or(1)),
        sample: args.variant_sample,
        except_sent: args.except_sent.then_some(earlier),
        preflight: !args.no_preflight,
        least: Severity::Error,
        net: false,
        skip_invalid: args.skip_invalid,
        feedback_keys: None,
    }
}

/// When the run begins, pauses and ends.
fn when(
    schedule: &Schedule,
    prepared: &PreparedRun,
    campaign: &Campaign,
    posted: GroupPosted,
    has_at: bool,
) -> Vec<String> {
    let now = prepared.run.started;
    let estimate = estimate(schedule, &campaign.pace, &prepared.by_lane, posted, now);
    let mut lines = lines(schedule, &estimate, now, false, 8);
    if let Some(start) = schedule.start.filter(|start| !has_at && *start < now) {
        lines.push(format!(
            "The start in [schedule], {}, is past",
            schedule.show(start)
        ));
    }
    lines
}

/// Plans the run, and asks for confirmation.
fn plan(
    args: &SendArgs,
    options: RunOptions<'_>,
    database: Option<&Arc<Database>>,
    must_confirm: bool,
    console: &Console,
) -> Result<(Lock, Arc<Engines>, Run, Option<Schedule>), Failure> {
    let campaign = options.campaign;
    let lock = Lock::run(options.folder)?;
    let prepared = prepare(options, console)?;
    console.print_findings(&prepared.findings);
    if prepared.counts.of(Status::Pending) == 0 {
        let nobody = nobody(&campaign.recipients_path());
        console.print_findings(&Findings::from_iter([nobody]));
    } else if let Some(line) = rows_never_sent(&prepared, &campaign.pace)? {
        console.print(&line);
    }
    let schedule = prepared.schedule.clone();
    let posted = posted_before(campaign, &prepared, database)?;
    if let Some(posted) = &posted
        && let Some(ramp) = ramp(&campaign.pace, schedule.as_ref(), posted)
    {
        console.print(&format!("ramp: {ramp}"));
    }
    if must_confirm && prepared.counts.of(Status::Pending) > 0 {
        confirm_send(args, campaign, &prepared)?;
    }
    if let Some(schedule) = &schedule {
        let posted = posted.unwrap_or_default();
        for line in when(schedule, &prepared, campaign, posted, args.at.is_some()) {
            console.print(&line);
        }
    }
    let (engines, run) = prepared.finish()?;
    Ok((lock, engines, run, schedule))
}

fn refuse_second_send(args: &SendArgs, earlier: &EarlierRuns) -> Result<(), Failure> {
    let Some(last) = earlier.last().filter(|_| !args.except_sent) else {
        return Ok(());
    };
    let counts = [
        (last.accepted, "accepted"),
        (last.unknown, "unknown"),
        (last.pending, "pending"),
    ];
    let counts: Vec<String> = counts
        .iter()
        .filter(|(rows, _)| *rows > 0)
        .map(|(rows, status)| format!("{} {status}", grouped(*rows)))
        .collect();
    let message = format!(
        "this campaign has been sent before: {} has {} row{}",
        last.name,
        counts.join(", "),
        plural_s(last.accepted + last.unknown + last.pending)
    );
    let help = "continue that run with `mailrun resume`; or add `--except-sent` to send only to people who did not get it, or `--again` to send to everyone";
    Err(Failure::with_help("already-sent", message, help))
}

fn no_terminal() -> Failure {
    Failure::with_help(
        "not-confirmed",
        "sending needs confirmation, but there is no terminal",
        "add `--yes` to skip the question, or `--dry-run` to see what would be sent",
    )
}

/// The time at which a run begins, unless it begins now.
fn begins(prepared: &PreparedRun, pace: &PaceSettings) -> String {
    let now = prepared.run.started;
    let Some(schedule) = &prepared.schedule else {
        return String::new();
    };
    let numbers = LaneNumbers::new(pace.per_domain.len());
    let zones = numbers.by_zone(&prepared.by_lane);
    match schedule.first_opening(zones.into_iter().map(|(zone, _)| zone), now) {
        Opening::Closed(until) => format!(", beginning {}", schedule.show(until)),
        Opening::Open(_) | Opening::Over => String::new(),
    }
}

fn confirm_send(
    args: &SendArgs,
    campaign: &Campaign,
    prepared: &PreparedRun,
) -> Result<(), Failure> {
    let messages = prepared.messages(args.limit);
    let recipients = match &args.test_to {
        Some(address) => format!("to {address} only"),
        None => format!("to {}", counted(messages, "recipient")),
    };
    let recipients = match (args.variant_sample, prepared.held_back) {
        (Some(_), held_back) => format!(
            "{recipients} ({}; {} held back)",
            pending_by_variant(&prepared.by_variant),
            grouped(held_back)
        ),
        (None, _) => recipients,
    };
    let question = format!(
        "Send {} {recipients}, from {}, through {}, {}{}?",
        counted(messages, "message"),
        campaign.message.from.get_ref(),
        campaign.server(),
        pace_with_time(&campaign.pace, messages, &prepared.by_lane),
        begins(prepared, &campaign.pace),
    );

    let confirmation = Confirmation {
        question,
        input_is_data: campaign.recipients.file.is_none(),
        declined: "nothing was sent",
    };
    confirm(&confirmation, no_terminal)
}
