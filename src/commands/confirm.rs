//! Asks for confirmation before something that can't be undone.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::PathBuf;

use super::failure::Failure;
use super::output;
use crate::terminal_text::printable;

/// Something to confirm.
pub(super) struct Confirmation {
    pub(super) question: String,
    /// Whether standard input holds the recipients, so that only `/dev/tty` can give an answer.
    pub(super) input_is_data: bool,
    /// The error if the user answers no.
    pub(super) declined: &'static str,
}

/// # Errors
/// If the user doesn't answer yes, or if there is no terminal: then the error is `no_terminal`.
pub(super) fn confirm(
    confirmation: &Confirmation,
    no_terminal: fn() -> Failure,
) -> Result<(), Failure> {
    if !can_ask(confirmation.input_is_data) {
        return Err(no_terminal());
    }
    let answer = read_answer(&confirmation.question)
        .map_err(|error| (PathBuf::from("the terminal"), error))?;
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::new("not-confirmed", confirmation.declined)),
    }
}

/// Asks a question on standard input, which must be a terminal.
///
/// # Errors
/// If the terminal can't be read.
pub(super) fn ask(question: &str) -> Result<String, Failure> {
    let mut line = String::new();
    output::question(question);
    let read = io::stdin().lock().read_line(&mut line);
    read.map_err(|error| (PathBuf::from("the terminal"), error))?;
    Ok(line)
}

pub(super) fn can_ask(input_is_data: bool) -> bool {
    io::stdin().is_terminal() || input_is_data && File::open("/dev/tty").is_ok()
}

fn read_answer(question: &str) -> io::Result<String> {
    let mut line = String::new();
    if io::stdin().is_terminal() {
        output::question(&format!("{question} [y/N] "));
        io::stdin().lock().read_line(&mut line)?;
    } else {
        let mut terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
        write!(terminal, "{} [y/N] ", printable(question))?;
        BufReader::new(terminal).read_line(&mut line)?;
    }
    Ok(line)
}
