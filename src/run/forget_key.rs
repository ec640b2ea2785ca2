//! The key of the hashes that stand for forgotten addresses: `forget.key` in the campaign's `runs`, which is made once and
//! never changed. A copy of a run from a database may have keys of its own.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::Folder;
use super::folder::FORGET_KEY as FILE;
use crate::campaign::RUNS;
use crate::durable::sync_dir;
use crate::ledger::{ForgetKey, ForgetKeys};

const COMMENT: &str = "\
# With this key, mailrun tells that a person who was forgotten got a message. Keep it with the runs, and never change it.
";

/// The keys that a run's hashes may be made with. `campaign` is the campaign's folder.
///
/// # Errors
/// The file that can't be read, and why.
pub(crate) fn forget_keys(
    folder: &Folder,
    campaign: &Path,
) -> Result<ForgetKeys, (PathBuf, io::Error)> {
    let mut keys = ForgetKeys::default();
    let of_campaign = campaign.join(RUNS);
    let own = folder.path().to_owned();
    for dir in beside(folder).into_iter().chain([of_campaign, own]) {
        read(&dir.join(FILE), &mut keys)?;
    }
    Ok(keys)
}

/// The key that new hashes of a run are made with. The first time, it is made itself, durably.
///
/// # Errors
/// The file that can't be read or written, and why.
pub(crate) fn key_for_forgetting(
    folder: &Folder,
    campaign: &Path,
) -> Result<ForgetKey, (PathBuf, io::Error)> {
    let of_campaign = Some(campaign.join(RUNS)).filter(|runs| runs.is_dir());
    let dir = beside(folder).or(of_campaign);
    let dir = dir.unwrap_or_else(|| folder.path().to_owned());
    let path = dir.join(FILE);
    if !path.exists() {
        let mut new = ForgetKeys::default();
        new.add(ForgetKey::random());
        match write(&path, &new) {
            // Another process was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            written => written.map_err(|error| (path.clone(), error))?,
        }
    }
    let mut keys = ForgetKeys::default();
    read(&path, &mut keys)?;
    let key = keys.first().cloned();
    key.ok_or_else(|| (path, io::Error::other("it has no key")))
}

/// Writes the keys of a run that is copied into this folder.
///
/// # Errors
/// If the file can't be written.
pub(crate) fn write_forget_keys(folder: &Folder, keys: &ForgetKeys) -> io::Result<()> {
    match keys.first() {
        Some(_) => write(&folder.path().join(FILE), keys),
        None => Ok(()),
    }
}

/// The folder `runs` that the run is in.
fn beside(folder: &Folder) -> Option<PathBuf> {
    let path = folder.path().canonicalize().ok()?;
    let parent = path.parent().filter(|dir| dir.ends_with(RUNS));
    parent.map(Path::to_owned)
}

fn read(path: &Path, keys: &mut ForgetKeys) -> Result<(), (PathBuf, io::Error)> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        text => text.map_err(|error| (path.to_owned(), error))?,
    };
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    for line in lines {
        let damaged = || (path.to_owned(), io::Error::other("it is damaged"));
        keys.add(ForgetKey::parse(line.trim()).ok_or_else(damaged)?);
    }
    Ok(())
}

/// Never overwrites a file. Only the user can read it.
fn write(path: &Path, keys: &ForgetKeys) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".forget-")
        .tempfile_in(dir)?;
    file.write_all(COMMENT.as_bytes())?;
    for key in keys.iter() {
        writeln!(file, "{}", key.to_hex())?;
    }
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    sync_dir(dir)
}
