//! File locks: one process per run, and one `send` per campaign. The system releases them when their
//! process dies.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::io::Errno;
use rustix::process::{Flock, FlockOffsetType, FlockType, fcntl_getlk};

use super::folder::{plain, runs_of};
use super::{Folder, FolderError};
use crate::campaign::{Campaign, RUNS};
use crate::ledger::{Run, Target};

/// Held until this is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    // POSIX releases a process's lock when it closes any handle of the file, so nothing else may open it.
    files: Vec<File>,
}

/// `holder` is the other process, if the system says which.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    #[error("{} is in use{}", folder.display(), by(*holder))]
    RunInUse {
        folder: PathBuf,
        holder: Option<i32>,
    },
    /// `folder` is that of the other process's run, if it has one yet.
    #[error("the campaign {name} is being sent{}{}", by(*holder), folder.as_ref().map_or_else(String::new, |folder| format!(", in the run {}", folder.display())))]
    CampaignInUse {
        name: String,
        holder: Option<i32>,
        folder: Option<PathBuf>,
    },
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error("can't lock {}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
}

fn by(holder: Option<i32>) -> String {
    holder.map_or_else(String::new, |pid| format!(" by process {pid}"))
}

impl Lock {
    /// Locks a run for this process.
    ///
    /// # Errors
    /// Another process works on the run.
    pub(crate) fn run(folder: &Folder) -> Result<Self, LockError> {
        let path = folder.lock();
        let file = open(&path)?;
        if lock(&file, &path, FlockOperation::NonBlockingLockExclusive)? {
            Ok(Self { files: vec![file] })
        } else {
            Err(LockError::RunInUse {
                folder: folder.path().to_owned(),
                holder: holder_of(&file),
            })
        }
    }

    /// Locks a campaign for a real `send`, from the check of its earlier runs to its end: two at a time
    /// would both find that nobody has got the message. Returns `None` if the campaign's folder can't
    /// hold `runs` and the run is `elsewhere`; then there are no earlier runs either.
    ///
    /// # Errors
    /// Another process sends the campaign or resumes one of its runs, or `runs` can't be created.
    pub(crate) fn campaign_for_send(
        campaign: &Campaign,
        elsewhere: bool,
    ) -> Result<Option<Self>, LockError> {
        match runs_of(&campaign.dir) {
            Ok(runs) => {
                let exclusive = FlockOperation::NonBlockingLockExclusive;
                lock_campaign(&runs, &campaign.name, exclusive).map(Some)
            }
            Err(_) if elsewhere => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Prevents a `send` of the campaign while one of its real runs is resumed. Several runs can be
    /// resumed at a time, because each has its own rows.
    ///
    /// # Errors
    /// Another process sends the campaign.
    pub(crate) fn campaign_for_resume(
        folder: &Folder,
        run: &Run,
    ) -> Result<Option<Self>, LockError> {
        let beside = folder.path().parent().filter(|dir| dir.ends_with(RUNS));
        let runs = beside.map_or_else(|| run.campaign.join(RUNS), Path::to_owned);
        if run.target != Target::Real || !runs.is_dir() {
            return Ok(None);
        }
        let lock = lock_campaign(&runs, &run.name, FlockOperation::NonBlockingLockShared)?;
        lock.write_run(folder);
        Ok(Some(lock))
    }

    /// Writes into the lock file which run it is held for, for the errors of other processes.
    pub(crate) fn write_run(&self, folder: &Folder) {
        for mut file in &self.files {
            let path = folder.path().canonicalize();
            let path = path.as_deref().unwrap_or(folder.path());
            let text = format!("{}\n{}\n", std::process::id(), path.display());
            // The errors are useful without it.
            let _ = file
                .set_len(0)
                .and_then(|()| file.seek(SeekFrom::Start(0)))
                .and_then(|_| file.write_all(text.as_bytes()));
        }
    }

    /// Holds both locks together.
    #[must_use]
    pub(crate) fn and(mut self, other: Option<Self>) -> Self {
        self.files
            .extend(other.into_iter().flat_map(|other| other.files));
        self
    }

    /// The process that works on a run. Locks nothing.
    pub(crate) fn holder(folder: &Folder) -> Option<i32> {
        File::open(folder.lock())
            .ok()
            .and_then(|file| holder_of(&file))
    }
}

fn lock_campaign(runs: &Path, name: &str, operation: FlockOperation) -> Result<Lock, LockError> {
    let path = runs.join(format!("{}.lock", plain(name)));
    let file = open(&path)?;
    if lock(&file, &path, operation)? {
        return Ok(Lock { files: vec![file] });
    }
    let holder = holder_of(&file);
    Err(LockError::CampaignInUse {
        name: name.to_owned(),
        folder: holder.and_then(|holder| run_of_holder(file, holder)),
        holder,
    })
}

/// The folder that the holder of a lock wrote into it.
fn run_of_holder(mut file: File, holder: i32) -> Option<PathBuf> {
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

/// Returns whether the lock was free.
fn lock(file: &File, path: &Path, operation: FlockOperation) -> Result<bool, LockError> {
    match fcntl_lock(file, operation) {
        Ok(()) => Ok(true),
        Err(Errno::AGAIN | Errno::ACCESS) => Ok(false),
        Err(error) => Err(LockError::Io {
            path: path.to_owned(),
            error: error.into(),
        }),
    }
}

/// A process that holds a lock of any kind.
fn holder_of(file: &File) -> Option<i32> {
    let any = Flock {
        start: 0,
        length: 0,
        pid: None,
        typ: FlockType::WriteLock,
        offset_type: FlockOffsetType::Set,
    };
    fcntl_getlk(file, &any)
        .ok()?
        .and_then(|lock| lock.pid)
        .map(|pid| pid.as_raw_nonzero().get())
}
