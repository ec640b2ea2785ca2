//! Requests that wait, in lanes: one for each domain with its own limit, and one for all others, so
//! that a slow domain does not delay the rest.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::Poll;

use jiff::Timestamp;

use super::batch::Batch;
use super::queue::BatchReceiver;
use crate::pace::{RateLimit, Turn};

/// All lanes; [`Batch::lane`] is an index into them.
pub(super) struct Lanes(Vec<Lane>);

struct Lane {
    /// New requests, in the order of the input.
    new: BatchReceiver,
    /// Whether more of them may come.
    open: bool,
    /// Requests that wait for their turn: retries that are due, and the rest of a handover.
    waiting: VecDeque<Batch>,
    /// `None` for the first lane.
    limit: Option<Box<dyn RateLimit>>,
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
    /// The first lane has no limit of its own; the others have `limits`.
    pub(super) fn new(new: Vec<BatchReceiver>, limits: Vec<Box<dyn RateLimit>>) -> Self {
        let lane = |(new, limit)| Lane {
            new,
            open: true,
            waiting: VecDeque::new(),
            limit,
        };
        let limits = std::iter::once(None).chain(limits.into_iter().map(Some));
        Self(new.into_iter().zip(limits).map(lane).collect())
    }

    /// A request whose lane lets it through. Domains with their own limit come first, because their
    /// turns are rare.
    pub(super) fn pick(&mut self, now: Timestamp) -> Pick {
        let mut first = None;
        for lane in self.0.iter_mut().rev() {
            let Some(batch) = lane.waiting.front() else {
                continue;
            };
            let turn = match &mut lane.limit {
                Some(limit) => limit.turn(batch.recipients(), now),
                None => Turn::Now,
            };
            if turn == Turn::Now
                && let Some(batch) = lane.waiting.pop_front()
            {
                return Pick::Batch(batch);
            }
            first = Some(first.map_or(turn, |first: Turn| first.min(turn)));
        }
        first.map_or(Pick::Nothing, Pick::Later)
    }

    /// Counts a request that goes now.
    pub(super) fn take(&mut self, batch: &Batch, now: Timestamp) {
        let lane = &mut self.0[batch.lane as usize];
        if let Some(limit) = &mut lane.limit {
            limit.take(batch.recipients(), now);
        }
    }

    /// Adds a retry that is due.
    pub(super) fn add_retry(&mut self, batch: Batch) {
        self.0[batch.lane as usize].waiting.push_back(batch);
    }

    /// Whether a lane is empty and may still get new requests.
    pub(super) fn wants_new(&self) -> bool {
        self.0.iter().any(Lane::wants_new)
    }

    /// Whether all lanes are empty and get no new requests.
    pub(super) fn are_done(&self) -> bool {
        let is_done = |lane: &Lane| !lane.open && lane.waiting.is_empty();
        self.0.iter().all(is_done)
    }

    /// Waits until an empty lane gets a new request, or its end.
    pub(super) async fn new_request(&mut self) {
        poll_fn(|context| {
            let mut news = Poll::Pending;
            for lane in self.0.iter_mut().filter(|lane| lane.wants_new()) {
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
        for lane in &mut self.0 {
            lane.new.close();
        }
    }
}

impl Lane {
    fn wants_new(&self) -> bool {
        self.open && self.waiting.is_empty()
    }
}
