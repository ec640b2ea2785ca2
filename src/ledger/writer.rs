//! The one writer of a ledger, on a thread of its own. What waits for it is committed together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, params};
use tokio::sync::oneshot;

use super::check::check_version;
use super::posted::{self, Witness};
use super::read::LEFT_IN_FLIGHT;
use super::{Counts, Ledger, LedgerError, Status, to_millis, write_ahead};

/// How many orders wait for the writer at most; then those who give them wait.
const QUEUE: usize = 8192;
/// How many orders are committed together at most.
const GROUP: usize = 4096;
/// How long settlements wait for a claim that they can be committed with.
const SETTLED_TOGETHER: Duration = Duration::from_millis(5);

/// What became of a claimed row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// The API took it.
    Accepted {
        /// The message's ID.
        message_id: String,
    },
    /// The API refused it.
    Rejected {
        /// The API's code, or the HTTP status.
        code: u16,
        /// The API's words.
        error: String,
    },
    /// It may or may not have been taken.
    Unknown {
        /// Why that is not known.
        error: String,
    },
    /// It was certainly not taken, and the attempts are spent.
    Failed {
        /// The HTTP status.
        code: Option<u16>,
        /// Why.
        error: String,
    },
    /// It was certainly not taken: it is pending again.
    Again {
        /// Whether the attempt counts against the row.
        counted: bool,
        /// Why.
        error: String,
    },
}

/// The rows of a request that is about to be posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Their numbers.
    pub rows: Vec<u32>,
    /// Their lane.
    pub lane: u32,
}

enum Order {
    Claim {
        claims: Vec<Claim>,
        at: Timestamp,
        done: oneshot::Sender<Result<(), LedgerError>>,
    },
    /// There are settlements, where there were none.
    Settle,
    LeaveOut {
        row: u32,
        status: Status,
        code: String,
        error: String,
        at: Timestamp,
    },
    Flush {
        done: oneshot::Sender<Result<(), LedgerError>>,
    },
}

/// How many rows have each status, kept up by the writer.
#[derive(Debug, Default)]
pub struct LiveCounts([AtomicU64; 8]);

impl LiveCounts {
    /// The counts as they are now.
    pub fn get(&self) -> Counts {
        let mut counts = Counts::default();
        for status in Status::ALL {
            counts.set(status, self.0[status as usize].load(Ordering::Relaxed));
        }
        counts
    }

    fn set(&self, counts: &Counts) {
        for status in Status::ALL {
            self.0[status as usize].store(counts.of(status), Ordering::Relaxed);
        }
    }

    fn shift(&self, moved: &[(Status, Status, u64)]) {
        for (from, to, rows) in moved {
            self.0[*from as usize].fetch_sub(*rows, Ordering::Relaxed);
            self.0[*to as usize].fetch_add(*rows, Ordering::Relaxed);
        }
    }
}

/// The writers' side of a ledger. Clones share the one thread.
#[derive(Clone)]
pub struct Writer {
    orders: SyncSender<Order>,
    settled: Arc<Settled>,
    counts: Arc<LiveCounts>,
    failure: Arc<Failure>,
}

/// What became of claimed rows and is not committed yet.
#[derive(Default)]
struct Settled(Mutex<Vec<(u32, Settlement, Timestamp)>>);

impl Settled {
    /// Whether they are the first.
    fn add(&self, rows: impl Iterator<Item = (u32, Settlement, Timestamp)>) -> bool {
        let mut settled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = settled.is_empty();
        settled.extend(rows);
        first
    }

    fn take(&self) -> Vec<(u32, Settlement, Timestamp)> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The write that failed, if one did.
struct Failure {
    path: PathBuf,
    reason: OnceLock<String>,
}

impl Failure {
    fn error(&self) -> LedgerError {
        match self.reason.get() {
            Some(reason) => LedgerError::NotWritten {
                path: self.path.clone(),
                reason: reason.clone(),
            },
            None => LedgerError::Stopped("its writer is gone".to_owned()),
        }
    }
}

impl Writer {
    /// Opens a run's ledger for writing. The caller holds the run's lock, so that rows which are
    /// `sending` were left so by a process that died: they become `unknown`.
    ///
    /// # Errors
    /// When the ledger can't be opened or written.
    pub fn open(path: &Path, now: Timestamp) -> Result<Self, LedgerError> {
        let connection = Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        check_version(&connection, path)?;
        posted::check(&connection, path)?;
        write_ahead(&connection, path)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "fullfsync", "ON")?;
        connection.busy_timeout(std::time::Duration::from_secs(10))?;
        connection.execute(
            "UPDATE delivery SET status = 'unknown', at = ?, error = ? WHERE status = 'sending'",
            params![to_millis(now), LEFT_IN_FLIGHT],
        )?;
        let counts = Arc::new(LiveCounts::default());
        counts.set(&Ledger::open(path)?.counts()?);
        let (orders, received) = sync_channel(QUEUE);
        let failure = Arc::new(Failure {
            path: path.to_owned(),
            reason: OnceLock::new(),
        });
        let witness = Witness::of(&connection, path)?;
        let settled = Arc::new(Settled::default());
        let thread = Thread {
            connection,
            orders: received,
            settled: Arc::clone(&settled),
            counts: Arc::clone(&counts),
            witness,
            failure: Arc::clone(&failure),
        };
        std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || thread.run())
            .map_err(|error| LedgerError::Stopped(error.to_string()))?;
        Ok(Self {
            orders,
            settled,
            counts,
            failure,
        })
    }

    /// The counts as of the last commit.
    pub fn counts(&self) -> &Arc<LiveCounts> {
        &self.counts
    }

    /// Makes pending rows `sending`; durable when it returns.
    ///
    /// # Errors
    /// When that could not be committed: nothing may be posted then.
    pub async fn claim(&self, claims: Vec<Claim>, at: Timestamp) -> Result<(), LedgerError> {
        self.order(|done| Order::Claim { claims, at, done }).await
    }

    /// Says what became of claimed rows. It is committed with the next claim, or a few milliseconds
    /// later without one; in any case before a claim that the caller makes after this.
    ///
    /// # Errors
    /// When the writer has stopped.
    pub fn settle(&self, rows: Vec<(u32, Settlement)>, at: Timestamp) -> Result<(), LedgerError> {
        let rows = rows.into_iter();
        let first = self
            .settled
            .add(rows.map(|(row, settlement)| (row, settlement, at)));
        if first {
            let sent = self.orders.send(Order::Settle);
            sent.map_err(|_| self.failure.error())?;
        }
        match self.failure.reason.get() {
            Some(_) => Err(self.failure.error()),
            None => Ok(()),
        }
    }

    /// Leaves a pending row out.
    ///
    /// # Errors
    /// When the writer has stopped.
    pub fn leave_out(
        &self,
        row: u32,
        status: Status,
        code: &str,
        error: &str,
        at: Timestamp,
    ) -> Result<(), LedgerError> {
        let order = Order::LeaveOut {
            row,
            status,
            code: code.to_owned(),
            error: error.to_owned(),
            at,
        };
        self.orders.send(order).map_err(|_| self.failure.error())
    }

    /// Waits until everything ordered so far is durable.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn flush(&self) -> Result<(), LedgerError> {
        self.order(|done| Order::Flush { done }).await
    }

    /// The same, where nothing is asynchronous.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn flush_blocking(&self) -> Result<(), LedgerError> {
        let (done, answer) = oneshot::channel();
        self.orders
            .send(Order::Flush { done })
            .map_err(|_| self.failure.error())?;
        answer.blocking_recv().map_err(|_| self.failure.error())?
    }

    async fn order(
        &self,
        order: impl FnOnce(oneshot::Sender<Result<(), LedgerError>>) -> Order,
    ) -> Result<(), LedgerError> {
        let (done, answer) = oneshot::channel();
        let sent = self.orders.send(order(done));
        sent.map_err(|_| self.failure.error())?;
        answer.await.map_err(|_| self.failure.error())?
    }
}

/// The thread that writes.
struct Thread {
    connection: Connection,
    orders: Receiver<Order>,
    settled: Arc<Settled>,
    counts: Arc<LiveCounts>,
    witness: Witness,
    failure: Arc<Failure>,
}

impl Thread {
    /// Commits what waits, group by group, until nobody is left to order, or a write fails.
    fn run(mut self) {
        while let Some(group) = self.group() {
            // Taken after the orders: a row's settlement comes before its next claim.
            let settled = self.settled.take();
            let result = self.commit(&settled, &group);
            if let Err(error) = &result {
                let reason = match error {
                    LedgerError::Sqlite(error) => error.to_string(),
                    error => error.to_string(),
                };
                // The first failure is the last write.
                let _ = self.failure.reason.set(reason);
            }
            for order in group {
                if let Order::Claim { done, .. } | Order::Flush { done } = order {
                    // Who ordered it may have given up waiting.
                    let _ = done.send(match &result {
                        Ok(()) => Ok(()),
                        Err(_) => Err(self.failure.error()),
                    });
                }
            }
            if result.is_err() {
                return;
            }
        }
    }

    /// The next orders; none when nobody is left to order.
    fn group(&self) -> Option<Vec<Order>> {
        let mut group = vec![self.orders.recv().ok()?];
        let until = Instant::now() + SETTLED_TOGETHER;
        while let [.., Order::Settle] = group[..] {
            let left = until.saturating_duration_since(Instant::now());
            match self.orders.recv_timeout(left) {
                Ok(order) => group.push(order),
                Err(_) => break,
            }
        }
        let room = GROUP.saturating_sub(group.len());
        group.extend(self.orders.try_iter().take(room));
        Some(group)
    }

    fn commit(
        &mut self,
        settled: &[(u32, Settlement, Timestamp)],
        group: &[Order],
    ) -> Result<(), LedgerError> {
        let transaction = self.connection.unchecked_transaction()?;
        let mut done = Done::default();
        settle(&transaction, settled, &mut done)?;
        for order in group {
            apply(&transaction, order, &mut done)?;
        }
        for ((minute, lane), recipients) in &done.posted {
            count_posted(&transaction, *minute, *lane, *recipients)?;
        }
        transaction.commit()?;
        self.witness.add(done.posted.values().sum());
        self.counts.shift(&done.moved);
        Ok(())
    }
}

/// What a commit does.
#[derive(Default)]
struct Done {
    /// How many rows went from one status to another.
    moved: Vec<(Status, Status, u64)>,
    /// How many recipients are posted, by minute and lane.
    posted: BTreeMap<(i64, u32), u64>,
}

fn apply(connection: &Connection, order: &Order, done: &mut Done) -> Result<(), LedgerError> {
    match order {
        Order::Claim { claims, at, .. } => {
            let rows: Vec<u32> = claims
                .iter()
                .flat_map(|claim| &claim.rows)
                .copied()
                .collect();
            claim(connection, &rows, *at)?;
            done.moved
                .push((Status::Pending, Status::Sending, rows.len() as u64));
            let minute = to_millis(*at).div_euclid(60_000);
            for Claim { rows, lane } in claims {
                *done.posted.entry((minute, *lane)).or_default() += rows.len() as u64;
            }
            Ok(())
        }
        Order::LeaveOut {
            row,
            status,
            code,
            error,
            at,
        } => {
            let mut update = connection.prepare_cached(
                "UPDATE delivery SET status = ?, code = ?, error = ?, at = ? WHERE row = ? AND status = 'pending'",
            )?;
            one_row(
                update.execute(params![status.as_str(), code, error, to_millis(*at), row])?,
                *row,
            )?;
            done.moved.push((Status::Pending, *status, 1));
            Ok(())
        }
        Order::Settle | Order::Flush { .. } => Ok(()),
    }
}

/// Rows that follow each other, as most do, are claimed at once.
fn claim(connection: &Connection, rows: &[u32], at: Timestamp) -> Result<(), LedgerError> {
    let mut update = connection.prepare_cached(
        "UPDATE delivery SET status = 'sending', attempts = attempts + 1, code = NULL, error = NULL, at = ?
         WHERE row BETWEEN ? AND ? AND status = 'pending'",
    )?;
    for run in rows.chunk_by(|row, next| row.checked_add(1) == Some(*next)) {
        let (first, last) = (run[0], run[run.len() - 1]);
        let changed = update.execute(params![to_millis(at), first, last])?;
        if changed != run.len() {
            return Err(wrong_status(&match run {
                [row] => format!("row {row}"),
                _ => format!("one of the rows {first} to {last}"),
            }));
        }
    }
    Ok(())
}

fn count_posted(
    connection: &Connection,
    minute: i64,
    lane: u32,
    recipients: u64,
) -> Result<(), LedgerError> {
    let mut upsert = connection.prepare_cached(
        "INSERT INTO posted (minute, lane, recipients) VALUES (?, ?, ?)
         ON CONFLICT (minute, lane) DO UPDATE SET recipients = recipients + excluded.recipients",
    )?;
    upsert.execute(params![minute, lane, recipients as i64])?;
    Ok(())
}

fn settle(
    connection: &Connection,
    settled: &[(u32, Settlement, Timestamp)],
    done: &mut Done,
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
            Settlement::Again { counted, error } => (
                Status::Pending,
                i64::from(!counted),
                None,
                None,
                Some(error),
            ),
        };
        let code = code.map(|code: u16| code.to_string());
        one_row(
            update.execute(params![
                status.as_str(),
                uncounted,
                message_id,
                code,
                error,
                to_millis(*at),
                row
            ])?,
            *row,
        )?;
        done.moved.push((Status::Sending, status, 1));
    }
    Ok(())
}

/// The rules of the statuses are held by the ledger itself: a row that is not where it should be
/// stops everything.
pub(super) fn one_row(changed: usize, row: u32) -> Result<(), LedgerError> {
    match changed {
        1 => Ok(()),
        _ => Err(wrong_status(&format!("row {row}"))),
    }
}

fn wrong_status(which: &str) -> LedgerError {
    LedgerError::Damaged(format!("{which} has not the status that it must have"))
}
