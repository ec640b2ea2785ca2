//! `mailrun preview` on a terminal: reads keys, draws the screen, and restores the terminal at the end,
//! also after a signal or a panic.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use console::Term;
use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::event::{self, Event, KeyEventKind};
use crossterm::style::{Attribute, Print, SetAttribute};
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen,
    LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{execute, queue};
use tokio::signal::unix::{SignalKind, signal};

use super::console::no_color;
use super::failure::Failure;
use crate::cli::PreviewArgs;
use crate::clock::Clock;
use crate::exit_code::ExitCode;
use crate::html;
use crate::preview::{KeyAction, MessageBrowser, OutputStyle};

/// After how many steps of reading rows the footer is drawn again.
const DRAW_EVERY: usize = 25;
/// Rows and columns of a terminal that doesn't report its size.
const DEFAULT_SIZE: (u16, u16) = (24, 80);

/// How messages are shown on standard output.
pub(super) fn output_style() -> OutputStyle {
    let terminal = is_screen();
    OutputStyle {
        terminal,
        width: size().1,
        colour: terminal && !no_color(),
        clock: Clock::system(),
    }
}

/// Whether to let the user browse: no message is selected, and there is a screen with a keyboard.
pub(super) fn can_browse(args: &PreviewArgs) -> bool {
    let selected = args.row.is_some() || args.email.is_some() || args.limit.is_some();
    !selected && args.out.is_none() && is_screen() && io::stdin().is_terminal()
}

fn is_screen() -> bool {
    io::stdout().is_terminal() && !console::is_dumb()
}

/// Rows and columns.
fn size() -> (usize, usize) {
    let (rows, columns) = Term::stdout().size_checked().unwrap_or(DEFAULT_SIZE);
    (rows.into(), columns.into())
}

pub(super) fn browse(mut browser: MessageBrowser<'_>) -> Result<ExitCode, Failure> {
    let screen = Screen::enter().map_err(|error| failed(&error))?;
    let ended = run(&mut browser);
    drop(screen);
    let exit = ended.map_err(|error| failed(&error))?;
    match browser.into_rows().into_error() {
        Some(error) => Err(error.into()),
        None => Ok(exit),
    }
}

fn failed(error: &io::Error) -> Failure {
    Failure::new("io", format!("can't show the messages: {error}"))
}

fn run(browser: &mut MessageBrowser<'_>) -> io::Result<ExitCode> {
    loop {
        draw(browser)?;
        read_rows(browser)?;
        loop {
            match event::read()? {
                Event::Key(key) if key.kind != KeyEventKind::Release => match browser.press(key)? {
                    KeyAction::Redraw => {}
                    KeyAction::Quit => return Ok(ExitCode::Done),
                    KeyAction::Interrupt => return Ok(ExitCode::Interrupted),
                },
                // The terminal was resized: draw again.
                _ => {}
            }
            if !event::poll(Duration::ZERO)? {
                break;
            }
        }
    }
}

/// Reads more rows until a key is pressed.
fn read_rows(browser: &mut MessageBrowser<'_>) -> io::Result<()> {
    let mut steps = 0;
    while !event::poll(Duration::ZERO)? {
        let more = browser.idle()?;
        if steps % DRAW_EVERY == 0 || !more {
            draw(browser)?;
        }
        if !more {
            break;
        }
        steps += 1;
    }
    Ok(())
}

fn draw(browser: &mut MessageBrowser<'_>) -> io::Result<()> {
    let (height, width) = size();
    let lines = browser.draw(width, height)?;
    let mut screen = Vec::new();
    queue!(screen, BeginSynchronizedUpdate)?;
    for (row, line) in (0..).zip(&lines) {
        queue!(
            screen,
            MoveTo(0, row),
            Clear(ClearType::CurrentLine),
            Print(line)
        )?;
        if line.contains('\u{1b}') {
            queue!(screen, SetAttribute(Attribute::Reset))?;
        }
    }
    queue!(screen, EndSynchronizedUpdate)?;
    let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut out = io::stdout().lock();
    out.write_all(&screen)?;
    out.flush()
}

/// Held while writing to the screen, so that nothing is written after it was left.
static WRITING: Mutex<()> = Mutex::new(());
static ENTERED: AtomicBool = AtomicBool::new(false);

/// The alternate screen. It is left on drop, on a signal and on a panic.
struct Screen;

impl Screen {
    fn enter() -> io::Result<Self> {
        leave_on_signals()?;
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !html::is_guarded_panic() {
                leave();
            }
            before(panic);
        }));
        enable_raw_mode()?;
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
