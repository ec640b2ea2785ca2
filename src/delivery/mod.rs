//! Sends the pending rows. Each row goes through the same steps: it is rendered, waits for a free
//! connection and for its rate limits, is claimed durably, posted, and settled.

mod batch;
mod breaker;
mod exchange;
mod feeder;
mod lanes;
#[cfg(test)]
mod month;
mod poster;
mod queue;
mod reconcile;
mod retry_budget;
mod state;
mod throttle;

use std::future::poll_fn;
use std::num::NonZeroU32;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use jiff::Timestamp;
use rand::{Rng, RngExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::time::Instant;

use crate::campaign::{self, RetrySettings};
use crate::clock::Clock;
use crate::ledger::postgres::Worker;
use crate::ledger::{LedgerError, LedgerWriter};
use crate::pace::{RateLimit, Turn};
use crate::schedule::{Gate, Opening, Schedule};
use crate::transport::Transport;

use batch::Batch;
use breaker::CircuitBreaker;
pub(crate) use feeder::Feeder;
pub(crate) use lanes::LaneKey;
use lanes::{Lanes, Pick};
use poster::{Poster, ReadyBatch};
pub(crate) use queue::{BatchReceiver, Queue};
pub(crate) use reconcile::{Reconcile, ReconcileReport};
pub(crate) use state::WaitReason;
use state::{DeliveryState, NextRetry};

/// The longest first wait before a retry.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// With this many retries scheduled, no new requests are begun.
const MAX_SCHEDULED_RETRIES: usize = 1000;
/// The longest sleep until a time of day, since the clock may be set meanwhile.
const MAX_SLEEP: Duration = Duration::from_secs(60);

pub(crate) struct DeliverySettings {
    /// The limit of all lanes together.
    pub(crate) limit: Box<dyn RateLimit>,
    /// The most recipients of a request.
    pub(crate) batch_size: NonZeroU32,
    /// The limits of the domains that have their own.
    pub(crate) domains: Vec<Box<dyn RateLimit>>,
    pub(crate) schedule: Option<Arc<Schedule>>,
    /// The most requests in flight.
    pub(crate) concurrency: NonZeroU32,
    pub(crate) retry: RetrySettings,
    pub(crate) breaker: campaign::BreakerSettings,
    /// If others send the run too.
    pub(crate) worker: Option<Arc<Worker>>,
    /// Gets the reason if the limits can't be kept any more.
    pub(crate) limits_failed: Option<oneshot::Receiver<String>>,
    pub(crate) clock: Clock,
}

/// How a delivery ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// No row is left that it could send.
    Done,
    /// The schedule allows no request now for the rows that are left.
    Closed,
    Interrupted,
    /// It could not continue, for this reason.
    Stopped(String),
}

pub(crate) struct Delivery<T> {
    poster: Arc<Poster<T>>,
    limit: Box<dyn RateLimit>,
    domains: Vec<Box<dyn RateLimit>>,
    schedule: Option<Arc<Schedule>>,
    worker: Option<Arc<Worker>>,
    limits_failed: Option<oneshot::Receiver<String>>,
    concurrency: u32,
    state: Arc<DeliveryState>,
    free: Arc<Semaphore>,
    rng: Box<dyn Rng + Send + Sync>,
}

impl<T: Transport> Delivery<T> {
    /// `waiting` shows what the delivery waits for.
    pub(crate) fn new(
        transport: T,
        writer: LedgerWriter,
        settings: DeliverySettings,
        rng: Box<dyn Rng + Send + Sync>,
        waiting: watch::Sender<WaitReason>,
    ) -> Self {
        let batch_size = settings.batch_size;
        let breaker = CircuitBreaker::new(settings.breaker);
        let state = Arc::new(DeliveryState::new(breaker, batch_size, waiting));
        let concurrency = settings.concurrency.get();
        let poster = Poster {
            transport,
            writer,
            state: Arc::clone(&state),
            clock: settings.clock,
            retry: settings.retry,
            posting_time: settings.worker.as_ref().map(|worker| worker.posting_time()),
        };
        Self {
            poster: Arc::new(poster),
            limit: settings.limit,
            worker: settings.worker,
            limits_failed: settings.limits_failed,
            domains: settings.domains,
            schedule: settings.schedule,
            concurrency,
            state,
            free: Arc::new(Semaphore::new(concurrency as usize)),
            rng,
        }
    }

    /// Sends what the feeders build, one feeder for each lane, until they are done, the schedule allows no more for now,
    /// `interrupt` is true, or it can't continue. Requests in flight then end normally, and everything is durable
    /// when this returns.
    ///
    /// # Errors
    /// The ledger can't be written: nothing is posted after that.
    pub(crate) async fn run(
        mut self,
        feeds: Vec<(LaneKey, BatchReceiver)>,
        mut interrupt: watch::Receiver<bool>,
    ) -> Result<Ending, LedgerError> {
        let state = Arc::clone(&self.state);
        let zones = self.schedule.as_ref().map_or(1, |it| it.zones.len());
        let gates = (0..zones).map(|zone| Gate::new(self.schedule.clone(), zone));
        let mut lanes = Lanes::new(feeds, std::mem::take(&mut self.domains), gates.collect());
        let exchange = self.worker.take().map(|worker| {
            let counts = Arc::clone(self.poster.writer.counts());
            tokio::spawn(exchange::run(worker, Arc::clone(&state), counts))
        });
        let limits_failed = failure(self.limits_failed.take());
        let ending = tokio::select! {
            biased;
            _ = interrupt.wait_for(|interrupted| *interrupted) => Ending::Interrupted,
            () = state.stopped() => Ending::Done,
            reason = limits_failed => {
                state.stop(reason);
                Ending::Done
            }
            () = self.dispatch(&mut lanes) => match lanes.are_done() {
                true => Ending::Done,
                false => Ending::Closed,
            },
        };
        lanes.close();
        // Until nothing is in flight.
        let _all = self.free.acquire_many(self.concurrency).await;
        let flushed = self.poster.writer.flush().await;
        if let Some(exchange) = exchange {
            exchange.abort();
        }
        flushed?;
        Ok(match state.stop_reason() {
            Some(reason) if ending != Ending::Interrupted => Ending::Stopped(reason),
            _ => ending,
        })
    }

    /// Posts all requests. Those that may go at the same moment are claimed together.
    async fn dispatch(&mut self, lanes: &mut Lanes) {
        let poster = Arc::clone(&self.poster);
        let mut group = Vec::new();
        loop {
            let mut next = pin!(self.next_ready(lanes));
            let ready = match poll_fn(|context| Poll::Ready(next.as_mut().poll(context))).await {
                Poll::Ready(ready) => ready,
                Poll::Pending => {
                    // Other tasks may free connections: the larger the group, the fewer commits.
                    if !group.is_empty() {
                        tokio::task::yield_now().await;
                    }
                    or_first(next, || poster.post_all(&mut group)).await
                }
            };
            match ready {
                Some(ready) => group.push(ready),
                None => return poster.post_all(&mut group),
            }
        }
    }

    /// Waits until a request may go; `None` when there are no more, or the schedule allows none.
    async fn next_ready(&mut self, lanes: &mut Lanes) -> Option<ReadyBatch> {
        let permit = self.free_connection().await;
        loop {
            self.state.no_pause().await;
            let batch = self.next_batch(lanes, &permit).await?;
            let Some((now, closes)) = self.turn(lanes, &batch).await else {
                lanes.put_back(batch);
                continue;
            };
            lanes.take(&batch, now);
            self.state.posted(&batch);
            return Some(ReadyBatch {
                domain: lanes.domain(&batch),
                batch,
                closes,
                chance: self.rng.random(),
                permit,
            });
        }
    }

    /// Waits for a free connection. Until the API is known to answer, a request takes them all.
    async fn free_connection(&self) -> OwnedSemaphorePermit {
        loop {
            let permits = if self.state.proven() {
                1
            } else {
                self.concurrency
            };
            let permit = Arc::clone(&self.free)
                .acquire_many_owned(permits)
                .await
                .expect("the semaphore is never closed");
            if permits == 1 || !self.state.proven() {
                return permit;
            }
        }
    }

    /// Waits for the next request that its lane lets through: a retry that is due, or a new one.
    async fn next_batch(&self, lanes: &mut Lanes, held: &OwnedSemaphorePermit) -> Option<Batch> {
        loop {
            let ended = self.state.ended.notified();
            // Before the retries: a request that ends in between may have scheduled one.
            let free = self.free.available_permits() + held.num_permits();
            let idle = free == self.concurrency as usize;
            let retry = self.add_due_retries(lanes);
            if self.state.scheduled_retries() < MAX_SCHEDULED_RETRIES {
                lanes.receive_new();
            }
            let now = self.poster.clock.now();
            let turn = match lanes.pick(now) {
                Pick::Batch(batch) => return Some(batch),
                Pick::Later(turn) => Some(turn),
                Pick::Nothing => None,
            };
            if idle && retry.is_none() && lanes.are_closed(now) {
                return None;
            }
            let turn = turn.map(|turn| self.wake(turn));
            let wake = retry.into_iter().chain(turn).min();
            let wants_new =
                lanes.wants_new() && self.state.scheduled_retries() < MAX_SCHEDULED_RETRIES;
            tokio::select! {
                () = lanes.new_request(), if wants_new => {}
                () = tokio::time::sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
                () = ended => {}
            }
        }
    }

    /// Gives all retries that are due to their lanes. Returns when the next one is due.
    fn add_due_retries(&self, lanes: &mut Lanes) -> Option<Instant> {
        loop {
            match self.state.next_retry() {
                NextRetry::Now(batch) => lanes.add_retry(batch),
                NextRetry::At(due) => return Some(due),
                NextRetry::None => return None,
            }
        }
    }

    /// Waits until there is no pause and the limits let the request through; `None` if the schedule does not allow it any
    /// more. Nothing may wait between this and the post. Returns the time, and when the schedule closes.
    async fn turn(
        &mut self,
        lanes: &mut Lanes,
        batch: &Batch,
    ) -> Option<(Timestamp, Option<Timestamp>)> {
        let recipients = batch.recipients();
        loop {
            self.state.no_pause().await;
            let now = self.poster.clock.now();
            let Opening::Open(closes) = lanes.opening(batch, now) else {
                return None;
            };
            match (
                self.limit.turn(recipients, now),
                self.state.throttled(recipients),
            ) {
                (Turn::Now, None) => {
                    self.state.waits_for(WaitReason::Pace);
                    self.limit.take(recipients, now);
                    return Some((now, closes));
                }
                (Turn::Now, Some(ready)) => tokio::time::sleep_until(ready).await,
                (turn, _) => {
                    let closing = closes.map(|closes| self.instant(closes));
                    let wake = closing.into_iter().chain([self.wake(turn)]).min();
                    tokio::time::sleep_until(wake.unwrap_or_else(Instant::now)).await;
                }
            }
        }
    }

    /// When to ask again about a turn that has not come. Shows the user the wait for a time of day.
    fn wake(&self, turn: Turn) -> Instant {
        match turn {
            Turn::Now => Instant::now(),
            Turn::At(ready) => ready,
            Turn::Day(until) => {
                self.state.waits_for(WaitReason::DailyLimit(until));
                self.instant(until)
            }
            Turn::Closed(until) => {
                let zone = self.schedule.as_ref().map(|it| it.zone().clone());
                let shown = zone.map_or_else(|| until.to_string(), |zone| zone.show(until));
                self.state.waits_for(WaitReason::Opening(shown));
                self.instant(until)
            }
        }
    }

    /// When to check the clock again for this time of day.
    fn instant(&self, time: Timestamp) -> Instant {
        let left = time.duration_since(self.poster.clock.now());
        Instant::now() + Duration::try_from(left).unwrap_or_default().min(MAX_SLEEP)
    }
}

/// Waits until the limits can't be kept any more. Returns why.
async fn failure(limits: Option<oneshot::Receiver<String>>) -> String {
    match limits {
        Some(failed) => match failed.await {
            Ok(reason) => reason,
            Err(_) => "the thread that keeps the limits per day has ended".to_owned(),
        },
        None => std::future::pending().await,
    }
}

/// Awaits `future`; whenever it is not ready yet, runs `first` before waiting.
async fn or_first<T>(mut future: Pin<&mut impl Future<Output = T>>, mut first: impl FnMut()) -> T {
    poll_fn(|context| {
        let polled = future.as_mut().poll(context);
        if polled.is_pending() {
            first();
        }
        polled
    })
    .await
}
