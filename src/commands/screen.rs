//! The alternate screen of a terminal, which is left at the end, also after a signal or a panic.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use console::Term;
use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::style::Print;
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen,
    LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{execute, queue};
use tokio::signal::unix::{SignalKind, signal};

use crate::exit_code::ExitCode;
use crate::html;
use crate::terminal_text::printable_line;

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

/// Shows a text from the first row of the screen. What does not fit is cut.
///
/// # Errors
/// The terminal is gone.
pub(super) fn draw(text: &str) -> io::Result<()> {
    let (height, width) = size();
    let mut drawn = Vec::new();
    queue!(drawn, BeginSynchronizedUpdate)?;
    let mut lines = 0;
    for (row, line) in (0..).zip(text.lines().take(height)) {
        let line = printable_line(line);
        let line = console::truncate_str(&line, width, "…");
        queue!(
            drawn,
            MoveTo(0, row),
            Clear(ClearType::CurrentLine),
            Print(line)
        )?;
        lines = row + 1;
    }
    if usize::from(lines) < height {
        queue!(drawn, MoveTo(0, lines), Clear(ClearType::FromCursorDown))?;
    }
    queue!(drawn, EndSynchronizedUpdate)?;
    write(&drawn)
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

/// The alternate screen. It is left on drop and on a panic.
pub(super) struct Screen;

impl Screen {
    /// A signal leaves it too, and ends the process.
    ///
    /// # Errors
    /// The terminal or the system refuses it.
    pub(super) fn enter(keys: Keys) -> io::Result<Self> {
        leave_on_signals()?;
        Self::enter_without_signals(keys)
    }

    /// The same for a command that handles signals itself.
    ///
    /// # Errors
    /// The same.
    pub(super) fn enter_without_signals(keys: Keys) -> io::Result<Self> {
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

/// Leaves the screen if it was entered.
pub(super) fn leave() {
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
