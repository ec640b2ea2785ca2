//! Requests that wait, in lanes: one for each domain with its own limit in each time zone, so that a slow domain or a
//! closed zone does not delay the rest.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::Poll;

use jiff::Timestamp;
use tokio::sync::mpsc::error::TryRecvError;

use super::batch::Batch;
use super::queue::BatchReceiver;
use crate::pace::{RateLimit, Turn};
use crate::schedule::{Gate, Opening};

/// All lanes; [`Batch::lane`] is an index into them.
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    /// The limits of the domains that have their own.
    limits: Vec<Box<dyn RateLimit>>,
    /// By zone.
    gates: Vec<Gate>,
}

/// The time zone and the domain limit that all rows of a lane share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LaneKey {
    /// The place of their time zone in the schedule.
    pub(crate) zone: usize,
    /// The place of the limit of their domain, from 1; 0 if the domain has no limit of its own.
    pub(crate) domain: u32,
}

struct Lane {
    key: LaneKey,
    /// New requests, in the order of the input.
    new: BatchReceiver,
    /// Whether more of them may come.
    open: bool,
    /// Requests that wait for their turn: retries that are due, and the rest of a handover.
    waiting: VecDeque<Batch>,
}

/// The next request of all lanes.
pub(super) enum Pick {
    Batch(Batch),
    /// The first turn comes then.
    Later(Turn),
    /// No lane has a request.
    Nothing,
}

impl Lanes {
    /// `limits` has one entry for each domain with its own limit, and `gates` one for each time zone.
    pub(super) fn new(
        new: Vec<(LaneKey, BatchReceiver)>,
        limits: Vec<Box<dyn RateLimit>>,
        gates: Vec<Gate>,
    ) -> Self {
        let lanes = new.into_iter().map(|(key, new)| Lane {
            key,
            new,
            open: true,
            waiting: VecDeque::new(),
        });
        Self {
            lanes: lanes.collect(),
            limits,
            gates,
        }
    }

    /// A request whose lane lets it through. Domains with their own limit come first, because their
    /// turns are rare, and then the zone that closes first.
    pub(super) fn pick(&mut self, now: Timestamp) -> Pick {
        let mut first = None;
        // The best lane, and when it closes.
        let mut best: Option<(usize, Timestamp)> = None;
        for (index, lane) in self.lanes.iter().enumerate().rev() {
            let Some(batch) = lane.waiting.front() else {
                continue;
            };
            let (turn, closes) = match self.gates[lane.key.zone].opening(now) {
                Opening::Over => continue,
                Opening::Closed(until) => (Turn::Closed(until), None),
                Opening::Open(closes) => match own_limit(&mut self.limits, lane.key) {
                    Some(limit) => (limit.turn(batch.recipients(), now), closes),
                    None => (Turn::Now, closes),
                },
            };
            if turn != Turn::Now {
                first = Some(first.map_or(turn, |first: Turn| first.sooner(turn)));
                continue;
            }
            let closes = closes.unwrap_or(Timestamp::MAX);
            if lane.key.domain > 0 {
                best = Some((index, closes));
                break;
            }
            if best.is_none_or(|(_, earliest)| closes < earliest) {
                best = Some((index, closes));
            }
        }
        if let Some((index, _)) = best
            && let Some(batch) = self.lanes[index].waiting.pop_front()
        {
            return Pick::Batch(batch);
        }
        first.map_or(Pick::Nothing, Pick::Later)
    }

    /// Counts a request that goes now.
    pub(super) fn take(&mut self, batch: &Batch, now: Timestamp) {
        let key = self.lanes[batch.lane as usize].key;
        if let Some(limit) = own_limit(&mut self.limits, key) {
            limit.take(batch.recipients(), now);
        }
    }

    /// Whether the schedule allows the request to begin.
    pub(super) fn opening(&mut self, batch: &Batch, now: Timestamp) -> Opening {
        let zone = self.lanes[batch.lane as usize].key.zone;
        self.gates[zone].opening(now)
    }

    /// The place of the limit of the request's domain.
    pub(super) fn domain(&self, batch: &Batch) -> u32 {
        self.lanes[batch.lane as usize].key.domain
    }

    /// Puts back a request that was picked, but may not begin any more.
    pub(super) fn put_back(&mut self, batch: Batch) {
        self.lanes[batch.lane as usize].waiting.push_front(batch);
    }

    /// Adds a retry that is due.
    pub(super) fn add_retry(&mut self, batch: Batch) {
        self.lanes[batch.lane as usize].waiting.push_back(batch);
    }

    /// Whether a lane is empty and may still get new requests.
    pub(super) fn wants_new(&self) -> bool {
        self.lanes.iter().any(Lane::wants_new)
    }

    /// Whether all lanes are empty and get no new requests.
    pub(super) fn are_done(&self) -> bool {
        self.lanes.iter().all(Lane::is_done)
    }

    /// Whether the schedule allows no request of the lanes that are not done.
    pub(super) fn are_closed(&mut self, now: Timestamp) -> bool {
        let mut left = self.lanes.iter().filter(|lane| !lane.is_done());
        let gates = &mut self.gates;
        left.all(|lane| !matches!(gates[lane.key.zone].opening(now), Opening::Open(_)))
    }

    /// Takes the new requests that are there for empty lanes, so that [`Lanes::pick`] can choose among all lanes.
    pub(super) fn receive_new(&mut self) {
        for lane in self.lanes.iter_mut().filter(|lane| lane.wants_new()) {
            match lane.new.try_recv() {
                Ok(handover) => lane.waiting.extend(handover.batches),
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => lane.open = false,
            }
        }
    }

    /// Waits until an empty lane gets a new request, or its end.
    pub(super) async fn new_request(&mut self) {
        poll_fn(|context| {
            let mut news = Poll::Pending;
            for lane in self.lanes.iter_mut().filter(|lane| lane.wants_new()) {
                match lane.new.poll_recv(context) {
                    Poll::Pending => continue,
                    Poll::Ready(Some(handover)) => lane.waiting.extend(handover.batches),
                    Poll::Ready(None) => lane.open = false,
                }
                news = Poll::Ready(());
            }
            news
        })
        .await;
    }

    /// Takes no more new requests, so that the feeders end.
    pub(super) fn close(&mut self) {
        for lane in &mut self.lanes {
            lane.new.close();
        }
    }
}

fn own_limit(limits: &mut [Box<dyn RateLimit>], key: LaneKey) -> Option<&mut Box<dyn RateLimit>> {
    limits.get_mut(key.domain.checked_sub(1)? as usize)
}

impl Lane {
    fn is_done(&self) -> bool {
        !self.open && self.waiting.is_empty()
    }

    fn wants_new(&self) -> bool {
        self.open && self.waiting.is_empty()
    }
}
