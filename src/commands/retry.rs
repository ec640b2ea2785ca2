//! `mailrun retry`.

use super::failure::Failure;
use super::open::open_locked;
use super::resume::{Overrides, go_on};
use super::show::Shown;
use crate::cli::Retry;
use crate::exit_code::ExitCode;
use crate::ledger;

pub(super) fn run(args: &Retry, shown: &Shown) -> Result<ExitCode, Failure> {
    let (opened, lock) = open_locked(&args.run)?;
    let rows = ledger::retry(&opened.folder.ledger(), args.rejected)?;
    shown.say(&format!("{rows} rows are pending again"));
    go_on(opened, lock, Overrides::default(), shown)
}
