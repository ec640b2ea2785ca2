//! What a list knows of one address, and the rules by which events suppress it.
//!
//! The result does not depend on the order of the events, or on how often each is recorded: of equal reasons the earliest
//! counts, and soft bounces are counted from what is known so far.

use std::collections::BTreeMap;

use super::entry::{DeliveryEvent, NewEntry, Reason};
use crate::address::Address;
use crate::api::EventKind;

/// Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct History {
    pub(super) entries: BTreeMap<Reason, StoredEntry>,
    /// Events up to these times don't suppress again: a person removed the reason.
    pub(super) removals: BTreeMap<Reason, i64>,
    /// The latest soft bounce of each message since the last message arrived.
    pub(super) soft_bounces: BTreeMap<String, i64>,
    /// When the last message arrived.
    pub(super) last_delivery: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoredEntry {
    /// Normalized; `None` if it was forgotten.
    pub(super) address: Option<String>,
    pub(super) source: String,
    pub(super) at: i64,
    pub(super) note: String,
    /// It follows from `soft_bounces`, and ends with them.
    pub(super) counted: bool,
}

impl History {
    /// Adds an entry that a person or a program asked for. Returns whether the reason is new.
    pub(super) fn add(&mut self, new: &NewEntry) -> bool {
        self.removals.remove(&new.reason);
        let is_new = !self.entries.contains_key(&new.reason);
        self.insert(
            new.reason,
            &new.address,
            &new.source,
            new.at.as_millisecond(),
            &new.note,
        );
        if let Some(entry) = self.entries.get_mut(&new.reason) {
            entry.counted = false;
        }
        is_new
    }

    /// Records an event, and suppresses the address if that follows.
    pub(super) fn record(&mut self, event: &DeliveryEvent, source: &str, soft_limit: u32) {
        let at = event.at.as_millisecond();
        let reason = match event.kind {
            EventKind::HardBounce => Some(Reason::HardBounce),
            EventKind::Complaint => Some(Reason::Complaint),
            EventKind::Unsubscribed => Some(Reason::Unsubscribe),
            _ => None,
        };
        if let Some(reason) = reason
            && self
                .removals
                .get(&reason)
                .is_none_or(|removed| at > *removed)
        {
            self.insert(reason, &event.address, source, at, &event.description);
        }
        match event.kind {
            EventKind::SoftBounce => {
                let latest = self.soft_bounces.entry(event.message.clone()).or_insert(at);
                *latest = at.max(*latest);
            }
            EventKind::Delivered
            | EventKind::Opened
            | EventKind::Clicked
            | EventKind::Unsubscribed
            | EventKind::Complaint => self.last_delivery = self.last_delivery.max(Some(at)),
            // What the API or a filter refused says nothing about the address.
            EventKind::Deferred
            | EventKind::Dropped
            | EventKind::SpamBounce
            | EventKind::HardBounce => return,
        }
        self.count_soft_bounces(&event.address, source, soft_limit);
    }

    fn count_soft_bounces(&mut self, address: &Address, source: &str, limit: u32) {
        let delivered = self.last_delivery;
        let removed = self.removals.get(&Reason::SoftBounces).copied();
        self.soft_bounces.retain(|_, at| {
            delivered.is_none_or(|delivered| *at >= delivered)
                && removed.is_none_or(|removed| *at > removed)
        });
        let known = self.entries.get(&Reason::SoftBounces);
        if known.is_some_and(|entry| !entry.counted) {
            return;
        }
        let mut times: Vec<i64> = self.soft_bounces.values().copied().collect();
        times.sort_unstable();
        let Some(&at) = times.get(limit.max(1) as usize - 1) else {
            self.entries.remove(&Reason::SoftBounces);
            return;
        };
        if known.is_some_and(|entry| entry.at == at) {
            return;
        }
        let entry = StoredEntry {
            address: self.known_as(address),
            source: source.to_owned(),
            at,
            note: format!("{limit} in a row"),
            counted: true,
        };
        self.entries.insert(Reason::SoftBounces, entry);
    }

    /// Inserts an entry. Of two with the same reason, the earlier one is kept.
    fn insert(&mut self, reason: Reason, address: &Address, source: &str, at: i64, note: &str) {
        let new = (at, source, note);
        if let Some(known) = self.entries.get(&reason)
            && (known.at, &*known.source, &*known.note) <= new
        {
            return;
        }
        let entry = StoredEntry {
            address: self.known_as(address),
            source: source.to_owned(),
            at,
            note: match self.is_forgotten() {
                true => String::new(),
                false => note.to_owned(),
            },
            counted: false,
        };
        self.entries.insert(reason, entry);
    }

    fn is_forgotten(&self) -> bool {
        let mut entries = self.entries.values();
        entries.any(|entry| entry.address.is_none())
    }

    /// An address that was forgotten is not written down again.
    fn known_as(&self, address: &Address) -> Option<String> {
        (!self.is_forgotten()).then(|| address.normalized())
    }

    /// Removes a reason, or all of them, and returns what was removed.
    pub(super) fn remove(
        &mut self,
        reason: Option<Reason>,
        now: i64,
    ) -> Vec<(Reason, StoredEntry)> {
        let is_meant = |known: &Reason| reason.is_none_or(|reason| reason == *known);
        let reasons: Vec<Reason> = self.entries.keys().copied().filter(is_meant).collect();
        let mut removed = Vec::new();
        for reason in reasons {
            if let Some(entry) = self.entries.remove(&reason) {
                self.mark_removed(reason, now.max(entry.at));
                removed.push((reason, entry));
            }
        }
        removed
    }

    /// Removes exactly the entry that was made at this time. Returns whether there was one.
    pub(super) fn undo(&mut self, reason: Reason, at: i64) -> bool {
        if self.entries.get(&reason).is_none_or(|entry| entry.at != at) {
            return false;
        }
        self.entries.remove(&reason);
        self.mark_removed(reason, at);
        true
    }

    fn mark_removed(&mut self, reason: Reason, at: i64) {
        let removal = self.removals.entry(reason).or_insert(at);
        *removal = at.max(*removal);
        if reason == Reason::SoftBounces {
            let removed = *removal;
            self.soft_bounces.retain(|_, at| *at > removed);
        }
    }

    /// Forgets the address and what was written about it. Returns whether there was an entry.
    pub(super) fn forget(&mut self) -> bool {
        for entry in self.entries.values_mut() {
            entry.address = None;
            entry.note.clear();
        }
        !self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn event(kind: EventKind, at: i64, message: u8) -> DeliveryEvent {
        DeliveryEvent {
            address: Address::parse("ann@one.example").expect("an address"),
            kind,
            at: Timestamp::from_millisecond(at).expect("a time"),
            message: message.to_string(),
            description: format!("{message} bounced"),
        }
    }

    fn history(events: &[DeliveryEvent]) -> History {
        let mut history = History::default();
        for event in events {
            history.record(event, "follow", 3);
        }
        history
    }

    fn soft(at: i64) -> DeliveryEvent {
        event(EventKind::SoftBounce, at, at as u8)
    }

    fn events() -> impl Strategy<Value = Vec<DeliveryEvent>> {
        let kind = prop_oneof![
            4 => Just(EventKind::SoftBounce),
            2 => Just(EventKind::Delivered),
            1 => prop::sample::select(EventKind::ALL.to_vec()),
        ];
        let one = (kind, 0..12_i64, 0..6_u8);
        prop::collection::vec(one.prop_map(|(kind, at, id)| event(kind, at, id)), 0..20)
    }

    proptest! {
        #[test]
        fn the_order_and_the_repetition_of_events_change_nothing(
            (events, again) in events().prop_flat_map(|events| {
                let twice = [events.clone(), events.clone()].concat();
                (Just(events), Just(twice).prop_shuffle())
            })
        ) {
            prop_assert_eq!(history(&events), history(&again));
        }
    }

    #[test]
    fn hard_bounces_complaints_and_unsubscribes_suppress_at_once_and_refusals_do_not() {
        for kind in EventKind::ALL {
            let reasons: Vec<_> = history(&[event(kind, 5, 1)]).entries.into_keys().collect();
            let expected = match kind {
                EventKind::HardBounce => vec![Reason::HardBounce],
                EventKind::Complaint => vec![Reason::Complaint],
                EventKind::Unsubscribed => vec![Reason::Unsubscribe],
                _ => vec![],
            };
            assert_eq!(reasons, expected, "{kind:?}");
        }
    }

    #[test]
    fn soft_bounces_suppress_after_three_messages_in_a_row() {
        let is_suppressed = |events: &[DeliveryEvent]| !history(events).entries.is_empty();
        assert!(!is_suppressed(&[soft(1), soft(2)]));
        assert!(is_suppressed(&[soft(1), soft(2), soft(3)]));
        let same_message = [1, 2, 3].map(|at| event(EventKind::SoftBounce, at, 7));
        assert!(!is_suppressed(&same_message));
        let delivered = |at| event(EventKind::Opened, at, 9);
        assert!(!is_suppressed(&[soft(1), soft(3), soft(4), delivered(2)]));
        assert!(is_suppressed(&[
            soft(1),
            delivered(2),
            soft(3),
            soft(4),
            soft(5)
        ]));
        assert!(!is_suppressed(&[soft(1), soft(2), soft(3), delivered(4)]));
    }

    #[test]
    fn a_removed_reason_does_not_come_back_with_the_same_events() {
        let before = [
            event(EventKind::HardBounce, 3, 1),
            soft(1),
            soft(2),
            soft(3),
        ];
        let mut history = history(&before);
        let all = [Reason::HardBounce, Reason::SoftBounces];
        let removed = history.remove(None, 10);
        assert_eq!(
            removed
                .iter()
                .map(|(reason, _)| *reason)
                .collect::<Vec<_>>(),
            all
        );
        for event in &before {
            history.record(event, "follow", 3);
        }
        assert_eq!(history.entries.len(), 0);
        history.record(&event(EventKind::HardBounce, 11, 2), "follow", 3);
        assert_eq!(history.entries.len(), 1);
    }

    #[test]
    fn an_undone_click_leaves_other_reasons() {
        let click = event(EventKind::Unsubscribed, 4, 1);
        let mut history = history(&[click.clone(), event(EventKind::Complaint, 5, 1)]);
        assert!(!history.undo(Reason::Unsubscribe, 3));
        assert!(history.undo(Reason::Unsubscribe, 4));
        history.record(&click, "one-click", 3);
        assert_eq!(
            history.entries.keys().collect::<Vec<_>>(),
            [&Reason::Complaint]
        );
    }

    #[test]
    fn a_forgotten_address_stays_suppressed_and_is_not_written_down_again() {
        let mut history = history(&[event(EventKind::Complaint, 5, 1)]);
        assert!(history.forget());
        for kind in [EventKind::Complaint, EventKind::HardBounce] {
            history.record(&event(kind, 2, 1), "follow", 3);
        }
        assert_eq!(history.entries.len(), 2);
        for entry in history.entries.values() {
            assert_eq!((entry.address.as_deref(), &*entry.note), (None, ""));
        }
    }
}
