//! Why a command failed.

use std::fmt::Display;
use std::io;
use std::path::PathBuf;

use crate::check::{Findings, of_read_error};
use crate::delivery::Ending;
use crate::exit_code::ExitCode;
use crate::feedback::{EventsError, FeedError};
use crate::finding::{Finding, Place};
use crate::ledger::LedgerError;
use crate::recipients::ReadError;
use crate::report::{PageError, ResultsError};
use crate::run::{FolderError, LockError, OtherRunError, PlanError};
use crate::spill::SpillError;
use crate::transport::SetupError;

/// Why a command failed: the findings to print, and the exit code.
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

    pub(super) fn with_help(
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Finding::error(code, Place::default(), message)
            .help(help)
            .into()
    }

    pub(super) fn from_error(code: &'static str, error: &impl Display, help: Option<&str>) -> Self {
        match help {
            Some(help) => Self::with_help(code, error.to_string(), help),
            None => Self::new(code, error.to_string()),
        }
    }

    /// A mistake on the command line, which no other state of the run could make valid.
    pub(super) fn usage(mut self) -> Self {
        self.exit = ExitCode::Usage;
        self
    }

    /// An error after requests were sent: the run can be resumed.
    pub(super) fn stopped(mut self) -> Self {
        self.exit = ExitCode::Stopped;
        self
    }

    /// An error after `ending`. An interrupt keeps its exit code.
    pub(super) fn after(mut self, ending: &Ending) -> Self {
        self.exit = match ending {
            Ending::Interrupted => ExitCode::Interrupted,
            Ending::Done | Ending::Closed | Ending::Stopped(_) => ExitCode::Stopped,
        };
        self
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
        let (code, help) = match &error {
            LedgerError::NotPlanned => (
                "not-planned",
                Some("run `mailrun send` again; you can delete this folder"),
            ),
            LedgerError::Version { found, known, .. } if found < known => (
                "ledger",
                Some("continue this run with the version of mailrun that started it"),
            ),
            LedgerError::Version { .. } => ("ledger", Some("update mailrun")),
            LedgerError::Postgres(error) => ("ledger", error.help()),
            LedgerError::NoForgetKey(_) => (
                "forget-key",
                Some(
                    "restore `forget.key` in the campaign's folder `runs`, or the table `mailrun.forget_key` of the database, from a backup; or send to everyone, including people who got the message, with `mailrun send --again`",
                ),
            ),
            LedgerError::BeingRead(_) => (
                "in-use",
                Some("wait for the commands that read this run, or stop them, and run this again"),
            ),
            error if error.is_damage() => (
                "ledger",
                Some(
                    "restore the run folder from a backup; its results.csv has the state when the run last stopped",
                ),
            ),
            error => ("ledger", error.disk_help()),
        };
        Self::from_error(code, &error, help)
    }
}

impl From<OtherRunError> for Failure {
    fn from(error: OtherRunError) -> Self {
        let help = match &error.error {
            LedgerError::Version { .. } => {
                "move that run folder out of `runs` if nobody in it must be skipped; or add `--again` to send to everyone"
            }
            _ => {
                "restore that run folder from a backup, or move it out of `runs`; or add `--again` to send to everyone, including people who got the message"
            }
        };
        Self::from_error("earlier-run", &error, Some(help))
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        let help = match error {
            PlanError::Read(error) => return error.into(),
            PlanError::Ledger(error) => return error.into(),
            PlanError::Selection(findings) => return findings.into(),
            PlanError::Row(row, line, finding) => return not_computed(row, line, *finding).into(),
            PlanError::Input(_) => None,
            PlanError::Compare(_) => Some(SpillError::HELP),
        };
        Self::from_error("recipients", &error, help)
    }
}

/// A finding about the expression of `where`, which can't be computed for a row.
fn not_computed(row: u32, line: u64, mut finding: Finding) -> Finding {
    finding.place.row = Some(row);
    finding.message = format!("{} (line {line} of the recipients)", finding.message);
    finding
}

impl From<FolderError> for Failure {
    fn from(error: FolderError) -> Self {
        let (code, help) = match error {
            FolderError::NoRun(_) => (
                "no-run",
                Some(
                    "name a run folder, or a campaign that was sent with `mailrun send`; for a run in a ledger, add `--ledger` or set MAILRUN_LEDGER",
                ),
            ),
            FolderError::NoRuns(_) => (
                "no-run",
                Some(
                    "name a run folder, or a campaign that has been sent; `mailrun send` creates a run",
                ),
            ),
            FolderError::NotEmpty(_) => (
                "run-folder",
                Some("name a new folder, or continue the run in it with `mailrun resume`"),
            ),
            FolderError::NotCreated { .. } => ("run-folder", None),
            FolderError::Moved { .. } => (
                "moved",
                Some("continue that run; `mailrun ledger copy` brings it back into a new folder"),
            ),
        };
        Self::from_error(code, &error, help)
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        let help = match error {
            LockError::Folder(error) => return error.into(),
            LockError::RunInUse { .. } => Some("`mailrun status` shows its progress"),
            LockError::CampaignInUse { .. } => Some(
                "wait for it, or stop it with Ctrl-C in its terminal; `mailrun status` shows its progress",
            ),
            LockError::Io { .. } => None,
        };
        Self::from_error("locked", &error, help)
    }
}

impl From<EventsError> for Failure {
    fn from(error: EventsError) -> Self {
        let help = match &error {
            EventsError::Ledger(_) => None,
            EventsError::Index(_) => Some(SpillError::HELP),
            EventsError::Mailbox(_) => Some(
                "name a Maildir (a folder with `new` and `cur`), an mbox file, or a folder of .eml files",
            ),
            EventsError::Version { found, known, .. } if found > known => Some("update mailrun"),
            _ => Some(
                "delete events.db in the run folder; `mailrun follow` asks the API again about everything that it still lists",
            ),
        };
        match error {
            EventsError::Ledger(error) => error.into(),
            error => Self::from_error("events", &error, help),
        }
    }
}

impl From<FeedError> for Failure {
    fn from(error: FeedError) -> Self {
        match error {
            FeedError::Events(error) => error.into(),
            FeedError::List(error) => error.into(),
        }
    }
}

impl From<PageError> for Failure {
    fn from(error: PageError) -> Self {
        Self::from_error("report", &error, None)
    }
}

impl From<ResultsError> for Failure {
    fn from(error: ResultsError) -> Self {
        match error {
            ResultsError::Ledger(error) => error.into(),
            ResultsError::Events(error) => error.into(),
            ResultsError::List(error) => error.into(),
            error => Self::from_error("results", &error, None),
        }
    }
}

impl From<SetupError> for Failure {
    fn from(error: SetupError) -> Self {
        Self::from_error("api", &error, error.help())
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
