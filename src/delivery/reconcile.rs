//! Asks the API about unknown rows: those that it lists were taken. Nothing is posted here.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use rand::{Rng, RngExt};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::FIRST_WAIT;
use crate::campaign::RetrySettings;
use crate::clock::Clock;
use crate::ledger::{Ledger, LedgerError, PlannedRow};
use crate::outcome::LookupOutcome;
use crate::pace::backoff;
use crate::render::Engines;
use crate::transport::Lookup;

/// The waits before asking again about rows that were not listed: half a minute in all, because the
/// API may list a message later than it takes it.
const PAUSES: [Duration; 4] = [
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
];
/// How many rows are read from the ledger at once.
const PAGE: u32 = 500;
/// After this many rows in a row without an answer it gives up.
const MAX_UNANSWERED: u32 = 3;

pub(crate) struct Reconcile<T> {
    pub(crate) transport: Arc<T>,
    pub(crate) ledger: Box<dyn Ledger>,
    /// Computes the rows' message IDs.
    pub(crate) engines: Arc<Engines>,
    /// The most lookups in flight.
    pub(crate) concurrency: u32,
    pub(crate) retry: RetrySettings,
    pub(crate) clock: Clock,
    pub(crate) rng: Box<dyn Rng + Send>,
}

#[derive(Default)]
pub(crate) struct ReconcileReport {
    /// How many rows are accepted now.
    pub(crate) accepted: u64,
    pub(crate) last_round: Round,
}

/// One pass over all unknown rows: how many are still unknown, and why.
#[derive(Default)]
pub(crate) struct Round {
    /// The API does not list them.
    pub(crate) not_listed: u64,
    /// The API did not answer.
    pub(crate) unanswered: u64,
    /// Why the API did not answer, the last time.
    pub(crate) reason: Option<String>,
    /// Why the lookups were stopped.
    pub(crate) stopped: Option<String>,
    /// The remaining rows were skipped.
    over: bool,
}

/// What the lookups in flight share.
struct Lookups<T> {
    transport: Arc<T>,
    retry: RetrySettings,
    pause_until: Mutex<Instant>,
    answers: AtomicU64,
    /// The last rows in a row without an answer.
    unanswered: AtomicU32,
}

impl<T: Lookup> Reconcile<T> {
    /// Asks about every unknown row, and again after a while about those that are not listed, until
    /// `interrupt` is true. Rows that are found are in the ledger whenever this ends. Before it asks
    /// again, it calls `again` with the number of rows and the wait.
    ///
    /// # Errors
    /// The ledger can't be read or written.
    pub(crate) async fn run(
        mut self,
        mut interrupt: watch::Receiver<bool>,
        mut again: impl FnMut(u64, Duration),
    ) -> Result<ReconcileReport, LedgerError> {
        let lookups = Arc::new(Lookups {
            transport: Arc::clone(&self.transport),
            retry: self.retry,
            pause_until: Mutex::new(Instant::now()),
            answers: AtomicU64::new(0),
            unanswered: AtomicU32::new(0),
        });
        let mut report = ReconcileReport::default();
        let mut pauses = PAUSES.iter();
        loop {
            let began = Instant::now();
            let answers = lookups.answers.load(Ordering::Relaxed);
            let round = tokio::select! {
                biased;
                _ = interrupt.wait_for(|interrupted| *interrupted) => return Ok(report),
                round = self.round(&lookups, &mut report.accepted) => round?,
            };
            let answered = lookups.answers.load(Ordering::Relaxed) > answers;
            let (left, over) = (round.not_listed + round.unanswered, round.over);
            report.last_round = round;
            if left == 0 || !answered || over {
                return Ok(report);
            }
            let Some(pause) = pauses.next() else {
                return Ok(report);
            };
            let next = began + (*pause).min(self.retry.max_delay);
            again(left, next.saturating_duration_since(Instant::now()));
            tokio::select! {
                biased;
                _ = interrupt.wait_for(|interrupted| *interrupted) => return Ok(report),
                () = sleep_until(next) => {}
            }
        }
    }

    /// Asks once about every row that is unknown now.
    async fn round(
        &mut self,
        lookups: &Arc<Lookups<T>>,
        accepted: &mut u64,
    ) -> Result<Round, LedgerError> {
        let mut round = Round::default();
        let mut in_flight = JoinSet::new();
        let mut rows = VecDeque::new();
        let mut after = 0;
        loop {
            if rows.is_empty() && !round.over {
                rows.extend(self.ledger.unknown(after, PAGE)?);
            }
            while in_flight.len() < self.concurrency as usize
                && let Some(row) = rows.pop_front()
            {
                after = row.row.number;
                self.spawn_lookup(&mut in_flight, lookups, &row, &mut round);
            }
            let Some(first) = in_flight.join_next().await else {
                if rows.is_empty() {
                    return Ok(round);
                }
                continue;
            };
            let mut taken = Vec::new();
            for (row, id, outcome) in std::iter::once(first)
                .chain(std::iter::from_fn(|| in_flight.try_join_next()))
                .flatten()
            {
                if outcome == LookupOutcome::Taken {
                    taken.push((row, id));
                } else {
                    round.count(outcome);
                }
            }
            self.ledger.accept(&taken, self.clock.now())?;
            *accepted += taken.len() as u64;
            round.over |= lookups.unanswered.load(Ordering::Relaxed) >= MAX_UNANSWERED;
            if round.over {
                rows.clear();
            }
        }
    }

    fn spawn_lookup(
        &mut self,
        in_flight: &mut JoinSet<(u32, String, LookupOutcome)>,
        lookups: &Arc<Lookups<T>>,
        row: &PlannedRow,
        round: &mut Round,
    ) {
        match self.engines.message_id(&row.row) {
            Ok(id) => {
                let (lookups, number) = (Arc::clone(lookups), row.row.number);
                let chance = self.rng.random();
                in_flight.spawn(async move {
                    let outcome = lookups.look_up(&id, chance).await;
                    (number, id, outcome)
                });
            }
            Err(finding) => round.count(LookupOutcome::Unanswered {
                reason: finding.message.clone(),
                wait: None,
            }),
        }
    }
}

impl<T: Lookup> Lookups<T> {
    /// Asks until there is an answer, at most as often as a message would be tried.
    async fn look_up(&self, id: &str, chance: f64) -> LookupOutcome {
        let mut tries = 0;
        loop {
            self.no_pause().await;
            let outcome = self.transport.look_up(id).await;
            let LookupOutcome::Unanswered { wait, .. } = &outcome else {
                self.answers.fetch_add(1, Ordering::Relaxed);
                self.unanswered.store(0, Ordering::Relaxed);
                return outcome;
            };
            tries += 1;
            if tries >= self.retry.attempts {
                self.unanswered.fetch_add(1, Ordering::Relaxed);
                return outcome;
            }
            let wait =
                wait.unwrap_or_else(|| backoff(tries, FIRST_WAIT, self.retry.max_delay, chance));
            let mut pause_until = self.pause_until.lock().await;
            *pause_until = (*pause_until).max(Instant::now() + wait);
        }
    }

    async fn no_pause(&self) {
        loop {
            let until = *self.pause_until.lock().await;
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }
}

impl Round {
    fn count(&mut self, outcome: LookupOutcome) {
        match outcome {
            LookupOutcome::Taken => {}
            LookupOutcome::NotListed => self.not_listed += 1,
            LookupOutcome::Unanswered { reason, .. } => {
                self.unanswered += 1;
                self.reason = Some(reason);
            }
            LookupOutcome::Stop { reason } => {
                self.stopped.get_or_insert(reason);
                self.over = true;
            }
        }
    }
}
