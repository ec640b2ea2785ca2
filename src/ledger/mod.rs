//! The ledger of a run, in which every row has exactly one status.
//!
//! `Ledger` is what the rest of the program asks of one: counts, rows, and changes to rows that have
//! ended. A delivery reads its rows from a `RowSource` and writes through a [`LedgerWriter`].
//! [`sqlite`] keeps a ledger in a file of the run's folder, and its `Planner` writes the plan.

mod commit;
mod error;
mod forgotten;
mod latency;
pub mod postgres;
mod postgres_error;
mod rows;
pub mod sqlite;
mod status;
mod stored;
mod variants;
mod writer;

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::value::RawValue;

pub(crate) use commit::{Change, Commit, Committed};
pub use commit::{Claim, Settlement};
pub use error::LedgerError;
pub(crate) use forgotten::{
    FORGOTTEN, ForgetKey, ForgetKeys, Person, Whom, is_forgotten, key_name,
};
pub(crate) use latency::Latencies;
pub use postgres_error::PostgresError;
pub(crate) use rows::{AcceptedRow, LeftOut, PlannedRow, ResultRow, RowOutcome};
pub use status::{Status, StatusCounts};
pub(crate) use stored::{StoredAttachment, StoredMember, StoredMinute, StoredRow};
pub(crate) use variants::{VariantChoice, VariantRows};
pub use writer::LedgerWriter;
pub(crate) use writer::LiveCounts;

/// The error of a row whose request was in flight when its process ended.
const LEFT_IN_FLIGHT: &str = "mailrun ended while the request was in flight";

/// The reason of all rows whose address an earlier row has. The errors of these rows name that row.
const DUPLICATE: &str = "duplicate of an earlier row";

/// Where a run sends its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// To the campaign's API, for its recipients.
    Real,
    /// To the gateway in this process.
    Local,
    /// To the campaign's API, all to one address.
    Test,
}

impl Target {
    pub(crate) fn as_str(self) -> &'static str {
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
            .ok_or_else(|| LedgerError::Damaged(format!("unknown target “{name}”")))
    }
}

/// What a ledger says about its run.
#[derive(Debug, Clone)]
pub struct Run {
    /// The campaign's name.
    pub name: String,
    pub target: Target,
    /// The one recipient of a test.
    pub test_to: Option<String>,
    /// The campaign's folder.
    pub campaign: PathBuf,
    pub started: Timestamp,
    /// What its message IDs begin with.
    pub id_prefix: String,
    /// The names of the recipients' columns.
    pub header: Vec<String>,
    /// How many rows of the input are empty.
    pub blank_rows: u64,
    /// The names of the message's variants.
    pub variants: Vec<String>,
    /// The variant that was chosen for the rows that were held back.
    pub chosen: Option<String>,
}

/// Rows that have the same status for the same reason.
#[derive(serde::Serialize)]
pub(crate) struct StatusReason {
    pub(crate) status: Status,
    pub(crate) code: String,
    pub(crate) error: String,
    pub(crate) rows: u64,
}

/// Rows that are invalid for the same reason.
#[derive(Default)]
pub(crate) struct InvalidRows {
    pub(crate) code: String,
    pub(crate) count: u64,
    /// The numbers of the first rows.
    pub(crate) first: Vec<u32>,
}

/// A ledger with a complete plan. All methods fail if it can't be read or written.
///
/// Rows are returned in the order of the input. `after` is the number of the row before the first, `last`
/// that of the last, and `most` the most rows returned. The methods that change rows are called while no
/// process sends the run.
pub(crate) trait Ledger: Send {
    /// The same ledger on a connection of its own, for another thread.
    fn reopen(&self) -> Result<Box<dyn Ledger>, LedgerError>;

    /// # Errors
    /// The plan is not complete.
    fn run(&self) -> Result<Run, LedgerError>;

    /// The rows by status. Those that are in the message of an earlier row are not counted.
    ///
    /// # Errors
    /// Rows are missing.
    fn counts(&self) -> Result<StatusCounts, LedgerError>;

    /// The rows that are in the message of an earlier row, by the status of that row.
    fn members(&self) -> Result<StatusCounts, LedgerError>;

    /// The most frequent reasons first.
    fn reasons(&self, most: u32) -> Result<Vec<StatusReason>, LedgerError>;

    /// The invalid rows by code, the most frequent codes first. Of each code, `numbers` rows are named.
    fn invalid_by_code(&self, numbers: usize) -> Result<Vec<InvalidRows>, LedgerError>;

    /// The number of the last row; 0 if there are no rows.
    fn last_row(&self) -> Result<u32, LedgerError>;

    /// The lanes that have pending rows, each with their number, without those that are held back.
    fn pending_by_lane(&self) -> Result<Vec<(u32, u64)>, LedgerError>;

    /// The recipients posted in each minute since `since`, to all domains or to one with its own limit, oldest first:
    /// the minute since 1970, and the number. Domain 0 is all those without their own limit.
    fn posted_since(
        &self,
        since: Timestamp,
        domain: Option<u32>,
    ) -> Result<Vec<(i64, u64)>, LedgerError>;

    /// How long requests took, as far as it is recorded: a process that was killed has not recorded its last seconds.
    fn latencies(&self) -> Result<Latencies, LedgerError>;

    fn pending(&self, after: u32, most: u32) -> Result<Vec<PlannedRow>, LedgerError>;

    /// The unknown rows, without those of forgotten people. No process sends the run, so rows in flight are unknown too.
    fn unknown(&self, after: u32, most: u32) -> Result<Vec<PlannedRow>, LedgerError>;

    fn rows(&self, after: u32, last: u32) -> Result<Vec<ResultRow>, LedgerError>;

    /// The same rows, without their cells.
    fn outcomes(&self, after: u32, last: u32) -> Result<Vec<RowOutcome>, LedgerError>;

    /// The accepted rows that have a message ID. The address of a forgotten person is a hash.
    fn accepted(&self, after: u32, most: u32) -> Result<Vec<AcceptedRow>, LedgerError>;

    /// The first unknown rows. Unless the run is `live`, no process sends it, and rows in flight are
    /// unknown too.
    fn first_unknown(&self, most: u32, live: bool) -> Result<Vec<ResultRow>, LedgerError>;

    /// The rows of a run with variants, by variant: in the order of the campaign, and first those that had their
    /// variant when the run was planned. The rows that are held back come last.
    fn by_variant(&self) -> Result<Vec<VariantRows>, LedgerError>;

    /// How many pending rows are held back until a variant is chosen for them.
    fn held_back(&self) -> Result<u64, LedgerError>;

    /// Gives all rows that are held back a variant, unless one was chosen before. This is durable when it returns.
    fn choose_variant(&self, name: &str) -> Result<VariantChoice, LedgerError>;

    /// Skips pending rows.
    fn skip(&self, rows: &[LeftOut], now: Timestamp) -> Result<(), LedgerError>;

    /// Makes `failed` rows pending with all their attempts. With `rejected`, `rejected` rows too, each
    /// in a request of its own. Rows of forgotten people stay as they are. Returns their number.
    fn retry(&self, rejected: bool) -> Result<u64, LedgerError>;

    /// Makes the `unknown` rows `accepted`. Returns their number.
    fn resolve_accepted(&self, now: Timestamp) -> Result<u64, LedgerError>;

    /// Makes the `unknown` rows pending again, marked as possible duplicates, but not those of forgotten people. Returns
    /// their number.
    fn resolve_resend(&self) -> Result<u64, LedgerError>;

    /// Makes these `unknown` rows `accepted` under these message IDs. This is durable when it returns.
    ///
    /// # Errors
    /// One of the rows is not unknown.
    fn accept(&self, rows: &[(u32, String)], now: Timestamp) -> Result<(), LedgerError>;
}

/// The pending rows of a lane, for a delivery.
pub(crate) trait RowSource: Send {
    /// # Errors
    /// The ledger can't be read.
    fn next_page(&mut self) -> Result<Page, LedgerError>;
}

pub(crate) enum Page {
    /// At least one row.
    Rows(Vec<PlannedRow>),
    /// Others work on all rows that are left: ask again after this time.
    Later(Duration),
    /// There are no more rows.
    End,
}

fn to_millis(time: Timestamp) -> i64 {
    time.as_millisecond()
}

fn from_millis(millis: i64) -> Result<Timestamp, LedgerError> {
    Timestamp::from_millisecond(millis).map_err(|error| LedgerError::Damaged(error.to_string()))
}

/// How many rows in the messages of other rows are read with a page. A larger group has a page of its own.
const MEMBERS_PAGE: usize = 5_000;

fn parse_strings(json: &str) -> Result<Vec<String>, LedgerError> {
    serde_json::from_str(json).map_err(|error| LedgerError::Damaged(error.to_string()))
}

/// The cells of a row as text, and the indexes of those that are JSON, in order.
fn parse_cells(json: &str) -> Result<(Vec<String>, Vec<usize>), LedgerError> {
    if let Ok(cells) = serde_json::from_str(json) {
        return Ok((cells, Vec::new()));
    }
    let damaged = |error: serde_json::Error| LedgerError::Damaged(error.to_string());
    let values: Vec<&RawValue> = serde_json::from_str(json).map_err(damaged)?;
    let mut cells = Vec::with_capacity(values.len());
    let mut json = Vec::new();
    for (index, value) in values.into_iter().enumerate() {
        let value = value.get();
        if value.starts_with('"') {
            cells.push(serde_json::from_str(value).map_err(damaged)?);
        } else {
            cells.push(value.to_owned());
            json.push(index);
        }
    }
    Ok((cells, json))
}
