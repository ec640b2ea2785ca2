//! Every exit code.

use crate::delivery::Ending;
use crate::ledger::{Counts, Status};

/// How the program ends. Scripts depend on the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCode {
    /// All done.
    Done = 0,
    /// An error before the first request: campaign, recipients, templates, settings, I/O.
    Error = 1,
    /// The command line is wrong.
    Usage = 2,
    /// Some rows are `rejected`, `failed` or `invalid`.
    SomeNotSent = 3,
    /// Some rows are `unknown`.
    SomeUnknown = 4,
    /// Stopped early; `resume` goes on.
    Stopped = 5,
    /// Interrupted by the user (128 + SIGINT).
    Interrupted = 130,
}

impl ExitCode {
    /// The code for a run that has posted: the first that holds, worst first.
    pub fn of(ending: &Ending, counts: &Counts) -> Self {
        let some = |status| counts.of(status) > 0;
        match ending {
            Ending::Interrupted => Self::Interrupted,
            Ending::Stopped(_) => Self::Stopped,
            Ending::Done if some(Status::Pending) => Self::Stopped,
            Ending::Done if some(Status::Unknown) || some(Status::Sending) => Self::SomeUnknown,
            Ending::Done
                if some(Status::Rejected) || some(Status::Failed) || some(Status::Invalid) =>
            {
                Self::SomeNotSent
            }
            Ending::Done => Self::Done,
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}
