//! Asking before something that can't be undone.

use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};

/// What came of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    Yes,
    No,
    /// There is nobody to ask.
    NoTerminal,
}

/// Asks on the terminal; `input_is_data` says that standard input holds the recipients.
pub(super) fn ask(question: &str, input_is_data: bool) -> io::Result<Reply> {
    let mut line = String::new();
    if io::stdin().is_terminal() {
        eprint!("{question} [y/N] ");
        io::stdin().lock().read_line(&mut line)?;
    } else if input_is_data {
        let Ok(mut terminal) = OpenOptions::new().read(true).write(true).open("/dev/tty") else {
            return Ok(Reply::NoTerminal);
        };
        write!(terminal, "{question} [y/N] ")?;
        BufReader::new(terminal).read_line(&mut line)?;
    } else {
        return Ok(Reply::NoTerminal);
    }
    let yes = matches!(line.trim().to_lowercase().as_str(), "y" | "yes");
    Ok(if yes { Reply::Yes } else { Reply::No })
}
