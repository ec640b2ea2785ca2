//! `mailrun preview` on a terminal: reads keys and draws the screen.

use std::io::{self, IsTerminal};
use std::time::Duration;

use crossterm::cursor::MoveTo;
use crossterm::event::{self, Event, KeyEventKind};
use crossterm::queue;
use crossterm::style::{Attribute, Print, SetAttribute};
use crossterm::terminal::{BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate};

use super::console::no_color;
use super::failure::Failure;
use super::screen::{self, Keys, Screen, is_screen, size};
use crate::cli::PreviewArgs;
use crate::clock::Clock;
use crate::exit_code::ExitCode;
use crate::preview::{KeyAction, MessageBrowser, OutputStyle};

/// After how many steps of reading rows the footer is drawn again.
const DRAW_EVERY: usize = 25;

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

pub(super) fn browse(mut browser: MessageBrowser<'_>) -> Result<ExitCode, Failure> {
    let screen = Screen::enter(Keys::Read).map_err(|error| failed(&error))?;
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
    let mut drawn = Vec::new();
    queue!(drawn, BeginSynchronizedUpdate)?;
    for (row, line) in (0..).zip(&lines) {
        queue!(
            drawn,
            MoveTo(0, row),
            Clear(ClearType::CurrentLine),
            Print(line)
        )?;
        if line.contains('\u{1b}') {
            queue!(drawn, SetAttribute(Attribute::Reset))?;
        }
    }
    queue!(drawn, EndSynchronizedUpdate)?;
    screen::write(&drawn)
}
