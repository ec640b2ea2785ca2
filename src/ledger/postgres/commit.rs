//! The commits of a worker.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio_postgres::types::Type;

use super::columns::{column, number};
use super::database::{Database, Parameter, wait};
use super::worker::Worker;
use crate::ledger::postgres_error::PostgresError;
use crate::ledger::{
    Change, Commit, Committed, Latencies, Ledger as _, LedgerError, LedgerWriter, Settlement,
};

/// How long a commit waits for a database that can't be reached.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// Starts the writer of a worker.
///
/// # Errors
/// The ledger can't be read, or a thread can't be started.
pub(crate) fn open_writer(worker: &Arc<Worker>) -> Result<LedgerWriter, LedgerError> {
    let counts = worker.ledger().counts()?;
    let committer = Committer::new(Arc::clone(worker));
    let name = worker.database().url().to_string();
    LedgerWriter::start(Box::new(committer), counts, name)
}

struct Committer {
    worker: Arc<Worker>,
    /// A connection of its own, so that a long commit does not delay the heartbeat.
    database: Database,
    /// The number of the last commit.
    commits: i64,
    /// In which commit the rows in flight were claimed.
    claims: HashMap<u32, i64>,
    /// How long all requests of this worker took.
    latencies: Latencies,
}

impl Committer {
    fn new(worker: Arc<Worker>) -> Self {
        Self {
            database: worker.database().second(),
            worker,
            commits: 0,
            claims: HashMap::new(),
            latencies: Latencies::default(),
        }
    }
}

impl Commit for Committer {
    fn commit(
        &mut self,
        settled: &[(u32, Settlement, Timestamp)],
        changes: &[&Change],
    ) -> Result<Committed, LedgerError> {
        self.commits += 1;
        let mut arrays = Arrays::default();
        for (row, settlement, _) in settled {
            let claim = self.claims.remove(row).ok_or_else(|| {
                LedgerError::Damaged(format!("row {row} was settled without a claim"))
            })?;
            arrays.settle(*row, claim, settlement);
        }
        for change in changes {
            arrays.add(change);
        }
        let give_up = Instant::now() + PATIENCE;
        let result = wait(self.call(&arrays, give_up))?;
        match result.as_str() {
            "done" => {}
            "not live" => {
                return Ok(Committed {
                    refused: Some(wait(self.worker.why_not_live())?),
                    ..Committed::default()
                });
            }
            _ => {
                let lost = PostgresError::LostCommits;
                // The error is reported even if the others can't be stopped.
                let _ = wait(self.worker.stop_all(&lost.to_string()));
                return Err(lost.into());
            }
        }
        for row in &arrays.claimed.rows {
            self.claims.insert(*row as u32, self.commits);
        }
        // The heartbeat has the counts of all workers.
        Ok(Committed::default())
    }

    /// Writes the sums of this worker, so that a statement that is repeated changes nothing.
    fn add_latencies(&mut self, latencies: &Latencies) -> Result<(), LedgerError> {
        self.latencies.merge(latencies);
        let (bounds, requests): (Vec<i32>, Vec<i64>) = (self.latencies.classes())
            .map(|(bound, requests)| (number(bound), requests as i64))
            .unzip();
        let sql = "INSERT INTO mailrun.latency (run, worker, bound, requests) SELECT $1, $2, * FROM unnest($3, $4)
             ON CONFLICT (run, worker, bound) DO UPDATE SET requests = excluded.requests";
        let (run, worker) = (self.worker.ledger().id(), self.worker.id());
        let parameters: [Parameter<'_>; 4] = [
            (&run, Type::INT8),
            (&worker, Type::INT8),
            (&bounds, Type::INT4_ARRAY),
            (&requests, Type::INT8_ARRAY),
        ];
        let give_up = Instant::now() + PATIENCE;
        let written = self.database.query_until(give_up, sql, &parameters);
        wait(written).map(drop).map_err(LedgerError::from)
    }
}

impl Committer {
    async fn call(&self, arrays: &Arrays<'_>, give_up: Instant) -> Result<String, PostgresError> {
        let (s, c, l) = (&arrays.settled, &arrays.claimed, &arrays.left_out);
        let sql = "SELECT mailrun.commit_work($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
        let rows = self
            .database
            .query_until(
                give_up,
                sql,
                &[
                    (&self.worker.id(), Type::INT8),
                    (&self.commits, Type::INT8),
                    (&s.rows, Type::INT4_ARRAY),
                    (&s.claims, Type::INT8_ARRAY),
                    (&s.statuses, Type::TEXT_ARRAY),
                    (&s.uncounted, Type::INT4_ARRAY),
                    (&s.message_ids, Type::TEXT_ARRAY),
                    (&s.codes, Type::TEXT_ARRAY),
                    (&s.errors, Type::TEXT_ARRAY),
                    (&c.rows, Type::INT4_ARRAY),
                    (&c.lanes, Type::INT4_ARRAY),
                    (&l.rows, Type::INT4_ARRAY),
                    (&l.statuses, Type::TEXT_ARRAY),
                    (&l.codes, Type::TEXT_ARRAY),
                    (&l.errors, Type::TEXT_ARRAY),
                ],
            )
            .await?;
        let row = rows.first().ok_or(PostgresError::LostCommits)?;
        column(row, 0)
    }
}

/// The parameters of `mailrun.commit_work`.
#[derive(Default)]
struct Arrays<'a> {
    settled: Settled<'a>,
    claimed: Claimed,
    left_out: LeftOutRows<'a>,
}

#[derive(Default)]
struct Settled<'a> {
    rows: Vec<i32>,
    claims: Vec<i64>,
    statuses: Vec<&'static str>,
    uncounted: Vec<i32>,
    message_ids: Vec<Option<&'a str>>,
    codes: Vec<Option<String>>,
    errors: Vec<Option<&'a str>>,
}

#[derive(Default)]
struct Claimed {
    rows: Vec<i32>,
    lanes: Vec<i32>,
}

#[derive(Default)]
struct LeftOutRows<'a> {
    rows: Vec<i32>,
    statuses: Vec<&'static str>,
    codes: Vec<&'a str>,
    errors: Vec<&'a str>,
}

impl<'a> Arrays<'a> {
    fn settle(&mut self, row: u32, claim: i64, settlement: &'a Settlement) {
        let columns = settlement.columns();
        let settled = &mut self.settled;
        settled.rows.push(number(row));
        settled.claims.push(claim);
        settled.statuses.push(columns.status.as_str());
        settled.uncounted.push(i32::from(columns.uncounted));
        settled.message_ids.push(columns.message_id);
        settled.codes.push(columns.code);
        settled.errors.push(columns.error);
    }

    fn add(&mut self, change: &'a Change) {
        match change {
            Change::Claim { claims, .. } => {
                for claim in claims {
                    let rows = claim.rows.iter().map(|row| number(*row));
                    self.claimed.rows.extend(rows);
                    let lanes = claim.rows.iter().map(|_| number(claim.domain));
                    self.claimed.lanes.extend(lanes);
                }
            }
            Change::LeaveOut {
                row,
                status,
                code,
                error,
                ..
            } => {
                self.left_out.rows.push(number(*row));
                self.left_out.statuses.push(status.as_str());
                self.left_out.codes.push(code);
                self.left_out.errors.push(error);
            }
        }
    }
}
