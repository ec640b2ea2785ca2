//! `mailrun send --dry-run`: everything but the network.

use super::console::Console;
use super::failure::Failure;
use super::output;
use super::pace_text::pace_with_time;
use super::prepare::{PreparedRun, RunOptions, add_invalid_rows, prepare};
use super::preview_terminal::output_style;
use super::send::{earlier_runs, ledger_of, run_options};
use crate::campaign::{Campaign, PaceSettings, TransportSettings};
use crate::cli::SendArgs;
use crate::exit_code::ExitCode;
use crate::finding::Severity;
use crate::ledger::sqlite::SqliteLedger;
use crate::ledger::{Ledger, Status};
use crate::preview;
use crate::report::{counted, grouped, reasons};
use crate::run::Folder;

pub(super) fn run(args: &SendArgs, console: &Console) -> Result<ExitCode, Failure> {
    let campaign = Campaign::load(&args.campaign)?;
    let scratch = tempfile::tempdir().map_err(|error| (std::env::temp_dir(), error))?;
    let folder = Folder::at(scratch.path());
    let database = ledger_of(args, &campaign)?;
    let earlier = earlier_runs(args, &campaign, database.as_ref())?;
    let options = RunOptions {
        freeze: false,
        least: Severity::Warning,
        ..run_options(args, &campaign, &folder, &earlier)
    };
    let mut prepared = prepare(options, console)?;
    add_invalid_rows(&folder.ledger(), &campaign, &mut prepared.findings)?;
    console.print_findings(&prepared.findings);
    print(
        args,
        &campaign,
        &prepared,
        &SqliteLedger::open(&folder.ledger())?,
    )?;
    if !earlier.is_empty() && !args.except_sent {
        output::line(format_args!(
            "note:       this campaign has been sent before; to send it, add --except-sent or --again"
        ));
    }
    Ok(ExitCode::Done)
}

fn print(
    args: &SendArgs,
    campaign: &Campaign,
    prepared: &PreparedRun,
    ledger: &dyn Ledger,
) -> Result<(), Failure> {
    let messages = prepared.messages(args.limit);
    let test = match &args.test_to {
        Some(address) => format!(", all to {address}"),
        None => String::new(),
    };
    output::line(format_args!(
        "would send: {}{test}",
        counted(messages, "message")
    ));
    for status in [Status::Invalid, Status::Skipped] {
        let rows = prepared.counts.of(status);
        if rows > 0 {
            output::line(format_args!("left out:   {} {status}", grouped(rows)));
        }
    }
    for reason in reasons(ledger)? {
        output::line(format_args!(
            "            {:>6} {}: {}",
            grouped(reason.rows),
            reason.status,
            reason.error
        ));
    }
    output::line(format_args!(
        "from:       {}",
        campaign.message.from.get_ref()
    ));
    let mut pace = campaign.pace.clone();
    if args.local {
        pace = PaceSettings {
            rate: Vec::new(),
            per_domain: Vec::new(),
            ..pace
        };
    }
    output::line(format_args!("through:    {}", server(campaign, args.local)));
    output::line(format_args!(
        "pace:       {}, {} in flight, up to {} per request",
        pace_with_time(&pace, messages, &prepared.by_lane),
        counted(pace.concurrency.get().into(), "request"),
        counted(pace.batch.get().into(), "recipient")
    ));
    let Some(first) = ledger.pending(0, 1)?.into_iter().next() else {
        output::line(format_args!("There is nobody to send to."));
        return Ok(());
    };
    match prepared.engine.prepare(&first.row) {
        Ok(message) => output::coloured_line(format_args!(
            "\n{}",
            preview::message_text(&message, None, &output_style())
        )),
        Err(finding) => output::line(format_args!(
            "\nThe first message can't be rendered: {finding}"
        )),
    }
    Ok(())
}

/// The account and the server that messages go through.
fn server(campaign: &Campaign, local: bool) -> String {
    let gateway = "the local gateway".to_owned();
    match &campaign.transport {
        TransportSettings::Api(api) => {
            let server = if local { gateway } else { api.url.to_string() };
            format!("{}, {server}", api.smtp_account)
        }
        TransportSettings::Smtp(_) if local => gateway,
        TransportSettings::Smtp(_) => campaign.server(),
    }
}
