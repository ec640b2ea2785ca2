//! `mailrun prune`.

use jiff::{SignedDuration, Timestamp};

use super::confirm::{Confirmation, confirm};
use super::console::Console;
use super::failure::Failure;
use super::forget_in_run::{People, forget_in};
use super::output;
use super::run_home::{RunHome, runs_of_campaign};
use crate::cli::PruneArgs;
use crate::clock::Clock;
use crate::exit_code::ExitCode;
use crate::ledger::sqlite::SqliteLedger;
use crate::ledger::{Ledger as _, LedgerError, Run, Status, StatusCounts};
use crate::report::counted;
use crate::run::FolderError;

/// A run with people.
struct OldRun {
    home: RunHome,
    rows: u64,
}

pub(super) fn run(args: &PruneArgs, console: &Console) -> Result<ExitCode, Failure> {
    if !crate::run::Folder::is_campaign(&args.campaign) {
        return Err(FolderError::NoRun(args.campaign.clone()).into());
    }
    let now = Clock::system().now();
    let age = SignedDuration::try_from(args.older_than).ok();
    let before = age.and_then(|age| now.checked_sub(age).ok());
    let before = before.unwrap_or(Timestamp::MIN);
    let mut old = Vec::new();
    for home in runs_of_campaign(&args.campaign, &args.ledger)? {
        match old_run(&home, before)? {
            Found::Old(rows) => old.push(OldRun { home, rows }),
            Found::Skipped(reason) => {
                console.print(&format!("{} is left out: {reason}", home.name()));
            }
            Found::Nothing => {}
        }
    }
    if old.is_empty() {
        console.print("There is nothing to prune.");
        return Ok(ExitCode::Done);
    }
    if args.dry_run {
        for run in &old {
            output::line(format_args!(
                "{}  {}",
                run.home.name(),
                counted(run.rows, "row")
            ));
        }
        console.print("Nothing was changed.");
        return Ok(ExitCode::Done);
    }
    if !args.yes {
        confirm_prune(&old)?;
    }
    for run in &old {
        // Another command may have changed it before the answer.
        if !matches!(old_run(&run.home, before)?, Found::Old(_)) {
            console.print(&format!("{} is left out: it has changed", run.home.name()));
            continue;
        }
        let forgotten = forget_in(&run.home, &People::All, Clock::system().now())?;
        let what = forgotten.and_then(|forgotten| forgotten.describe());
        let what = what.unwrap_or_else(|| "was pruned already".to_owned());
        output::line(format_args!("{}  {what}", run.home.name()));
    }
    Ok(ExitCode::Done)
}

enum Found {
    /// With so many rows.
    Old(u64),
    Skipped(String),
    /// It is too new, or has nobody any more.
    Nothing,
}

fn old_run(home: &RunHome, before: Timestamp) -> Result<Found, Failure> {
    let (run, counts, has_people) = match home {
        RunHome::Folder(folder) => {
            let opened = SqliteLedger::open(&folder.ledger()).and_then(|it| Ok((it.run()?, it)));
            let (run, ledger) = match opened {
                // Nothing was sent.
                Err(LedgerError::Missing(_) | LedgerError::NotPlanned)
                    if !folder.results().exists() =>
                {
                    return Ok(Found::Nothing);
                }
                opened => opened?,
            };
            let has_people = ledger.has_people()? || !ledger.is_cleaned()?;
            (run, ledger.counts()?, has_people)
        }
        RunHome::Database(ledger) => (ledger.run()?, ledger.counts()?, ledger.has_people()?),
    };
    if !has_people || !is_old(&run, before) {
        return Ok(Found::Nothing);
    }
    Ok(match (home.is_in_use()?, open_rows(&counts)) {
        (true, _) => Found::Skipped("a process works on it".to_owned()),
        (false, Some(open)) => Found::Skipped(format!(
            "it has {open}. Finish it with `mailrun resume` or `mailrun resolve`"
        )),
        (false, None) => Found::Old(counts.total()),
    })
}

fn is_old(run: &Run, before: Timestamp) -> bool {
    run.started < before
}

/// The rows of which it is not decided whether their message was sent.
fn open_rows(counts: &StatusCounts) -> Option<String> {
    let counts = counts.without_holder();
    let parts = [Status::Pending, Status::Unknown].map(|status| (counts.of(status), status));
    let parts = parts.iter().filter(|(rows, _)| *rows > 0);
    let parts: Vec<String> = parts
        .map(|(rows, status)| counted(*rows, &format!("{status} row")))
        .collect();
    (!parts.is_empty()).then(|| parts.join(" and "))
}

fn confirm_prune(old: &[OldRun]) -> Result<(), Failure> {
    let rows = old.iter().map(|run| run.rows).sum();
    let confirmation = Confirmation {
        question: format!(
            "Take all people out of {} with {}? This can't be undone.",
            counted(old.len() as u64, "run"),
            counted(rows, "row")
        ),
        input_is_data: false,
        declined: "nothing was changed",
    };
    confirm(&confirmation, || {
        Failure::with_help(
            "not-confirmed",
            "pruning needs confirmation, but there is no terminal",
            "add `--yes` to skip the question, or `--dry-run` to see what would be pruned",
        )
    })
}
