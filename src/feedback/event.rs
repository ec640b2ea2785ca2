//! Events of rows, and the delivery state that follows from them.

use jiff::Timestamp;

use crate::api::EventKind;

/// An event of a row, as it is added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RowEvent {
    pub(crate) row: u32,
    pub(crate) kind: EventKind,
    /// `None` if the API does not say when. A row has at most one such event of each kind.
    pub(crate) at: Option<Timestamp>,
    /// One line.
    pub(crate) description: String,
}

/// An event of a row, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredEvent {
    pub(crate) row: u32,
    pub(crate) kind: EventKind,
    /// If the API did not say when, the time of its answer.
    pub(crate) at: Timestamp,
    pub(crate) description: String,
}

/// How much a kind decides. A complaint comes before everything; a message that came back was not delivered, whatever
/// opened it; and an open or a click proves that it arrived.
fn rank(kind: EventKind) -> u8 {
    match kind {
        EventKind::Deferred => 0,
        EventKind::Delivered => 1,
        EventKind::Opened => 2,
        EventKind::Clicked => 3,
        EventKind::Unsubscribed => 4,
        EventKind::Dropped => 5,
        EventKind::SoftBounce => 6,
        EventKind::HardBounce => 7,
        EventKind::SpamBounce => 8,
        EventKind::Complaint => 9,
    }
}

/// The state of a row with these events and their times, in any order: the kind of the event that decides. A message that
/// was delivered after a temporary failure is delivered.
pub(super) fn state_of(events: &[(EventKind, i64)]) -> Option<EventKind> {
    let last = |kind| {
        let of_kind = events.iter().filter(move |(other, _)| *other == kind);
        of_kind.map(|(_, at)| *at).max()
    };
    let delivered = last(EventKind::Delivered);
    let is_overtaken = |kind, at| {
        kind == EventKind::SoftBounce && delivered.is_some_and(|delivered| delivered > at)
    };
    events
        .iter()
        .filter(|(kind, at)| !is_overtaken(*kind, *at))
        .map(|(kind, _)| *kind)
        .max_by_key(|kind| rank(*kind))
}

/// Whether a state says what became of the message. Other events may still follow, such as a complaint.
pub(crate) fn has_outcome(state: EventKind) -> bool {
    state != EventKind::Deferred
}

/// How many rows have each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct StateCounts([u64; EventKind::ALL.len()]);

impl StateCounts {
    pub(crate) fn of(&self, state: EventKind) -> u64 {
        self.0[state as usize]
    }

    pub(super) fn set(&mut self, state: EventKind, rows: u64) {
        self.0[state as usize] = rows;
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The rows whose state says what became of them.
    pub(crate) fn with_outcome(&self) -> u64 {
        let states = EventKind::ALL.into_iter();
        states
            .filter(|state| has_outcome(*state))
            .map(|state| self.of(state))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use EventKind::{
        Clicked, Complaint, Deferred, Delivered, Dropped, HardBounce, Opened, SoftBounce,
        SpamBounce, Unsubscribed,
    };

    #[test]
    fn the_event_that_decides_is_the_state_in_any_order() {
        for (events, state) in [
            (vec![], None),
            (vec![(Deferred, 5)], Some(Deferred)),
            (vec![(Deferred, 5), (Delivered, 3)], Some(Delivered)),
            (vec![(Delivered, 1), (HardBounce, 2)], Some(HardBounce)),
            (vec![(Delivered, 2), (HardBounce, 1)], Some(HardBounce)),
            (vec![(SoftBounce, 1), (Delivered, 2)], Some(Delivered)),
            (vec![(SoftBounce, 2), (Delivered, 1)], Some(SoftBounce)),
            (vec![(SoftBounce, 1), (Delivered, 1)], Some(SoftBounce)),
            (vec![(Clicked, 1), (Opened, 2)], Some(Clicked)),
            (vec![(Opened, 1), (SpamBounce, 2)], Some(SpamBounce)),
            (vec![(Unsubscribed, 1), (Clicked, 2)], Some(Unsubscribed)),
            (vec![(Unsubscribed, 2), (HardBounce, 1)], Some(HardBounce)),
            (vec![(Clicked, 1), (Dropped, 2)], Some(Dropped)),
            (
                vec![(Complaint, 1), (HardBounce, 2), (Clicked, 3)],
                Some(Complaint),
            ),
        ] {
            assert_eq!(state_of(&events), state, "{events:?}");
            let mut reversed = events.clone();
            reversed.reverse();
            assert_eq!(state_of(&reversed), state, "{reversed:?}");
        }
    }

    #[test]
    fn counts_are_kept_by_state() {
        let mut counts = StateCounts::default();
        for (rows, state) in (1..).zip(EventKind::ALL) {
            counts.set(state, rows);
        }
        assert_eq!(
            (counts.of(Deferred), counts.of(Complaint), counts.total()),
            (1, 10, 55)
        );
        assert_eq!(counts.with_outcome(), 54);
    }
}
