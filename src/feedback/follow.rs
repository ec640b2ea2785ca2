//! Asks the API, round after round, what became of the accepted messages of a run.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::event::{RowEvent, has_outcome};
use super::index::MessageIndex;
use super::store::{EventStore, EventsError, Followed};
use crate::address::Address;
use crate::api::{Dialect, TrackingEvent, TrackingList, TrackingOutcome, TrackingSpan};
use crate::campaign::RetrySettings;
use crate::clock::Clock;
use crate::ledger::{Ledger, Status};
use crate::outcome::one_line;
use crate::pace::{SpacedLimit, backoff};
use crate::transport::{HttpTransport, PostError};

/// The longest wait between two rounds.
const LONGEST_WAIT: Duration = Duration::from_secs(30 * 60);
/// The longest wait after the first answer that could not be used.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// The API does not say in which time zone its times are, and its clock may differ: every span is wider by this.
const MARGIN: SignedDuration = SignedDuration::from_hours(3);
/// The most lookups in flight.
const CONCURRENCY: usize = 8;
/// How many rows are read from the ledger at once.
const PAGE: u32 = 500;
/// After this many lookups in a row without an answer, a round ends.
const MAX_UNANSWERED: u32 = 3;

pub(crate) struct FollowSettings {
    pub(crate) dialect: &'static dyn Dialect,
    pub(crate) smtp_account: String,
    /// When the run was planned.
    pub(crate) started: Timestamp,
    /// The one recipient of a test.
    pub(crate) test_to: Option<Address>,
    pub(crate) retry: RetrySettings,
    /// Before the second round. It doubles with every round.
    pub(crate) first_wait: Duration,
    /// No round begins after this time.
    pub(crate) time: Duration,
    pub(crate) clock: Clock,
}

pub(crate) struct Follow {
    asker: Arc<Asker>,
    settings: FollowSettings,
    ledger: Box<dyn Ledger>,
    store: Box<dyn EventStore>,
    index: Option<MessageIndex>,
    /// The accepted rows when the index was built.
    indexed: u64,
}

/// One pass over all accepted rows.
#[derive(Debug, Default)]
pub(crate) struct Round {
    pub(crate) accepted: u64,
    /// Accepted rows of which it is not known what became of them,
    pub(crate) open: u64,
    /// and those whose message ID identifies no message.
    pub(crate) without_id: u64,
    pub(crate) new_events: u64,
    /// Events that belong to no row.
    pub(crate) foreign: u64,
    /// Why the API did not answer, the last time.
    pub(crate) unanswered: Option<String>,
    /// Why the run can't be followed any more.
    pub(crate) stopped: Option<String>,
}

#[derive(Debug, Default)]
pub(crate) struct FollowReport {
    pub(crate) rounds: u32,
    pub(crate) new_events: u64,
    pub(crate) last_round: Round,
}

/// Asks the API.
struct Asker {
    transport: HttpTransport,
    dialect: &'static dyn Dialect,
    smtp_account: String,
    retry: RetrySettings,
    clock: Clock,
    lists: Mutex<SpacedLimit>,
    lookups: Mutex<SpacedLimit>,
}

impl Follow {
    pub(crate) fn new(
        settings: FollowSettings,
        transport: HttpTransport,
        lists: SpacedLimit,
        lookups: SpacedLimit,
        ledger: Box<dyn Ledger>,
        store: Box<dyn EventStore>,
    ) -> Self {
        let asker = Asker {
            transport,
            dialect: settings.dialect,
            smtp_account: settings.smtp_account.clone(),
            retry: settings.retry,
            clock: settings.clock.clone(),
            lists: Mutex::new(lists),
            lookups: Mutex::new(lookups),
        };
        Self {
            asker: Arc::new(asker),
            settings,
            ledger,
            store,
            index: None,
            indexed: 0,
        }
    }

    /// Follows the run until it is known what became of every accepted row and `is_live` says that no more will be
    /// accepted, until the time is over, or until `interrupt` is true. After each round it calls `after_round` with the
    /// wait before the next one.
    ///
    /// # Errors
    /// The ledger can't be read, the events can't be written, or `after_round` fails.
    pub(crate) async fn run<E: From<EventsError>>(
        mut self,
        mut interrupt: watch::Receiver<bool>,
        is_live: impl Fn() -> Result<bool, E>,
        mut after_round: impl FnMut(&Round, Option<Duration>) -> Result<(), E>,
    ) -> Result<FollowReport, E> {
        let end = Instant::now() + self.settings.time;
        let mut wait = self.settings.first_wait;
        let mut report = FollowReport::default();
        loop {
            // Before the round, so that no row is accepted after it that nobody asks about.
            let live = is_live()?;
            let mut round = Round::default();
            let interrupted = tokio::select! {
                biased;
                _ = interrupt.wait_for(|interrupted| *interrupted) => true,
                asked = self.round(&mut round) => { asked?; false }
            };
            report.rounds += 1;
            report.new_events += round.new_events;
            let (open, stopped) = (round.open, round.stopped.is_some());
            let done = interrupted
                || stopped
                || !live && open == 0 && round.unanswered.is_none()
                || Instant::now() >= end;
            let left = end.saturating_duration_since(Instant::now());
            let next = wait.min(LONGEST_WAIT).min(left);
            after_round(&round, (!done).then_some(next))?;
            report.last_round = round;
            if done {
                return Ok(report);
            }
            tokio::select! {
                biased;
                _ = interrupt.wait_for(|interrupted| *interrupted) => return Ok(report),
                () = sleep(next) => {}
            }
            wait = wait.saturating_mul(2);
        }
    }

    async fn round(&mut self, round: &mut Round) -> Result<(), EventsError> {
        let began = self.settings.clock.now();
        round.accepted = self.ledger.counts()?.of(Status::Accepted);
        if self.index.is_none() || self.indexed != round.accepted {
            let test_to = self.settings.test_to.as_ref();
            self.index = Some(MessageIndex::build(&*self.ledger, test_to)?);
            self.indexed = round.accepted;
        }
        let (rows, last) = self
            .index
            .as_ref()
            .map_or((0, 0), |it| (it.rows, it.last_accepted));
        round.without_id = round.accepted.saturating_sub(rows);
        if rows > 0 {
            let before = self.store.followed()?;
            let last = Timestamp::from_millisecond(last).unwrap_or(began);
            let (from, known) = (self.settings.started, before.known_before);
            let span = TrackingSpan {
                smtp_account: &self.settings.smtp_account.clone(),
                sent_from: from.saturating_sub(MARGIN).unwrap_or(from),
                sent_to: last.saturating_add(MARGIN).unwrap_or(last),
                until: began.saturating_add(MARGIN).unwrap_or(began),
                known_before: known.map(|known| known.saturating_sub(MARGIN).unwrap_or(known)),
            };
            for list in self.settings.dialect.tracking_lists(&span) {
                if round.stopped.is_none() {
                    self.read_list(&list, round).await?;
                }
            }
            if self.settings.dialect.tracks_by_lookup() && round.stopped.is_none() {
                self.look_up_all(round).await?;
            }
            if round.stopped.is_none() {
                let complete = round.unanswered.is_none();
                self.store.set_followed(Followed {
                    at: Some(self.settings.clock.now()),
                    known_before: if complete { Some(began) } else { known },
                })?;
            }
        }
        round.open = rows.saturating_sub(self.store.counts()?.with_outcome());
        Ok(())
    }

    async fn read_list(
        &mut self,
        list: &TrackingList,
        round: &mut Round,
    ) -> Result<(), EventsError> {
        let (mut offset, mut before) = (0, String::new());
        loop {
            match self.asker.ask(&list.page(offset), Some(list)).await {
                TrackingOutcome::Events { rows: 0, .. } => return Ok(()),
                // The API ignores the offset: this is the whole list.
                TrackingOutcome::Events { first, .. } if first == before => return Ok(()),
                TrackingOutcome::Events {
                    rows,
                    first,
                    events,
                } => {
                    self.add(&events, round)?;
                    offset += rows;
                    before = first;
                }
                TrackingOutcome::Unanswered { reason, .. } => {
                    round.unanswered = Some(reason);
                    return Ok(());
                }
                TrackingOutcome::Stop { reason } => {
                    round.stopped = Some(reason);
                    return Ok(());
                }
            }
        }
    }

    /// Looks up every message of which it is not known what became of it.
    async fn look_up_all(&mut self, round: &mut Round) -> Result<(), EventsError> {
        let mut in_flight = JoinSet::new();
        let (mut after, mut unanswered, mut over) = (0, 0, false);
        let mut ids = Vec::new();
        loop {
            while ids.is_empty() && !over {
                let rows = self.ledger.accepted(after, PAGE)?;
                let Some(last) = rows.last().map(|row| row.row) else {
                    over = true;
                    break;
                };
                let states = self.store.states(after, last)?;
                let is_open = |row: u32| !states.get(&row).copied().is_some_and(has_outcome);
                let open = rows.into_iter().filter(|row| is_open(row.row)).rev();
                ids.extend(open.map(|row| row.message_id));
                after = last;
            }
            while in_flight.len() < CONCURRENCY
                && let Some(id) = ids.pop()
            {
                let asker = Arc::clone(&self.asker);
                in_flight.spawn(async move { asker.look_up(&id).await });
            }
            let Some(outcome) = in_flight.join_next().await else {
                return Ok(());
            };
            match outcome {
                Ok(TrackingOutcome::Events { events, .. }) => {
                    unanswered = 0;
                    self.add(&events, round)?;
                }
                Ok(TrackingOutcome::Unanswered { reason, .. }) => {
                    unanswered += 1;
                    over |= unanswered >= MAX_UNANSWERED;
                    round.unanswered = Some(reason);
                }
                Ok(TrackingOutcome::Stop { reason }) => {
                    over = true;
                    round.stopped = Some(reason);
                }
                Err(error) => round.unanswered = Some(error.to_string()),
            }
            if over && (round.stopped.is_some() || unanswered >= MAX_UNANSWERED) {
                ids.clear();
            }
        }
    }

    /// Adds the events that belong to a row, and counts the others.
    fn add(&mut self, events: &[TrackingEvent], round: &mut Round) -> Result<(), EventsError> {
        let Some(index) = &self.index else {
            return Ok(());
        };
        let mut of_rows = Vec::with_capacity(events.len());
        for event in events {
            match index.row_of(&event.message_id, &event.address)? {
                Some(row) => of_rows.push(RowEvent {
                    row,
                    kind: event.kind,
                    at: event.at,
                    description: event.description.clone(),
                }),
                None => round.foreign += 1,
            }
        }
        round.new_events += self.store.add(&of_rows, self.settings.clock.now())?;
        Ok(())
    }
}

impl Asker {
    async fn look_up(&self, message_id: &str) -> TrackingOutcome {
        match self.dialect.lookup(&self.smtp_account, message_id) {
            Some(path) => self.ask(&path, None).await,
            None => TrackingOutcome::Stop {
                reason: "the API can't look up messages by their ID".to_owned(),
            },
        }
    }

    /// Asks until there is a usable answer, at most as often as a message would be tried.
    async fn ask(&self, path: &str, list: Option<&TrackingList>) -> TrackingOutcome {
        let limit = if list.is_some() {
            &self.lists
        } else {
            &self.lookups
        };
        for tries in 1.. {
            self.pace(limit).await;
            let outcome = match self.transport.get(path).await {
                Ok(reply) => self
                    .dialect
                    .tracking_outcome(&reply, list, self.clock.now()),
                Err(error @ PostError::Untrusted(_)) => {
                    let reason = error.to_string();
                    return TrackingOutcome::Stop { reason };
                }
                Err(error) => TrackingOutcome::Unanswered {
                    reason: one_line(&error.to_string()),
                    wait: None,
                },
            };
            let TrackingOutcome::Unanswered { wait, .. } = &outcome else {
                return outcome;
            };
            if tries >= self.retry.attempts {
                return outcome;
            }
            let longest = self.retry.max_delay;
            let chance = rand::random::<f64>();
            sleep(wait.unwrap_or_else(|| backoff(tries, FIRST_RETRY, longest, chance))).await;
        }
        TrackingOutcome::Unanswered {
            reason: "it was not asked".to_owned(),
            wait: None,
        }
    }

    /// Waits until a request may go. The others wait behind it.
    async fn pace(&self, limit: &Mutex<SpacedLimit>) {
        let mut limit = limit.lock().await;
        while let Some(ready) = limit.ready(1) {
            sleep_until(ready).await;
        }
        limit.take(1);
    }
}
