//! Puts a run that was planned in a folder into a database, with all its files.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::failure::Failure;
use crate::ledger::postgres::{Database, NewRun, PostgresLedger, add_forget_key, add_run};
use crate::ledger::sqlite::SqliteLedger;
use crate::ledger::{Ledger as _, LedgerError, Run};
use crate::message::inside;
use crate::run::{Folder, forget_keys};

/// The most bytes of attachments of single rows.
const MAX_ATTACHMENTS: u64 = 64 << 20;
/// How many rows are read at once.
const PAGE: u32 = 10_000;

/// What is uploaded.
pub(super) struct Upload<'a> {
    /// That of the run in the database.
    pub(super) name: &'a str,
    pub(super) run: &'a Run,
    /// Where it was planned.
    pub(super) folder: &'a Folder,
    /// The folder with the attachments of single rows.
    pub(super) own_dir: &'a Path,
    /// Where the run continues for now, if it is a copy.
    pub(super) moved_to: Option<&'a str>,
    /// The real runs of the campaign in the database that the plan takes into account.
    pub(super) known: &'a [i64],
}

/// # Errors
/// A file can't be read, the attachments are too large, or the database can't be written.
pub(super) fn upload(
    database: &Arc<Database>,
    upload: &Upload<'_>,
) -> Result<PostgresLedger, Failure> {
    let planned = SqliteLedger::open(&upload.folder.ledger())?;
    let keys = forget_keys(upload.folder, &upload.run.campaign)?;
    for name in planned.forget_key_names()? {
        add_forget_key(database, keys.get(&name)?)?;
    }
    let mut files = Vec::new();
    add_tree(&upload.folder.frozen(), Path::new(""), &mut files)?;
    add_attachments(&planned, upload.own_dir, &mut files)?;
    let new = NewRun {
        name: upload.name,
        run: upload.run,
        planned: &planned,
        files: &files,
        verp_key: upload.folder.verp_key().ok(),
        moved_to: upload.moved_to,
        known: upload.known,
    };
    Ok(add_run(database, &new)?)
}

/// Adds all files below `root`/`dir`.
fn add_tree(
    root: &Path,
    dir: &Path,
    files: &mut Vec<(String, Vec<u8>)>,
) -> Result<(), (PathBuf, io::Error)> {
    let path = root.join(dir);
    let failed = |error| (path.clone(), error);
    for entry in fs::read_dir(&path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let inner = dir.join(entry.file_name());
        if entry.file_type().map_err(failed)?.is_dir() {
            add_tree(root, &inner, files)?;
        } else {
            let content = fs::read(entry.path()).map_err(|error| (entry.path(), error))?;
            files.push((inner.to_string_lossy().into_owned(), content));
        }
    }
    Ok(())
}

/// Adds the attachments of single rows.
fn add_attachments(
    planned: &SqliteLedger,
    campaign_dir: &Path,
    files: &mut Vec<(String, Vec<u8>)>,
) -> Result<(), Failure> {
    let mut paths = BTreeSet::new();
    let (last, mut after) = (planned.last_row()?, 0);
    while after < last {
        let page = planned.stored_attachments(after, PAGE)?;
        paths.extend(page.into_iter().map(|one| one.recorded.path));
        after = after.saturating_add(PAGE);
    }
    for (path, _) in files.iter() {
        paths.remove(Path::new(path));
    }
    let mut size = 0;
    for path in paths {
        let content = inside(campaign_dir, &path)
            .map_err(io::Error::other)
            .and_then(fs::read)
            .map_err(|error| (campaign_dir.join(&path), error))?;
        size += content.len() as u64;
        if size > MAX_ATTACHMENTS {
            return Err(Failure::with_help(
                "attachments",
                format!(
                    "the attachments of single rows have more than {} MiB, which is too much for a ledger in a database",
                    MAX_ATTACHMENTS >> 20
                ),
                "send smaller files or links to them, or send from one machine, without [ledger]",
            ));
        }
        let path = path
            .to_str()
            .ok_or_else(|| LedgerError::Damaged(format!("{} is not UTF-8", path.display())))?;
        files.push((path.to_owned(), content));
    }
    Ok(())
}
