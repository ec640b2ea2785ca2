//! Finds out, round after round, what became of the accepted messages of a run: from the API, and from a mailbox.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::bounce::{BounceCounts, BounceReader, BouncedRun};
use super::event::{RowEvent, has_outcome};
use super::index::MessageIndex;
use super::store::{EventStore, EventsError, Followed};
use super::tracking_api::TrackingApi;
use crate::address::Address;
use crate::api::{TrackingEvent, TrackingList, TrackingOutcome, TrackingSpan};
use crate::clock::Clock;
use crate::ledger::{Ledger, Status};

/// The longest wait between two rounds.
const LONGEST_WAIT: Duration = Duration::from_secs(30 * 60);
/// The API does not say in which time zone its times are, and its clock may differ: every span is wider by this.
const MARGIN: SignedDuration = SignedDuration::from_hours(3);
/// The most lookups in flight.
const CONCURRENCY: usize = 8;
/// How many rows are read from the ledger at once.
const PAGE: u32 = 500;
/// After this many lookups in a row without an answer, a round ends.
const MAX_UNANSWERED: u32 = 3;

pub(crate) struct FollowSettings {
    /// When the run was planned.
    pub(crate) started: Timestamp,
    /// The one recipient of a test.
    pub(crate) test_to: Option<Address>,
    /// Before the second round. It doubles with every round.
    pub(crate) first_wait: Duration,
    /// No round begins after this time.
    pub(crate) time: Duration,
    pub(crate) clock: Clock,
}

/// Where events come from.
pub(crate) struct EventSources {
    pub(crate) api: Option<TrackingApi>,
    pub(crate) bounces: Option<BounceReader>,
}

pub(crate) struct Follow {
    api: Option<Arc<TrackingApi>>,
    bounces: Option<BounceReader>,
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
    /// Accepted rows whose outcome is not known,
    pub(crate) open: u64,
    /// and those that have no message ID to ask about.
    pub(crate) without_id: u64,
    pub(crate) new_events: u64,
    /// The rows that may have new events.
    pub(crate) changed: BTreeSet<u32>,
    /// Events of the API that belong to no row.
    pub(crate) foreign: u64,
    /// The mails that were read.
    pub(crate) bounces: Option<BounceCounts>,
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

impl Follow {
    pub(crate) fn new(
        settings: FollowSettings,
        sources: EventSources,
        ledger: Box<dyn Ledger>,
        store: Box<dyn EventStore>,
    ) -> Self {
        Self {
            api: sources.api.map(Arc::new),
            bounces: sources.bounces,
            settings,
            ledger,
            store,
            index: None,
            indexed: 0,
        }
    }

    /// Follows the run until the API has said what became of every accepted row and `is_live` says that no more will be
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
        let is_asked = self.api.is_some();
        let end = Instant::now() + self.settings.time;
        let mut wait = self.settings.first_wait;
        let mut report = FollowReport::default();
        loop {
            // Before the round: a row that is accepted during it is asked about in the next one.
            let live = is_live()?;
            let mut round = Round::default();
            let flag = interrupt.clone();
            let interrupted = tokio::select! {
                biased;
                _ = interrupt.wait_for(|interrupted| *interrupted) => true,
                asked = self.round(&mut round, &flag) => { asked?; *flag.borrow() }
            };
            report.rounds += 1;
            report.new_events += round.new_events;
            let (open, stopped) = (round.open, round.stopped.is_some());
            let done = interrupted
                || stopped
                || is_asked && !live && open == 0 && round.unanswered.is_none()
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

    async fn round(
        &mut self,
        round: &mut Round,
        interrupt: &watch::Receiver<bool>,
    ) -> Result<(), EventsError> {
        let began = self.settings.clock.now();
        round.accepted = self.ledger.counts()?.of(Status::Accepted);
        if self.index.is_none() || self.indexed != round.accepted {
            let test_to = self.settings.test_to.as_ref();
            self.index = Some(MessageIndex::build(&*self.ledger, test_to)?);
            self.indexed = round.accepted;
        }
        let index = self.index.as_ref();
        let (rows, forgotten) =
            index.map_or((0, 0), |index| (index.rows, index.forgotten.len() as u64));
        round.without_id = round.accepted.saturating_sub(rows + forgotten);
        if rows > 0
            && let Some(api) = self.api.clone()
        {
            self.ask(&api, began, round).await?;
        }
        if let (Some(bounces), Some(index)) = (&self.bounces, &self.index) {
            let run = BouncedRun {
                ledger: &*self.ledger,
                index,
                test_to: self.settings.test_to.as_ref(),
                started: self.settings.started,
                now: began,
            };
            let is_over = || *interrupt.borrow();
            let (counts, new) =
                bounces.read(&run, &mut *self.store, &mut round.changed, is_over)?;
            round.bounces = Some(counts);
            round.new_events += new;
            if self.api.is_none() {
                self.store.set_followed(Followed {
                    at: Some(began),
                    known_before: None,
                })?;
            }
        }
        let outcomes = self.store.counts()?.with_outcome();
        // Another process may add events between the two counts.
        let known = outcomes.saturating_sub(self.outcomes_of_forgotten()?);
        round.open = rows.saturating_sub(known);
        Ok(())
    }

    /// How many rows of forgotten people have an outcome.
    fn outcomes_of_forgotten(&self) -> Result<u64, EventsError> {
        let mut outcomes = 0;
        for row in self.index.iter().flat_map(|index| &index.forgotten) {
            let state = self.store.states(row - 1, *row)?;
            outcomes += state.values().filter(|state| has_outcome(**state)).count() as u64;
        }
        Ok(outcomes)
    }

    /// Asks the API about all accepted rows.
    async fn ask(
        &mut self,
        api: &Arc<TrackingApi>,
        began: Timestamp,
        round: &mut Round,
    ) -> Result<(), EventsError> {
        let before = self.store.followed()?;
        let last = self.index.as_ref().map_or(0, |index| index.last_accepted);
        let last = Timestamp::from_millisecond(last).unwrap_or(began);
        let (from, known) = (self.settings.started, before.known_before);
        let span = TrackingSpan {
            smtp_account: &api.smtp_account,
            sent_from: from.saturating_sub(MARGIN).unwrap_or(from),
            sent_to: last.saturating_add(MARGIN).unwrap_or(last),
            until: began.saturating_add(MARGIN).unwrap_or(began),
            known_before: known.map(|known| known.saturating_sub(MARGIN).unwrap_or(known)),
        };
        for list in api.dialect.tracking_lists(&span) {
            if round.stopped.is_none() {
                self.read_list(api, &list, round).await?;
            }
        }
        if api.dialect.tracks_by_lookup() && round.stopped.is_none() {
            self.look_up_all(api, round).await?;
        }
        if round.stopped.is_none() {
            let complete = round.unanswered.is_none();
            self.store.set_followed(Followed {
                at: Some(self.settings.clock.now()),
                known_before: if complete { Some(began) } else { known },
            })?;
        }
        Ok(())
    }

    async fn read_list(
        &mut self,
        api: &TrackingApi,
        list: &TrackingList,
        round: &mut Round,
    ) -> Result<(), EventsError> {
        let (mut offset, mut before) = (0, String::new());
        loop {
            match api.ask(&list.page(offset), Some(list)).await {
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

    /// Looks up every message whose outcome is not known.
    async fn look_up_all(
        &mut self,
        api: &Arc<TrackingApi>,
        round: &mut Round,
    ) -> Result<(), EventsError> {
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
                let api = Arc::clone(api);
                in_flight.spawn(async move { api.look_up(&id).await });
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
        let new = self.store.add(&of_rows, self.settings.clock.now())?;
        round.new_events += new;
        if new > 0 {
            round.changed.extend(of_rows.iter().map(|event| event.row));
        }
        Ok(())
    }
}
