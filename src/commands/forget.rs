//! `mailrun forget`.

use std::path::Path;

use super::console::Console;
use super::failure::Failure;
use super::feedback::JOURNAL;
use super::forget_in_run::{People, forget_in};
use super::kept_lists::ListHome;
use super::output;
use super::run_home::{RunHome, runs_of_campaign};
use crate::address::Address;
use crate::campaign::{Campaign, FILE_NAME};
use crate::cli::{ForgetArgs, RunArgs};
use crate::clock::Clock;
use crate::exit_code::ExitCode;
use crate::feedback::forget_in_journal;
use crate::ledger::Person;
use crate::recipients::RecipientReader;
use crate::report::counted;
use crate::run::Folder;
use crate::suppression::KeptList;

/// How many lines of the recipients are named.
const MAX_LINES: usize = 10;

pub(super) fn run(args: &ForgetArgs, console: &Console) -> Result<ExitCode, Failure> {
    let (mut homes, mut campaigns) = (Vec::new(), Vec::new());
    if args.runs.is_empty() {
        let here = Path::new(".");
        if !Folder::is_campaign(here) {
            return Err(Failure::with_help(
                "no-run",
                "there is no campaign in the current folder",
                format!(
                    "name a campaign for all its runs, or a run: `mailrun forget {} CAMPAIGN`",
                    args.address
                ),
            )
            .usage());
        }
        campaigns.push(here);
    }
    for path in &args.runs {
        match Folder::is_campaign(path) && !Folder::is_run(path) {
            true => campaigns.push(path),
            false => homes.push(RunHome::find(&RunArgs {
                run: path.clone(),
                ledger: args.ledger.clone(),
            })?),
        }
    }
    for campaign in &campaigns {
        homes.extend(runs_of_campaign(campaign, &args.ledger)?);
    }
    // Nothing is changed if one of them is in use.
    homes.iter().try_for_each(RunHome::require_idle)?;
    for campaign in &campaigns {
        forget_in_feedback(campaign, &args.address, console)?;
    }
    let people = People::One(&args.address);
    let mut found = false;
    for home in &homes {
        let Some(forgotten) = forget_in(home, &people, Clock::system().now())? else {
            continue;
        };
        found = true;
        let what = forgotten.describe();
        let what = what.unwrap_or_else(|| "was forgotten already".to_owned());
        output::line(format_args!("{}  {what}", home.name()));
    }
    for path in campaigns {
        let campaign = match Campaign::load(path) {
            Ok(campaign) => campaign,
            Err(_) => {
                console.print(&format!(
                    "{} has errors, so its recipients and its suppression lists were not looked at.",
                    path.join(FILE_NAME).display()
                ));
                continue;
            }
        };
        found |= forget_in_lists(&campaign, args, console)?;
        report_own_files(&campaign, &args.address, console);
    }
    if found {
        return Ok(ExitCode::Done);
    }
    Err(Failure::with_help(
        "not-found",
        format!(
            "{} is in none of {} runs",
            args.address.as_str(),
            homes.len()
        ),
        "check the spelling, and name the runs or the campaign",
    ))
}

/// Takes the person out of what `mailrun feedback` keeps for the campaign.
fn forget_in_feedback(
    campaign: &Path,
    address: &Address,
    console: &Console,
) -> Result<(), Failure> {
    let dir = match campaign.ends_with(FILE_NAME) {
        true => campaign.parent().unwrap_or(Path::new(".")),
        false => campaign,
    };
    let journal = dir.join(JOURNAL);
    let deleted = forget_in_journal(&journal, &Person::new(address))?;
    if deleted > 0 {
        let entries = counted(deleted, "event");
        console.print(&format!("{}: {entries} deleted", journal.display()));
    }
    Ok(())
}

/// Keeps only a hash of the address on the campaign's lists. Returns whether it is on one.
fn forget_in_lists(
    campaign: &Campaign,
    args: &ForgetArgs,
    console: &Console,
) -> Result<bool, Failure> {
    let mut found = false;
    if campaign.recipients.kept_lists.is_empty() {
        return Ok(found);
    }
    let home = ListHome::of(campaign, &campaign.dir, &args.ledger)?;
    for name in &campaign.recipients.kept_lists {
        let Some(mut list) = KeptList::open(&home.place(campaign, name))? else {
            continue;
        };
        if list.forget(&args.address)? {
            found = true;
            console.print(&format!(
                "The list {name} has only a hash of the address now. The person stays suppressed."
            ));
        }
    }
    Ok(found)
}

/// Says where the campaign's own files have the address: they belong to the user.
fn report_own_files(campaign: &Campaign, address: &Address, console: &Console) {
    if let Some(file) = &campaign.recipients.file {
        let file = campaign.dir.join(file);
        match lines_with(campaign, &file, &Person::new(address)) {
            Ok(lines) if lines.is_empty() => {}
            Ok(lines) => {
                for line in lines.iter().take(MAX_LINES) {
                    console.print(&format!(
                        "{}:{line} still has the address. The file is yours: delete the line there.",
                        file.display()
                    ));
                }
                if lines.len() > MAX_LINES {
                    console.print(&format!("… and {} more lines", lines.len() - MAX_LINES));
                }
            }
            Err(error) => console.print(&format!("{} was not looked at: {error}", file.display())),
        }
    }
    for list in &campaign.recipients.suppress {
        console.print(&format!(
            "{} was left as it is, so that the address stays suppressed if it is there.",
            campaign.dir.join(&list.path).display()
        ));
    }
}

fn lines_with(campaign: &Campaign, file: &Path, person: &Person) -> Result<Vec<u64>, String> {
    let reader = RecipientReader::open(
        file,
        &file.display().to_string(),
        &campaign.recipients.settings,
    );
    let mut lines = Vec::new();
    for row in reader.map_err(|error| error.to_string())? {
        let row = row.map_err(|error| error.to_string())?;
        if row.cells.iter().any(|cell| person.is_in(cell)) {
            lines.push(row.line);
        }
    }
    Ok(lines)
}
