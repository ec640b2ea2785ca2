//! Locks on files, which the system drops when their holder dies, however it dies: one process a
//! run, and one `send` a campaign.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::io::Errno;
use rustix::process::{Flock, FlockOffsetType, FlockType, fcntl_getlk};

use super::folder::{RUNS, plain, runs_of};
use super::{Folder, FolderError};
use crate::campaign::Campaign;
use crate::ledger::{Run, Target};

/// A lock, held until this is dropped.
#[derive(Debug)]
pub struct Lock {
    // POSIX drops a process's lock when it closes the file: nothing else may open it here.
    files: Vec<File>,
}

/// Why something can't be worked on.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process works on the run.
    #[error("{} is being worked on{}", folder.display(), by(*holder))]
    Held {
        /// The run's folder.
        folder: PathBuf,
        /// The process, if the system says which.
        holder: Option<i32>,
    },
    /// Another process sends the campaign.
    #[error("the campaign {name} is being sent{}{}", by(*holder), folder.as_ref().map_or_else(String::new, |folder| format!(", in the run {}", folder.display())))]
    Sending {
        /// The campaign's name.
        name: String,
        /// The process, if the system says which.
        holder: Option<i32>,
        /// The folder of its run, if it has one yet.
        folder: Option<PathBuf>,
    },
    /// There can be no `runs`.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The file can't be opened or locked.
    #[error("can't lock {}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

fn by(holder: Option<i32>) -> String {
    holder.map_or_else(String::new, |pid| format!(" by the process {pid}"))
}

impl Lock {
    /// Takes the lock of a run.
    ///
    /// # Errors
    /// When another process has it.
    pub fn take(folder: &Folder) -> Result<Self, LockError> {
        let path = folder.lock();
        let file = open(&path)?;
        if lock(&file, &path, FlockOperation::NonBlockingLockExclusive)? {
            Ok(Self { files: vec![file] })
        } else {
            Err(LockError::Held {
                folder: folder.path().to_owned(),
                holder: holder_of(&file),
            })
        }
    }

    /// Takes the right to send a campaign for real, from the look at its earlier runs to the end of
    /// the sending: two that look at the same time would both find nobody who has got it. Nothing
    /// for a run `elsewhere`, where the campaign's folder takes no `runs`; then there are no runs to
    /// look at either.
    ///
    /// # Errors
    /// When another process sends the campaign, or goes on with one of its runs; or when there can be
    /// no `runs`.
    pub fn send(campaign: &Campaign, elsewhere: bool) -> Result<Option<Self>, LockError> {
        match runs_of(&campaign.dir) {
            Ok(runs) => {
                let exclusive = FlockOperation::NonBlockingLockExclusive;
                sending(&runs, &campaign.name, exclusive).map(Some)
            }
            Err(_) if elsewhere => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Keeps the campaign of a real run from being sent while the run is worked on. Several runs of
    /// a campaign may be worked on at a time: each has rows of its own.
    ///
    /// # Errors
    /// When another process sends the campaign.
    pub fn go_on(folder: &Folder, run: &Run) -> Result<Option<Self>, LockError> {
        let beside = folder.path().parent().filter(|dir| dir.ends_with(RUNS));
        let runs = beside.map_or_else(|| run.campaign.join(RUNS), Path::to_owned);
        if run.target != Target::Real || !runs.is_dir() {
            return Ok(None);
        }
        let lock = sending(&runs, &run.name, FlockOperation::NonBlockingLockShared)?;
        lock.note(folder);
        Ok(Some(lock))
    }

    /// Tells those who want the lock as well which run it is held for.
    pub fn note(&self, folder: &Folder) {
        for mut file in &self.files {
            let path = folder.path().canonicalize();
            let path = path.as_deref().unwrap_or(folder.path());
            let text = format!("{}\n{}\n", std::process::id(), path.display());
            // It is told in an error of others alone; they can do without.
            let _ = file
                .set_len(0)
                .and_then(|()| file.seek(SeekFrom::Start(0)))
                .and_then(|_| file.write_all(text.as_bytes()));
        }
    }

    /// Both locks, held together.
    #[must_use]
    pub fn and(mut self, other: Option<Self>) -> Self {
        self.files
            .extend(other.into_iter().flat_map(|other| other.files));
        self
    }

    /// The process that works on a run, if one does. Nothing is locked by asking.
    pub fn holder(folder: &Folder) -> Option<i32> {
        File::open(folder.lock())
            .ok()
            .and_then(|file| holder_of(&file))
    }
}

fn sending(runs: &Path, name: &str, how: FlockOperation) -> Result<Lock, LockError> {
    let path = runs.join(format!("{}.lock", plain(name)));
    let file = open(&path)?;
    if lock(&file, &path, how)? {
        return Ok(Lock { files: vec![file] });
    }
    let holder = holder_of(&file);
    Err(LockError::Sending {
        name: name.to_owned(),
        folder: holder.and_then(|holder| noted(file, holder)),
        holder,
    })
}

/// The run's folder that the holder of a lock has noted.
fn noted(mut file: File, holder: i32) -> Option<PathBuf> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    let (pid, folder) = text.strip_suffix('\n')?.split_once('\n')?;
    (pid == holder.to_string()).then(|| PathBuf::from(folder))
}

fn open(path: &Path) -> Result<File, LockError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.open(path).map_err(|error| LockError::Io {
        path: path.to_owned(),
        error,
    })
}

/// Whether the lock could be taken.
fn lock(file: &File, path: &Path, how: FlockOperation) -> Result<bool, LockError> {
    match fcntl_lock(file, how) {
        Ok(()) => Ok(true),
        Err(Errno::AGAIN | Errno::ACCESS) => Ok(false),
        Err(error) => Err(LockError::Io {
            path: path.to_owned(),
            error: error.into(),
        }),
    }
}

/// A process whose lock keeps others from an exclusive one.
fn holder_of(file: &File) -> Option<i32> {
    let whole = Flock {
        start: 0,
        length: 0,
        pid: None,
        typ: FlockType::WriteLock,
        offset_type: FlockOffsetType::Set,
    };
    fcntl_getlk(file, &whole)
        .ok()?
        .and_then(|lock| lock.pid)
        .map(rustix::process::Pid::as_raw_nonzero)
        .map(Into::into)
}
