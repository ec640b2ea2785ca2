//! The `mailrun` program.

use std::process::ExitCode;

use clap::Parser;
use mailrun::cli::Cli;
use mailrun::commands;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    commands::run(Cli::parse()).into()
}
