//! The engine: claim, pace, post, settle. Every row's order is: rendered, let through by the pace,
//! given a free connection, claimed durably, posted, settled.

mod feed;
mod job;
mod lookup;
mod outcome;
mod pace;
mod reconcile;
mod retry;
mod shared;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use rand::{Rng, RngExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::Instant;

use crate::campaign::{Rate, Retry};
use crate::clock::Clock;
use crate::ledger::{LedgerError, Settlement, Writer};
use crate::transport::Transport;

pub use feed::{Feeder, RowFault};
pub use job::{Job, JobRow};
pub use outcome::{Blame, MAX_RETRY_AFTER, Outcome, classify};
pub use pace::{Pace, batch_size};
pub use reconcile::{Reconcile, Reconciled};
pub use retry::backoff;
pub use shared::Waiting;
use shared::{Due, Shared};

/// How many requests may be put off before no new ones are begun.
const MAX_PUT_OFF: usize = 1000;

/// How a delivery goes.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The limits; all hold at once.
    pub rate: Vec<Rate>,
    /// The most requests in flight.
    pub concurrency: NonZeroU32,
    /// When a row is tried again.
    pub retry: Retry,
    /// What the ledger says of the last 24 hours ([`crate::ledger::Ledger::posted_since`]).
    pub posted: Vec<(i64, u64)>,
    /// The time.
    pub clock: Clock,
}

/// How a delivery ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// There is no row left that it could send.
    Done,
    /// The user interrupted it.
    Interrupted,
    /// It could not go on, for this reason.
    Stopped(String),
}

/// A delivery on its way.
pub struct Delivery<T> {
    transport: Arc<T>,
    writer: Writer,
    pace: Pace,
    settings: Settings,
    shared: Arc<Shared>,
    free: Arc<Semaphore>,
    rng: Box<dyn Rng + Send>,
}

impl<T: Transport> Delivery<T> {
    /// A delivery that has not begun. What it waits for is told to `waiting`.
    pub fn new(
        transport: T,
        writer: Writer,
        settings: Settings,
        rng: Box<dyn Rng + Send>,
        waiting: watch::Sender<Waiting>,
    ) -> Self {
        Self {
            transport: Arc::new(transport),
            writer,
            pace: Pace::new(&settings.rate, settings.posted.clone()),
            free: Arc::new(Semaphore::new(settings.concurrency.get() as usize)),
            shared: Arc::new(Shared::new(waiting)),
            settings,
            rng,
        }
    }

    /// Sends what the feeder gives, until it is done, `interrupt` is true, or it can't go on. What
    /// is in flight then is let end, and everything is durable when this returns.
    ///
    /// # Errors
    /// When the ledger can't be written: nothing is posted after that.
    pub async fn run(
        mut self,
        mut jobs: mpsc::Receiver<Job>,
        mut interrupt: watch::Receiver<bool>,
    ) -> Result<Ending, LedgerError> {
        let shared = Arc::clone(&self.shared);
        let ending = tokio::select! {
            biased;
            _ = interrupt.wait_for(|interrupted| *interrupted) => Ending::Interrupted,
            () = shared.stopped() => Ending::Done,
            () = self.dispatch(&mut jobs) => Ending::Done,
        };
        jobs.close();
        self.idle().await;
        self.writer.flush().await?;
        Ok(match shared.stop_reason() {
            Some(reason) if ending == Ending::Done => Ending::Stopped(reason),
            _ => ending,
        })
    }

    async fn dispatch(&mut self, jobs: &mut mpsc::Receiver<Job>) {
        while let Some(job) = self.next(jobs).await {
            let permit = self.turn(job.recipients()).await;
            self.launch(job, permit);
        }
    }

    /// The next request to post: one that was put off and is due, or a new one.
    async fn next(&self, jobs: &mut mpsc::Receiver<Job>) -> Option<Job> {
        let mut exhausted = false;
        loop {
            let ended = self.shared.ended.notified();
            // Looked at before what is due: a request that ends in between may have been put off.
            let idle = self.free.available_permits() == self.settings.concurrency.get() as usize;
            let due = match self.shared.due() {
                Due::Now(job) => return Some(job),
                Due::At(due) => Some(due),
                Due::None => None,
            };
            if exhausted && idle && due.is_none() {
                return None;
            }
            let take_new = !exhausted && self.shared.put_off() < MAX_PUT_OFF;
            tokio::select! {
                job = jobs.recv(), if take_new => match job {
                    Some(job) => return Some(job),
                    None => exhausted = true,
                },
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
                () = ended => {}
            }
        }
    }

    /// Waits for a free connection, the end of a pause, and the pace, in such an order that
    /// nothing is waited for after the pace. Until the API has answered once, a request goes alone.
    async fn turn(&mut self, recipients: u32) -> OwnedSemaphorePermit {
        let all = self.settings.concurrency.get();
        loop {
            let permits = if self.shared.proven() { 1 } else { all };
            let free = Arc::clone(&self.free);
            let permit = free
                .acquire_many_owned(permits)
                .await
                .expect("the semaphore is never closed");
            if permits == all && all > 1 && self.shared.proven() {
                continue;
            }
            self.shared.no_pause().await;
            self.day(recipients).await;
            self.pace.spaced(recipients).await;
            if !self.shared.paused() {
                self.pace.count(recipients, self.settings.clock.now());
                return permit;
            }
        }
    }

    async fn day(&mut self, recipients: u32) {
        while let Some(until) = self
            .pace
            .day_is_full_until(recipients, self.settings.clock.now())
        {
            self.shared.tell(Waiting::Day(until));
            let left = until.duration_since(self.settings.clock.now());
            // In steps, since the clock may be set while we wait.
            let step = Duration::try_from(left)
                .unwrap_or_default()
                .min(Duration::from_secs(60));
            tokio::time::sleep(step).await;
        }
        self.shared.going();
    }

    fn launch(&mut self, job: Job, permit: OwnedSemaphorePermit) {
        let flight = Flight {
            transport: Arc::clone(&self.transport),
            writer: self.writer.clone(),
            shared: Arc::clone(&self.shared),
            clock: self.settings.clock.clone(),
            retry: self.settings.retry,
            chance: self.rng.random(),
        };
        tokio::spawn(async move {
            let shared = Arc::clone(&flight.shared);
            if let Err(error) = flight.fly(job).await {
                shared.stop(error.to_string());
            }
            drop(permit);
            shared.ended.notify_one();
        });
    }

    /// Waits until nothing is in flight.
    async fn idle(&self) {
        let _all = self
            .free
            .acquire_many(self.settings.concurrency.get())
            .await;
    }
}

/// One request in flight.
struct Flight<T> {
    transport: Arc<T>,
    writer: Writer,
    shared: Arc<Shared>,
    clock: Clock,
    retry: Retry,
    /// What chance says about the wait, should one be needed.
    chance: f64,
}

impl<T: Transport> Flight<T> {
    async fn fly(&self, job: Job) -> Result<(), LedgerError> {
        self.writer
            .claim(job.row_numbers(), self.clock.now())
            .await?;
        let launched = Instant::now();
        let result = self.transport.post(job.body.clone()).await;
        let now = self.clock.now();
        let recipients: Vec<_> = job.rows.iter().map(|row| &row.address).collect();
        match classify(&result, &recipients, now) {
            Outcome::Settled(settlements) => {
                let settled = settlements
                    .iter()
                    .any(|s| !matches!(s, Settlement::Unknown { .. }));
                let accepted = settlements
                    .iter()
                    .any(|settlement| matches!(settlement, Settlement::Accepted { .. }));
                self.settle(&job, settlements)?;
                if settled {
                    self.shared.answered(accepted);
                }
            }
            Outcome::NotTaken {
                blame: Blame::Server,
                reason,
                wait,
            } => {
                self.settle(&job, again(&job, false, &reason))?;
                self.shared
                    .server_failed(launched, wait, &reason, |failures| {
                        backoff(failures, self.retry.max_delay, self.chance)
                    });
                self.shared.retry_at(self.shared.pause_ends(), job);
            }
            Outcome::NotTaken {
                blame: Blame::Request,
                reason,
                ..
            } => {
                self.shared.answered(false);
                self.try_again(job, &reason)?;
            }
            Outcome::Stop { reason, not_taken } => {
                let settlements = if not_taken {
                    again(&job, false, &reason)
                } else {
                    in_doubt(&job, &reason)
                };
                self.settle(&job, settlements)?;
                self.shared.stop(reason);
            }
        }
        Ok(())
    }

    /// Puts off the rows that have attempts left; the others have failed.
    fn try_again(&self, job: Job, reason: &str) -> Result<(), LedgerError> {
        let spent = |row: &JobRow| row.attempts + 1 >= self.retry.attempts;
        if job.rows.iter().any(spent) {
            let failed = |_| Settlement::Failed {
                code: Some(408),
                error: reason.to_owned(),
            };
            return self.settle(&job, job.rows.iter().map(failed).collect());
        }
        self.settle(&job, again(&job, true, reason))?;
        let attempts = job
            .rows
            .iter()
            .map(|row| row.attempts + 1)
            .max()
            .unwrap_or(1);
        let due = Instant::now() + backoff(attempts, self.retry.max_delay, self.chance);
        let rows = job
            .rows
            .iter()
            .map(|row| JobRow {
                attempts: row.attempts + 1,
                ..row.clone()
            })
            .collect();
        self.shared.retry_at(due, Job { rows, ..job });
        Ok(())
    }

    fn settle(&self, job: &Job, settlements: Vec<Settlement>) -> Result<(), LedgerError> {
        self.writer.settle(
            job.row_numbers().into_iter().zip(settlements).collect(),
            self.clock.now(),
        )
    }
}

fn again(job: &Job, counted: bool, reason: &str) -> Vec<Settlement> {
    job.rows
        .iter()
        .map(|_| Settlement::Again {
            counted,
            error: reason.to_owned(),
        })
        .collect()
}

fn in_doubt(job: &Job, reason: &str) -> Vec<Settlement> {
    job.rows
        .iter()
        .map(|_| Settlement::Unknown {
            error: reason.to_owned(),
        })
        .collect()
}
