//! `mailrun retry`.

use super::console::Console;
use super::failure::Failure;
use super::open_run::open_locked;
use super::resume::{Overrides, send_pending};
use crate::cli::RetryArgs;
use crate::exit_code::ExitCode;
use crate::ledger::{Status, StatusCounts};
use crate::report::{counted, is_or_are};

pub(super) fn run(args: &RetryArgs, console: &Console) -> Result<ExitCode, Failure> {
    let (opened, lock) = open_locked(&args.run)?;
    let rows = opened.ledger.retry(args.rejected)?;
    console.print(&match rows {
        0 => nothing_to_retry(args.rejected, &opened.ledger.counts()?),
        rows => format!("{} {} pending again", counted(rows, "row"), is_or_are(rows)),
    });
    send_pending(
        opened,
        lock,
        Overrides::default(),
        &args.run.ledger,
        console,
    )
}

fn nothing_to_retry(rejected: bool, counts: &StatusCounts) -> String {
    if rejected {
        return "There are no failed or rejected rows.".to_owned();
    }
    match counts.of(Status::Rejected) {
        0 => "There are no failed rows.".to_owned(),
        rows => format!(
            "There are no failed rows. To send the {} again, add `--rejected`.",
            counted(rows, "rejected row")
        ),
    }
}
