//! One account on its way: what is due is claimed, sent and settled; nothing of another account's
//! holds it up.
//!
//! An entry is `sending`, committed durably, before its transaction begins. What was `sending` when
//! the process died may have been taken, and is sent again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rand::{Rng, RngExt};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::config::{self, Login};
use super::connection::{Connection, Server};
use super::gate::Gate;
use super::outcome::{Attempt, Patience, Settlement};
use super::queue::{self, Entry, Letter};
use crate::clock::Clock;
use crate::gateway::store::{Store, StoreError};
use crate::pace::{Period, RateLimits, Turn};

/// The longest sleep: the clock may be set, and the patience with an entry may end meanwhile.
const LOOK: Duration = Duration::from_secs(1);
/// How long a connection stays open with nothing to send.
const IDLE: Duration = Duration::from_secs(15);
/// How many entries are given up in one commit.
const TOGETHER: usize = 500;
/// How long to wait before something is written again that could not be.
const UNWRITTEN: Duration = Duration::from_secs(1);

/// How far the relay is in ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(super) enum Phase {
    Running,
    /// Nothing new is begun.
    Ending,
    /// What is not over is broken off.
    BreakingOff,
}

/// An account on its way.
pub(super) struct Account {
    name: String,
    server: Server,
    patience: Patience,
    connections: u32,
    counts_days: bool,
    store: Store,
    clock: Clock,
    chance: Mutex<Box<dyn Rng + Send>>,
    gate: Mutex<Gate>,
    idle: Mutex<Vec<Connection>>,
    slots: Arc<Semaphore>,
    /// A transaction has ended.
    ended: Notify,
    phase: watch::Receiver<Phase>,
}

/// Why nothing is claimed now.
enum Wait {
    /// Until then, at the latest.
    Until(Option<Instant>),
    /// The same, or until a message comes.
    Message(Option<Instant>),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that is done under these locks leaves anything half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Account {
    /// # Errors
    /// A system whose certificates can't be read.
    pub(super) fn new(
        account: &config::Account,
        login: Option<&Login>,
        store: &Store,
        clock: &Clock,
        chance: Box<dyn Rng + Send>,
        phase: watch::Receiver<Phase>,
    ) -> Result<Self, String> {
        Ok(Self {
            name: account.name.clone(),
            server: Server::new(account, login)?,
            patience: Patience {
                retry_delay: account.retry_delay,
                max_delay: account.max_delay,
                give_up: account.give_up,
            },
            connections: account.connections,
            counts_days: account.rates.iter().any(|rate| rate.per == Period::Day),
            store: store.clone(),
            clock: clock.clone(),
            chance: Mutex::new(chance),
            gate: Mutex::new(Gate::default()),
            idle: Mutex::new(Vec::new()),
            slots: Arc::new(Semaphore::new(account.connections as usize)),
            ended: Notify::new(),
            phase,
        })
    }

    /// Sends what is due until the relay ends, and waits for what it has begun.
    pub(super) async fn run(self: Arc<Self>, mut limits: RateLimits) {
        let mut phase = self.phase.clone();
        let mut newest = self.store.newest();
        let mut looked = None;
        while *phase.borrow_and_update() == Phase::Running {
            // Before anything is read: what is committed after this wakes us.
            newest.borrow_and_update();
            if looked.is_none_or(|looked: Instant| looked.elapsed() >= LOOK) {
                self.give_up_old().await;
                self.close_idle();
                looked = Some(Instant::now());
            }
            let wait = match self.begin(&mut limits).await {
                Ok(None) => continue,
                Ok(Some(wait)) => wait,
                Err(error) => {
                    tracing::error!(account = self.name, %error, "the queue can't be used");
                    Wait::Until(Some(Instant::now() + UNWRITTEN))
                }
            };
            let (until, for_message) = match wait {
                Wait::Until(until) => (until, false),
                Wait::Message(until) => (until, true),
            };
            let latest = Instant::now() + LOOK;
            tokio::select! {
                _ = phase.changed() => {}
                _ = newest.changed(), if for_message => {}
                () = self.ended.notified() => {}
                () = sleep_until(until.map_or(latest, |until| until.min(latest))) => {}
            }
        }
        // Each slot is given back when its transaction is settled.
        drop(self.slots.acquire_many(self.connections).await);
        let idle = std::mem::take(&mut *lock(&self.idle));
        let mut closing: JoinSet<_> = idle.into_iter().map(Connection::close).collect();
        tokio::select! {
            () = async { while closing.join_next().await.is_some() {} } => {}
            _ = phase.wait_for(|phase| *phase == Phase::BreakingOff) => {}
        }
    }

    /// Claims what may go now and begins to send it; or says what to wait for.
    async fn begin(self: &Arc<Self>, limits: &mut RateLimits) -> Result<Option<Wait>, StoreError> {
        if let Some(error) = self.store.failure() {
            return Err(error);
        }
        let Ok(first) = Arc::clone(&self.slots).try_acquire_owned() else {
            return Ok(Some(Wait::Until(None)));
        };
        let failing = {
            let gate = lock(&self.gate);
            if let Some(until) = gate.closed(Instant::now()) {
                return Ok(Some(Wait::Until(Some(until))));
            }
            gate.is_failing()
        };
        let now = self.clock.now();
        match limits.turn(1, now) {
            Turn::Now => {}
            Turn::At(ready) => return Ok(Some(Wait::Until(Some(ready)))),
            Turn::Day(until) => return Ok(Some(Wait::Until(self.instant(until)))),
        }
        let name = self.name.clone();
        let due = self
            .store
            .read_async(move |store| queue::next_due(store, &name));
        match due.await? {
            None => return Ok(Some(Wait::Message(None))),
            Some(due) if due > now => return Ok(Some(Wait::Message(self.instant(due)))),
            Some(_) => {}
        }
        let mut slots = vec![first];
        if !failing && !limits.is_limited() {
            while let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
                slots.push(slot);
            }
        }
        let (name, most, counts) = (self.name.clone(), slots.len(), self.counts_days);
        let claimed = self.store.write(move |store| {
            let entries = queue::claim(store, &name, now, most)?;
            if counts && !entries.is_empty() {
                queue::count(store, &name, entries.len(), now)?;
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

    /// The instant of a time of day, as far as the clocks agree.
    fn instant(&self, time: Timestamp) -> Option<Instant> {
        let wait = Duration::try_from(time.duration_since(self.clock.now()));
        Instant::now().checked_add(wait.unwrap_or_default())
    }

    fn chance(&self) -> f64 {
        lock(&self.chance).random()
    }

    /// Sends and settles one entry.
    async fn send(self: Arc<Self>, entry: Entry, slot: OwnedSemaphorePermit) {
        let message = entry.message;
        let read = self
            .store
            .read_async(move |store| queue::letter(store, message));
        let attempt = match read.await {
            Ok(Some(letter)) => {
                let attempt = self.attempt_in_time(&entry, &letter).await;
                self.tell(&entry, &letter, &attempt);
                attempt
            }
            Ok(None) => Attempt::Refused("the message was deleted before it was sent".to_owned()),
            Err(error) => {
                self.pause(&error.to_string());
                Attempt::NotBegun(error.to_string())
            }
        };
        let now = self.clock.now();
        let settlement = Settlement::of(attempt, &entry, self.patience, now, self.chance());
        self.settle(entry, settlement).await;
        drop(slot);
        self.ended.notify_one();
    }

    /// An attempt, broken off when the relay can't wait for it any more.
    async fn attempt_in_time(&self, entry: &Entry, letter: &Letter) -> Attempt {
        let handed_over = AtomicBool::new(false);
        let mut phase = self.phase.clone();
        tokio::select! {
            attempt = self.attempt(entry, letter, &handed_over) => attempt,
            _ = phase.wait_for(|phase| *phase == Phase::BreakingOff) => {
                let words = "the gateway was stopped".to_owned();
                if handed_over.load(Ordering::Relaxed) {
                    Attempt::Doubt(words)
                } else {
                    Attempt::NotBegun(words)
                }
            }
        }
    }

    async fn attempt(&self, entry: &Entry, letter: &Letter, handed_over: &AtomicBool) -> Attempt {
        loop {
            let open = lock(&self.idle).pop();
            let mut connection = match open {
                Some(connection) => connection,
                None => match self.server.connect().await {
                    Ok(connection) => connection,
                    Err(why) => {
                        self.pause(&why.to_string());
                        return Attempt::NotBegun(why.to_string());
                    }
                },
            };
            let attempt = connection.send(letter, &entry.recipient, handed_over).await;
            if connection.is_usable() {
                lock(&self.idle).push(connection);
            }
            match attempt {
                Attempt::Stale => {}
                Attempt::NotBegun(words) => {
                    self.pause(&words);
                    return Attempt::NotBegun(words);
                }
                attempt => {
                    lock(&self.gate).reached();
                    return attempt;
                }
            }
        }
    }

    /// Nothing goes for a while.
    fn pause(&self, why: &str) {
        let chance = self.chance();
        if let Some(pause) = lock(&self.gate).failed(Instant::now(), chance) {
            let pause = format!("{:.1}s", pause.as_secs_f64());
            tracing::warn!(account = self.name, pause, why, "the server can't be used");
        }
    }

    fn tell(&self, entry: &Entry, letter: &Letter, attempt: &Attempt) {
        let (account, to, uid) = (&self.name, &entry.recipient, &letter.uid);
        match attempt {
            Attempt::Taken(words) => tracing::info!(account, uid, to, words, "sent"),
            Attempt::Refused(words) => tracing::warn!(account, uid, to, words, "refused"),
            Attempt::PutOff(words) => tracing::info!(account, uid, to, words, "put off"),
            Attempt::Cut(words) => tracing::warn!(
                account,
                uid,
                to,
                words,
                "cut off before the message was handed over: it was not taken"
            ),
            Attempt::Doubt(words) => tracing::warn!(
                account,
                uid,
                to,
                words,
                "cut off after the message was handed over: it may have been taken, and is sent again"
            ),
            Attempt::NotBegun(_) | Attempt::Stale => {}
        }
    }

    /// Writes what became of an entry, as long as it takes: else it would be sent again.
    async fn settle(&self, entry: Entry, settlement: Settlement) {
        let entry = Arc::new((entry, settlement));
        let mut phase = self.phase.clone();
        loop {
            let (this, now) = (Arc::clone(&entry), self.clock.now());
            let settled = self
                .store
                .write(move |store| queue::settle(store, &this.0, &this.1, now));
            let Err(error) = settled.await else { return };
            tracing::error!(account = self.name, %error, "what became of a message can't be written");
            if *phase.borrow_and_update() == Phase::BreakingOff || self.store.failure().is_some() {
                return;
            }
            // Also over when the relay ends: then it is tried once more.
            let _ = timeout(UNWRITTEN, phase.changed()).await;
        }
    }

    /// Gives up what has waited for too long, even while the server can't be reached.
    async fn give_up_old(&self) {
        let now = self.clock.now();
        let before = self.patience.too_old(now);
        loop {
            let name = self.name.clone();
            let old = move |store: &_| queue::old(store, &name, before, TOGETHER);
            let entries = match self.store.read_async(old).await {
                Ok(entries) if entries.is_empty() => return,
                Ok(entries) => entries,
                Err(error) => {
                    return tracing::error!(account = self.name, %error, "the queue can't be read");
                }
            };
            let messages = entries.len();
            let given_up = self.store.write(move |store| {
                entries.iter().try_for_each(|entry| {
                    queue::settle(store, entry, &entry.given_up(&entry.error), now)
                })
            });
            match given_up.await {
                Ok(()) => tracing::warn!(
                    account = self.name,
                    messages,
                    "given up: they have waited for too long"
                ),
                Err(error) => {
                    tracing::error!(account = self.name, %error, "messages can't be given up");
                    return sleep(UNWRITTEN).await;
                }
            }
        }
    }

    /// Closes connections that nobody needs.
    fn close_idle(&self) {
        let old: Vec<_> = lock(&self.idle)
            .extract_if(.., |connection| connection.idle() >= IDLE)
            .collect();
        for connection in old {
            tokio::spawn(connection.close());
        }
    }
}
