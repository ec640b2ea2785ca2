//! `mailrun ledger copy`.

use std::path::Path;

use super::console::Console;
use super::failure::Failure;
use super::output;
use super::run_home::{RunHome, no_ledger, open_database, write_files};
use super::upload::{Upload, upload};
use crate::cli::LedgerCopyArgs;
use crate::durable::sync_tree;
use crate::exit_code::ExitCode;
use crate::ledger::postgres::{self, PostgresLedger, find_run, find_run_by_id_prefix, real_runs};
use crate::ledger::sqlite::{Planner, SqliteLedger};
use crate::ledger::{Ledger as _, LedgerError, StoredRow, Target};
use crate::report::counted;
use crate::run::{Folder, Lock, SCHEDULE, write_forget_keys};

/// How many rows are copied at once.
const PAGE: u32 = 2000;

pub(super) fn run(args: &LedgerCopyArgs, console: &Console) -> Result<ExitCode, Failure> {
    match &args.to {
        Some(to) => into_folder(args, to, console),
        None => into_ledger(args, console),
    }
}

/// Copies a run from the ledger into a new folder. Afterwards, only the copy can be sent.
fn into_folder(args: &LedgerCopyArgs, to: &Path, console: &Console) -> Result<ExitCode, Failure> {
    let database = open_database(&args.ledger, None)?.ok_or_else(no_ledger)?;
    let name = args.run.to_string_lossy();
    let ledger = find_run(&database, &name)?.ok_or_else(|| {
        Failure::with_help(
            "no-run",
            format!("the ledger {} has no run “{name}”", database.url()),
            "`mailrun runs` lists the runs in the ledger",
        )
    })?;
    // The copy would not know who got the message.
    ledger.check_cluster()?;
    // What is left of a copy that was interrupted is made again.
    let folder = Folder::create_at(to)?;
    let _lock = Lock::run(&folder)?;
    let target = folder.path().canonicalize();
    let target = target.map_err(|error| (folder.path().to_owned(), error))?;
    // From now on nobody sends it, so that no row changes while it is copied.
    ledger.mark_moved(&target.to_string_lossy())?;
    let copied = copy_into(&ledger, &folder);
    if copied.is_err() {
        // If this fails, the ledger still says where the copy was meant to be.
        let _ = ledger.unmark_moved();
        folder.remove();
    }
    let rows = copied?;
    output::path_line(folder.path());
    console.print(&format!(
        "Copied and compared {}. The copy in the ledger is not sent any more.",
        counted(rows, "row")
    ));
    Ok(ExitCode::Done)
}

fn copy_into(ledger: &PostgresLedger, folder: &Folder) -> Result<u64, Failure> {
    let run = ledger.run()?;
    write_files(ledger, &folder.frozen())?;
    let io = |error| (folder.path().to_owned(), error);
    if let Some(key) = ledger.verp_key() {
        folder.write_verp_key(&key).map_err(io)?;
    }
    let keys = postgres::forget_keys(ledger.database())?;
    write_forget_keys(folder, &keys).map_err(io)?;
    folder.mark_copy(ledger.name()).map_err(io)?;
    sync_tree(folder.path()).map_err(io)?;
    let mut planner = Planner::create(&folder.ledger(), &run)?;
    if folder.frozen().join(SCHEDULE).is_file() {
        planner.mark_scheduled()?;
    }
    let (last, mut after) = (ledger.last_row()?, 0);
    while after < last {
        let rows = ledger.stored_rows(after, PAGE)?;
        rows.iter().try_for_each(|row| planner.add_stored(row))?;
        let Some(last) = rows.last() else { break };
        let end = last.row;
        for one in ledger.stored_attachments(after, end - after)? {
            planner.record(one.row, &one.recorded)?;
        }
        after = end;
    }
    let mut after = 0;
    loop {
        let members = ledger.stored_members(after, PAGE)?;
        let Some(last) = members.last() else { break };
        after = last.row;
        members
            .iter()
            .try_for_each(|member| planner.add_member(member))?;
    }
    for minute in ledger.stored_minutes()? {
        planner.add_minute(minute)?;
    }
    planner.add_latencies(&ledger.latencies()?)?;
    planner.finish(run.blank_rows, run.started)?;
    Ok(compare(&SqliteLedger::open(&folder.ledger())?, ledger)?)
}

/// Copies a run from its folder into the ledger. Afterwards, only the copy can be sent.
fn into_ledger(args: &LedgerCopyArgs, console: &Console) -> Result<ExitCode, Failure> {
    let folder = Folder::find(&args.run)?;
    let lock = Lock::run(&folder)?;
    let sqlite = SqliteLedger::open(&folder.ledger())?;
    let run = sqlite.run()?;
    let _lock = lock.and(Lock::campaign_for_resume(&folder, &run)?);
    sqlite.check()?;
    // A copy without its schedule would be sent at any time.
    RunHome::Folder(folder.clone()).schedule(run.target)?;
    if run.target == Target::Local {
        return Err(Failure::with_help(
            "ledger",
            "this run is local",
            "local runs stay in their folder, with their outbox",
        ));
    }
    sqlite.end_requests_in_flight()?;
    let database = open_database(&args.ledger, None)?.ok_or_else(no_ledger)?;
    let path = folder
        .path()
        .canonicalize()
        .map_err(|error| (folder.path().to_owned(), error))?;
    let path = path.to_string_lossy();
    let before = find_run_by_id_prefix(&database, &run.id_prefix)?;
    let ledger = match (folder.refuse_if_moved(), before) {
        // The last step of an earlier copy is missing.
        (Err(_), Some(before)) if before.moved_to()?.as_deref() == Some(&path) => before,
        (Err(moved), _) => return Err(moved.into()),
        (Ok(()), before) => {
            let name = match &before {
                Some(before) => before.name().to_owned(),
                None => name_of(&folder),
            };
            let own_dir = match folder.is_copy() {
                true => folder.frozen(),
                false => run.campaign.clone(),
            };
            let known = real_runs(&database, &run.name)?;
            let known: Vec<i64> = known.iter().map(PostgresLedger::id).collect();
            let copy = Upload {
                name: &name,
                run: &run,
                folder: &folder,
                own_dir: &own_dir,
                moved_to: Some(&path),
                known: &known,
            };
            upload(&database, &copy)?
        }
    };
    let rows = compare(&sqlite, &ledger)?;
    // At no time can both copies be sent.
    let to = format!("{} in {}", ledger.name(), database.url());
    folder
        .mark_moved(&to)
        .map_err(|error| (folder.path().to_owned(), error))?;
    ledger.unmark_moved()?;
    output::line(ledger.name());
    console.print(&format!(
        "Copied and compared {}. The copy in the folder is not sent any more.",
        counted(rows, "row")
    ));
    Ok(ExitCode::Done)
}

fn name_of(folder: &Folder) -> String {
    let path = folder.path().canonicalize();
    let path = path.as_deref().unwrap_or(folder.path());
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Compares two copies row by row. Returns the number of rows.
///
/// # Errors
/// They differ, or one can't be read.
fn compare(sqlite: &SqliteLedger, postgres: &PostgresLedger) -> Result<u64, LedgerError> {
    let (mut after, mut rows) = (0, 0);
    loop {
        let (one, other) = (
            sqlite.stored_rows(after, PAGE)?,
            postgres.stored_rows(after, PAGE)?,
        );
        if let Some(row) = first_difference(&one, &other) {
            return Err(LedgerError::Damaged(format!(
                "row {row} differs in the two copies"
            )));
        }
        let Some(last) = one.last() else { break };
        let end = last.row;
        if sqlite.stored_attachments(after, end - after)?
            != postgres.stored_attachments(after, end - after)?
        {
            return Err(LedgerError::Damaged(
                "the attachments differ in the two copies".to_owned(),
            ));
        }
        rows += one.len() as u64;
        after = end;
    }
    after = 0;
    loop {
        let members = sqlite.stored_members(after, PAGE)?;
        if members != postgres.stored_members(after, PAGE)? {
            return Err(LedgerError::Damaged(
                "the rows in groups differ in the two copies".to_owned(),
            ));
        }
        let Some(last) = members.last() else { break };
        rows += members.len() as u64;
        after = last.row;
    }
    if sqlite.stored_minutes()? != postgres.stored_minutes()? {
        return Err(LedgerError::Damaged(
            "the numbers of posted recipients differ in the two copies".to_owned(),
        ));
    }
    if sqlite.latencies()? != postgres.latencies()? {
        return Err(LedgerError::Damaged(
            "the latencies differ in the two copies".to_owned(),
        ));
    }
    Ok(rows)
}

fn first_difference(one: &[StoredRow], other: &[StoredRow]) -> Option<u32> {
    let longer = if one.len() >= other.len() { one } else { other };
    let differs = longer
        .iter()
        .enumerate()
        .find(|(index, _)| one.get(*index) != other.get(*index));
    differs.map(|(_, row)| row.row)
}
