//! A run's folder: `<campaign>/runs/<UTC time>-<name>-<4 random letters>/`.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rand::{Rng, RngExt};

use crate::campaign::{Campaign, FILE_NAME};
use crate::ledger;

/// The folder of a campaign's runs.
pub(super) const RUNS: &str = "runs";

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

    /// The run at `path`: a run's folder, or a campaign, of which it is the newest run. What a process
    /// left that died while it planned is no run, unless there is no other.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(path: &Path) -> Result<Self, FolderError> {
        if ledger::path_in(path).is_file() {
            return Ok(Self(path.to_owned()));
        }
        let campaign = if path.file_name().is_some_and(|name| name == FILE_NAME) {
            path.parent()
        } else {
            Some(path)
        };
        let campaign = campaign.filter(|dir| dir.join(FILE_NAME).is_file());
        let campaign = campaign.ok_or_else(|| FolderError::NoRun(path.to_owned()))?;
        let runs = all(&campaign.join(RUNS));
        let is_run = |folder: &&Self| !folder.is_unplanned().unwrap_or(false);
        let newest = runs.iter().rfind(is_run).or(runs.last()).cloned();
        newest.ok_or_else(|| FolderError::NoRuns(campaign.to_owned()))
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
        self.0.join("lock")
    }

    /// Removes it with all that is in it. Only a run that has sent nothing may go.
    pub fn remove(&self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, folder = %self.0.display(), "the run's folder could not be removed");
        }
    }
}

/// The runs in a `runs` folder, oldest first.
fn all(runs: &Path) -> Vec<Folder> {
    let mut folders: Vec<PathBuf> = fs::read_dir(runs)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| ledger::path_in(path).is_file())
        .collect();
    folders.sort();
    folders.into_iter().map(Folder).collect()
}

/// The campaign's `runs`, which hold recipients' data: for the user alone, and never in git.
pub(super) fn runs_of(campaign: &Path) -> Result<PathBuf, FolderError> {
    let runs = campaign.join(RUNS);
    if !runs.is_dir() {
        make(&runs)?;
        let ignore = runs.join(".gitignore");
        fs::write(&ignore, "*\n").map_err(|error| FolderError::NotMade {
            path: ignore,
            error,
        })?;
    }
    Ok(runs)
}

fn make(path: &Path) -> Result<(), FolderError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| FolderError::NotMade {
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
