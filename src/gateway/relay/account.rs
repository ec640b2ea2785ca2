//! One account at work: it claims due queue entries, sends them and records the outcome.
//!
//! An entry is durably `sending` before its transaction starts. An entry that was `sending` when the
//! process died may have been accepted, and is sent again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use mail_builder::headers::date::Date;
use rand::{Rng, RngExt};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::config::AccountConfig;
use super::problem_help::problem_help;
use super::queue::{self, OutgoingMessage, QueueEntry, QueueUpdate};
use super::reconnect::ReconnectPause;
use super::retry::RetryPolicy;
use crate::clock::Clock;
use crate::gateway::store::{Store, StoreError};
use crate::pace::{Period, RateLimit as _, RateLimits, Turn};
use crate::smtp::{
    Connector, Credentials, ProblemKind, Refusal, ServerProblem, SmtpConnection, TransactionOutcome,
};

/// The longest sleep. The system clock may be set meanwhile, and entries must be given up in time.
const MAX_SLEEP: Duration = Duration::from_secs(1);
/// How long a connection stays open without a message.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
/// How many entries are given up in one commit.
const GIVE_UP_BATCH: usize = 500;
/// How long to wait after the store could not be used.
const STORE_RETRY: Duration = Duration::from_secs(1);

/// How far the relay has come in stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(super) enum Phase {
    Running,
    /// No new transaction starts.
    Draining,
    /// Running transactions are aborted.
    Aborting,
}

pub(super) struct AccountRelay {
    name: String,
    connector: Connector,
    policy: RetryPolicy,
    connections: u32,
    has_daily_limit: bool,
    store: Store,
    clock: Clock,
    rng: Mutex<Box<dyn Rng + Send>>,
    pause: Mutex<ReconnectPause>,
    idle: Mutex<Vec<SmtpConnection>>,
    slots: Arc<Semaphore>,
    transaction_ended: Notify,
    phase: watch::Receiver<Phase>,
}

/// What an account without anything to claim waits for.
struct Wait {
    /// No end means [`MAX_SLEEP`].
    until: Option<Instant>,
    /// Whether a new message ends the wait.
    for_message: bool,
}

impl Wait {
    fn until(until: impl Into<Option<Instant>>) -> Self {
        Self {
            until: until.into(),
            for_message: false,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic under one of these locks leaves a consistent value.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl AccountRelay {
    /// # Errors
    /// The system's certificates can't be read.
    pub(super) fn new(
        config: AccountConfig,
        credentials: Option<&Credentials>,
        store: &Store,
        clock: &Clock,
        rng: Box<dyn Rng + Send>,
        phase: watch::Receiver<Phase>,
    ) -> Result<Self, String> {
        Ok(Self {
            connector: Connector::new(&config.server, credentials)?,
            policy: RetryPolicy {
                retry_delay: config.retry_delay,
                max_delay: config.max_delay,
                give_up: config.give_up,
            },
            connections: config.connections,
            has_daily_limit: config.rates.iter().any(|rate| rate.per == Period::Day),
            store: store.clone(),
            clock: clock.clone(),
            rng: Mutex::new(rng),
            pause: Mutex::new(ReconnectPause::default()),
            idle: Mutex::new(Vec::new()),
            slots: Arc::new(Semaphore::new(config.connections as usize)),
            transaction_ended: Notify::new(),
            phase,
            name: config.name,
        })
    }

    /// Sends due entries until the relay stops, then waits for the running transactions.
    pub(super) async fn run(self: Arc<Self>, mut limits: RateLimits) {
        let mut phase = self.phase.clone();
        let mut newest = self.store.newest();
        let mut last_cleanup = None;
        while *phase.borrow_and_update() == Phase::Running {
            // Before the queue is read: a later commit then ends the wait.
            newest.borrow_and_update();
            if last_cleanup.is_none_or(|at: Instant| at.elapsed() >= MAX_SLEEP) {
                self.give_up_old().await;
                self.close_idle();
                last_cleanup = Some(Instant::now());
            }
            let wait = match self.start_due(&mut limits).await {
                Ok(None) => continue,
                Ok(Some(wait)) => wait,
                Err(error) => {
                    tracing::error!(account = self.name, %error, "can't use the queue");
                    Wait::until(Instant::now() + STORE_RETRY)
                }
            };
            let latest = Instant::now() + MAX_SLEEP;
            tokio::select! {
                _ = phase.changed() => {}
                _ = newest.changed(), if wait.for_message => {}
                () = self.transaction_ended.notified() => {}
                () = sleep_until(wait.until.map_or(latest, |until| until.min(latest))) => {}
            }
        }
        // A transaction returns its slot when its outcome is recorded.
        drop(self.slots.acquire_many(self.connections).await);
        let idle = std::mem::take(&mut *lock(&self.idle));
        let mut closing: JoinSet<_> = idle.into_iter().map(SmtpConnection::quit).collect();
        tokio::select! {
            () = async { while closing.join_next().await.is_some() {} } => {}
            _ = phase.wait_for(|phase| *phase == Phase::Aborting) => {}
        }
    }

    /// Claims the entries that may go now and starts to send them, or returns what to wait for.
    async fn start_due(
        self: &Arc<Self>,
        limits: &mut RateLimits,
    ) -> Result<Option<Wait>, StoreError> {
        if let Some(error) = self.store.failure() {
            return Err(error);
        }
        let Ok(first) = Arc::clone(&self.slots).try_acquire_owned() else {
            return Ok(Some(Wait::until(None)));
        };
        let is_failing = {
            let pause = lock(&self.pause);
            if let Some(until) = pause.until(Instant::now()) {
                return Ok(Some(Wait::until(until)));
            }
            pause.is_failing()
        };
        let now = self.clock.now();
        match limits.turn(1, now) {
            Turn::Now => {}
            Turn::At(ready) => return Ok(Some(Wait::until(ready))),
            Turn::Day(until) | Turn::Closed(until) => {
                return Ok(Some(Wait::until(self.instant(until))));
            }
        }
        let name = self.name.clone();
        let next_due = move |store: &_| queue::next_due(store, &name);
        let due = self.store.read_async(next_due).await?;
        if due.is_none_or(|due| due > now) {
            return Ok(Some(Wait {
                until: due.and_then(|due| self.instant(due)),
                for_message: true,
            }));
        }
        let mut slots = vec![first];
        if !is_failing && !limits.is_limited() {
            while let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
                slots.push(slot);
            }
        }
        let (name, limit, has_daily_limit) = (self.name.clone(), slots.len(), self.has_daily_limit);
        let claimed = self.store.write(move |store| {
            let entries = queue::claim(store, &name, now, limit)?;
            if has_daily_limit && !entries.is_empty() {
                queue::add_claimed(store, &name, entries.len(), now)?;
            }
            Ok(entries)
        });
        let entries = claimed.await?;
        limits.take(entries.len() as u32, now);
        for (entry, slot) in entries.into_iter().zip(slots) {
            tokio::spawn(Arc::clone(self).send(entry, slot));
        }
        Ok(None)
    }

    /// The instant of a time of day, by the present system clock.
    fn instant(&self, time: Timestamp) -> Option<Instant> {
        let wait = Duration::try_from(time.duration_since(self.clock.now()));
        Instant::now().checked_add(wait.unwrap_or_default())
    }

    /// A random number from 0 to 1.
    fn chance(&self) -> f64 {
        lock(&self.rng).random()
    }

    /// Sends one entry and records the outcome.
    async fn send(self: Arc<Self>, entry: QueueEntry, slot: OwnedSemaphorePermit) {
        let id = entry.message;
        let read = self
            .store
            .read_async(move |store| queue::message(store, id));
        let outcome = match read.await {
            Ok(Some(message)) => {
                let outcome = self.attempt_until_aborted(&entry, &message).await;
                self.log(&entry, &message, &outcome);
                outcome
            }
            Ok(None) => TransactionOutcome::Rejected(Refusal {
                command: "",
                reply: "the message was deleted before it was sent".to_owned(),
            }),
            Err(error) => {
                let problem = ServerProblem {
                    reason: error.to_string(),
                    kind: ProblemKind::Local,
                };
                self.start_pause(&problem);
                TransactionOutcome::NotStarted(problem)
            }
        };
        let now = self.clock.now();
        let update = QueueUpdate::after(outcome, &entry, self.policy, now, self.chance());
        self.record(entry, update).await;
        drop(slot);
        self.transaction_ended.notify_one();
    }

    async fn attempt_until_aborted(
        &self,
        entry: &QueueEntry,
        message: &OutgoingMessage,
    ) -> TransactionOutcome {
        let handed_over = AtomicBool::new(false);
        let mut phase = self.phase.clone();
        tokio::select! {
            outcome = self.attempt(entry, message, &handed_over) => outcome,
            _ = phase.wait_for(|phase| *phase == Phase::Aborting) => {
                let reason = "the gateway was stopped".to_owned();
                if handed_over.load(Ordering::Relaxed) {
                    TransactionOutcome::InDoubt(reason)
                } else {
                    TransactionOutcome::NotStarted(ServerProblem { reason, kind: ProblemKind::Local })
                }
            }
        }
    }

    async fn attempt(
        &self,
        entry: &QueueEntry,
        message: &OutgoingMessage,
        handed_over: &AtomicBool,
    ) -> TransactionOutcome {
        loop {
            let idle = lock(&self.idle).pop();
            let connected = match idle {
                Some(connection) => Ok(connection),
                None => self.connector.connect().await,
            };
            let mut connection = match connected {
                Ok(connection) => connection,
                Err(problem) => {
                    self.start_pause(&problem);
                    return TransactionOutcome::NotStarted(problem);
                }
            };
            let received = received_header(connection.hello(), message);
            let pieces = [received.as_bytes(), &message.head, &message.body];
            let sender = &message.envelope_from;
            let outcome = connection
                .send(sender, &[&entry.recipient], &pieces, handed_over)
                .await;
            if connection.is_usable() {
                lock(&self.idle).push(connection);
            }
            match &outcome {
                TransactionOutcome::Stale(Refusal { command, reply }) => {
                    let account = &self.name;
                    tracing::debug!(
                        account,
                        command,
                        reply,
                        "the connection can't be used again"
                    );
                    continue;
                }
                TransactionOutcome::NotStarted(problem) => self.start_pause(problem),
                _ => lock(&self.pause).record_success(),
            }
            return outcome;
        }
    }

    fn start_pause(&self, problem: &ServerProblem) {
        let chance = self.chance();
        if let Some(pause) = lock(&self.pause).record_failure(Instant::now(), chance) {
            let (account, pause) = (&self.name, format!("{:.1}s", pause.as_secs_f64()));
            let ServerProblem { reason, kind } = problem;
            let help = problem_help(*kind);
            tracing::warn!(account, pause, reason, help, "can't use the server");
        }
    }

    fn log(&self, entry: &QueueEntry, message: &OutgoingMessage, outcome: &TransactionOutcome) {
        let (account, to, uid) = (&self.name, &entry.recipient, &message.uid);
        let server = self.connector.server();
        match outcome {
            TransactionOutcome::Accepted(reply) => {
                tracing::info!(account, uid, to, server, reply, "accepted");
            }
            TransactionOutcome::Rejected(Refusal { command, reply }) => {
                tracing::warn!(account, uid, to, server, command, reply, "rejected");
            }
            TransactionOutcome::Deferred(Refusal { command, reply }) => {
                tracing::info!(account, uid, to, server, command, reply, "deferred");
            }
            TransactionOutcome::Interrupted(reason) => tracing::warn!(
                account,
                uid,
                to,
                server,
                reason,
                "interrupted before the message was complete: it was not accepted"
            ),
            TransactionOutcome::InDoubt(reason) => tracing::warn!(
                account,
                uid,
                to,
                server,
                reason,
                "interrupted before the reply: the message may have been accepted and is sent again"
            ),
            TransactionOutcome::NotStarted(_) | TransactionOutcome::Stale(_) => {}
        }
    }

    /// Records the outcome of an attempt, and retries until it is written: without it, the entry
    /// would be sent again.
    async fn record(&self, entry: QueueEntry, update: QueueUpdate) {
        let shared = Arc::new((entry, update));
        let mut phase = self.phase.clone();
        loop {
            let (outcome, now) = (Arc::clone(&shared), self.clock.now());
            let write = self
                .store
                .write(move |store| queue::update(store, &outcome.0, &outcome.1, now));
            let Err(error) = write.await else { return };
            tracing::error!(account = self.name, %error, "can't record the outcome for a message");
            if *phase.borrow_and_update() == Phase::Aborting || self.store.failure().is_some() {
                return;
            }
            // A change of the phase ends the wait early: one more try.
            let _ = timeout(STORE_RETRY, phase.changed()).await;
        }
    }

    /// Gives up the entries that are too old, even while the server can't be reached.
    async fn give_up_old(&self) {
        let now = self.clock.now();
        let before = self.policy.give_up_before(now);
        loop {
            let name = self.name.clone();
            let older = move |store: &_| queue::older(store, &name, before, GIVE_UP_BATCH);
            let entries = match self.store.read_async(older).await {
                Ok(entries) if entries.is_empty() => return,
                Ok(entries) => entries,
                Err(error) => {
                    return tracing::error!(account = self.name, %error, "can't read the queue");
                }
            };
            let messages = entries.len();
            let written = self.store.write(move |store| {
                entries.iter().try_for_each(|entry| {
                    queue::update(store, entry, &entry.given_up(&entry.error), now)
                })
            });
            match written.await {
                Ok(()) => tracing::warn!(
                    account = self.name,
                    messages,
                    "gave up messages that waited too long"
                ),
                Err(error) => {
                    tracing::error!(account = self.name, %error, "can't give up messages");
                    return sleep(STORE_RETRY).await;
                }
            }
        }
    }

    fn close_idle(&self) {
        let idle: Vec<_> = lock(&self.idle)
            .extract_if(.., |connection| connection.idle_time() >= IDLE_TIMEOUT)
            .collect();
        for connection in idle {
            tokio::spawn(connection.quit());
        }
    }
}

/// The header that a gateway into SMTP adds (RFC 5321 3.7.2). It does not say who posted the message.
fn received_header(hello: &str, message: &OutgoingMessage) -> String {
    let date = Date::new(message.created_at.as_second()).to_rfc822();
    let uid = &message.uid;
    let protocol = if message.is_from_smtp {
        "ESMTP"
    } else {
        "HTTP"
    };
    format!("Received: by {hello} (mailrun) with {protocol} id {uid};\r\n\t{date}\r\n")
}
