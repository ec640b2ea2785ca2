//! Asking the API about unknown rows: those that it lists were taken. Nothing is posted here.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use rand::{Rng, RngExt};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::FIRST_WAIT;
use super::lookup::{Known, known};
use crate::api::emails_query;
use crate::campaign::RetrySettings;
use crate::clock::Clock;
use crate::ledger::{Found, Ledger, LedgerError, PlannedRow};
use crate::pace::backoff;
use crate::render::Engine;
use crate::transport::Lookup;

/// How long to wait before rows that were not listed are asked about again: half a minute in all,
/// since the API may list a message later than it takes it.
const PAUSES: [Duration; 4] = [
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
];
/// How many rows are read from the ledger at once.
const PAGE: u32 = 500;
/// After so many rows in a row without an answer there is no use in going on.
const SILENT: u32 = 3;

/// What is asked, and how.
pub struct Reconcile<T> {
    /// The way to the API.
    pub transport: Arc<T>,
    /// The ledger, for reading.
    pub ledger: Ledger,
    /// The ledger, for marking.
    pub found: Found,
    /// What knows the rows' message IDs.
    pub engine: Arc<Engine>,
    /// The most questions in flight.
    pub concurrency: u32,
    /// How often a question is tried, and how long a wait is at most.
    pub retry: RetrySettings,
    /// The time.
    pub clock: Clock,
    /// Chance.
    pub rng: Box<dyn Rng + Send>,
}

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reconciled {
    /// The rows that were taken.
    pub found: u64,
    /// The rows that are still unknown because the API does not list them.
    pub not_listed: u64,
    /// The rows that are still unknown because there was no answer.
    pub unanswered: u64,
    /// Why there was none, the last time.
    pub reason: Option<String>,
    /// Why the asking was ended, if it was.
    pub stopped: Option<String>,
}

/// What the questions in flight share.
struct Asking<T> {
    transport: Arc<T>,
    retry: RetrySettings,
    clock: Clock,
    /// Until when nobody asks, since the server would not answer.
    pause: Mutex<Option<Instant>>,
    answers: AtomicU64,
    /// The rows in a row that were left without an answer.
    silent: AtomicU32,
}

/// A round over all rows that are unknown.
#[derive(Default)]
struct Round {
    not_listed: u64,
    unanswered: u64,
    reason: Option<String>,
    stopped: Option<String>,
    /// The rest of the rows are not asked about.
    over: bool,
}

impl<T: Lookup> Reconcile<T> {
    /// Asks about every unknown row, and about those that were not listed again after a while, until
    /// `interrupt` is true. What was found is in the ledger whenever this ends. `tell` is told how
    /// many rows will be asked about again, and after how long.
    ///
    /// # Errors
    /// When the ledger can't be read or written.
    pub async fn run(
        mut self,
        mut interrupt: watch::Receiver<bool>,
        mut tell: impl FnMut(u64, Duration),
    ) -> Result<Reconciled, LedgerError> {
        let asking = Arc::new(Asking {
            transport: Arc::clone(&self.transport),
            retry: self.retry,
            clock: self.clock.clone(),
            pause: Mutex::new(None),
            answers: AtomicU64::new(0),
            silent: AtomicU32::new(0),
        });
        let mut done = Reconciled::default();
        let mut pauses = PAUSES.iter();
        loop {
            let began = Instant::now();
            let answers = asking.answers.load(Ordering::Relaxed);
            let round = tokio::select! {
                biased;
                _ = interrupt.wait_for(|interrupted| *interrupted) => return Ok(done),
                round = self.round(&asking, &mut done.found) => round?,
            };
            let answered = asking.answers.load(Ordering::Relaxed) > answers;
            done.not_listed = round.not_listed;
            done.unanswered = round.unanswered;
            done.reason = round.reason;
            done.stopped = round.stopped;
            let left = done.not_listed + done.unanswered;
            if left == 0 || !answered || round.over {
                return Ok(done);
            }
            let Some(pause) = pauses.next() else {
                return Ok(done);
            };
            let again = began + (*pause).min(self.retry.max_delay);
            tell(left, again.saturating_duration_since(Instant::now()));
            tokio::select! {
                biased;
                _ = interrupt.wait_for(|interrupted| *interrupted) => return Ok(done),
                () = sleep_until(again) => {}
            }
        }
    }

    /// Asks about every row that is unknown now, once.
    async fn round(
        &mut self,
        asking: &Arc<Asking<T>>,
        found: &mut u64,
    ) -> Result<Round, LedgerError> {
        let mut round = Round::default();
        let mut asked = JoinSet::new();
        let mut rows = VecDeque::new();
        let mut after = 0;
        loop {
            if rows.is_empty() && !round.over {
                rows.extend(self.ledger.unknown(after, PAGE)?);
            }
            while asked.len() < self.concurrency as usize
                && let Some(row) = rows.pop_front()
            {
                after = row.row.number;
                self.ask(&mut asked, asking, &row, &mut round);
            }
            let Some(first) = asked.join_next().await else {
                if rows.is_empty() {
                    return Ok(round);
                }
                continue;
            };
            let mut taken = Vec::new();
            for (row, id, known) in std::iter::once(first)
                .chain(std::iter::from_fn(|| asked.try_join_next()))
                .flatten()
            {
                if known == Known::Taken {
                    taken.push((row, id));
                } else {
                    round.count(known);
                }
            }
            self.found.accept(&taken, self.clock.now())?;
            *found += taken.len() as u64;
            round.over |= asking.silent.load(Ordering::Relaxed) >= SILENT;
            if round.over {
                rows.clear();
            }
        }
    }

    fn ask(
        &mut self,
        asked: &mut JoinSet<(u32, String, Known)>,
        asking: &Arc<Asking<T>>,
        row: &PlannedRow,
        round: &mut Round,
    ) {
        match self.engine.message_id(&row.row) {
            Ok(id) => {
                let (asking, number) = (Arc::clone(asking), row.row.number);
                let chance = self.rng.random();
                asked.spawn(async move {
                    let known = asking.ask(&id, chance).await;
                    (number, id, known)
                });
            }
            Err(finding) => round.count(Known::Unanswered {
                reason: finding.message.clone(),
                wait: None,
            }),
        }
    }
}

impl<T: Lookup> Asking<T> {
    /// Asks until there is an answer, as often as the campaign tries a message.
    async fn ask(&self, id: &str, chance: f64) -> Known {
        let query = emails_query(id);
        let mut tries = 0;
        loop {
            self.no_pause().await;
            let result = self.transport.emails(&query).await;
            let known = known(&result, id, self.clock.now());
            let Known::Unanswered { wait, .. } = &known else {
                self.answers.fetch_add(1, Ordering::Relaxed);
                self.silent.store(0, Ordering::Relaxed);
                return known;
            };
            tries += 1;
            if tries >= self.retry.attempts {
                self.silent.fetch_add(1, Ordering::Relaxed);
                return known;
            }
            let wait =
                wait.unwrap_or_else(|| backoff(tries, FIRST_WAIT, self.retry.max_delay, chance));
            let until = Instant::now() + wait;
            let mut pause = self.pause.lock().await;
            *pause = (*pause).max(Some(until));
        }
    }

    async fn no_pause(&self) {
        loop {
            let until = *self.pause.lock().await;
            match until.map(|until| until.saturating_duration_since(Instant::now())) {
                None | Some(Duration::ZERO) => return,
                Some(left) => sleep(left).await,
            }
        }
    }
}

impl Round {
    fn count(&mut self, known: Known) {
        match known {
            Known::Taken => {}
            Known::NotListed => self.not_listed += 1,
            Known::Unanswered { reason, .. } => {
                self.unanswered += 1;
                self.reason = Some(reason);
            }
            Known::Stop { reason } => {
                self.stopped.get_or_insert(reason);
                self.over = true;
            }
        }
    }
}
