//! `mailrun stop`.

use super::console::Console;
use super::failure::Failure;
use super::run_home::RunHome;
use crate::cli::StopArgs;
use crate::exit_code::ExitCode;
use crate::report::counted;

/// What the workers say when they stop.
const REASON: &str = "`mailrun stop` was run";

pub(super) fn run(args: &StopArgs, console: &Console) -> Result<ExitCode, Failure> {
    let home = RunHome::find(&args.run)?;
    let RunHome::Database(ledger) = &home else {
        return Err(Failure::with_help(
            "usage",
            format!("{} is a run in a folder, which one process sends", home.name()),
            "press Ctrl-C in its terminal, or send SIGTERM to the process that `mailrun status` names",
        )
        .usage());
    };
    let workers = ledger.workers()?.len() as u64;
    ledger.stop(REASON)?;
    console.print(&match workers {
        0 => "No worker is sending this run.".to_owned(),
        workers => format!(
            "Stopping {}. Requests in flight end normally.",
            counted(workers, "worker")
        ),
    });
    Ok(ExitCode::Done)
}
