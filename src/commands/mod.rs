//! The commands. Only this module knows the command line, prints, and asks.

mod check;
mod completions;
mod confirm;
mod console;
mod deliver;
mod diagnostic;
mod dry_run;
mod earlier;
mod failure;
mod fed_list;
mod feedback;
mod follow;
mod forget;
mod forget_in_run;
mod gateway;
mod inbox;
mod init;
mod init_feedback;
mod interrupt;
mod kept_lists;
mod ledger;
mod ledger_access;
mod ledger_copy;
mod local_gateway;
mod man;
mod open_run;
mod output;
mod pace_group;
mod pace_text;
mod prepare;
mod preview;
mod preview_terminal;
mod preview_web;
mod prune;
mod reconcile;
mod report;
mod resolve;
mod results;
mod resume;
mod retry;
mod row_key;
mod run_home;
mod runs;
mod screen;
mod secret_command;
mod secrets;
mod send;
mod serve;
mod session;
mod status;
mod stop;
mod suppress;
mod suppress_api;
mod suppressed_since;
mod upload;
mod waiting;
mod when;

use rustix::fs::Mode;
use rustix::process::umask;

use self::console::Console;
use crate::cli::{Cli, Command, LedgerCommand};
use crate::exit_code::ExitCode;

/// Makes all files and folders that the process creates readable only by their owner: they hold data of
/// recipients.
fn make_files_private() {
    let others = Mode::RWXG | Mode::RWXO;
    umask(umask(others) | others);
}

/// Runs a command, and prints its error if it fails.
pub fn run(cli: Cli) -> ExitCode {
    if !matches!(
        cli.command,
        Command::Init(_) | Command::Completions(_) | Command::Man(_)
    ) {
        make_files_private();
    }
    let console = Console::new(&cli.global);
    console.start_log(&cli);
    let result = match cli.command {
        Command::Init(args) => init::run(&args),
        Command::Check(args) => check::run(&args, &console),
        Command::Preview(args) => match args.web {
            Some(listen) => preview_web::run(&args, listen, &console),
            None => preview::run(&args, &console),
        },
        Command::Send(args) if args.dry_run => dry_run::run(&args, &console),
        Command::Send(args) => send::run(&args, &console),
        Command::Resume(args) => resume::run(&args, &console),
        Command::Retry(args) => retry::run(&args, &console),
        Command::Resolve(args) => resolve::run(&args, &console),
        Command::Status(args) => status::run(&args),
        Command::Follow(args) => follow::run(&args, &console),
        Command::Feedback(args) => feedback::run(&args, &console),
        Command::Results(args) => results::run(&args, &console),
        Command::Forget(args) => forget::run(&args, &console),
        Command::Prune(args) => prune::run(&args, &console),
        Command::Suppress(args) => suppress::run(&args, &console),
        Command::Report(args) => report::run(&args, &console),
        Command::Runs(args) => runs::run(&args, &console),
        Command::Stop(args) => stop::run(&args, &console),
        Command::Ledger(args) => match args.command {
            LedgerCommand::Init(args) => ledger::init(&args),
            LedgerCommand::Copy(args) => ledger_copy::run(&args, &console),
        },
        Command::Gateway(args) => gateway::run(&args, &console),
        Command::Inbox(args) => inbox::run(&args, &console),
        Command::Completions(args) => Ok(completions::run(&args)),
        Command::Man(args) => man::run(&args),
    };
    result.unwrap_or_else(|failure| {
        console.print_failure(&failure);
        failure.exit
    })
}
