//! The exit codes.

use crate::delivery::Ending;
use crate::ledger::{Status, StatusCounts};

/// How the program ends. Scripts depend on the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCode {
    Done = 0,
    /// An error before the first request. Nothing was sent.
    Error = 1,
    /// The command line is invalid.
    Usage = 2,
    /// Some rows are `rejected`, `failed` or `invalid`.
    SomeNotSent = 3,
    /// Some rows are `unknown`.
    SomeUnknown = 4,
    /// Stopped early, or rows are pending. `resume` continues.
    Stopped = 5,
    /// 128 + SIGINT.
    Interrupted = 130,
}

impl ExitCode {
    /// The code of a run after sending. The worst state decides. Rows that are `sending` are those of other workers.
    pub(crate) fn of(ending: &Ending, counts: &StatusCounts) -> Self {
        let has = |statuses: &[Status]| statuses.iter().any(|status| counts.of(*status) > 0);
        match ending {
            Ending::Interrupted => Self::Interrupted,
            Ending::Stopped(_) | Ending::Closed => Self::Stopped,
            Ending::Done if has(&[Status::Pending, Status::Sending]) => Self::Stopped,
            Ending::Done if has(&[Status::Unknown]) => Self::SomeUnknown,
            Ending::Done if has(&[Status::Rejected, Status::Failed, Status::Invalid]) => {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_other_workers_send_are_not_unknown() {
        let code = |statuses: &[Status]| {
            let mut counts = StatusCounts::default();
            for status in statuses {
                counts.count(*status);
            }
            ExitCode::of(&Ending::Done, &counts)
        };
        let accepted = Status::Accepted;
        assert_eq!(code(&[accepted, Status::Sending]), ExitCode::Stopped);
        assert_eq!(code(&[accepted, Status::Unknown]), ExitCode::SomeUnknown);
        assert_eq!(code(&[accepted]), ExitCode::Done);
    }
}
