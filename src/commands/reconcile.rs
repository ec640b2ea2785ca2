//! `mailrun resolve --how reconcile`.

use std::sync::Arc;

use super::api_keys::ApiKeys;
use super::console::Console;
use super::deliver::rng;
use super::failure::Failure;
use super::interrupt::Interrupt;
use super::open_run::{OpenRun, engine_of};
use crate::api::Dialect;
use crate::campaign::Campaign;
use crate::clock::Clock;
use crate::delivery::{Reconcile, Reconciled};
use crate::exit_code::ExitCode;
use crate::ledger::{Found, Ledger, Status, Target};
use crate::report::{self, are, counted, duration, grouped, printable};
use crate::transport::{HttpSettings, HttpTransport};

/// The most questions in flight, whatever the campaign's concurrency: a list is more work to a
/// server than a message.
const MAX_CONCURRENCY: u32 = 8;

/// Refuses runs whose messages have no ID that could be asked for.
///
/// # Errors
/// When the run is local, or the server chose the IDs.
pub(super) fn check(opened: &OpenRun) -> Result<Campaign, Failure> {
    let campaign = Campaign::load_frozen(&opened.folder.frozen())?;
    let why = if opened.run.target == Target::Local {
        "this run is local: there is no API to ask"
    } else if campaign.api.dialect == Dialect::Sendmail {
        "this run was sent with the dialect sendmail: the API chose the message IDs, and there is nothing to ask for"
    } else {
        return Ok(campaign);
    };
    let help = "look into the vendor's panel, then say `--how accepted` or `--how resend`";
    Err(Failure::with_help("no-reconcile", why, help).usage())
}

/// Asks the API about the unknown rows, and marks those that it has.
///
/// # Errors
/// When nothing could be asked, or the ledger or the results can't be written.
pub(super) fn run(
    opened: OpenRun,
    campaign: &Campaign,
    unknown: u64,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let keys = ApiKeys::load(&campaign.api)?;
    let interrupt = Interrupt::watch()?;
    let concurrency = campaign.pace.concurrency.get().min(MAX_CONCURRENCY);
    let path = opened.folder.ledger();
    let transport = HttpTransport::new(&HttpSettings {
        url: &campaign.api.url,
        dialect: campaign.api.dialect,
        app_key: &keys.app_key,
        secret_key: &keys.secret_key,
        timeout: campaign.api.timeout,
        concurrency,
    })?;
    let reconcile = Reconcile {
        transport: Arc::new(transport),
        ledger: opened.ledger,
        found: Found::open(&path)?,
        engine: Arc::new(engine_of(campaign, &opened.folder, &opened.run)?),
        concurrency,
        retry: campaign.retry,
        clock: Clock::system(),
        rng: Box::new(rng()),
    };
    console.print(&format!(
        "Asking the API about {}.",
        counted(unknown, "unknown row")
    ));
    let again = |left, pause| {
        console.print(&format!(
            "{} {} not listed yet; asking again in {}.",
            counted(left, "row"),
            are(left),
            duration(pause)
        ));
    };
    let interrupted = interrupt.interrupted.clone();
    let done = interrupt
        .runtime
        .block_on(reconcile.run(interrupted.clone(), again))
        .map_err(|error| Failure::from(error).stopped())?;
    let ledger = Ledger::open(&path).map_err(|error| Failure::from(error).stopped())?;
    report::write_results(&ledger, &opened.folder.results(), false, true)
        .map_err(|error| Failure::from(error).stopped())?;
    let left = ledger.counts()?.without_holder().of(Status::Unknown);
    let folder = opened.folder.path().display();
    console.print(&summary(&done, left, &folder.to_string()));
    Ok(if *interrupted.borrow() {
        ExitCode::Interrupted
    } else if done.stopped.is_some() {
        ExitCode::Stopped
    } else if left > 0 {
        ExitCode::SomeUnknown
    } else {
        ExitCode::Done
    })
}

/// How many rows were found, how many were not and why, and what is to be done with the rest.
fn summary(done: &Reconciled, left: u64, folder: &str) -> String {
    let mut said = format!(
        "{} {} accepted now: the API lists the message.",
        counted(done.found, "row"),
        are(done.found)
    );
    if left == 0 {
        return said;
    }
    let unasked = left.saturating_sub(done.not_listed + done.unanswered);
    let because = [
        (
            done.not_listed,
            "not listed by the API, which proves nothing",
        ),
        (done.unanswered, "without an answer"),
        (unasked, "not asked about"),
    ];
    let because: Vec<String> = because
        .iter()
        .filter(|(rows, _)| *rows > 0)
        .map(|(rows, why)| format!("{} {why}", grouped(*rows)))
        .collect();
    said += &format!(
        "\n{} still unknown: {}.",
        counted(left, "row"),
        because.join(", ")
    );
    if let Some(reason) = done.stopped.as_ref().or(done.reason.as_ref()) {
        said += &format!("\nThe API said: {}", printable(reason));
    }
    said + &format!(
        "\nAsk again later, or look into the vendor's panel, and then:\n\
         next:    mailrun resolve {folder} --how accepted   # they were taken\n\
         next:    mailrun resolve {folder} --how resend   # they were not; `resume` sends them again"
    )
}
