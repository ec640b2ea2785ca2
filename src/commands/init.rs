//! `mailrun init`: a campaign that works at once.

use std::fs;
use std::path::Path;

use super::failure::Failure;
use crate::cli::Init;
use crate::exit_code::ExitCode;

/// The files of the starter campaign.
const STARTER: [(&str, &[u8]); 5] = [
    (
        "campaign.toml",
        include_bytes!("../../templates/starter/campaign.toml"),
    ),
    (
        "recipients.csv",
        include_bytes!("../../templates/starter/recipients.csv"),
    ),
    (
        "unsubscribed.csv",
        include_bytes!("../../templates/starter/unsubscribed.csv"),
    ),
    (
        "templates/base.html",
        include_bytes!("../../templates/starter/templates/base.html"),
    ),
    (
        "templates/newsletter.html",
        include_bytes!("../../templates/starter/templates/newsletter.html"),
    ),
];

pub(super) fn run(args: &Init) -> Result<ExitCode, Failure> {
    if fs::read_dir(&args.dir).is_ok_and(|mut entries| entries.next().is_some()) {
        let message = format!("{} is there already, and is not empty", args.dir.display());
        return Err(Failure::with_help(
            "not-empty",
            message,
            "name a new folder",
        ));
    }
    for (name, content) in STARTER {
        write(&args.dir.join(name), content).map_err(|error| (args.dir.join(name), error))?;
    }
    let dir = args.dir.display();
    println!("A campaign is in {dir}. Next:");
    println!("  mailrun preview {dir}");
    println!("  mailrun send {dir} --local");
    Ok(ExitCode::Done)
}

fn write(path: &Path, content: &[u8]) -> std::io::Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    fs::write(path, content)
}
