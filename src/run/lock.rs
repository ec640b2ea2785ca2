//! One process a run: a lock on a file in the run's folder, which the system drops when its holder
//! dies, however it dies.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::PathBuf;

use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::io::Errno;
use rustix::process::{Flock, FlockOffsetType, FlockType, fcntl_getlk};

use super::Folder;

/// The lock of a run's folder, held until this is dropped.
#[derive(Debug)]
pub struct Lock {
    // POSIX drops a process's lock when it closes the file: nothing else may open it here.
    _file: File,
}

/// Why a run can't be worked on.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process works on it.
    #[error("{} is being worked on{}", folder.display(), holder.map_or_else(String::new, |pid| format!(" by the process {pid}")))]
    Held {
        /// The run's folder.
        folder: PathBuf,
        /// The process, if the system says which.
        holder: Option<i32>,
    },
    /// The file can't be opened or locked.
    #[error("can't lock {}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl Lock {
    /// Takes the lock.
    ///
    /// # Errors
    /// When another process has it.
    pub fn take(folder: &Folder) -> Result<Self, LockError> {
        let path = folder.lock();
        let io = |error| LockError::Io {
            path: folder.lock(),
            error,
        };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(io)?;
        match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _file: file }),
            Err(Errno::AGAIN | Errno::ACCESS) => Err(LockError::Held {
                folder: folder.path().to_owned(),
                holder: holder_of(&file),
            }),
            Err(error) => Err(io(error.into())),
        }
    }

    /// The process that works on a run, if one does. Nothing is locked by asking.
    pub fn holder(folder: &Folder) -> Option<i32> {
        File::open(folder.lock())
            .ok()
            .and_then(|file| holder_of(&file))
    }
}

fn holder_of(file: &File) -> Option<i32> {
    let whole = Flock {
        start: 0,
        length: 0,
        pid: None,
        typ: FlockType::ReadLock,
        offset_type: FlockOffsetType::Set,
    };
    fcntl_getlk(file, &whole)
        .ok()?
        .and_then(|lock| lock.pid)
        .map(rustix::process::Pid::as_raw_nonzero)
        .map(Into::into)
}
