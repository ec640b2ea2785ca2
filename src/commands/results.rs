//! `mailrun results`.

use std::path::Path;

use super::console::Console;
use super::failure::Failure;
use super::open_run::{OpenRun, open};
use super::output;
use crate::api::EventKind;
use crate::cli::{DeliveryFilter, ResultsArgs};
use crate::exit_code::ExitCode;
use crate::report::{
    ResultsFormat, counted, write_recipients, write_recipients_file, write_results,
    write_results_to,
};

pub(super) fn run(args: &ResultsArgs, console: &Console) -> Result<ExitCode, Failure> {
    let opened = open(&args.run)?;
    if let Some(filter) = args.delivery {
        return recipients(&opened, filter, args.out.as_deref(), console);
    }
    let events = opened.home.events()?;
    let events = events.as_deref();
    let format = ResultsFormat {
        raw: args.raw,
        live: opened.is_live()?,
    };
    // Only the results that are safe in a spreadsheet are in the run folder.
    let out = match &args.out {
        None if args.raw => Some(Path::new("-")),
        out => out.as_deref(),
    };
    match out {
        Some(out) if out == Path::new("-") => {
            write_results_to(&*opened.ledger, events, output::data(), format)?
        }
        out => {
            let Some(path) = out.map(Path::to_owned).or_else(|| opened.home.results()) else {
                return Err(Failure::with_help(
                    "results",
                    "a run in a ledger has no folder for results.csv",
                    "add `--out FILE`, or `--out -` for standard output",
                )
                .usage());
            };
            write_results(&*opened.ledger, events, &path, format)?;
            output::path_line(&path);
        }
    }
    Ok(ExitCode::Done)
}

/// Writes the rows that `filter` selects, as recipients of another campaign.
fn recipients(
    opened: &OpenRun,
    filter: DeliveryFilter,
    out: Option<&Path>,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let Some(events) = opened.home.events()? else {
        let name = opened.home.name();
        return Err(Failure::with_help(
            "not-followed",
            "it is not known what became of the messages of this run",
            format!("run `mailrun follow {name}` first"),
        ));
    };
    let is_wanted = |state| is_wanted(filter, state);
    let rows = match out {
        Some(out) if out != Path::new("-") => {
            let rows = write_recipients_file(&*opened.ledger, &*events, is_wanted, out)?;
            output::path_line(out);
            rows
        }
        _ => write_recipients(&*opened.ledger, &*events, is_wanted, &mut output::data())?,
    };
    console.print(&counted(rows, "recipient"));
    Ok(ExitCode::Done)
}

fn is_wanted(filter: DeliveryFilter, state: EventKind) -> bool {
    use EventKind as State;
    match filter {
        DeliveryFilter::Delivered => {
            matches!(
                state,
                State::Delivered | State::Opened | State::Clicked | State::Unsubscribed
            )
        }
        DeliveryFilter::Opened => matches!(state, State::Opened | State::Clicked),
        DeliveryFilter::Clicked => state == State::Clicked,
        DeliveryFilter::NotOpened => state == State::Delivered,
        DeliveryFilter::Bounced => matches!(
            state,
            State::SoftBounce | State::HardBounce | State::SpamBounce
        ),
        DeliveryFilter::SoftBounce => state == State::SoftBounce,
        DeliveryFilter::HardBounce => state == State::HardBounce,
        DeliveryFilter::SpamBounce => state == State::SpamBounce,
        DeliveryFilter::Dropped => state == State::Dropped,
        DeliveryFilter::Unsubscribed => state == State::Unsubscribed,
        DeliveryFilter::Complaint => state == State::Complaint,
        DeliveryFilter::Deferred => state == State::Deferred,
    }
}
