//! `mailrun init`: a campaign that can be tried at once.

use std::fs;
use std::path::Path;

use super::failure::Failure;
use super::output;
use crate::api::{self, Dialect, FormDialect};
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

/// The table that replaces `[api]` of the starter for `--smtp`.
const SMTP: &str = include_str!("../../templates/starter-smtp.toml");
/// What the starter has for the API only.
const TAGS: &str = "# For the statistics in the panel.\ntags = [\"letter\"]\n";

/// The starter's `campaign.toml` for a way of sending.
fn campaign_toml(starter: &str, args: &InitArgs) -> String {
    let sender = FormDialect::Sendmail;
    if args.smtp {
        let (start, rest) = starter.split_once("[api]\n").unwrap_or((starter, ""));
        let (_, end) = rest.split_once("\n\n").unwrap_or(("", rest));
        return format!("{start}{SMTP}\n{}", end.replace(TAGS, ""));
    }
    match args.dialect.and_then(api::dialect) {
        Some(dialect) => starter
            .replace(sender.default_url(), dialect.default_url())
            .replace(
                "dialect = \"sendmail\"",
                &format!("dialect = \"{}\"", dialect.name()),
            ),
        None => starter.to_owned(),
    }
}

pub(super) fn run(args: &InitArgs) -> Result<ExitCode, Failure> {
    if fs::read_dir(&args.dir).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Failure::with_help(
            "not-empty",
            format!("the folder {} is not empty", args.dir.display()),
            "choose a new or empty folder",
        ));
    }
    for (name, content) in STARTER {
        let path = args.dir.join(name);
        let written = match name {
            "campaign.toml" => {
                let text = campaign_toml(&String::from_utf8_lossy(content), args);
                write(&path, text.as_bytes())
            }
            _ => write(&path, content),
        };
        written.map_err(|error| (path, error))?;
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
