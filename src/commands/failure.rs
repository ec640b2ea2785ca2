//! Why a command ended.

use std::io;
use std::path::PathBuf;

use crate::check::{Findings, of_read_error};
use crate::delivery::Ending;
use crate::exit_code::ExitCode;
use crate::finding::{Finding, Place};
use crate::ledger::LedgerError;
use crate::recipients::ReadError;
use crate::report::ResultsError;
use crate::run::{FolderError, LockError, PlanError, PreviousError};
use crate::spill::SpillError;
use crate::transport::SetupError;

/// Why a command ended: what is to be printed, and the exit code.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) exit: ExitCode,
    pub(super) findings: Findings,
}

impl Failure {
    /// An error before anything was sent.
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Finding::error(code, Place::default(), message).into()
    }

    /// The same, with what to do.
    pub(super) fn with_help(
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Finding::error(code, Place::default(), message)
            .help(help)
            .into()
    }

    /// The command line asks for what can't be, whatever state the run is in.
    pub(super) fn usage(self) -> Self {
        Self {
            exit: ExitCode::Usage,
            ..self
        }
    }

    /// The same error, but after requests were sent: the run can be resumed.
    pub(super) fn stopped(self) -> Self {
        Self {
            exit: ExitCode::Stopped,
            ..self
        }
    }

    /// The same error of a run that has ended so: that the user interrupted it comes first.
    pub(super) fn after(self, ending: &Ending) -> Self {
        let exit = match ending {
            Ending::Interrupted => ExitCode::Interrupted,
            Ending::Done | Ending::Stopped(_) => ExitCode::Stopped,
        };
        Self { exit, ..self }
    }
}

impl From<Finding> for Failure {
    fn from(finding: Finding) -> Self {
        vec![finding].into()
    }
}

impl From<Vec<Finding>> for Failure {
    fn from(findings: Vec<Finding>) -> Self {
        findings.into_iter().collect::<Findings>().into()
    }
}

impl From<Findings> for Failure {
    fn from(findings: Findings) -> Self {
        Self {
            exit: ExitCode::Error,
            findings,
        }
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        of_read_error(&error).into()
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::NotPlanned => Self::with_help(
                "not-planned",
                error.to_string(),
                "`mailrun send` the campaign again; the folder can be removed",
            ),
            LedgerError::Version { older: true, .. } => Self::with_help(
                "ledger",
                error.to_string(),
                "go on with this run with the version of mailrun that made it",
            ),
            LedgerError::Version { .. } => {
                Self::with_help("ledger", error.to_string(), "update mailrun")
            }
            error if error.is_damage() => Self::with_help(
                "ledger",
                error.to_string(),
                "restore the run's folder from a backup; its results.csv says what was known when it last stopped",
            ),
            error => match error.way_out() {
                Some(help) => Self::with_help("ledger", error.to_string(), help),
                None => Self::new("ledger", error.to_string()),
            },
        }
    }
}

impl From<PreviousError> for Failure {
    fn from(error: PreviousError) -> Self {
        let help = match &error.error {
            LedgerError::Version { .. } => {
                "move that run's folder out of `runs`, if you know that nobody in it should be left out; `--again` sends to all"
            }
            _ => {
                "restore that run's folder from a backup, or move it out of `runs`; `--again` sends to all, also to those who have got it"
            }
        };
        Self::with_help("earlier-run", error.to_string(), help)
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Read(error) => error.into(),
            PlanError::Ledger(error) => error.into(),
            error @ PlanError::Input(_) => Self::new("recipients", error.to_string()),
            error @ PlanError::Compare(_) => {
                Self::with_help("recipients", error.to_string(), SpillError::HELP)
            }
        }
    }
}

impl From<FolderError> for Failure {
    fn from(error: FolderError) -> Self {
        let message = error.to_string();
        match error {
            FolderError::NoRun(_) | FolderError::NoRuns(_) => Self::with_help(
                "no-run",
                message,
                "name a run's folder, or a campaign that has been sent; `mailrun send` makes a run",
            ),
            FolderError::NotEmpty(_) => Self::with_help(
                "run-folder",
                message,
                "name a new folder, or go on with the run in it by `mailrun resume`",
            ),
            FolderError::NotMade { .. } => Self::new("run-folder", message),
        }
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        let message = error.to_string();
        match error {
            LockError::Folder(error) => error.into(),
            LockError::Held { .. } => {
                Self::with_help("locked", message, "`mailrun status` shows how far it is")
            }
            LockError::Sending { .. } => Self::with_help(
                "locked",
                message,
                "wait until it has ended; `mailrun status` shows how far it is, and Ctrl-C in its terminal stops it",
            ),
            LockError::Io { .. } => Self::new("locked", message),
        }
    }
}

impl From<ResultsError> for Failure {
    fn from(error: ResultsError) -> Self {
        match error {
            ResultsError::Ledger(error) => error.into(),
            error => Self::new("results", error.to_string()),
        }
    }
}

impl From<SetupError> for Failure {
    fn from(error: SetupError) -> Self {
        Self::new("api", error.to_string())
    }
}

impl From<(PathBuf, io::Error)> for Failure {
    fn from((path, error): (PathBuf, io::Error)) -> Self {
        Finding::error(
            "io",
            Place::file(&path),
            format!("{}: {error}", path.display()),
        )
        .into()
    }
}
