//! A run's folder: `<campaign>/runs/<UTC time>-<name>-<4 random letters>/`.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rand::{Rng, RngExt};

use crate::campaign::{Campaign, FILE_NAME};
use crate::durable::{make_dir, sync_dir};
use crate::ledger;

/// The folder of a campaign's runs.
pub(super) const RUNS: &str = "runs";
/// The file in a run's folder that is locked.
const LOCK: &str = "lock";
/// How often the removal of a folder is tried while something is still written into it.
const REMOVALS: u32 = 200;

/// A run's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder(PathBuf);

/// Why there is no folder.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It can't be made.
    #[error("can't make the run's folder {}: {error}", path.display())]
    NotMade {
        /// Where.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// There is something already.
    #[error("{} is there already, and is not empty", .0.display())]
    NotEmpty(PathBuf),
    /// There is neither a run nor a campaign.
    #[error("{} is neither a run's folder nor a campaign", .0.display())]
    NoRun(PathBuf),
    /// The campaign has not been sent.
    #[error("the campaign {} has no runs", .0.display())]
    NoRuns(PathBuf),
}

impl Folder {
    /// Makes a folder for a run of `campaign`, or at `wanted` if that is given.
    ///
    /// # Errors
    /// When it can't be made, or when `wanted` has something in it.
    pub fn create(
        campaign: &Campaign,
        wanted: Option<&Path>,
        now: Timestamp,
        rng: &mut dyn Rng,
    ) -> Result<Self, FolderError> {
        let path = match wanted {
            Some(path) => path.to_owned(),
            None => runs_of(&campaign.dir)?.join(name(&campaign.name, now, rng)),
        };
        // A ledger there that can't be read makes the folder one that is not empty.
        let _ = Self(path.clone()).remove_unplanned();
        if fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(FolderError::NotEmpty(path));
        }
        make(&path).map(|()| Self(path))
    }

    /// The run at `path`: a run's folder, or a campaign, of which it is the newest run.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(path: &Path) -> Result<Self, FolderError> {
        if is_run(path) {
            return Ok(Self(path.to_owned()));
        }
        let campaign = if path.file_name().is_some_and(|name| name == FILE_NAME) {
            path.parent()
        } else {
            Some(path)
        };
        let campaign = campaign.filter(|dir| dir.join(FILE_NAME).is_file());
        let campaign = campaign.ok_or_else(|| FolderError::NoRun(path.to_owned()))?;
        let newest = all(&campaign.join(RUNS)).into_iter().next_back();
        newest.ok_or_else(|| FolderError::NoRuns(campaign.to_owned()))
    }

    /// The same, but of a campaign the newest run that has an outbox, if one has.
    ///
    /// # Errors
    /// When there is none.
    pub fn find_with_outbox(path: &Path) -> Result<Self, FolderError> {
        let newest = Self::find(path)?;
        if is_run(path) {
            return Ok(newest);
        }
        let runs = newest.0.parent().map(all).unwrap_or_default();
        let local = runs.into_iter().rev().find(|run| run.outbox().is_dir());
        Ok(local.unwrap_or(newest))
    }

    /// A folder that exists.
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The ledger.
    pub fn ledger(&self) -> PathBuf {
        ledger::path_in(&self.0)
    }

    /// The results.
    pub fn results(&self) -> PathBuf {
        self.0.join("results.csv")
    }

    /// The campaign as it was when the run was planned.
    pub fn frozen(&self) -> PathBuf {
        self.0.join("frozen")
    }

    /// The messages of a local run.
    pub fn outbox(&self) -> PathBuf {
        self.0.join("outbox")
    }

    /// The file that is locked while the run is worked on.
    pub fn lock(&self) -> PathBuf {
        self.0.join(LOCK)
    }

    /// Removes it with all that is in it, also while another thread still plans in it. Only a run
    /// that has sent nothing may go.
    pub fn remove(&self) {
        for removal in 1.. {
            match fs::remove_dir_all(&self.0) {
                Ok(()) => return,
                Err(error) if error.kind() == io::ErrorKind::NotFound && !self.0.exists() => return,
                Err(error) if removal == REMOVALS => {
                    tracing::warn!(%error, folder = %self.0.display(), "the run's folder could not be removed");
                    return;
                }
                // Something was made in it after it had been emptied.
                Err(_) => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }
}

/// Whether a run was begun here. One that ended before it had a ledger is one too: who resumes it
/// is to be told so, and not to be given an older run.
fn is_run(path: &Path) -> bool {
    ledger::path_in(path).is_file() || path.join(LOCK).is_file()
}

/// The runs in a `runs` folder, oldest first.
fn all(runs: &Path) -> Vec<Folder> {
    let mut folders: Vec<PathBuf> = fs::read_dir(runs)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| is_run(path))
        .collect();
    folders.sort();
    folders.into_iter().map(Folder).collect()
}

/// The campaign's `runs`, which hold recipients' data: for the user alone, and never in git.
pub(super) fn runs_of(campaign: &Path) -> Result<PathBuf, FolderError> {
    let runs = campaign.join(RUNS);
    make(&runs)?;
    let ignore = runs.join(".gitignore");
    // Looked at every time: it may be missing since the disk was full.
    if fs::metadata(&ignore).map_or(0, |file| file.len()) == 0 {
        write_durably(&ignore, b"*\n").map_err(|error| FolderError::NotMade {
            path: ignore,
            error,
        })?;
    }
    Ok(runs)
}

fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    path.parent().map_or(Ok(()), sync_dir)
}

fn make(path: &Path) -> Result<(), FolderError> {
    make_dir(path).map_err(|error| FolderError::NotMade {
        path: path.to_owned(),
        error,
    })
}

fn name(campaign: &str, now: Timestamp, rng: &mut dyn Rng) -> String {
    let letters: String = (0..4)
        .map(|_| char::from(rng.random_range(b'a'..=b'z')))
        .collect();
    let campaign = plain(campaign);
    format!(
        "{}-{campaign}-{letters}",
        now.strftime("%Y%m%dT%H%M%S.%3fZ")
    )
}

/// A campaign's name as a part of a file's name.
pub(super) fn plain(campaign: &str) -> String {
    let plain = |c: char| {
        if c.is_alphanumeric() || "-_.".contains(c) {
            c
        } else {
            '-'
        }
    };
    campaign.trim().chars().map(plain).collect()
}
