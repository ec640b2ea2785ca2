//! `mailrun send --dry-run`: everything but the network.

use std::sync::Arc;

use super::console::Console;
use super::failure::Failure;
use super::output;
use super::pace_text::{pace_with_time, ramp};
use super::prepare::{PreparedRun, RunOptions, add_invalid_rows, prepare};
use super::preview_terminal::output_style;
use super::send::{earlier_runs, ledger_of, require_row_key, require_variants, run_options};
use super::when::{estimate, lines, posted_before, rows_never_sent, schedule_settings};
use crate::campaign::{Campaign, PaceSettings, TransportSettings};
use crate::cli::SendArgs;
use crate::clock::Clock;
use crate::exit_code::ExitCode;
use crate::finding::Severity;
use crate::ledger::postgres::Database;
use crate::ledger::sqlite::SqliteLedger;
use crate::ledger::{Ledger, LedgerError, PlannedRow, Status};
use crate::preview;
use crate::report::{counted, grouped, pending_by_variant, reasons};
use crate::run::Folder;

pub(super) fn run(args: &SendArgs, console: &Console) -> Result<ExitCode, Failure> {
    let mut campaign = Campaign::load(&args.campaign)?;
    campaign
        .recipients
        .further_selection
        .clone_from(&args.selection);
    require_variants(args, &campaign)?;
    require_row_key(args, &campaign)?;
    let scratch = tempfile::tempdir().map_err(|error| (std::env::temp_dir(), error))?;
    let folder = Folder::at(scratch.path());
    let database = ledger_of(args, &campaign)?;
    let earlier = earlier_runs(args, &campaign, database.as_ref())?;
    let now = Clock::system().now();
    let schedule = schedule_settings(args, &campaign, now)?;
    let options = RunOptions {
        freeze: false,
        schedule: schedule.as_ref(),
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
        database.as_ref(),
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
    database: Option<&Arc<Database>>,
    ledger: &dyn Ledger,
) -> Result<(), Failure> {
    let never_sent = rows_never_sent(prepared, &campaign.pace)?;
    let messages = prepared.messages(args.limit);
    let test = match &args.test_to {
        Some(address) => format!(", all to {address}"),
        None => String::new(),
    };
    let rows = match (args.limit, prepared.members.of(Status::Pending)) {
        (_, 0) | (Some(_), _) => String::new(),
        (None, members) => format!(", with {}", counted(messages + members, "row")),
    };
    output::line(format_args!(
        "would send: {}{rows}{test}",
        counted(messages, "message")
    ));
    if !prepared.by_variant.is_empty() {
        output::line(format_args!(
            "variants:   {}",
            pending_by_variant(&prepared.by_variant)
        ));
    }
    if prepared.held_back > 0 {
        output::line(format_args!(
            "held back:  {} until a variant is chosen",
            counted(prepared.held_back, "message")
        ));
    }
    for status in [Status::Invalid, Status::Skipped] {
        let rows = prepared.counts.of(status) + prepared.members.of(status);
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
    output::line(format_args!("from:       {}", senders(campaign)));
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
    let posted = posted_before(campaign, prepared, database)?;
    if let Some(posted) = &posted
        && let Some(ramp) = ramp(&pace, prepared.schedule.as_ref(), posted)
    {
        output::line(format_args!("ramp:       {ramp}"));
    }
    if let Some(schedule) = &prepared.schedule {
        let now = prepared.run.started;
        let posted = posted.unwrap_or_default();
        let estimate = estimate(schedule, &pace, &prepared.by_lane, posted, now);
        for line in lines(schedule, &estimate, now, false, 12) {
            output::line(line);
        }
    }
    if let Some(line) = never_sent {
        output::line(format_args!("note:       {line}"));
    }
    let Some(first) = first_to_send(ledger, prepared.held_back > 0)? else {
        output::line(format_args!("There is nobody to send to."));
        return Ok(());
    };
    match prepared.engines.prepare(&first.row) {
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

/// The first row that is not held back.
fn first_to_send(
    ledger: &dyn Ledger,
    has_held_back: bool,
) -> Result<Option<PlannedRow>, LedgerError> {
    let mut after = 0;
    loop {
        let page = ledger.pending(after, 1000)?;
        let Some(last) = page.last() else {
            return Ok(None);
        };
        after = last.row.number;
        let is_sent = |row: &PlannedRow| row.row.variant.is_some() || !has_held_back;
        if let Some(first) = page.into_iter().find(is_sent) {
            return Ok(Some(first));
        }
    }
}

/// The sender; those of all variants, if they differ.
fn senders(campaign: &Campaign) -> String {
    let mut senders: Vec<&str> = Vec::new();
    for message in campaign.messages() {
        if !senders.contains(&message.from.get_ref().as_str()) {
            senders.push(message.from.get_ref());
        }
    }
    senders.join(", ")
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
