//! The ledger: one SQLite file a run, in which every row has exactly one status.
//!
//! It is reached through few operations: [`Planner`] writes the rows once, [`Writer`] claims and
//! settles them, [`Ledger`] reads counts and rows.

mod plan;
mod read;
mod reopen;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

pub use plan::{NewRow, Planner};
pub use read::{Ledger, PlannedRow, ResultRow};
pub use reopen::{resolve_accepted, resolve_resend, retry};
pub use writer::{LiveCounts, Settlement, Writer};

/// The version of the schema, in SQLite's `user_version`.
const SCHEMA_VERSION: i64 = 1;
/// Marks a SQLite file as a ledger, in SQLite's `application_id`.
const APPLICATION_ID: i64 = 0x6d61_696c;

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Not attempted yet, or put off.
    Pending,
    /// Claimed: durable before the first byte of the request leaves.
    Sending,
    /// The API took it; there is a message ID.
    Accepted,
    /// The API refused it.
    Rejected,
    /// Every attempt was certainly not taken, and the attempts are spent.
    Failed,
    /// It may or may not have been taken.
    Unknown,
    /// Never attempted: the row itself is at fault.
    Invalid,
    /// Never attempted, on purpose.
    Skipped,
}

impl Status {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 8] = [
        Self::Accepted,
        Self::Rejected,
        Self::Failed,
        Self::Unknown,
        Self::Invalid,
        Self::Skipped,
        Self::Sending,
        Self::Pending,
    ];

    /// Its name in the ledger, the results and the JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sending => "sending",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Invalid => "invalid",
            Self::Skipped => "skipped",
        }
    }

    fn parse(name: &str) -> Result<Self, LedgerError> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == name)
            .ok_or_else(|| LedgerError::Damaged(format!("there is no status “{name}”")))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How many rows have each status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts([u64; 8]);

impl Counts {
    /// The rows of a status.
    pub fn of(&self, status: Status) -> u64 {
        self.0[status as usize]
    }

    /// All rows.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The rows whose claim has no live holder are unknown: this is how a run looks from outside.
    #[must_use]
    pub fn without_holder(mut self) -> Self {
        self.0[Status::Unknown as usize] += std::mem::take(&mut self.0[Status::Sending as usize]);
        self
    }

    fn set(&mut self, status: Status, rows: u64) {
        self.0[status as usize] = rows;
    }
}

/// What a run sends to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The API of the campaign, for its recipients.
    Real,
    /// The gateway in this process.
    Local,
    /// The API of the campaign, for one address alone.
    Test,
}

impl Target {
    /// Its name in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::Local => "local",
            Self::Test => "test",
        }
    }

    fn parse(name: &str) -> Result<Self, LedgerError> {
        [Self::Real, Self::Local, Self::Test]
            .into_iter()
            .find(|target| target.as_str() == name)
            .ok_or_else(|| LedgerError::Damaged(format!("there is no target “{name}”")))
    }
}

/// What a ledger says of its run.
#[derive(Debug, Clone)]
pub struct Run {
    /// The campaign's name.
    pub name: String,
    /// What it sends to.
    pub target: Target,
    /// The one recipient of all messages, if there is one.
    pub test_to: Option<String>,
    /// The campaign's folder.
    pub campaign: PathBuf,
    /// When it was planned.
    pub started: Timestamp,
    /// What its message IDs begin with.
    pub id_prefix: String,
    /// The names of the recipients' columns.
    pub header: Vec<String>,
    /// The rows of the input with nothing in them.
    pub blank_rows: u64,
}

/// Why the ledger could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// There is none.
    #[error("there is no ledger {}", .0.display())]
    Missing(PathBuf),
    /// The file is something else, or of another version.
    #[error("{} is not a ledger that this version of mailrun reads (it has version {found}, this reads {SCHEMA_VERSION})", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
    },
    /// The file is no ledger.
    #[error("{} is not a ledger", .0.display())]
    NotALedger(PathBuf),
    /// The plan was never finished.
    #[error("the run was never planned to its end: nothing was sent")]
    NotPlanned,
    /// It says what can't be.
    #[error("the ledger is damaged: {0}")]
    Damaged(String),
    /// SQLite's own words.
    #[error("the ledger: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// An earlier write failed; nothing is written after that.
    #[error("the ledger could not be written: {0}")]
    Stopped(String),
}

/// The ledger's place in a run's folder.
pub fn path_in(run_dir: &Path) -> PathBuf {
    run_dir.join("ledger.db")
}

fn to_millis(time: Timestamp) -> i64 {
    time.as_millisecond()
}

fn from_millis(millis: i64) -> Result<Timestamp, LedgerError> {
    Timestamp::from_millisecond(millis).map_err(|error| LedgerError::Damaged(error.to_string()))
}
