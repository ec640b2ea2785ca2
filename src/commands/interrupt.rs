//! SIGINT and SIGTERM while a run is planned and sent.
//!
//! During sending, the first signal waits for requests in flight and the second exits at once. During
//! planning, the first one exits at once and removes the run folder.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::failure::Failure;
use super::output;
use super::screen;
use super::serve::{Signals, runtime};
use crate::exit_code::ExitCode;
use crate::run::Folder;

pub(super) struct Interrupt {
    pub(super) runtime: Runtime,
    /// Becomes true with the first signal.
    pub(super) interrupted: watch::Receiver<bool>,
    unplanned: Arc<Mutex<Option<Folder>>>,
}

impl Interrupt {
    /// Starts the runtime and handles signals from now on.
    ///
    /// # Errors
    /// If the system refuses threads or signal handlers.
    pub(super) fn watch() -> Result<Self, Failure> {
        let runtime = runtime()?;
        let mut signals = {
            let _entered = runtime.enter();
            Signals::watch()
                .map_err(|error| Failure::new("io", format!("can't handle signals: {error}")))?
        };
        let (interrupt, interrupted) = watch::channel(false);
        let unplanned = Arc::new(Mutex::new(None));
        let folder = Arc::clone(&unplanned);
        runtime.spawn(async move {
            loop {
                signals.next().await;
                handle_signal(&interrupt, &folder);
            }
        });
        Ok(Self {
            runtime,
            interrupted,
            unplanned,
        })
    }

    /// Creates a run folder that an interrupt removes. An interrupt during `create` waits, so that it
    /// finds the folder. Doesn't return after an interrupt.
    ///
    /// # Errors
    /// The error of `create`.
    pub(super) fn create_folder<E>(
        &self,
        create: impl FnOnce() -> Result<Folder, E>,
    ) -> Result<Folder, E> {
        let mut unplanned = lock(&self.unplanned);
        let folder = create()?;
        if *self.interrupted.borrow() {
            remove_and_exit(&folder);
        }
        *unplanned = Some(folder.clone());
        Ok(folder)
    }

    /// From now on, an interrupt keeps the run folder. Doesn't return if one is removing it.
    pub(super) fn keep_folder(&self) {
        *lock(&self.unplanned) = None;
    }
}

fn lock(unplanned: &Mutex<Option<Folder>>) -> MutexGuard<'_, Option<Folder>> {
    unplanned.lock().unwrap_or_else(PoisonError::into_inner)
}

fn remove_and_exit(folder: &Folder) -> ! {
    folder.remove();
    output::error_line("Interrupted. Nothing was sent.");
    std::process::exit(ExitCode::Interrupted as i32);
}

fn handle_signal(interrupt: &watch::Sender<bool>, unplanned: &Mutex<Option<Folder>>) {
    // Held until the exit, so that planning neither continues nor reports files that are gone.
    let unplanned = lock(unplanned);
    if let Some(folder) = unplanned.as_ref() {
        remove_and_exit(folder);
    }
    if interrupt.send_replace(true) {
        screen::leave();
        output::error_line(
            "Stopped. The outcome of requests in flight is unknown. `mailrun resume` continues.",
        );
        std::process::exit(ExitCode::Interrupted as i32);
    }
    output::error_line(
        "Interrupted. Waiting for requests in flight; press Ctrl-C again to stop now.",
    );
}
