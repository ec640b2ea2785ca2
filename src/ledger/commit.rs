//! What a commit of the writer does to the rows.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{LedgerError, Status, to_millis};

/// The rows of a request that is about to be posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub rows: Vec<u32>,
    pub lane: u32,
}

/// The result of an attempt for one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    Accepted {
        message_id: String,
    },
    Rejected {
        /// The API's code, or the HTTP status.
        code: u16,
        error: String,
    },
    /// It may or may not have been taken.
    Unknown {
        error: String,
    },
    /// It was certainly not taken, and there are no attempts left.
    Failed {
        /// The HTTP status.
        code: Option<u16>,
        error: String,
    },
    /// It was certainly not taken, and is pending again.
    Again {
        /// Whether the attempt counts.
        counted: bool,
        error: String,
    },
}

/// The effects of a commit beside the rows.
#[derive(Default)]
pub(super) struct CommitChanges {
    /// How many rows went from one status to another.
    pub(super) moved: Vec<(Status, Status, u64)>,
    /// The recipients posted, by minute since 1970 and lane.
    pub(super) posted: BTreeMap<(i64, u32), u64>,
}

impl CommitChanges {
    /// Makes pending rows `sending`.
    pub(super) fn claim(
        &mut self,
        connection: &Connection,
        claims: &[Claim],
        at: Timestamp,
    ) -> Result<(), LedgerError> {
        let mut update = connection.prepare_cached(
            "UPDATE delivery SET status = 'sending', attempts = attempts + 1, code = NULL, error = NULL, at = ?
             WHERE row BETWEEN ? AND ? AND status = 'pending'",
        )?;
        let rows: Vec<u32> = claims
            .iter()
            .flat_map(|claim| &claim.rows)
            .copied()
            .collect();
        // Most rows are consecutive, and are claimed together.
        for range in rows.chunk_by(|row, next| row.checked_add(1) == Some(*next)) {
            let (first, last) = (range[0], range[range.len() - 1]);
            let changed = update.execute(params![to_millis(at), first, last])?;
            if changed != range.len() {
                return Err(wrong_status(&match range {
                    [row] => format!("row {row}"),
                    _ => format!("one of the rows {first} to {last}"),
                }));
            }
        }
        let moved = (Status::Pending, Status::Sending, rows.len() as u64);
        self.moved.push(moved);
        let minute = to_millis(at).div_euclid(60_000);
        for Claim { rows, lane } in claims {
            *self.posted.entry((minute, *lane)).or_default() += rows.len() as u64;
        }
        Ok(())
    }

    pub(super) fn settle(
        &mut self,
        connection: &Connection,
        settled: &[(u32, Settlement, Timestamp)],
    ) -> Result<(), LedgerError> {
        let mut update = connection.prepare_cached(
            "UPDATE delivery SET status = ?, attempts = attempts - ?, message_id = ?, code = ?, error = ?, at = ?
             WHERE row = ? AND status = 'sending'",
        )?;
        for (row, settlement, at) in settled {
            let (status, uncounted, message_id, code, error) = match settlement {
                Settlement::Accepted { message_id } => {
                    (Status::Accepted, 0, Some(message_id), Some(200), None)
                }
                Settlement::Rejected { code, error } => {
                    (Status::Rejected, 0, None, Some(*code), Some(error))
                }
                Settlement::Unknown { error } => (Status::Unknown, 0, None, None, Some(error)),
                Settlement::Failed { code, error } => (Status::Failed, 0, None, *code, Some(error)),
                Settlement::Again { counted, error } => {
                    let uncounted = i64::from(!counted);
                    (Status::Pending, uncounted, None, None, Some(error))
                }
            };
            let code = code.map(|code: u16| code.to_string());
            let changed = update.execute(params![
                status.as_str(),
                uncounted,
                message_id,
                code,
                error,
                to_millis(*at),
                row
            ])?;
            one_row(changed, *row)?;
            self.moved.push((Status::Sending, status, 1));
        }
        Ok(())
    }

    /// Gives a pending row a status in which it is not sent.
    pub(super) fn leave_out(
        &mut self,
        connection: &Connection,
        row: u32,
        status: Status,
        code: &str,
        error: &str,
        at: Timestamp,
    ) -> Result<(), LedgerError> {
        let mut update = connection.prepare_cached(
            "UPDATE delivery SET status = ?, code = ?, error = ?, at = ? WHERE row = ? AND status = 'pending'",
        )?;
        let changed = update.execute(params![status.as_str(), code, error, to_millis(at), row])?;
        one_row(changed, row)?;
        self.moved.push((Status::Pending, status, 1));
        Ok(())
    }

    /// Writes how many recipients were posted.
    pub(super) fn count_posted(&self, connection: &Connection) -> Result<(), LedgerError> {
        let mut upsert = connection.prepare_cached(
            "INSERT INTO posted (minute, lane, recipients) VALUES (?, ?, ?)
             ON CONFLICT (minute, lane) DO UPDATE SET recipients = recipients + excluded.recipients",
        )?;
        for ((minute, lane), recipients) in &self.posted {
            upsert.execute(params![minute, lane, *recipients as i64])?;
        }
        Ok(())
    }
}

/// Checks that a row was changed. A row in another status than expected stops everything.
pub(super) fn one_row(changed: usize, row: u32) -> Result<(), LedgerError> {
    match changed {
        1 => Ok(()),
        _ => Err(wrong_status(&format!("row {row}"))),
    }
}

fn wrong_status(rows: &str) -> LedgerError {
    LedgerError::Damaged(format!("{rows} does not have the expected status"))
}
