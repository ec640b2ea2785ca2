//! `mailrun man`.

use std::io::{self, Write};
use std::path::Path;

use clap::CommandFactory;
use clap_mangen::Man;

use super::failure::Failure;
use crate::cli::{Cli, ManArgs};
use crate::exit_code::ExitCode;

const MANUAL: &str = "mailrun";

pub(super) fn run(args: &ManArgs) -> Result<ExitCode, Failure> {
    let mut command = Cli::command();
    command.build();
    let written = std::fs::create_dir_all(&args.dir).and_then(|()| write(&args.dir, command));
    written.map_err(|error| {
        let message = format!("can't write man pages to {}: {error}", args.dir.display());
        Failure::new("io", message)
    })?;
    Ok(ExitCode::Done)
}

/// Writes the page of a command, and the pages of its subcommands.
fn write(dir: &Path, command: clap::Command) -> io::Result<()> {
    let commands: Vec<clap::Command> = command
        .get_subcommands()
        .filter(|it| it.get_name() != "help")
        .cloned()
        .collect();
    let page = Man::new(command).manual(MANUAL);
    let mut file = std::fs::File::create(dir.join(page.get_filename()))?;
    page.render(&mut file)?;
    file.flush()?;
    commands
        .into_iter()
        .try_for_each(|command| write(dir, command))
}
