//! `mailrun resolve`.

use super::confirm::{Confirmation, confirm};
use super::console::Console;
use super::failure::Failure;
use super::open_run::open_locked;
use super::reconcile;
use super::run_home::RunHome;
use crate::cli::{Resolution, ResolveArgs};
use crate::clock::Clock;
use crate::exit_code::ExitCode;
use crate::ledger::Status;
use crate::report::{counted, is_or_are};

pub(super) fn run(args: &ResolveArgs, console: &Console) -> Result<ExitCode, Failure> {
    let (opened, _lock) = open_locked(&args.run)?;
    if let RunHome::Database(ledger) = &opened.home {
        ledger.require_no_worker()?;
    }
    // A usage error even without unknown rows, so that a script fails early.
    let campaign = match args.how {
        Resolution::Reconcile => Some(reconcile::check(&opened)?),
        Resolution::Accepted | Resolution::Resend => None,
    };
    let unknown = opened.ledger.counts()?.without_holder().of(Status::Unknown);
    if unknown == 0 {
        console.print("There are no unknown rows.");
        return Ok(ExitCode::Done);
    }
    if let Some(campaign) = campaign {
        return reconcile::run(&opened, &campaign, unknown, console);
    }
    let message = if args.how == Resolution::Accepted {
        let rows = opened.ledger.resolve_accepted(Clock::system().now())?;
        format!("{} {} now accepted", counted(rows, "row"), is_or_are(rows))
    } else {
        if !args.yes {
            confirm_resend(unknown)?;
        }
        let rows = opened.ledger.resolve_resend()?;
        let sample = match opened.ledger.held_back()? {
            0 => "",
            _ => " --variant-sample",
        };
        format!(
            "{} {} now pending; to send, run `mailrun resume {}{sample}`",
            counted(rows, "row"),
            is_or_are(rows),
            opened.home.name()
        )
    };
    opened.write_results(true)?;
    console.print(&message);
    Ok(ExitCode::Done)
}

fn confirm_resend(unknown: u64) -> Result<(), Failure> {
    let confirmation = Confirmation {
        question: format!(
            "Send {} again? Recipients whose message did arrive will get it twice.",
            counted(unknown, "row")
        ),
        input_is_data: false,
        declined: "nothing was changed",
    };
    confirm(&confirmation, || {
        Failure::with_help(
            "not-confirmed",
            "sending again needs confirmation, but there is no terminal",
            "add `--yes` to skip the question",
        )
    })
}
