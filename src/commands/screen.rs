//! The alternate screen of a terminal, which is left at the end, also after a signal or a panic.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use console::Term;
use crossterm::cursor::{Hide, Show};
use crossterm::execute;
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use tokio::signal::unix::{SignalKind, signal};

use crate::exit_code::ExitCode;
use crate::html;

/// Rows and columns of a terminal that doesn't report its size.
const DEFAULT_SIZE: (u16, u16) = (24, 80);

/// Whether standard output is a terminal on which the cursor can be moved.
pub(super) fn is_screen() -> bool {
    io::stdout().is_terminal() && !console::is_dumb()
}

/// Rows and columns.
pub(super) fn size() -> (usize, usize) {
    let (rows, columns) = Term::stdout().size_checked().unwrap_or(DEFAULT_SIZE);
    (rows.into(), columns.into())
}

/// Writes to the screen.
///
/// # Errors
/// The terminal is gone.
pub(super) fn write(bytes: &[u8]) -> io::Result<()> {
    let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// What happens with the keyboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keys {
    /// The command reads each key.
    Read,
    /// Ctrl-C is a signal, as usual.
    Ignored,
}

/// Held while writing to the screen, so that nothing is written after it was left.
static WRITING: Mutex<()> = Mutex::new(());
static ENTERED: AtomicBool = AtomicBool::new(false);

/// The alternate screen. It is left on drop, on a signal and on a panic.
pub(super) struct Screen;

impl Screen {
    /// # Errors
    /// The terminal or the system refuses it.
    pub(super) fn enter(keys: Keys) -> io::Result<Self> {
        leave_on_signals()?;
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !html::is_guarded_panic() {
                leave();
            }
            before(panic);
        }));
        if keys == Keys::Read {
            enable_raw_mode()?;
        }
        ENTERED.store(true, Ordering::SeqCst);
        let screen = Self;
        execute!(io::stdout(), EnterAlternateScreen, Hide)?;
        Ok(screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

fn leave() {
    if ENTERED.swap(false, Ordering::SeqCst) {
        // Errors mean that the terminal is gone.
        let _ = execute!(io::stdout(), Show, LeaveAlternateScreen);
        let _ = disable_raw_mode();
    }
}

fn leave_on_signals() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let entered = runtime.enter();
    let mut int = signal(SignalKind::interrupt())?;
    let mut term = signal(SignalKind::terminate())?;
    let mut hup = signal(SignalKind::hangup())?;
    drop(entered);
    std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! { _ = int.recv() => {}, _ = term.recv() => {}, _ = hup.recv() => {} }
        });
        let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
        leave();
        std::process::exit(ExitCode::Interrupted as i32);
    });
    Ok(())
}
