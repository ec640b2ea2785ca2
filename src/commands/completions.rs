//! `mailrun completions`.

use clap::CommandFactory;

use crate::cli::{Cli, CompletionsArgs};
use crate::exit_code::ExitCode;

pub(super) fn run(args: &CompletionsArgs) -> ExitCode {
    let mut out = std::io::stdout();
    clap_complete::generate(args.shell, &mut Cli::command(), "mailrun", &mut out);
    ExitCode::Done
}
