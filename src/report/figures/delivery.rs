//! What became of accepted messages.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Serialize;

use super::links::link;
use super::reasons::bounce_reason;
use super::top::{Tally, Top, TopCounts};
use crate::api::EventKind;
use crate::feedback::StoredEvent;
use crate::ledger::{FORGOTTEN, RowOutcome};

/// How many names each table has.
const SHOWN: usize = 15;
/// How many different domains are counted exactly,
const DOMAINS: usize = 65_536;
/// and how many different reasons and links.
const TEXTS: usize = 8_192;
/// Opens and clicks are counted by hour for this long.
const HOURS: usize = 72;

/// How many accepted messages had which end. `delivered`, the bounces, `dropped`, `deferred` and `no_news` add up to
/// `accepted`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct DeliveryCounts {
    pub(crate) accepted: u64,
    /// The recipient's server took it, and it did not come back.
    pub(crate) delivered: u64,
    pub(crate) deferred: u64,
    pub(crate) soft_bounced: u64,
    pub(crate) hard_bounced: u64,
    pub(crate) spam_bounced: u64,
    pub(crate) dropped: u64,
    pub(crate) no_news: u64,
    /// Of the delivered: those with an open or a click,
    pub(crate) opened: u64,
    /// with a click,
    pub(crate) clicked: u64,
    /// whose recipients unsubscribed,
    pub(crate) unsubscribed: u64,
    /// and with a complaint.
    pub(crate) complaints: u64,
}

impl DeliveryCounts {
    pub(crate) fn bounced(&self) -> u64 {
        self.soft_bounced + self.hard_bounced + self.spam_bounced
    }

    /// Counts an accepted message in this state.
    fn count(&mut self, state: Option<EventKind>, has: impl Fn(EventKind) -> bool) {
        self.accepted += 1;
        let end = match state {
            None => &mut self.no_news,
            Some(EventKind::Deferred) => &mut self.deferred,
            Some(EventKind::SoftBounce) => &mut self.soft_bounced,
            Some(EventKind::HardBounce) => &mut self.hard_bounced,
            Some(EventKind::SpamBounce) => &mut self.spam_bounced,
            Some(EventKind::Dropped) => &mut self.dropped,
            Some(
                EventKind::Delivered
                | EventKind::Opened
                | EventKind::Clicked
                | EventKind::Unsubscribed
                | EventKind::Complaint,
            ) => {
                self.opened += u64::from(has(EventKind::Opened) || has(EventKind::Clicked));
                self.clicked += u64::from(has(EventKind::Clicked));
                self.unsubscribed += u64::from(has(EventKind::Unsubscribed));
                self.complaints += u64::from(has(EventKind::Complaint));
                &mut self.delivered
            }
        };
        *end += 1;
    }
}

impl Tally for DeliveryCounts {
    fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.delivered += other.delivered;
        self.deferred += other.deferred;
        self.soft_bounced += other.soft_bounced;
        self.hard_bounced += other.hard_bounced;
        self.spam_bounced += other.spam_bounced;
        self.dropped += other.dropped;
        self.no_news += other.no_news;
        self.opened += other.opened;
        self.clicked += other.clicked;
        self.unsubscribed += other.unsubscribed;
        self.complaints += other.complaints;
    }

    fn weight(&self) -> u64 {
        self.accepted
    }
}

/// Messages by the hour after each was accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct ByHour {
    /// Up to the last hour with one.
    pub(crate) hours: Vec<u64>,
    pub(crate) later: u64,
}

impl ByHour {
    fn count(&mut self, accepted: i64, at: Timestamp) {
        // Clocks differ: an open before the acceptance counts for the first hour.
        let hour = (at.as_millisecond() - accepted).max(0) / 3_600_000;
        match usize::try_from(hour).ok().filter(|hour| *hour < HOURS) {
            Some(hour) => {
                let needed = self.hours.len().max(hour + 1);
                self.hours.resize(needed, 0);
                self.hours[hour] += 1;
            }
            None => self.later += 1,
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.hours.iter().sum::<u64>() + self.later
    }
}

/// What is counted while rows are read.
pub(super) struct DeliveryCounter {
    counts: DeliveryCounts,
    domains: TopCounts<DeliveryCounts>,
    reasons: TopCounts<u64>,
    links: TopCounts<u64>,
    opens: ByHour,
    clicks: ByHour,
    variants: HashMap<String, DeliveryCounts>,
}

pub(crate) struct DeliveryFigures {
    pub(crate) counts: DeliveryCounts,
    /// By variant of the message, of the rows that had theirs when the run was planned.
    pub(crate) variants: HashMap<String, DeliveryCounts>,
    pub(crate) domains: Top<DeliveryCounts>,
    /// Why messages came back or were dropped: `hard-bounce 550 No such user`.
    pub(crate) reasons: Top<u64>,
    /// Messages by the link that was followed in them.
    pub(crate) links: Top<u64>,
    /// The first open of each delivered message,
    pub(crate) opens: ByHour,
    /// and the first click.
    pub(crate) clicks: ByHour,
}

impl DeliveryCounter {
    pub(super) fn new() -> Self {
        Self {
            counts: DeliveryCounts::default(),
            domains: TopCounts::new(DOMAINS),
            reasons: TopCounts::new(TEXTS),
            links: TopCounts::new(TEXTS),
            opens: ByHour::default(),
            clicks: ByHour::default(),
            variants: HashMap::new(),
        }
    }

    /// Counts an accepted row with its events, in the order of their times.
    pub(super) fn count(
        &mut self,
        row: &RowOutcome,
        state: Option<EventKind>,
        events: &[StoredEvent],
    ) {
        let address = row.address.as_deref();
        let parts = address.and_then(|address| address.rsplit_once('@'));
        let (local, domain) = parts.unwrap_or(("", FORGOTTEN));
        let has = |kind| events.iter().any(|event| event.kind == kind);
        self.counts.count(state, has);
        self.domains.of(domain).count(state, has);
        if let Some(variant) = &row.variant {
            if !self.variants.contains_key(variant) {
                self.variants
                    .insert(variant.clone(), DeliveryCounts::default());
            }
            if let Some(counts) = self.variants.get_mut(variant) {
                counts.count(state, has);
            }
        }
        let Some(state) = state else {
            return;
        };
        if let EventKind::SoftBounce
        | EventKind::HardBounce
        | EventKind::SpamBounce
        | EventKind::Dropped = state
        {
            let last = events.iter().rfind(|event| event.kind == state);
            let text = last.map_or("", |event| &event.description);
            let reason = format!("{} {}", state.as_str(), bounce_reason(text, local, domain));
            *self.reasons.of(&reason) += 1;
            return;
        }
        let accepted = row.at.unwrap_or_default();
        let first = |kind| events.iter().find(move |event| event.kind == kind);
        if let Some(open) = first(EventKind::Opened) {
            self.opens.count(accepted, open.at);
        }
        if let Some(click) = first(EventKind::Clicked) {
            self.clicks.count(accepted, click.at);
        }
        let mut followed: Vec<String> = events
            .iter()
            .filter(|event| event.kind == EventKind::Clicked)
            .filter_map(|event| link(&event.description))
            .collect();
        followed.sort_unstable();
        followed.dedup();
        for link in followed {
            *self.links.of(&link) += 1;
        }
    }

    pub(super) fn finish(self) -> DeliveryFigures {
        DeliveryFigures {
            counts: self.counts,
            variants: self.variants,
            domains: self.domains.top(SHOWN),
            reasons: self.reasons.top(SHOWN),
            links: self.links.top(SHOWN),
            opens: self.opens,
            clicks: self.clicks,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Status;
    use EventKind::{Clicked, Complaint, Delivered, HardBounce, Opened, Unsubscribed};

    const HOUR: i64 = 3600;

    /// A row that was accepted at 1000 s, with events at these times after it.
    fn count(
        counter: &mut DeliveryCounter,
        state: Option<EventKind>,
        events: &[(EventKind, i64, &str)],
    ) {
        let row = RowOutcome {
            row: 1,
            address: Some("ann@acme.example".to_owned()),
            status: Status::Accepted,
            at: Some(1_000_000),
            variant: None,
        };
        let event = |&(kind, after, text): &(EventKind, i64, &str)| StoredEvent {
            row: 1,
            kind,
            at: Timestamp::from_second(1000 + after).expect("a time"),
            description: text.to_owned(),
        };
        let events: Vec<StoredEvent> = events.iter().map(event).collect();
        counter.count(&row, state, &events);
    }

    #[test]
    fn forgotten_people_are_counted_together() {
        let mut counter = DeliveryCounter::new();
        for hash in ["forgotten:01234567:00ff", "forgotten:01234567:11ff"] {
            let row = RowOutcome {
                row: 1,
                address: Some(hash.to_owned()),
                status: Status::Accepted,
                at: None,
                variant: None,
            };
            counter.count(&row, Some(Delivered), &[]);
        }
        let domains = counter.finish().domains.names;
        assert_eq!(domains.len(), 1);
        assert_eq!((&*domains[0].0, domains[0].1.delivered), ("(forgotten)", 2));
    }

    #[test]
    fn first_opens_and_clicks_are_counted_by_hour_and_links_once_a_message() {
        let mut counter = DeliveryCounter::new();
        let (a, b) = ("https://a.example/?u=1", "https://b.example/");
        count(
            &mut counter,
            Some(Clicked),
            &[
                (Opened, 2 * HOUR, ""),
                (Opened, 9 * HOUR, ""),
                (Clicked, 2 * HOUR + 1, a),
                (Clicked, 3 * HOUR, "https://a.example/?u=2"),
                (Clicked, 4 * HOUR, b),
            ],
        );
        count(&mut counter, Some(Opened), &[(Opened, 72 * HOUR - 1, "")]);
        count(&mut counter, Some(Opened), &[(Opened, 72 * HOUR, "")]);
        count(
            &mut counter,
            Some(Complaint),
            &[
                (Opened, -HOUR, ""),
                (Unsubscribed, 0, ""),
                (Complaint, 1, ""),
            ],
        );
        // What came back does not count as opened.
        count(
            &mut counter,
            Some(HardBounce),
            &[(Opened, 1, ""), (HardBounce, 2, "550 no")],
        );
        count(&mut counter, Some(Delivered), &[(Delivered, 1, "")]);
        count(&mut counter, None, &[]);
        let figures = counter.finish();
        assert_eq!(figures.opens.hours.len(), 72);
        let hours = [0, 2, 71].map(|hour| figures.opens.hours[hour]);
        assert_eq!(
            (hours, figures.opens.later, figures.opens.total()),
            ([1, 1, 1], 1, 4)
        );
        assert_eq!(
            (&figures.clicks.hours[..], figures.clicks.later),
            (&[0, 0, 1][..], 0)
        );
        let links = [("https://a.example/", 1), ("https://b.example/", 1)];
        assert_eq!(
            figures.links.names,
            links.map(|(link, count)| (link.to_owned(), count))
        );
        assert_eq!(
            figures.reasons.names,
            [("hard-bounce 550 no".to_owned(), 1)]
        );
        let expected = DeliveryCounts {
            accepted: 7,
            delivered: 5,
            hard_bounced: 1,
            no_news: 1,
            opened: 4,
            clicked: 1,
            unsubscribed: 1,
            complaints: 1,
            ..DeliveryCounts::default()
        };
        assert_eq!(figures.counts, expected);
        assert_eq!(
            figures.domains.names,
            [("acme.example".to_owned(), expected)]
        );
    }
}
