//! Limits that several processes share: permits are reserved elsewhere, a little ahead of their time.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::Quota;
use jiff::Timestamp;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

use super::limits::{RateLimit, Turn};
use super::{Period, Rate};

/// Permits are reserved for this much time at once.
const AT_ONCE: Duration = Duration::from_millis(60);
/// More are reserved when those left reach less far ahead.
const LOW: Duration = Duration::from_millis(100);
/// Permits that were not used so long after their time are lost. Otherwise they would be used in a
/// burst.
const LATEST: Duration = Duration::from_millis(250);
/// How often it looks whether permits have been granted.
const POLL: Duration = Duration::from_millis(5);

/// Permits for recipients, one each `interval`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grant {
    /// When the first may go.
    pub(crate) at: Instant,
    pub(crate) interval: Duration,
    pub(crate) recipients: u32,
}

/// The answer to a request for permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reservation {
    Granted(Grant),
    /// Ask again then.
    Later(Instant),
    /// The daily limit is reached until then; ask again at the instant.
    FullUntil(Timestamp, Instant),
}

pub(crate) struct PermitRequest {
    /// 0 is the limit of the run.
    pub(crate) lane: u32,
    pub(crate) recipients: u32,
    /// Those without which a request waits.
    pub(crate) needed: u32,
    /// The time from one recipient to the next; zero if they are not spaced.
    pub(crate) interval: Duration,
    /// The most recipients in 24 hours.
    pub(crate) per_day: Option<u64>,
    /// How many earlier permits were lost unused: they don't count against the day.
    pub(crate) expired: u32,
    pub(crate) permits: SharedPermits,
}

/// Permits that are reserved and not used yet.
#[derive(Clone, Default)]
pub(crate) struct SharedPermits(Arc<Mutex<Permits>>);

#[derive(Default)]
struct Permits {
    grants: VecDeque<Grant>,
    /// How many were lost since the last request.
    expired: u32,
    /// A request is under way.
    asked: bool,
    ask_again: Option<Instant>,
    full_until: Option<Timestamp>,
}

pub(crate) struct SharedLimit {
    lane: u32,
    interval: Duration,
    per_day: Option<u64>,
    /// How many are reserved at once, at least.
    at_once: u32,
    permits: SharedPermits,
    requests: UnboundedSender<PermitRequest>,
}

impl SharedPermits {
    fn lock(&self) -> MutexGuard<'_, Permits> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn answer(&self, reservation: Reservation) {
        let mut permits = self.lock();
        permits.asked = false;
        permits.full_until = None;
        match reservation {
            Reservation::Granted(grant) => permits.grants.push_back(grant),
            Reservation::Later(at) => permits.ask_again = Some(at),
            Reservation::FullUntil(until, at) => {
                permits.full_until = Some(until);
                permits.ask_again = Some(at);
            }
        }
    }
}

impl Permits {
    /// Drops what is too old.
    fn expire(&mut self, now: Instant) {
        while let Some(first) = self.grants.front_mut() {
            // Permits that are not spaced stay valid.
            if first.interval.is_zero() || first.at + LATEST >= now {
                return;
            }
            first.at += first.interval;
            first.recipients -= 1;
            self.expired = self.expired.saturating_add(1);
            if first.recipients == 0 {
                self.grants.pop_front();
            }
        }
    }

    fn available(&self) -> u32 {
        let recipients = self.grants.iter().map(|grant| grant.recipients);
        recipients.fold(0, u32::saturating_add)
    }

    /// Until when the permits reach.
    fn end(&self) -> Option<Instant> {
        let last = self.grants.back()?;
        Some(last.at + last.interval * last.recipients)
    }
}

impl SharedLimit {
    /// `batch` is the most recipients of a request. Reserves what it needs through `requests`.
    pub(crate) fn new(
        lane: u32,
        rates: &[Rate],
        batch: NonZeroU32,
        requests: UnboundedSender<PermitRequest>,
    ) -> Self {
        let intervals = rates.iter().filter_map(|rate| rate.quota());
        let interval = intervals
            .map(|quota: Quota| quota.replenish_interval())
            .max()
            .unwrap_or_default();
        let days = rates.iter().filter(|rate| rate.per == Period::Day);
        let at_once = AT_ONCE
            .as_nanos()
            .checked_div(interval.as_nanos())
            .map_or(batch.get(), |permits| permits as u32 + 1);
        Self {
            lane,
            interval,
            per_day: days.map(|rate| u64::from(rate.recipients.get())).min(),
            at_once: at_once.max(batch.get()),
            permits: SharedPermits::default(),
            requests,
        }
    }

    fn is_limited(&self) -> bool {
        !self.interval.is_zero() || self.per_day.is_some()
    }

    fn ask(&self, permits: &mut Permits, needed: u32, now: Instant) {
        if permits.asked || permits.ask_again.is_some_and(|at| at > now) {
            return;
        }
        let request = PermitRequest {
            lane: self.lane,
            recipients: needed.max(self.at_once),
            needed,
            interval: self.interval,
            per_day: self.per_day,
            expired: std::mem::take(&mut permits.expired),
            permits: self.permits.clone(),
        };
        // If nobody answers any more, the delivery has ended.
        permits.asked = self.requests.send(request).is_ok();
    }
}

impl RateLimit for SharedLimit {
    fn turn(&mut self, recipients: u32, _: Timestamp) -> Turn {
        if !self.is_limited() {
            return Turn::Now;
        }
        let now = Instant::now();
        let mut permits = self.permits.lock();
        permits.expire(now);
        let available = permits.available();
        if available < recipients {
            let missing = recipients - available;
            if permits.expired > 0 {
                // The day may be full because of them.
                permits.ask_again = None;
                permits.full_until = None;
            }
            self.ask(&mut permits, missing, now);
            let poll = now + POLL;
            let again = permits.ask_again.map_or(poll, |at| at.max(poll));
            return match permits.full_until {
                Some(until) => Turn::Day(until),
                None => Turn::At(again),
            };
        }
        if !self.interval.is_zero() && permits.end().is_none_or(|end| end < now + LOW) {
            self.ask(&mut permits, 0, now);
        }
        match permits.grants.front() {
            Some(first) if first.at > now => Turn::At(first.at),
            _ => Turn::Now,
        }
    }

    fn take(&mut self, recipients: u32, _: Timestamp) {
        if !self.is_limited() {
            return;
        }
        let mut permits = self.permits.lock();
        let mut left = recipients;
        while let Some(first) = permits.grants.front_mut()
            && left > 0
        {
            let taken = first.recipients.min(left);
            first.recipients -= taken;
            first.at += first.interval * taken;
            left -= taken;
            if first.recipients == 0 {
                permits.grants.pop_front();
            }
        }
    }
}
