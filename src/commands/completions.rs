//! `mailrun completions`.

use clap::CommandFactory;

use crate::cli::{Cli, Completions};
use crate::exit_code::ExitCode;

pub(super) fn run(args: &Completions) -> ExitCode {
    clap_complete::generate(
        args.shell,
        &mut Cli::command(),
        "mailrun",
        &mut std::io::stdout(),
    );
    ExitCode::Done
}
