//! `mailrun results`.

use std::path::Path;

use super::failure::Failure;
use super::open_run::open;
use super::output;
use crate::cli::ResultsArgs;
use crate::exit_code::ExitCode;
use crate::report::{write_results, write_results_to};

pub(super) fn run(args: &ResultsArgs) -> Result<ExitCode, Failure> {
    let opened = open(&args.run)?;
    let live = opened.is_live()?;
    // Only the results that are safe in a spreadsheet are in the run folder.
    let out = match &args.out {
        None if args.raw => Some(Path::new("-")),
        out => out.as_deref(),
    };
    match out {
        Some(out) if out == Path::new("-") => {
            write_results_to(&*opened.ledger, output::data(), args.raw, live)?
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
            write_results(&*opened.ledger, &path, args.raw, live)?;
            output::path_line(&path);
        }
    }
    Ok(ExitCode::Done)
}
