//! Limits per day that several runs share. Permits are reserved elsewhere, durably, before a request goes.

use std::collections::{BTreeSet, VecDeque};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

use super::daily::DailyLimit;
use super::limits::{RateLimit, Turn};
use super::{Period, Rate};

/// How long a permit may be used. A minute counts until a day after the last of its permits.
const LIFETIME: SignedDuration = SignedDuration::from_secs(50);
/// The wait before permits are asked for again.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// How often to check whether permits have been granted.
const POLL: Duration = Duration::from_millis(5);
/// The minutes of a day.
const MINUTES: i64 = 24 * 60;
/// At most this part of a day's limit, a hundredth, is reserved at once. A process that is killed loses it.
const PART: u64 = 100;

/// The limits of a group of runs.
#[derive(Debug, Clone)]
pub(crate) struct GroupDay {
    /// The most recipients in 24 hours.
    pub(crate) per_day: Option<u64>,
    /// The same, for the first, the second and each later day on which something is posted. The last one stays.
    pub(crate) ramp: Vec<u64>,
    /// The days of the ramp are those of this zone.
    pub(crate) zone: TimeZone,
}

impl GroupDay {
    /// `None` if neither the rates nor the ramp limit a day.
    pub(crate) fn new(rates: &[Rate], ramp: &[Rate], zone: TimeZone) -> Option<Self> {
        let count = |rate: &Rate| u64::from(rate.recipients.get());
        let days = rates.iter().filter(|rate| rate.per == Period::Day);
        let day = Self {
            per_day: days.map(count).min(),
            ramp: ramp.iter().map(count).collect(),
            zone,
        };
        (day.per_day.is_some() || !day.ramp.is_empty()).then_some(day)
    }

    /// No day is limited: what is posted is only counted.
    pub(crate) fn unlimited(zone: TimeZone) -> Self {
        Self {
            per_day: None,
            ramp: Vec::new(),
            zone,
        }
    }

    /// The most recipients in 24 hours, after so many days on which something was posted.
    pub(crate) fn limit(&self, days_before: usize) -> u64 {
        let step = days_before.min(self.ramp.len().saturating_sub(1));
        let ramp = self.ramp.get(step).copied();
        ramp.into_iter()
            .chain(self.per_day)
            .min()
            .unwrap_or(u64::MAX)
    }

    /// The number of days before today on which something was posted.
    pub(crate) fn days_before(
        &self,
        minutes: impl IntoIterator<Item = i64>,
        now: Timestamp,
    ) -> usize {
        let today = self.date(now);
        let times = minutes
            .into_iter()
            .filter_map(|minute| Timestamp::from_second(minute * 60).ok());
        let days: BTreeSet<Date> = times
            .map(|time| self.date(time))
            .filter(|date| *date < today)
            .collect();
        days.len()
    }

    /// A name of the IANA database, or an offset.
    pub(crate) fn zone_name(&self) -> String {
        let offset = || match self.zone.to_offset(Timestamp::UNIX_EPOCH).to_string() {
            // For PostgreSQL, an interval of `+02` is two seconds.
            hours if hours.len() == 3 => format!("{hours}:00"),
            offset => offset,
        };
        self.zone.iana_name().map_or_else(offset, str::to_owned)
    }

    pub(crate) fn date(&self, time: Timestamp) -> Date {
        self.zone.to_datetime(time).date()
    }

    /// When the limit is higher, if something is posted today: at midnight, unless the ramp has ended.
    pub(crate) fn grows(&self, days_before: usize, now: Timestamp) -> Option<Timestamp> {
        if days_before + 1 >= self.ramp.len() {
            return None;
        }
        let tomorrow = self.date(now).checked_add(1.day()).ok()?;
        let midnight = self.zone.to_zoned(tomorrow.at(0, 0, 0, 0)).ok()?;
        Some(midnight.timestamp())
    }

    /// How many permits there are for `wanted` recipients, at least `needed`, or until when there are none.
    /// `posted` is how many recipients were posted in each minute since 1970 of the last day, oldest first.
    pub(crate) fn grant(
        &self,
        wanted: u64,
        needed: u64,
        days_before: usize,
        posted: &[(i64, u64)],
        now: Timestamp,
    ) -> Result<u64, Timestamp> {
        let limit = self.limit(days_before);
        // A permit may be used in the minute after that in which it was granted.
        let used_by = posted.iter().map(|(minute, count)| (minute + 1, *count));
        let yesterday = now.as_second().div_euclid(60) - MINUTES;
        let posted: Vec<_> = used_by.filter(|(minute, _)| *minute >= yesterday).collect();
        let used: u64 = posted.iter().map(|(_, count)| count).sum();
        let full = DailyLimit::new(limit, posted).full_until(needed, now);
        let Some(until) = full else {
            return Ok(wanted.min(limit.saturating_sub(used)).max(needed));
        };
        let grows = self.grows(days_before, now);
        Err(grows.map_or(until, |grows| until.min(grows)))
    }
}

/// The posted recipients of a group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GroupPosted {
    /// The number of days before today on which something was posted.
    pub(crate) days_before: usize,
    /// The recipients in each minute since 1970 of the last day, oldest first.
    pub(crate) minutes: Vec<(i64, u64)>,
}

pub(crate) struct GroupRequest {
    pub(crate) wanted: u64,
    pub(crate) needed: u64,
    /// Earlier permits that will not be used, by the minute in which they were granted.
    pub(crate) unused: Vec<(i64, u64)>,
    pub(crate) now: Timestamp,
    pub(crate) asked: Instant,
    pub(crate) permits: GroupPermits,
}

impl GroupRequest {
    pub(crate) fn answer(self, answer: GroupAnswer) {
        let mut permits = self.permits.lock();
        permits.asked = false;
        permits.full_until = None;
        permits.ask_again = None;
        match answer {
            GroupAnswer::Granted(minute, recipients) => permits.grants.push_back(Grant {
                minute,
                since: self.asked,
                since_time: self.now,
                recipients,
            }),
            GroupAnswer::FullUntil(until) => {
                permits.full_until = Some(until);
                permits.ask_again = Some(self.asked + ASK_AGAIN);
            }
            GroupAnswer::Later => permits.ask_again = Some(self.asked + ASK_AGAIN),
        }
    }
}

/// The answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GroupAnswer {
    /// This many permits, granted in this minute since 1970.
    Granted(i64, u64),
    FullUntil(Timestamp),
    /// No permits: ask again later.
    Later,
}

/// Permits that are reserved and not used yet.
#[derive(Clone, Default)]
pub(crate) struct GroupPermits(Arc<Mutex<Permits>>);

#[derive(Default)]
struct Permits {
    grants: VecDeque<Grant>,
    /// A request is under way.
    asked: bool,
    ask_again: Option<Instant>,
    full_until: Option<Timestamp>,
}

struct Grant {
    minute: i64,
    /// When it was asked for, by two clocks.
    since: Instant,
    since_time: Timestamp,
    recipients: u64,
}

impl Grant {
    /// The time of day decides too: the other clock stands still while the machine is suspended.
    fn is_old(&self, now: Timestamp) -> bool {
        self.since.elapsed() >= LIFETIME.unsigned_abs()
            || now.duration_since(self.since_time) >= LIFETIME
    }
}

impl GroupPermits {
    fn lock(&self) -> MutexGuard<'_, Permits> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct GroupLimit {
    /// How many are reserved at once, at least.
    at_once: u64,
    permits: GroupPermits,
    requests: UnboundedSender<GroupRequest>,
}

impl GroupLimit {
    /// `rates` are those of the run, and `batch` is the most recipients of a request. Reserves what it needs through
    /// `requests`, and gives back what is left when it is dropped.
    pub(crate) fn new(
        day: &GroupDay,
        rates: &[Rate],
        batch: NonZeroU32,
        requests: UnboundedSender<GroupRequest>,
    ) -> Self {
        let per_second = rates.iter().filter_map(|rate| rate.per_second());
        let second = per_second.min_by(f64::total_cmp).unwrap_or(f64::MAX) as u64;
        let part = day.limit(usize::MAX) / PART;
        Self {
            at_once: second.min(part).max(u64::from(batch.get())),
            permits: GroupPermits::default(),
            requests,
        }
    }

    fn ask(&self, permits: &mut Permits, needed: u64, now: Timestamp) {
        if permits.asked || permits.ask_again.is_some_and(|at| at > Instant::now()) {
            return;
        }
        let request = GroupRequest {
            wanted: needed.max(self.at_once),
            needed,
            unused: Vec::new(),
            now,
            asked: Instant::now(),
            permits: self.permits.clone(),
        };
        // If nobody answers any more, the delivery has ended.
        permits.asked = self.requests.send(request).is_ok();
    }

    fn give_back(&self, unused: Vec<(i64, u64)>, now: Timestamp) {
        let request = GroupRequest {
            wanted: 0,
            needed: 0,
            unused,
            now,
            asked: Instant::now(),
            permits: GroupPermits::default(),
        };
        // Otherwise they stay counted, and the limit is kept all the same.
        let _ = self.requests.send(request);
    }
}

impl RateLimit for GroupLimit {
    fn turn(&mut self, recipients: u32, now: Timestamp) -> Turn {
        let mut permits = self.permits.lock();
        let mut unused = Vec::new();
        while permits.grants.front().is_some_and(|it| it.is_old(now)) {
            unused.extend(
                permits
                    .grants
                    .pop_front()
                    .map(|it| (it.minute, it.recipients)),
            );
        }
        if !unused.is_empty() {
            self.give_back(unused, now);
        }
        let recipients = u64::from(recipients);
        let available: u64 = permits.grants.iter().map(|it| it.recipients).sum();
        if available >= recipients {
            if available < recipients + self.at_once / 2 {
                self.ask(&mut permits, 1, now);
            }
            return Turn::Now;
        }
        self.ask(&mut permits, recipients - available, now);
        match permits.full_until {
            Some(until) if until > now => Turn::Day(until),
            // Clocks may differ from that of the database: it is asked again, but not all the time.
            _ => {
                let poll = Instant::now() + POLL;
                Turn::At(permits.ask_again.map_or(poll, |at| at.max(poll)))
            }
        }
    }

    fn take(&mut self, recipients: u32, _: Timestamp) {
        let mut permits = self.permits.lock();
        let mut left = u64::from(recipients);
        while let Some(first) = permits.grants.front_mut()
            && left > 0
        {
            let taken = first.recipients.min(left);
            first.recipients -= taken;
            left -= taken;
            if first.recipients == 0 {
                permits.grants.pop_front();
            }
        }
    }
}

impl Drop for GroupLimit {
    fn drop(&mut self) {
        let grants = std::mem::take(&mut self.permits.lock().grants);
        let unused: Vec<_> = grants
            .into_iter()
            .map(|it| (it.minute, it.recipients))
            .collect();
        if !unused.is_empty() {
            self.give_back(unused, Timestamp::UNIX_EPOCH);
        }
    }
}

/// Two limits that both hold.
pub(crate) struct BothLimits(pub(crate) Box<dyn RateLimit>, pub(crate) Box<dyn RateLimit>);

impl RateLimit for BothLimits {
    fn turn(&mut self, recipients: u32, now: Timestamp) -> Turn {
        match self.0.turn(recipients, now) {
            // The second one reserves permits: not before they can be used.
            Turn::Now => self.1.turn(recipients, now),
            turn => turn,
        }
    }

    fn take(&mut self, recipients: u32, now: Timestamp) {
        self.0.take(recipients, now);
        self.1.take(recipients, now);
    }
}

#[cfg(test)]
mod tests;
