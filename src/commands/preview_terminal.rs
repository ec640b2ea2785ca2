//! `mailrun preview` on a terminal: keys in, a screen out, and the terminal as it was at the end,
//! whatever that is.

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

use super::failure::Failure;
use crate::cli::Preview;
use crate::clock::Clock;
use crate::exit_code::ExitCode;
use crate::preview::{Browser, Look, Step};

/// How often the footer says how far the reading is, in steps of reading.
const STEPS: usize = 25;
/// The size of a terminal that does not tell its own: rows and columns.
const USUAL: (u16, u16) = (24, 80);

/// How messages are shown on standard output.
pub(super) fn look() -> Look {
    let terminal = is_screen();
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    Look {
        terminal,
        width: size().1,
        colour: terminal && !no_colour,
        clock: Clock::system(),
    }
}

/// Whether the user can go through the messages: there are a screen and a keyboard, and no message
/// was asked for.
pub(super) fn is_wanted(args: &Preview) -> bool {
    let asked = args.row.is_some() || args.email.is_some() || args.limit.is_some();
    !asked && args.out.is_none() && is_screen() && io::stdin().is_terminal()
}

fn is_screen() -> bool {
    io::stdout().is_terminal() && !console::is_dumb()
}

/// Rows and columns.
fn size() -> (usize, usize) {
    let (rows, columns) = Term::stdout().size_checked().unwrap_or(USUAL);
    (rows.into(), columns.into())
}

/// Lets the user go through the messages.
pub(super) fn browse(mut browser: Browser<'_>) -> Result<ExitCode, Failure> {
    let screen = Screen::enter().map_err(|error| failed(&error))?;
    let ended = serve(&mut browser);
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

fn serve(browser: &mut Browser<'_>) -> io::Result<ExitCode> {
    loop {
        draw(browser)?;
        read_on(browser)?;
        loop {
            match event::read()? {
                Event::Key(key) if key.kind != KeyEventKind::Release => match browser.press(key)? {
                    Step::Stay => {}
                    Step::Quit => return Ok(ExitCode::Done),
                    Step::Interrupt => return Ok(ExitCode::Interrupted),
                },
                // Of another size, it is drawn anew.
                _ => {}
            }
            if !event::poll(Duration::ZERO)? {
                break;
            }
        }
    }
}

/// Reads rows while nobody types.
fn read_on(browser: &mut Browser<'_>) -> io::Result<()> {
    let mut steps = 0;
    while !event::poll(Duration::ZERO)? {
        let more = browser.idle()?;
        if steps % STEPS == 0 || !more {
            draw(browser)?;
        }
        if !more {
            break;
        }
        steps += 1;
    }
    Ok(())
}

fn draw(browser: &mut Browser<'_>) -> io::Result<()> {
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

/// Held while the screen is written to, so that nothing comes after it was left.
static WRITING: Mutex<()> = Mutex::new(());
static ENTERED: AtomicBool = AtomicBool::new(false);

/// A screen of our own; the user's comes back when it is dropped, on a signal and on a panic.
struct Screen;

impl Screen {
    fn enter() -> io::Result<Self> {
        leave_on_signals()?;
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            leave();
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
        // There is nobody left to tell of a terminal that is gone.
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
