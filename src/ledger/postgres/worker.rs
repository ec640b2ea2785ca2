//! A process that sends a run: its heartbeat, its leases, and what it and the others tell each other.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tokio_postgres::types::Type;

use super::PostgresLedger;
use super::columns::{column, number};
use super::database::{Database, wait};
use crate::ledger::postgres_error::PostgresError;
use crate::ledger::{LedgerError, LiveCounts, Page, PlannedRow, RowSource, StatusCounts};

/// How often a worker tells the database that it is alive.
pub(crate) const HEARTBEAT: Duration = Duration::from_millis(500);
/// How long a worker waits before it asks again for rows that others work on.
const ASK_AGAIN: Duration = Duration::from_millis(250);
/// How long a new worker waits for a database that can't be reached, such as one that restarts.
const JOIN_PATIENCE: Duration = Duration::from_secs(30);
/// How long a lease of rows waits for a database that can't be reached.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

pub(crate) struct Worker {
    database: Arc<Database>,
    ledger: PostgresLedger,
    id: i64,
    /// How long it may be silent before others take its rows.
    lease: Duration,
    /// How long before the end of the lease the last request must begin.
    request_time: Duration,
    /// Until when requests may begin, in nanoseconds of the clock that counts suspended time.
    may_post_until: Arc<AtomicI64>,
}

/// What a worker learned about the server, or what it learns from the others.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct News {
    /// All requests pause for this long, for this reason.
    pub(crate) pause: Option<(Duration, String)>,
    /// How often the server asked for less.
    pub(crate) refusals: u64,
    pub(crate) accepted: u64,
    /// The messages that were rejected, failed or are unknown, and the reason of the last one.
    pub(crate) failed: u64,
    pub(crate) failure: Option<String>,
    /// Recipients per second lately, of this worker.
    pub(crate) rate: f64,
    /// Why all workers stop.
    pub(crate) stop: Option<String>,
}

/// When requests may begin: while the others can't take over the rows.
#[derive(Clone)]
pub(crate) struct PostingTime(Arc<AtomicI64>);

impl PostingTime {
    pub(crate) fn is_over(&self) -> bool {
        now_in_nanos() > self.0.load(Ordering::Relaxed)
    }
}

fn now_in_nanos() -> i64 {
    // It goes on while the machine sleeps.
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

impl Worker {
    /// Joins a run, unless another run of its campaign is being sent. `timeout` is the longest time that
    /// a request takes.
    ///
    /// # Errors
    /// The database refuses it, may have lost claims, or can't be reached.
    pub(crate) fn join(
        ledger: &PostgresLedger,
        lease: Duration,
        timeout: Duration,
    ) -> Result<Arc<Self>, LedgerError> {
        let host = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        let process = i32::try_from(std::process::id()).unwrap_or(i32::MAX);
        ledger.check_cluster()?;
        let lease_in_millis = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
        let asked = now_in_nanos();
        let database = Arc::new(ledger.database.second());
        // If an answer is lost, the database ends the worker that nobody knows.
        let rows = wait(database.query_until(
            Instant::now() + JOIN_PATIENCE,
            "SELECT mailrun.join_run($1, $2, $3, $4)",
            &[
                (&ledger.id, Type::INT8),
                (&host, Type::TEXT),
                (&process, Type::INT4),
                (&lease_in_millis, Type::INT8),
            ],
        ))?;
        let row = rows.first().ok_or(PostgresError::LostCommits)?;
        let worker = Self {
            database,
            ledger: ledger.clone(),
            id: column(row, 0)?,
            lease,
            request_time: timeout.min(lease / 2),
            may_post_until: Arc::default(),
        };
        worker.was_alive_at(asked);
        Ok(Arc::new(worker))
    }

    pub(super) fn id(&self) -> i64 {
        self.id
    }

    pub(super) fn ledger(&self) -> &PostgresLedger {
        &self.ledger
    }

    pub(super) fn database(&self) -> &Arc<Database> {
        &self.database
    }

    pub(crate) fn posting_time(&self) -> PostingTime {
        PostingTime(Arc::clone(&self.may_post_until))
    }

    /// The database knows that it was alive then.
    fn was_alive_at(&self, nanos: i64) {
        let time = (self.lease - self.request_time).as_nanos() as i64;
        self.may_post_until.store(nanos + time, Ordering::Relaxed);
    }

    /// The pending rows of a lane. All lanes of a worker share `limit`, the most rows that it takes.
    pub(crate) fn rows(self: &Arc<Self>, lane: u32, limit: &Arc<Mutex<u64>>) -> LeasedRows {
        LeasedRows {
            worker: Arc::clone(self),
            lane,
            lease: 0,
            leased: Vec::new(),
            limit: Arc::clone(limit),
        }
    }

    /// Tells the others what this worker learned since it joined, and returns what they learned, as sums
    /// since the run began. Also keeps it alive.
    ///
    /// # Errors
    /// The database can't be reached.
    pub(crate) async fn heartbeat(
        &self,
        news: &News,
        counts: &LiveCounts,
    ) -> Result<News, PostgresError> {
        let pause = news.pause.as_ref();
        let pause_in_millis = pause.map_or(0, |(pause, _)| pause.as_millis() as i64);
        let pause_reason = pause.map(|(_, reason)| reason.as_str());
        let asked = now_in_nanos();
        let rows = self
            .database
            .query(
                "SELECT live, stop_reason, pause, pause_reason, refusals, taken, failed, failure, counts
                 FROM mailrun.heartbeat($1, $2, $3, $4, $5, $6, $7, $8)",
                &[
                    (&self.id, Type::INT8),
                    (&pause_in_millis, Type::INT8),
                    (&pause_reason, Type::TEXT),
                    (&(news.refusals as i64), Type::INT8),
                    (&(news.accepted as i64), Type::INT8),
                    (&(news.failed as i64), Type::INT8),
                    (&news.failure, Type::TEXT),
                    (&news.rate, Type::FLOAT8),
                ],
            )
            .await?;
        let row = rows.first().ok_or(PostgresError::LostCommits)?;
        if !column::<Option<bool>>(row, 0)?.unwrap_or(false) {
            return Ok(News {
                stop: Some(ended(column(row, 1)?)),
                ..News::default()
            });
        }
        self.was_alive_at(asked);
        if let Some(numbers) = column::<Option<Vec<i64>>>(row, 8)? {
            counts.set(StatusCounts::from_numbers(&numbers));
        }
        let pause: Option<i64> = column(row, 2)?;
        let pause = Duration::from_millis(pause.unwrap_or(0).max(0) as u64);
        let reason: Option<String> = column(row, 3)?;
        Ok(News {
            pause: (pause > Duration::ZERO).then(|| (pause, reason.unwrap_or_default())),
            refusals: column::<i64>(row, 4)? as u64,
            accepted: column::<i64>(row, 5)? as u64,
            failed: column::<i64>(row, 6)? as u64,
            failure: column(row, 7)?,
            rate: 0.0,
            stop: column(row, 1)?,
        })
    }

    /// Why the worker may not claim rows.
    pub(super) async fn why_not_live(&self) -> Result<String, PostgresError> {
        let sql = "SELECT end_reason FROM mailrun.worker WHERE id = $1";
        let rows = self.database.query(sql, &[(&self.id, Type::INT8)]).await?;
        let reason = rows
            .first()
            .map(|row| column(row, 0))
            .transpose()?
            .flatten();
        Ok(ended(reason))
    }

    /// Stops all workers of the run.
    ///
    /// # Errors
    /// The database can't be reached.
    pub(super) async fn stop_all(&self, reason: &str) -> Result<(), PostgresError> {
        self.ledger.stop_workers(reason).await
    }

    /// Gives the rows that it did not send to the others.
    ///
    /// # Errors
    /// The database can't be reached.
    pub(crate) fn leave(&self) -> Result<(), LedgerError> {
        let sql = "SELECT mailrun.leave_run($1)";
        let give_up = Instant::now() + self.lease;
        wait(
            self.database
                .query_until(give_up, sql, &[(&self.id, Type::INT8)]),
        )?;
        Ok(())
    }

    /// Leases the next range of a lane. Returns its first and last row.
    async fn lease(&self, lane: u32, lease: i64, most: u64) -> Result<Lease, PostgresError> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let give_up = Instant::now() + PATIENCE;
        let rows = self
            .database
            .query_until(
                give_up,
                "SELECT answer, first, last FROM mailrun.lease($1, $2, $3, $4)",
                &[
                    (&self.id, Type::INT8),
                    (&number(lane), Type::INT4),
                    (&lease, Type::INT8),
                    (&most, Type::INT8),
                ],
            )
            .await?;
        let row = rows.first().ok_or(PostgresError::LostCommits)?;
        Ok(match column(row, 0)? {
            "range" => Lease::Range {
                first: column::<i32>(row, 1)? as u32,
                last: column::<i32>(row, 2)? as u32,
            },
            "later" => Lease::Later,
            "end" => Lease::End,
            _ => return Err(PostgresError::InUse(self.why_not_live().await?)),
        })
    }
}

fn ended(reason: Option<String>) -> String {
    let reason = reason.map_or_else(String::new, |reason| format!(" ({reason})"));
    format!("this process was ended by the others{reason}: they took over its rows")
}

enum Lease {
    Range { first: u32, last: u32 },
    Later,
    End,
}

/// Rows of a lane that only this worker may claim.
pub(crate) struct LeasedRows {
    worker: Arc<Worker>,
    lane: u32,
    /// The number of the last lease.
    lease: i64,
    /// The rows of this lease that have not been returned, without the other rows of their groups.
    leased: Vec<PlannedRow>,
    /// How many rows the worker may still take. Locked during a lease: the lanes share it.
    limit: Arc<Mutex<u64>>,
}

impl RowSource for LeasedRows {
    fn next_page(&mut self) -> Result<Page, LedgerError> {
        if self.leased.is_empty() {
            let mut left = self.limit.lock().unwrap_or_else(PoisonError::into_inner);
            if *left == 0 {
                return Ok(Page::End);
            }
            let lease = wait(self.worker.lease(self.lane, self.lease + 1, *left))?;
            let (first, last) = match lease {
                Lease::Range { first, last } => (first, last),
                Lease::Later => return Ok(Page::Later(ASK_AGAIN)),
                Lease::End => return Ok(Page::End),
            };
            self.lease += 1;
            let filter = format!("d.status = 'pending' AND d.lane = {}", self.lane);
            let ledger = &self.worker.ledger;
            self.leased = wait(patiently(async || {
                ledger.first_rows(&filter, first - 1, last, u32::MAX).await
            }))?;
            *left = left.saturating_sub(self.leased.len() as u64);
        }
        let ledger = &self.worker.ledger;
        let leased = &mut self.leased;
        let rows = wait(patiently(async || ledger.take_page(leased).await))?;
        Ok(match rows.is_empty() {
            true => Page::Later(Duration::ZERO),
            false => Page::Rows(rows),
        })
    }
}

/// Repeats what reads rows while the database can't be reached.
async fn patiently<T>(
    mut read: impl AsyncFnMut() -> Result<T, LedgerError>,
) -> Result<T, LedgerError> {
    let give_up = Instant::now() + PATIENCE;
    loop {
        match read().await {
            Err(LedgerError::Postgres(error))
                if error.is_transient() && Instant::now() < give_up =>
            {
                tokio::time::sleep(ASK_AGAIN).await;
            }
            result => return result,
        }
    }
}
