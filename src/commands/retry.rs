//! `mailrun retry`.

use super::failure::Failure;
use super::open::open_locked;
use super::resume::{Overrides, go_on};
use super::show::Shown;
use crate::cli::Retry;
use crate::exit_code::ExitCode;
use crate::ledger::{self, Counts, Status};
use crate::report::{are, counted};

pub(super) fn run(args: &Retry, shown: &Shown) -> Result<ExitCode, Failure> {
    let (opened, lock) = open_locked(&args.run)?;
    let rows = ledger::retry(&opened.folder.ledger(), args.rejected)?;
    let rows = rows as u64;
    shown.say(&match rows {
        0 => nothing(args.rejected, &opened.ledger.counts()?),
        rows => format!("{} {} pending again", counted(rows, "row"), are(rows)),
    });
    go_on(opened, lock, Overrides::default(), shown)
}

fn nothing(rejected: bool, counts: &Counts) -> String {
    if rejected {
        return "There are no failed and no rejected rows.".to_owned();
    }
    match counts.of(Status::Rejected) {
        0 => "There are no failed rows.".to_owned(),
        rows => format!(
            "There are no failed rows; `--rejected` posts the {} again.",
            counted(rows, "rejected row")
        ),
    }
}
