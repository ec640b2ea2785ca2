//! What a commit of the writer does to the rows.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::posted::PostedFile;
use crate::ledger::{
    Change, Claim, Commit, Committed, Latencies, LedgerError, Settlement, Status, to_millis,
};

/// Commits into the file.
pub(super) struct Committer {
    connection: Connection,
    posted: PostedFile,
}

impl Committer {
    pub(super) fn new(connection: Connection, path: &Path) -> Result<Self, LedgerError> {
        Ok(Self {
            posted: PostedFile::open(&connection, path)?,
            connection,
        })
    }
}

impl Commit for Committer {
    fn commit(
        &mut self,
        settled: &[(u32, Settlement, Timestamp)],
        changes: &[&Change],
    ) -> Result<Committed, LedgerError> {
        let transaction = self.connection.unchecked_transaction()?;
        let mut effects = CommitEffects::default();
        effects.settle(&transaction, settled)?;
        for change in changes {
            match change {
                Change::Claim { claims, at } => effects.claim(&transaction, claims, *at)?,
                Change::LeaveOut {
                    row,
                    status,
                    code,
                    error,
                    at,
                } => {
                    leave_out(&transaction, *row, *status, code, error, *at)?;
                    effects.moved.push((Status::Pending, *status, 1));
                }
            }
        }
        effects.count_posted(&transaction)?;
        transaction.commit()?;
        self.posted.add(effects.posted.values().sum());
        Ok(Committed {
            moved: effects.moved,
            refused: None,
        })
    }

    fn add_latencies(&mut self, latencies: &Latencies) -> Result<(), LedgerError> {
        add_latencies(&self.connection, latencies)
    }
}

/// The effects of a commit beside the rows.
#[derive(Default)]
struct CommitEffects {
    moved: Vec<(Status, Status, u64)>,
    /// The recipients posted, by minute since 1970 and the place of the limit of their domain.
    posted: BTreeMap<(i64, u32), u64>,
}

impl CommitEffects {
    /// Makes pending rows `sending`.
    fn claim(
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
        for Claim { rows, domain } in claims {
            *self.posted.entry((minute, *domain)).or_default() += rows.len() as u64;
        }
        Ok(())
    }

    fn settle(
        &mut self,
        connection: &Connection,
        settled: &[(u32, Settlement, Timestamp)],
    ) -> Result<(), LedgerError> {
        let mut update = connection.prepare_cached(
            "UPDATE delivery SET status = ?, attempts = attempts - ?, message_id = ?, code = ?, error = ?, at = ?
             WHERE row = ? AND status = 'sending'",
        )?;
        for (row, settlement, at) in settled {
            let columns = settlement.columns();
            let changed = update.execute(params![
                columns.status.as_str(),
                i64::from(columns.uncounted),
                columns.message_id,
                columns.code,
                columns.error,
                to_millis(*at),
                row
            ])?;
            one_row(changed, *row)?;
            self.moved.push((Status::Sending, columns.status, 1));
        }
        Ok(())
    }

    /// Writes how many recipients were posted.
    fn count_posted(&self, connection: &Connection) -> Result<(), LedgerError> {
        let mut upsert = connection.prepare_cached(
            "INSERT INTO posted (minute, lane, recipients) VALUES (?, ?, ?)
             ON CONFLICT (minute, lane) DO UPDATE SET recipients = recipients + excluded.recipients",
        )?;
        for ((minute, domain), recipients) in &self.posted {
            upsert.execute(params![minute, domain, *recipients as i64])?;
        }
        Ok(())
    }
}

/// Adds how long requests took.
pub(super) fn add_latencies(
    connection: &Connection,
    latencies: &Latencies,
) -> Result<(), LedgerError> {
    let transaction = connection.unchecked_transaction()?;
    let sql = "INSERT INTO latency (bound, requests) VALUES (?, ?)
         ON CONFLICT (bound) DO UPDATE SET requests = requests + excluded.requests";
    for (bound, requests) in latencies.classes() {
        let mut upsert = transaction.prepare_cached(sql)?;
        upsert.execute(params![bound, requests as i64])?;
    }
    Ok(transaction.commit()?)
}

/// Gives a pending row a status in which it is not sent.
pub(super) fn leave_out(
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
    one_row(changed, row)
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
