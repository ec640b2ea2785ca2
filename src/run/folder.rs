//! A run's folder: `<campaign>/runs/<UTC time>-<name>-<4 random letters>/`.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rand::{Rng, RngExt};

use crate::campaign::{Campaign, FILE_NAME, RUNS};
use crate::durable::{make_dir, sync_dir};
use crate::ledger::sqlite;

const LOCK: &str = "lock";
/// How often it tries to remove a folder into which something is still written.
const MAX_REMOVALS: u32 = 200;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Folder(PathBuf);

#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    #[error("can't create the run's folder {}: {error}", path.display())]
    NotCreated { path: PathBuf, error: io::Error },
    #[error("{} exists and is not empty", .0.display())]
    NotEmpty(PathBuf),
    #[error("the run in {} was copied to the ledger as {to}, and continues there", path.display())]
    Moved { path: PathBuf, to: String },
    #[error("{} is neither a run nor a campaign", .0.display())]
    NoRun(PathBuf),
    #[error("the campaign {} has no runs", .0.display())]
    NoRuns(PathBuf),
}

impl Folder {
    /// Creates the folder of a run of `campaign`: at `path` if that is given, otherwise in the
    /// campaign's `runs`.
    ///
    /// # Errors
    /// The folder can't be created, or `path` is not empty.
    pub(crate) fn create(
        campaign: &Campaign,
        path: Option<&Path>,
        now: Timestamp,
        rng: &mut dyn Rng,
    ) -> Result<Self, FolderError> {
        let path = match path {
            Some(path) => path.to_owned(),
            None => runs_of(&campaign.dir)?.join(name(&campaign.name, now, rng)),
        };
        // If a ledger there can't be read, the folder is not empty.
        let _ = Self(path.clone()).remove_unplanned();
        if fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(FolderError::NotEmpty(path));
        }
        create(&path).map(|()| Self(path))
    }

    /// Creates a folder for a run at `path`.
    ///
    /// # Errors
    /// It can't be created, or is not empty.
    pub(crate) fn create_at(path: &Path) -> Result<Self, FolderError> {
        // If a ledger there can't be read, the folder is not empty.
        let _ = Self(path.to_owned()).remove_unplanned();
        if fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(FolderError::NotEmpty(path.to_owned()));
        }
        create(path).map(|()| Self(path.to_owned()))
    }

    /// The run at `path`. If that is a campaign, its newest run.
    ///
    /// # Errors
    /// There is no run.
    pub(crate) fn find(path: &Path) -> Result<Self, FolderError> {
        if is_run(path) {
            return Ok(Self(path.to_owned()));
        }
        let campaign = campaign_dir(path);
        let campaign = campaign.ok_or_else(|| FolderError::NoRun(path.to_owned()))?;
        let newest = all(&campaign.join(RUNS)).into_iter().next_back();
        newest.ok_or_else(|| FolderError::NoRuns(campaign.to_owned()))
    }

    /// The run at `path`. If that is a campaign, its newest run with an outbox, or its newest run.
    ///
    /// # Errors
    /// There is no run.
    pub(crate) fn find_with_outbox(path: &Path) -> Result<Self, FolderError> {
        let newest = Self::find(path)?;
        if is_run(path) {
            return Ok(newest);
        }
        let runs = newest.0.parent().map(all).unwrap_or_default();
        let local = runs.into_iter().rev().find(|run| run.outbox().is_dir());
        Ok(local.unwrap_or(newest))
    }

    /// All runs of a campaign, oldest first. `path` may be its `campaign.toml`.
    pub(crate) fn all_of(path: &Path) -> Vec<Self> {
        campaign_dir(path).map_or_else(Vec::new, |campaign| all(&campaign.join(RUNS)))
    }

    /// A name for a run of a campaign.
    pub(crate) fn new_name(campaign: &str, now: Timestamp, rng: &mut dyn Rng) -> String {
        name(campaign, now, rng)
    }

    /// Whether a run was begun at `path`.
    pub(crate) fn is_run(path: &Path) -> bool {
        is_run(path)
    }

    /// Whether `path` is a campaign folder, or its `campaign.toml`.
    pub(crate) fn is_campaign(path: &Path) -> bool {
        campaign_dir(path).is_some()
    }

    pub(crate) fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        sqlite::path_in(&self.0)
    }

    pub(crate) fn results(&self) -> PathBuf {
        self.0.join("results.csv")
    }

    /// The files besides the ledger, its lock and `frozen` that are written before the plan is complete.
    pub(super) fn planning_files(&self) -> [PathBuf; 3] {
        [VERP_KEY, COPIED, FORGET_KEY].map(|name| self.0.join(name))
    }

    /// The copy of the campaign that was made when the run was planned.
    pub(crate) fn frozen(&self) -> PathBuf {
        self.0.join("frozen")
    }

    /// Makes the key that signs the return paths of the run.
    ///
    /// # Errors
    /// If the file can't be written.
    pub(crate) fn make_verp_key(&self) -> io::Result<[u8; 32]> {
        let key: [u8; 32] = rand::random();
        self.write_verp_key(&key)?;
        Ok(key)
    }

    /// # Errors
    /// If the file can't be written.
    pub(crate) fn write_verp_key(&self, key: &[u8; 32]) -> io::Result<()> {
        write_durably(&self.0.join(VERP_KEY), key)
    }

    /// Notes that the run was copied from a ledger, under this name there. All its files are in `frozen`.
    ///
    /// # Errors
    /// If the file can't be written.
    pub(crate) fn mark_copy(&self, name: &str) -> io::Result<()> {
        write_durably(&self.0.join(COPIED), name.as_bytes())
    }

    /// Whether the run was copied from a ledger.
    pub(crate) fn is_copy(&self) -> bool {
        self.0.join(COPIED).exists()
    }

    /// Notes where the run continues: this copy of it must not be sent.
    ///
    /// # Errors
    /// If the file can't be written.
    pub(crate) fn mark_moved(&self, to: &str) -> io::Result<()> {
        write_durably(&self.0.join(MOVED), to.as_bytes())
    }

    /// Where the run continues, if this copy of it must not be sent.
    pub(crate) fn moved_to(&self) -> Option<String> {
        fs::read_to_string(self.0.join(MOVED)).ok()
    }

    /// # Errors
    /// The run continues elsewhere.
    pub(crate) fn refuse_if_moved(&self) -> Result<(), FolderError> {
        match self.moved_to() {
            Some(to) => Err(FolderError::Moved {
                path: self.0.clone(),
                to,
            }),
            None => Ok(()),
        }
    }

    /// The key that signs the return paths of the run.
    ///
    /// # Errors
    /// If it can't be read.
    pub(crate) fn verp_key(&self) -> io::Result<[u8; 32]> {
        let key = fs::read(self.0.join(VERP_KEY))?;
        key.try_into()
            .map_err(|_| io::Error::other(format!("{VERP_KEY} is damaged")))
    }

    /// The messages of a local run.
    pub(crate) fn outbox(&self) -> PathBuf {
        self.0.join("outbox")
    }

    /// The file that is locked while a process works on the run.
    pub(crate) fn lock(&self) -> PathBuf {
        self.0.join(LOCK)
    }

    /// Removes the folder with its content, even while another thread still plans in it. Must not be
    /// called for a run that has sent something.
    pub(crate) fn remove(&self) {
        for removal in 1.. {
            match fs::remove_dir_all(&self.0) {
                Ok(()) => return,
                Err(error) if error.kind() == io::ErrorKind::NotFound && !self.0.exists() => return,
                Err(error) if removal == MAX_REMOVALS => {
                    tracing::warn!(%error, folder = %self.0.display(), "can't remove the run's folder");
                    return;
                }
                // Something was written into it after it had been emptied.
                Err(_) => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }
}

/// The file that says which run in a ledger this is a copy of.
const COPIED: &str = "copied";
/// The file that says where the run continues.
const MOVED: &str = "moved";
/// The file with the keys of the hashes in a copy.
pub(super) const FORGET_KEY: &str = "forget.key";
/// The file with the key of `{{ verp }}`.
const VERP_KEY: &str = "verp.key";

/// The folder of the campaign at `path`, which may be its `campaign.toml`.
fn campaign_dir(path: &Path) -> Option<&Path> {
    let dir = match path.file_name() {
        Some(name) if name == FILE_NAME => path.parent(),
        _ => Some(path),
    };
    dir.filter(|dir| dir.join(FILE_NAME).is_file())
}

/// Whether a run was begun here. This includes a run that ended before it had a ledger: `resume` has
/// to report it, and must not choose an older run.
fn is_run(path: &Path) -> bool {
    sqlite::path_in(path).is_file() || path.join(LOCK).is_file()
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

/// The folder of the campaign's runs. It holds recipients' data, so only the user can read it, and git
/// ignores it.
pub(super) fn runs_of(campaign: &Path) -> Result<PathBuf, FolderError> {
    let runs = campaign.join(RUNS);
    create(&runs)?;
    let ignore = runs.join(".gitignore");
    // Checked every time: it is missing or empty if the disk was full.
    if fs::metadata(&ignore).map_or(0, |file| file.len()) == 0 {
        write_durably(&ignore, b"*\n").map_err(|error| FolderError::NotCreated {
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

fn create(path: &Path) -> Result<(), FolderError> {
    make_dir(path).map_err(|error| FolderError::NotCreated {
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

/// The campaign's name as part of a file name.
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
