//! `mailrun resolve`.

use std::path::Path;

use super::failure::Failure;
use super::open::open_locked;
use super::question::{Reply, ask};
use super::reconcile;
use super::show::Shown;
use crate::cli::{How, Resolve};
use crate::clock::Clock;
use crate::exit_code::ExitCode;
use crate::ledger::{self, Status};
use crate::report::{self, are, counted};

pub(super) fn run(args: &Resolve, shown: &Shown) -> Result<ExitCode, Failure> {
    let (opened, _lock) = open_locked(&args.run)?;
    let path = opened.folder.ledger();
    // A usage error whatever the rows are, so that a script learns of it at once.
    let to_ask = match args.how {
        How::Reconcile => Some(reconcile::check(&opened)?),
        How::Accepted | How::Resend => None,
    };
    let unknown = opened.ledger.counts()?.without_holder().of(Status::Unknown);
    if unknown == 0 {
        shown.say("There are no unknown rows.");
        return Ok(ExitCode::Done);
    }
    if let Some(campaign) = to_ask {
        return reconcile::run(opened, &campaign, unknown, shown);
    }
    let said = if args.how == How::Accepted {
        let rows = ledger::resolve_accepted(&path, Clock::system().now())? as u64;
        format!("{} {} accepted now", counted(rows, "row"), are(rows))
    } else {
        if !args.yes {
            confirm(unknown)?;
        }
        let rows = ledger::resolve_resend(&path)? as u64;
        format!(
            "{} {} pending now; send them by `mailrun resume {}`",
            counted(rows, "row"),
            are(rows),
            opened.folder.path().display()
        )
    };
    report::write_results(&opened.ledger, &opened.folder.results(), false, true)?;
    shown.say(&said);
    Ok(ExitCode::Done)
}

fn confirm(unknown: u64) -> Result<(), Failure> {
    let question = format!(
        "Mark {} to be sent again? Whoever has got the message will get it twice.",
        counted(unknown, "row")
    );
    match ask(&question, false).map_err(|error| (Path::new("the terminal").to_owned(), error))? {
        Reply::Yes => Ok(()),
        Reply::No => Err(Failure::new("not-confirmed", "nothing was changed")),
        Reply::NoTerminal => Err(Failure::with_help(
            "not-confirmed",
            "sending again asks first, and there is no terminal to ask on",
            "say `--yes` to do it without being asked",
        )),
    }
}
