//! `mailrun init`: a campaign that can be tried at once.

use std::fs;
use std::path::Path;

use super::failure::Failure;
use super::output;
use crate::cli::InitArgs;
use crate::exit_code::ExitCode;

macro_rules! starter_files {
    ($($name:literal),*) => {
        [$(($name, include_bytes!(concat!("../../templates/starter/", $name)).as_slice())),*]
    };
}

const STARTER: [(&str, &[u8]); 5] = starter_files![
    "campaign.toml",
    "recipients.csv",
    "unsubscribed.csv",
    "templates/base.html",
    "templates/newsletter.html"
];

pub(super) fn run(args: &InitArgs) -> Result<ExitCode, Failure> {
    if fs::read_dir(&args.dir).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Failure::with_help(
            "not-empty",
            format!("the folder {} is not empty", args.dir.display()),
            "choose a new or empty folder",
        ));
    }
    for (name, content) in STARTER {
        write(&args.dir.join(name), content).map_err(|error| (args.dir.join(name), error))?;
    }
    let dir = args.dir.display();
    output::line(format_args!("Created a campaign in {dir}. Next:"));
    output::line(format_args!("  mailrun preview {dir}"));
    output::line(format_args!("  mailrun send {dir} --local"));
    Ok(ExitCode::Done)
}

fn write(path: &Path, content: &[u8]) -> std::io::Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    fs::write(path, content)
}
