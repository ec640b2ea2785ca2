//! Everything that commands print. Text is made printable on its way, so that no data can control a terminal.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write};
use std::path::Path;

use crate::terminal_text::{Printable, PrintableWriter, printable, printable_json};

/// Prints a line to standard output.
pub(super) fn line(text: impl Display) {
    write_line(io::stdout().lock(), &printable(&text.to_string()));
}

/// Prints a line to standard error.
pub(super) fn error_line(text: impl Display) {
    write_line(io::stderr().lock(), &printable(&text.to_string()));
}

/// Prints lines that have colours, of which only the colours stay.
pub(super) fn coloured_line(text: impl Display) {
    let mut out = PrintableWriter::new(io::stdout().lock(), Printable::Coloured);
    write_line(&mut out, &text.to_string());
}

/// The same to standard error.
pub(super) fn coloured_error_line(text: impl Display) {
    let mut out = PrintableWriter::new(io::stderr().lock(), Printable::Coloured);
    write_line(&mut out, &text.to_string());
}

pub(super) fn json_line(json: impl Display) {
    write_line(io::stdout().lock(), &printable_json(&json.to_string()));
}

/// Prints a path. A program gets its exact bytes.
pub(super) fn path_line(path: &Path) {
    let mut out = io::stdout().lock();
    match out.is_terminal() {
        true => write_line(out, &printable(&path.display().to_string())),
        false => {
            let path = path.as_os_str().as_encoded_bytes();
            ignore(out.write_all(&[path, b"\n"].concat()));
        }
    }
}

/// Asks a question on standard error.
pub(super) fn question(text: &str) {
    ignore(write!(io::stderr().lock(), "{}", printable(text)));
}

/// Standard output for data: unchanged for a program, printable on a terminal.
pub(super) fn data() -> Box<dyn Write> {
    let out = io::stdout();
    match out.is_terminal() {
        true => Box::new(PrintableWriter::new(out, Printable::Text)),
        false => Box::new(out),
    }
}

fn write_line(mut out: impl Write, text: &str) {
    ignore(out.write_all(format!("{text}\n").as_bytes()));
}

/// The reader may be gone; the command continues.
fn ignore(_: io::Result<()>) {}
