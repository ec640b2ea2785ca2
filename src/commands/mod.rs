//! The commands: wiring only. Nothing else sees the command line or prints.

mod check;
mod completions;
mod cropped;
mod deliver;
mod dry_run;
mod failure;
mod gateway;
mod inbox;
mod init;
mod interrupt;
mod keys;
mod listen;
mod local;
mod open;
mod prepare;
mod preview;
mod preview_terminal;
mod preview_web;
mod question;
mod reconcile;
mod resolve;
mod results;
mod resume;
mod retry;
mod send;
mod show;
mod status;

use crate::cli::{Cli, Command};
use crate::exit_code::ExitCode;
use show::Shown;

/// Runs what the command line says, and prints its error if there is one.
pub fn run(cli: Cli) -> ExitCode {
    let shown = Shown::new(&cli.global);
    shown.start_log(&cli);
    let result = match cli.command {
        Command::Init(args) => init::run(&args),
        Command::Check(args) => check::run(&args, &shown),
        Command::Preview(args) => match args.web {
            Some(listen) => preview_web::run(&args, listen, &shown),
            None => preview::run(&args, &shown),
        },
        Command::Send(args) => send::run(&args, &shown),
        Command::Resume(args) => resume::run(&args, &shown),
        Command::Retry(args) => retry::run(&args, &shown),
        Command::Resolve(args) => resolve::run(&args, &shown),
        Command::Status(args) => status::run(&args),
        Command::Results(args) => results::run(&args),
        Command::Gateway(args) => gateway::run(&args, &shown),
        Command::Inbox(args) => inbox::run(&args, &shown),
        Command::Completions(args) => Ok(completions::run(&args)),
    };
    result.unwrap_or_else(|failure| {
        shown.failure(&failure);
        failure.exit
    })
}
