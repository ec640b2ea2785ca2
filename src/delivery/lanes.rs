//! Requests that wait, in lanes: one for all recipients, and one for each domain with a limit of
//! its own, so that a slow domain holds nobody else up.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::Poll;

use super::job::Job;
use super::queue::Jobs;
use crate::pace::{Now, Pace, Rate, Turn};

/// The limit of a lane.
#[derive(Debug, Clone)]
pub struct LaneLimit {
    /// The limit.
    pub rate: Rate,
    /// What the ledger says of the lane's last 24 hours ([`crate::ledger::Ledger::posted_since`]).
    pub posted: Vec<(i64, u64)>,
}

/// All lanes; a request's [`Job::lane`] is its place in here.
pub(super) struct Lanes(Vec<Lane>);

struct Lane {
    /// New requests, in the order of the input.
    new: Jobs,
    /// Whether there may be more of them.
    open: bool,
    /// Requests that wait for their turn: those that are due again, and new ones that were handed
    /// over together.
    waiting: VecDeque<Job>,
    pace: Pace,
}

/// What the lanes have.
pub(super) enum Pick {
    /// This one's turn has come.
    Job(Job),
    /// The first turn will come then.
    Later(Turn),
    /// No lane has a request.
    Nothing,
}

impl Lanes {
    /// The first lane has no limit of its own, the others those of `limits`.
    pub(super) fn new(new: Vec<Jobs>, limits: &[LaneLimit]) -> Self {
        let own = limits
            .iter()
            .map(|limit| Pace::new(&[limit.rate], limit.posted.clone()));
        let paces = std::iter::once(Pace::new(&[], Vec::new())).chain(own);
        let lane = |(new, pace)| Lane {
            new,
            open: true,
            waiting: VecDeque::new(),
            pace,
        };
        Self(new.into_iter().zip(paces).map(lane).collect())
    }

    /// A request whose lane lets it through: of a domain with a limit first, as its turns are rare.
    pub(super) fn pick(&mut self, now: Now) -> Pick {
        let mut first = None;
        for lane in self.0.iter_mut().rev() {
            let Some(job) = lane.waiting.front() else {
                continue;
            };
            let turn = lane.pace.turn(job.recipients(), now);
            if turn == Turn::Now
                && let Some(job) = lane.waiting.pop_front()
            {
                return Pick::Job(job);
            }
            first = Some(first.map_or(turn, |first| sooner(first, turn)));
        }
        first.map_or(Pick::Nothing, Pick::Later)
    }

    /// The request goes now.
    pub(super) fn take(&mut self, job: &Job, now: Now) {
        self.0[job.lane as usize].pace.take(job.recipients(), now);
    }

    /// A request that was put off is due.
    pub(super) fn put(&mut self, job: Job) {
        self.0[job.lane as usize].waiting.push_back(job);
    }

    /// Whether there may be new requests for which there is room.
    pub(super) fn wants_new(&self) -> bool {
        self.0.iter().any(Lane::wants_new)
    }

    /// Whether there are none, and will be no new ones.
    pub(super) fn are_done(&self) -> bool {
        self.0
            .iter()
            .all(|lane| !lane.open && lane.waiting.is_empty())
    }

    /// Waits until a lane gets a new request, or its end.
    pub(super) async fn new_request(&mut self) {
        poll_fn(|context| {
            let mut news = Poll::Pending;
            for lane in self.0.iter_mut().filter(|lane| lane.wants_new()) {
                match lane.new.poll_recv(context) {
                    Poll::Pending => continue,
                    Poll::Ready(Some(handed)) => lane.waiting.extend(handed.jobs),
                    Poll::Ready(None) => lane.open = false,
                }
                news = Poll::Ready(());
            }
            news
        })
        .await;
    }

    /// Takes no more new requests, so that nobody makes any.
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

fn sooner(one: Turn, other: Turn) -> Turn {
    match (one, other) {
        (Turn::Now, _) | (_, Turn::Now) => Turn::Now,
        (Turn::At(one), Turn::At(other)) => Turn::At(one.min(other)),
        (Turn::At(at), Turn::Day(_)) | (Turn::Day(_), Turn::At(at)) => Turn::At(at),
        (Turn::Day(one), Turn::Day(other)) => Turn::Day(one.min(other)),
    }
}
