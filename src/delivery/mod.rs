//! The engine: claim, pace, post, settle. Every row's order is: rendered, let through by the pace,
//! given a free connection, claimed durably, posted, settled.

mod breaker;
mod budget;
mod feed;
mod flight;
mod job;
mod lanes;
mod lookup;
mod outcome;
mod queue;
mod reconcile;
mod shared;
mod throttle;

use std::future::poll_fn;
use std::num::NonZeroU32;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use rand::{Rng, RngExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use crate::campaign::{self, RetrySettings};
use crate::clock::Clock;
use crate::ledger::{LedgerError, Writer};
use crate::pace::{Now, Pace, Rate, Turn};
use crate::transport::Transport;

use breaker::Breaker;
pub use feed::{Feeder, RowFault};
use flight::{Flight, Flights};
pub use job::{Job, JobRow};
pub use lanes::LaneLimit;
use lanes::{Lanes, Pick};
pub use outcome::{Blame, MAX_RETRY_AFTER, Outcome, classify};
pub use queue::{Handed, Jobs, Queue};
pub use reconcile::{Reconcile, Reconciled};
pub use shared::Waiting;
use shared::{Due, Shared};

/// The most of the first wait before something is tried again.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// How many requests may be put off before no new ones are begun.
const MAX_PUT_OFF: usize = 1000;
/// The longest wait for a time of day, since the clock may be set while we wait.
const STEP: Duration = Duration::from_secs(60);

/// How a delivery goes.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The limits; all hold at once.
    pub rate: Vec<Rate>,
    /// The limits of the domains that have their own, in the order of the lanes after the first.
    pub lanes: Vec<LaneLimit>,
    /// The most requests in flight.
    pub concurrency: NonZeroU32,
    /// When a row is tried again.
    pub retry: RetrySettings,
    /// When too much goes wrong.
    pub breaker: campaign::BreakerSettings,
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
    flights: Arc<Flights<T>>,
    pace: Pace,
    settings: Settings,
    shared: Arc<Shared>,
    free: Arc<Semaphore>,
    rng: Box<dyn Rng + Send + Sync>,
}

impl<T: Transport> Delivery<T> {
    /// A delivery that has not begun. What it waits for is told to `waiting`.
    pub fn new(
        transport: T,
        writer: Writer,
        settings: Settings,
        rng: Box<dyn Rng + Send + Sync>,
        waiting: watch::Sender<Waiting>,
    ) -> Self {
        let shared = Arc::new(Shared::new(Breaker::new(settings.breaker), waiting));
        let flights = Flights {
            transport,
            writer,
            shared: Arc::clone(&shared),
            clock: settings.clock.clone(),
            retry: settings.retry,
        };
        Self {
            flights: Arc::new(flights),
            pace: Pace::new(&settings.rate, settings.posted.clone()),
            free: Arc::new(Semaphore::new(settings.concurrency.get() as usize)),
            shared,
            settings,
            rng,
        }
    }

    /// Sends what the feeders give, one for each lane, until they are done, `interrupt` is true, or
    /// it can't go on. What is in flight then is let end, and everything is durable when this
    /// returns.
    ///
    /// # Errors
    /// When the ledger can't be written: nothing is posted after that.
    pub async fn run(
        mut self,
        jobs: Vec<Jobs>,
        mut interrupt: watch::Receiver<bool>,
    ) -> Result<Ending, LedgerError> {
        let shared = Arc::clone(&self.shared);
        let mut lanes = Lanes::new(jobs, &self.settings.lanes);
        let ending = tokio::select! {
            biased;
            _ = interrupt.wait_for(|interrupted| *interrupted) => Ending::Interrupted,
            () = shared.stopped() => Ending::Done,
            () = self.dispatch(&mut lanes) => Ending::Done,
        };
        lanes.close();
        self.idle().await;
        self.flights.writer.flush().await?;
        Ok(match shared.stop_reason() {
            Some(reason) if ending == Ending::Done => Ending::Stopped(reason),
            _ => ending,
        })
    }

    /// Requests that may go in the same moment are claimed together.
    async fn dispatch(&mut self, lanes: &mut Lanes) {
        let flights = Arc::clone(&self.flights);
        let mut group = Vec::new();
        loop {
            let mut next = pin!(self.next_flight(lanes));
            let flight = match poll_fn(|context| Poll::Ready(next.as_mut().poll(context))).await {
                Poll::Ready(flight) => flight,
                Poll::Pending => {
                    // What else is ready may free connections: the larger the group, the fewer commits.
                    if !group.is_empty() {
                        tokio::task::yield_now().await;
                    }
                    or_first(next, || flights.launch(&mut group)).await
                }
            };
            match flight {
                Some(flight) => group.push(flight),
                None => return flights.launch(&mut group),
            }
        }
    }

    async fn next_flight(&mut self, lanes: &mut Lanes) -> Option<Flight> {
        let permit = self.free_connection().await;
        self.shared.no_pause().await;
        let job = self.next(lanes, &permit).await?;
        let now = self.turn(&job).await;
        lanes.take(&job, now);
        self.shared.posted(&job, Instant::now());
        Some(Flight {
            job,
            chance: self.rng.random(),
            permit,
        })
    }

    /// Waits for a free connection. While the API is not known to answer, a request goes alone.
    async fn free_connection(&self) -> OwnedSemaphorePermit {
        let all = self.settings.concurrency.get();
        loop {
            let permits = if self.shared.proven() { 1 } else { all };
            let permit = Arc::clone(&self.free)
                .acquire_many_owned(permits)
                .await
                .expect("the semaphore is never closed");
            if permits == 1 || !self.shared.proven() {
                return permit;
            }
        }
    }

    /// The next request to post, once its lane lets it through: one that is due again, or a new one.
    async fn next(&self, lanes: &mut Lanes, held: &OwnedSemaphorePermit) -> Option<Job> {
        loop {
            let ended = self.shared.ended.notified();
            // Looked at before what is due: a request that ends in between may have been put off.
            let free = self.free.available_permits() + held.num_permits();
            let idle = free == self.settings.concurrency.get() as usize;
            let due = self.put_due(lanes);
            let turn = match lanes.pick(self.now()) {
                Pick::Job(job) => return Some(job),
                Pick::Later(turn) => Some(turn),
                Pick::Nothing => None,
            };
            if idle && due.is_none() && lanes.are_done() {
                return None;
            }
            let wake = due
                .into_iter()
                .chain(turn.map(|turn| self.wake(turn)))
                .min();
            let wants_new = lanes.wants_new() && self.shared.put_off() < MAX_PUT_OFF;
            tokio::select! {
                () = lanes.new_request(), if wants_new => {}
                () = tokio::time::sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
                () = ended => {}
            }
        }
    }

    /// Gives all that are due again to their lanes. When the next one is due.
    fn put_due(&self, lanes: &mut Lanes) -> Option<Instant> {
        loop {
            match self.shared.due() {
                Due::Now(job) => lanes.put(job),
                Due::At(due) => return Some(due),
                Due::None => return None,
            }
        }
    }

    /// Waits until no pause holds and the pace lets the request through. Nothing waits after this.
    async fn turn(&mut self, job: &Job) -> Now {
        loop {
            self.shared.no_pause().await;
            let now = self.now();
            let throttled = self.shared.throttled().filter(|ready| *ready > now.instant);
            match (self.pace.turn(job.recipients(), now), throttled) {
                (Turn::Now, None) => {
                    self.shared.tell(Waiting::Going);
                    self.pace.take(job.recipients(), now);
                    return now;
                }
                (Turn::Now, Some(ready)) => tokio::time::sleep_until(ready).await,
                (turn, _) => tokio::time::sleep_until(self.wake(turn)).await,
            }
        }
    }

    /// When to look again at a turn that has not come, having told what is waited for.
    fn wake(&self, turn: Turn) -> Instant {
        let now = self.now();
        match turn {
            Turn::Now => now.instant,
            Turn::At(ready) => ready,
            Turn::Day(until) => {
                self.shared.tell(Waiting::Day(until));
                let left = until.duration_since(now.time);
                now.instant + Duration::try_from(left).unwrap_or_default().min(STEP)
            }
        }
    }

    fn now(&self) -> Now {
        Now {
            instant: Instant::now(),
            time: self.settings.clock.now(),
        }
    }

    /// Waits until nothing is in flight.
    async fn idle(&self) {
        let _all = self
            .free
            .acquire_many(self.settings.concurrency.get())
            .await;
    }
}

/// What a future gives; `first` is done before it is waited for.
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
