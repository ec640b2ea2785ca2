//! The only writer of a ledger, on a thread of its own. Commands that wait are committed together.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::oneshot;

use super::{Change, Claim, Commit, Latencies, LedgerError, Settlement, Status, StatusCounts};

/// How many commands may wait; beyond that, callers block.
const QUEUE: usize = 8192;
/// The most commands of one commit.
const GROUP: usize = 4096;
/// How long settlements wait for a claim to be committed with.
const SETTLE_DELAY: Duration = Duration::from_millis(5);
/// How often latencies are written.
const LATENCIES: Duration = Duration::from_secs(5);

enum WriterCommand {
    /// `done` is told when it is durable.
    Change(Change, Option<Done>),
    /// There are settlements again.
    Settle,
    Flush(Done),
}

type Done = oneshot::Sender<Result<(), LedgerError>>;

/// How many rows have each status, updated by the writer.
pub(crate) struct LiveCounts(Mutex<StatusCounts>);

impl LiveCounts {
    pub(crate) fn get(&self) -> StatusCounts {
        *lock(&self.0)
    }

    pub(super) fn set(&self, counts: StatusCounts) {
        *lock(&self.0) = counts;
    }
}

/// A handle of the writer. Clones share the one thread.
#[derive(Clone)]
pub struct LedgerWriter {
    commands: SyncSender<WriterCommand>,
    settled: Arc<Uncommitted>,
    latencies: Arc<Mutex<Latencies>>,
    counts: Arc<LiveCounts>,
    failure: Arc<WriteFailure>,
}

/// Settlements that are not committed yet.
type Uncommitted = Mutex<Vec<(u32, Settlement, Timestamp)>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The write that failed, if one did.
struct WriteFailure {
    ledger: String,
    reason: OnceLock<String>,
}

impl WriteFailure {
    fn refused(&self, reason: String) -> LedgerError {
        LedgerError::NotWritten {
            ledger: self.ledger.clone(),
            reason,
        }
    }

    fn error(&self) -> LedgerError {
        match self.reason.get() {
            Some(reason) => self.refused(reason.clone()),
            None => LedgerError::Stopped("its writer has ended".to_owned()),
        }
    }
}

/// All operations fail once a write has failed.
impl LedgerWriter {
    /// Starts the writer's thread. `ledger` is what errors call the ledger.
    ///
    /// # Errors
    /// The thread can't be started.
    pub(super) fn start(
        commit: Box<dyn Commit>,
        counts: StatusCounts,
        ledger: String,
    ) -> Result<Self, LedgerError> {
        let counts = Arc::new(LiveCounts(Mutex::new(counts)));
        let (commands, received) = sync_channel(QUEUE);
        let failure = Arc::new(WriteFailure {
            ledger,
            reason: OnceLock::new(),
        });
        let settled = Arc::new(Uncommitted::default());
        let latencies = Arc::new(Mutex::new(Latencies::default()));
        let thread = WriterThread {
            commit,
            commands: received,
            settled: Arc::clone(&settled),
            latencies: Arc::clone(&latencies),
            latencies_written: Instant::now(),
            counts: Arc::clone(&counts),
            failure: Arc::clone(&failure),
        };
        std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || thread.run())
            .map_err(|error| LedgerError::Stopped(error.to_string()))?;
        Ok(Self {
            commands,
            settled,
            latencies,
            counts,
            failure,
        })
    }

    /// The counts as of the last commit.
    pub(crate) fn counts(&self) -> &Arc<LiveCounts> {
        &self.counts
    }

    /// Makes pending rows `sending`. This is durable when it returns.
    ///
    /// # Errors
    /// It could not be committed: nothing may be posted then.
    pub async fn claim(&self, claims: Vec<Claim>, at: Timestamp) -> Result<(), LedgerError> {
        let answer =
            self.send(|done| WriterCommand::Change(Change::Claim { claims, at }, Some(done)))?;
        answer.await.map_err(|_| self.failure.error())?
    }

    /// Settles claimed rows. This is committed with the next claim or a few milliseconds later, and
    /// in any case before a claim that the caller makes after this.
    ///
    /// # Errors
    /// The writer has stopped.
    pub fn settle(&self, rows: Vec<(u32, Settlement)>, at: Timestamp) -> Result<(), LedgerError> {
        let first = {
            let mut settled = lock(&self.settled);
            let first = settled.is_empty();
            let rows = rows.into_iter();
            settled.extend(rows.map(|(row, settlement)| (row, settlement, at)));
            first
        };
        if first {
            let sent = self.commands.send(WriterCommand::Settle);
            sent.map_err(|_| self.failure.error())?;
        }
        match self.failure.reason.get() {
            Some(_) => Err(self.failure.error()),
            None => Ok(()),
        }
    }

    /// Records how long a request took. This is written within seconds, and by `flush`.
    pub(crate) fn record_latency(&self, duration: Duration) {
        lock(&self.latencies).record(duration);
    }

    /// Gives a pending row a status in which it is not sent.
    pub(crate) fn leave_out(
        &self,
        row: u32,
        status: Status,
        code: &str,
        error: &str,
        at: Timestamp,
    ) -> Result<(), LedgerError> {
        let change = Change::LeaveOut {
            row,
            status,
            code: code.to_owned(),
            error: error.to_owned(),
            at,
        };
        let sent = self.commands.send(WriterCommand::Change(change, None));
        sent.map_err(|_| self.failure.error())
    }

    /// Waits until all earlier commands are durable.
    pub async fn flush(&self) -> Result<(), LedgerError> {
        let answer = self.send(WriterCommand::Flush)?;
        answer.await.map_err(|_| self.failure.error())?
    }

    fn send(
        &self,
        command: impl FnOnce(Done) -> WriterCommand,
    ) -> Result<oneshot::Receiver<Result<(), LedgerError>>, LedgerError> {
        let (done, answer) = oneshot::channel();
        let sent = self.commands.send(command(done));
        sent.map_err(|_| self.failure.error())?;
        Ok(answer)
    }
}

struct WriterThread {
    commit: Box<dyn Commit>,
    commands: Receiver<WriterCommand>,
    settled: Arc<Uncommitted>,
    latencies: Arc<Mutex<Latencies>>,
    latencies_written: Instant,
    counts: Arc<LiveCounts>,
    failure: Arc<WriteFailure>,
}

impl WriterThread {
    /// Commits group by group until all handles are dropped or a write fails.
    fn run(mut self) {
        while let Some(group) = self.next_group() {
            // Taken after the commands: a row is settled before its next claim.
            let settled = std::mem::take(&mut *lock(&self.settled));
            let result = self.write(&settled, &group);
            let flushes = |command| matches!(command, &WriterCommand::Flush(_));
            if result.is_ok() && group.iter().any(flushes) {
                self.write_latencies();
            }
            if let Err(error) = &result {
                let reason = match error {
                    LedgerError::Sqlite(error) => error.to_string(),
                    error => error.to_string(),
                };
                // It is the only one: nothing is written after it.
                let _ = self.failure.reason.set(reason);
            }
            for command in group {
                let (done, refused) = match (command, &result) {
                    (WriterCommand::Change(_, Some(done)), Ok(refused)) => (done, refused.clone()),
                    (WriterCommand::Change(_, Some(done)) | WriterCommand::Flush(done), _) => {
                        (done, None)
                    }
                    _ => continue,
                };
                // The caller may have stopped waiting.
                let _ = done.send(match (&result, refused) {
                    (Err(_), _) => Err(self.failure.error()),
                    (Ok(_), Some(reason)) => Err(self.failure.refused(reason)),
                    (Ok(_), None) => Ok(()),
                });
            }
            if result.is_err() {
                return;
            }
            // After the answers, so that no claim waits for it.
            if self.latencies_written.elapsed() >= LATENCIES {
                self.write_latencies();
            }
        }
    }

    /// A failure does not stop the run: the report then has fewer requests.
    fn write_latencies(&mut self) {
        self.latencies_written = Instant::now();
        let latencies = std::mem::take(&mut *lock(&self.latencies));
        if latencies.is_empty() {
            return;
        }
        if let Err(error) = self.commit.add_latencies(&latencies) {
            tracing::warn!(%error, "can't record how long requests took");
        }
    }

    /// The commands of the next commit; `None` when all handles are dropped.
    fn next_group(&self) -> Option<Vec<WriterCommand>> {
        let mut group = vec![self.commands.recv().ok()?];
        let until = Instant::now() + SETTLE_DELAY;
        while let [.., WriterCommand::Settle] = group[..] {
            let left = until.saturating_duration_since(Instant::now());
            match self.commands.recv_timeout(left) {
                Ok(command) => group.push(command),
                Err(_) => break,
            }
        }
        let room = GROUP.saturating_sub(group.len());
        group.extend(self.commands.try_iter().take(room));
        Some(group)
    }

    /// Returns why the changes were refused, if they were.
    fn write(
        &mut self,
        settled: &[(u32, Settlement, Timestamp)],
        group: &[WriterCommand],
    ) -> Result<Option<String>, LedgerError> {
        let changes: Vec<&Change> = group
            .iter()
            .filter_map(|command| match command {
                WriterCommand::Change(change, _) => Some(change),
                WriterCommand::Settle | WriterCommand::Flush(_) => None,
            })
            .collect();
        if settled.is_empty() && changes.is_empty() {
            return Ok(None);
        }
        let committed = self.commit.commit(settled, &changes)?;
        lock(&self.counts.0).shift(&committed.moved);
        Ok(committed.refused)
    }
}
