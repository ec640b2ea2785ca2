//! SIGINT and SIGTERM: the first lets what is in flight end, the second ends at once. Before the
//! first request the first ends at once too, and leaves no run.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::failure::Failure;
use crate::exit_code::ExitCode;
use crate::run::Folder;

/// The runtime that everything asynchronous is on, with the signals watched.
pub(super) struct Interrupt {
    pub(super) runtime: Runtime,
    /// True once the user wants an end.
    pub(super) interrupted: watch::Receiver<bool>,
    unfinished: Arc<Mutex<Option<Folder>>>,
}

impl Interrupt {
    /// Watches from now on.
    ///
    /// # Errors
    /// When the system gives no threads or no signals.
    pub(super) fn watch() -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::new("io", format!("can't start: {error}"));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        let entered = runtime.enter();
        let mut int = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut term = signal(SignalKind::terminate()).map_err(failed)?;
        let (interrupt, interrupted) = watch::channel(false);
        let unfinished = Arc::new(Mutex::new(None));
        let folder = Arc::clone(&unfinished);
        runtime.spawn(async move {
            loop {
                tokio::select! { _ = int.recv() => {}, _ = term.recv() => {} }
                signalled(&interrupt, &folder);
            }
        });
        drop(entered);
        Ok(Self {
            runtime,
            interrupted,
            unfinished,
        })
    }

    /// Makes the run's folder, which an interrupt is to remove. One that comes meanwhile waits, so that
    /// it finds the folder; after one that came before this does not return.
    ///
    /// # Errors
    /// What `make` says.
    pub(super) fn making<E>(&self, make: impl FnOnce() -> Result<Folder, E>) -> Result<Folder, E> {
        let mut unfinished = lock(&self.unfinished);
        let folder = make()?;
        if *self.interrupted.borrow() {
            leave_no_run(&folder);
        }
        *unfinished = Some(folder.clone());
        Ok(folder)
    }

    /// From now on an interrupt leaves the run's folder. This does not return when one is about to
    /// remove it.
    pub(super) fn planned(&self) {
        *lock(&self.unfinished) = None;
    }
}

fn lock(unfinished: &Mutex<Option<Folder>>) -> MutexGuard<'_, Option<Folder>> {
    unfinished.lock().unwrap_or_else(PoisonError::into_inner)
}

fn leave_no_run(folder: &Folder) -> ! {
    folder.remove();
    eprintln!("Interrupted: nothing was sent.");
    std::process::exit(ExitCode::Interrupted as i32);
}

fn signalled(interrupt: &watch::Sender<bool>, unfinished: &Mutex<Option<Folder>>) {
    // Held to the end: what is planned meanwhile neither goes on nor tells of files that are gone.
    let unfinished = lock(unfinished);
    if let Some(folder) = unfinished.as_ref() {
        leave_no_run(folder);
    }
    if interrupt.send_replace(true) {
        eprintln!("Stopped at once: what was in flight is unknown. `mailrun resume` goes on.");
        std::process::exit(ExitCode::Interrupted as i32);
    }
    eprintln!("Interrupted: waiting for what is in flight. Once more stops at once.");
}
