//! `mailrun resolve --how reconcile`.

use std::sync::Arc;

use super::console::Console;
use super::deliver::rng;
use super::failure::Failure;
use super::interrupt::Interrupt;
use super::open_run::{OpenRun, engines_of};
use super::run_home::RunFiles;
use super::secrets::ApiKeys;
use crate::campaign::Campaign;
use crate::clock::Clock;
use crate::delivery::{Reconcile, ReconcileReport};
use crate::exit_code::ExitCode;
use crate::ledger::{Status, Target};
use crate::report::{counted, duration, grouped, is_or_are};
use crate::terminal_text::printable;

/// The most lookups in flight, whatever the campaign's concurrency: a list is more work for a server
/// than a message.
const MAX_CONCURRENCY: u32 = 8;

const NO_API: &str = "this run used SMTP, in which nobody can be asked about a message";

/// Loads the run's campaign, if the API can be asked about its messages.
///
/// # Errors
/// The run is local, or the API chose the message IDs.
pub(super) fn check(opened: &OpenRun) -> Result<(Campaign, RunFiles), Failure> {
    let (campaign, files) = opened.campaign()?;
    let why = if opened.run.target == Target::Local {
        "this run is local, so there is no API to ask"
    } else if campaign.api().is_none() {
        NO_API
    } else if !campaign.can_reconcile() {
        "this run used the dialect sendmail, in which the API chooses the message IDs: there is no ID to ask about"
    } else {
        return Ok((campaign, files));
    };
    let help = "check the vendor's panel, and then use `--how accepted` or `--how resend`";
    Err(Failure::with_help("no-reconcile", why, help).usage())
}

/// Asks the API about the unknown rows, and makes those that it lists `accepted`.
///
/// # Errors
/// The API can't be asked, or the ledger or the results can't be written.
pub(super) fn run(
    opened: &OpenRun,
    (campaign, files): &(Campaign, RunFiles),
    unknown: u64,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let Some(api) = campaign.api() else {
        return Err(Failure::new("no-reconcile", NO_API));
    };
    let keys = ApiKeys::load(api)?;
    let interrupt = Interrupt::watch()?;
    let concurrency = campaign.pace.concurrency.get().min(MAX_CONCURRENCY);
    let transport = keys.transport(api, concurrency)?;
    let reconcile = Reconcile {
        transport: Arc::new(transport),
        ledger: opened.ledger.reopen()?,
        engines: Arc::new(engines_of(
            campaign,
            files,
            &opened.home,
            &opened.run,
            None,
        )?),
        concurrency,
        retry: campaign.retry,
        clock: Clock::system(),
        rng: Box::new(rng()),
    };
    let period = api.dialect.lookup_period();
    let period = period.map(|period| format!(" It finds messages for {period}."));
    console.print(&format!(
        "Asking the API about {}.{}",
        counted(unknown, "unknown row"),
        period.unwrap_or_default()
    ));
    let again = |left, pause| {
        console.print(&format!(
            "{} {} not listed yet. Asking again in {}.",
            counted(left, "row"),
            is_or_are(left),
            duration(pause)
        ));
    };
    let interrupted = interrupt.interrupted.clone();
    let report = interrupt
        .runtime
        .block_on(reconcile.run(interrupted.clone(), again))
        .map_err(|error| Failure::from(error).stopped())?;
    opened.write_results(true).map_err(Failure::stopped)?;
    let left = opened.ledger.counts()?.without_holder().of(Status::Unknown);
    console.print(&summary(&report, left, &opened.home.name()));
    Ok(if *interrupted.borrow() {
        ExitCode::Interrupted
    } else if report.last_round.stopped.is_some() {
        ExitCode::Stopped
    } else if left > 0 {
        ExitCode::SomeUnknown
    } else {
        ExitCode::Done
    })
}

/// How many rows are accepted now, why the others are not, and what to do about them.
fn summary(report: &ReconcileReport, left: u64, folder: &str) -> String {
    let mut text = format!(
        "{} {} accepted now: the API lists the message.",
        counted(report.accepted, "row"),
        is_or_are(report.accepted)
    );
    if left == 0 {
        return text;
    }
    let round = &report.last_round;
    let not_asked = left.saturating_sub(round.not_listed + round.unanswered);
    let not_listed = "not listed by the API, which proves nothing";
    let reasons: Vec<String> = [
        (round.not_listed, not_listed),
        (round.unanswered, "without an answer"),
        (not_asked, "not asked about"),
    ]
    .iter()
    .filter(|(rows, _)| *rows > 0)
    .map(|(rows, reason)| format!("{} {reason}", grouped(*rows)))
    .collect();
    let (rows, reasons) = (counted(left, "row"), reasons.join(", "));
    text += &format!("\n{rows} still unknown: {reasons}.");
    if let Some(reason) = round.stopped.as_ref().or(round.reason.as_ref()) {
        text += &format!("\nThe API said: {}", printable(reason));
    }
    text + &format!(
        "\nAsk again later, or check the vendor's panel and run one of these:\n\
         next:    mailrun resolve {folder} --how accepted   # they were taken\n\
         next:    mailrun resolve {folder} --how resend   # they were not; `resume` sends them again"
    )
}
