//! `mailrun send --dry-run`: everything but the network.

use std::time::Duration;

use super::deliver::rng;
use super::failure::Failure;
use super::prepare::{Ready, Wanted, invalid_rows, new_run, prepare};
use super::preview_terminal::look;
use super::send::{earlier, only, target};
use super::show::Shown;
use crate::campaign::{Campaign, Pace};
use crate::cli::Send;
use crate::clock::Clock;
use crate::exit_code::ExitCode;
use crate::finding::Severity;
use crate::ledger::{Ledger, Status};
use crate::preview;
use crate::report::{counted, duration, grouped, reasons};
use crate::run::Folder;

pub(super) fn run(args: &Send, campaign: &Campaign, shown: &Shown) -> Result<ExitCode, Failure> {
    let scratch = tempfile::tempdir().map_err(|error| (std::env::temp_dir(), error))?;
    let folder = Folder::at(scratch.path());
    let earlier = earlier(args, campaign)?;
    let wanted = Wanted {
        campaign,
        folder: &folder,
        freeze: false,
        run: new_run(
            campaign,
            target(args),
            args.test_to.as_ref(),
            Clock::system().now(),
            &mut rng(),
        ),
        test_to: args.test_to.as_ref(),
        only: only(args),
        except_sent: if args.except_sent { &earlier } else { &[] },
        preflight: !args.no_preflight,
        least: Severity::Warning,
        net: false,
        skip_invalid: args.skip_invalid,
    };
    let mut ready = prepare(wanted, shown)?;
    invalid_rows(&folder.ledger(), campaign, &mut ready.findings)?;
    shown.findings(&ready.findings);
    print(args, campaign, &ready, &Ledger::open(&folder.ledger())?)?;
    if !earlier.is_empty() && !args.except_sent {
        println!(
            "note:       this campaign has been sent before; `send` will want --except-sent or --again"
        );
    }
    Ok(ExitCode::Done)
}

fn print(args: &Send, campaign: &Campaign, ready: &Ready, ledger: &Ledger) -> Result<(), Failure> {
    let pending = ready.counts.of(Status::Pending);
    let messages = args.limit.map_or(pending, |limit| limit.min(pending));
    let whom = args
        .test_to
        .as_ref()
        .map(|address| format!(", all to {address}"))
        .unwrap_or_default();
    println!("would send: {}{whom}", counted(messages, "message"));
    for status in [Status::Invalid, Status::Skipped] {
        if ready.counts.of(status) > 0 {
            println!("left out:   {} {status}", grouped(ready.counts.of(status)));
        }
    }
    for (status, _, reason, rows) in reasons(ledger)? {
        println!(
            "            {:>6} {status}: {}",
            grouped(rows),
            crate::report::printable(&reason)
        );
    }
    println!("from:       {}", campaign.message.from.get_ref());
    let place = if args.local {
        "the local gateway".to_owned()
    } else {
        campaign.api.url.to_string()
    };
    println!("through:    {}, {place}", campaign.api.smtp_account);
    let pace = if args.local {
        Pace {
            rate: Vec::new(),
            per_domain: Vec::new(),
            ..campaign.pace.clone()
        }
    } else {
        campaign.pace.clone()
    };
    println!(
        "pace:       {}, {} in flight, up to {} a request",
        how_fast(&pace, messages, &ready.by_lane),
        counted(pace.concurrency.get().into(), "request"),
        counted(pace.batch.get().into(), "recipient")
    );
    let Some(first) = ledger.pending(0, 1)?.into_iter().next() else {
        println!("There is nobody to send to.");
        return Ok(());
    };
    match ready.engine.prepare(&first.row) {
        Ok(prepared) => println!("\n{}", preview::shown(&prepared, None, &look())),
        Err(finding) => println!("\nthe first message does not render: {finding}"),
    }
    Ok(())
}

/// The limits, and how long they make it last for so many messages, of which each lane has so many.
pub(super) fn how_fast(pace: &Pace, messages: u64, by_lane: &[(u32, u64)]) -> String {
    let limits = limits(pace);
    match pace.least_time(messages, by_lane) {
        Some(time) if time < Duration::from_millis(500) => format!("{limits}, in under a second"),
        Some(time) => format!("{limits}, in about {}", duration(time)),
        None => limits,
    }
}

/// The limits, as they are shown.
fn limits(pace: &Pace) -> String {
    let rates: Vec<String> = pace.rate.iter().map(ToString::to_string).collect();
    let mut words = match rates.as_slice() {
        [] => "without a limit".to_owned(),
        rates => format!("at {}", rates.join(" and ")),
    };
    for limit in &pace.per_domain {
        words.push_str(&format!(", {} at {}", limit.domain, limit.rate));
    }
    words
}
