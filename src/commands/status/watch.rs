//! `mailrun status --watch`.

use std::io;
use std::time::Duration;

use super::text::as_text;
use super::{PlannedTimes, RunStatus, StatusError};
use crate::commands::failure::Failure;
use crate::commands::open_run::OpenRun;
use crate::commands::output;
use crate::commands::screen::{Keys, Screen, draw, is_screen};
use crate::exit_code::ExitCode;

const INTERVAL: Duration = Duration::from_secs(1);

/// # Errors
/// Standard output is no terminal.
pub(super) fn require_terminal() -> Result<(), Failure> {
    if is_screen() {
        return Ok(());
    }
    Err(Failure::with_help(
        "usage",
        "`--watch` needs a terminal",
        "without it, `mailrun status` prints the status once; for a program, add `--format json`",
    )
    .usage())
}

/// Shows the status until nobody works on the run any more, and leaves the last one on the terminal. A database that
/// can't be reached may come back.
///
/// # Errors
/// The ledger can't be read, or the terminal is gone.
pub(super) fn run(opened: &OpenRun, planned: Option<&PlannedTimes>) -> Result<ExitCode, Failure> {
    let mut current = text(opened, planned)?;
    if current.live {
        let shown = Screen::enter(Keys::Ignored).map_err(|error| failed(&error))?;
        while current.live {
            draw(&current.text).map_err(|error| failed(&error))?;
            std::thread::sleep(INTERVAL);
            current = match text(opened, planned) {
                Err(error) if error.is_transient() => Current {
                    text: format!("{error}\n\n{}", last_known(&current.text)),
                    live: true,
                },
                read => read?,
            };
        }
        drop(shown);
    }
    output::line(current.text.trim_end_matches('\n'));
    Ok(ExitCode::Done)
}

struct Current {
    text: String,
    /// Whether a process works on the run.
    live: bool,
}

fn text(opened: &OpenRun, planned: Option<&PlannedTimes>) -> Result<Current, StatusError> {
    let status = RunStatus::read(opened, planned)?;
    Ok(Current {
        text: as_text(&status)?,
        live: status.is_live(),
    })
}

/// The status without an earlier error above it.
fn last_known(text: &str) -> &str {
    text.split_once("\n\n").map_or(text, |(_, status)| status)
}

fn failed(error: &io::Error) -> Failure {
    Failure::new("io", format!("can't show the status: {error}"))
}
