//! `mailrun results`.

use std::path::Path;

use super::failure::Failure;
use super::open_run::open;
use crate::cli::ResultsArgs;
use crate::exit_code::ExitCode;
use crate::report::{write_results, write_results_to};

pub(super) fn run(args: &ResultsArgs) -> Result<ExitCode, Failure> {
    let opened = open(&args.run)?;
    let live = opened.is_live();
    match &args.out {
        Some(out) if out == Path::new("-") => {
            write_results_to(&opened.ledger, std::io::stdout().lock(), args.raw, live)?
        }
        out => {
            let path = out.clone().unwrap_or_else(|| opened.folder.results());
            write_results(&opened.ledger, &path, args.raw, live)?;
            println!("{}", path.display());
        }
    }
    Ok(ExitCode::Done)
}
