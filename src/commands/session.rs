//! What a delivery reads its rows from and writes to, and the limits that it keeps.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::oneshot;

use super::failure::Failure;
use super::pace_group::open_store;
use super::run_home::RunHome;
use super::secrets::Secrets;
use crate::campaign::{Campaign, TransportSettings};
use crate::cli::LedgerOption;
use crate::clock::Clock;
use crate::delivery::LaneKey;
use crate::ledger::postgres::{PostgresLedger, Worker, open_writer};
use crate::ledger::sqlite::{self, PendingRows, SqliteLedger};
use crate::ledger::{Ledger, LedgerError, LedgerWriter, RowSource, Run, Target};
use crate::pace::{
    self, BothLimits, GroupLimit, LaneNumbers, PermitRequest, Rate, RateLimit, RateLimits,
    SharedLimit,
};
use crate::pace_group;
use crate::render::Engines;
use crate::run::{Folder, Lock};
use crate::schedule::Schedule;

/// How far limits per day look back.
const DAY: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);
/// How much longer than a request a lease is, unless the campaign says how long it is.
const MORE_THAN_A_REQUEST: Duration = Duration::from_secs(30);

pub(super) struct PlannedRun<'a> {
    pub(super) home: &'a RunHome,
    /// Held until the results are written. A run in a database has none.
    pub(super) lock: Option<Lock>,
    /// The frozen campaign.
    pub(super) campaign: &'a Campaign,
    pub(super) run: &'a Run,
    pub(super) engines: Arc<Engines>,
    /// `None` for a local run: the gateway has secrets of its own.
    pub(super) secrets: Option<Secrets>,
    pub(super) rate: Vec<Rate>,
    pub(super) concurrency: NonZeroU32,
    pub(super) limit: Option<u64>,
    /// `None` if requests may begin at any time.
    pub(super) schedule: Option<Arc<Schedule>>,
    /// Names the ledger with the kept lists, instead of the campaign.
    pub(super) ledger: &'a LedgerOption,
}

impl PlannedRun<'_> {
    /// How many time zones the plan has lanes for.
    fn zones(&self) -> usize {
        self.schedule.as_ref().map_or(1, |it| it.zones.len())
    }

    /// The messages of a local run.
    pub(super) fn outbox(&self) -> Option<PathBuf> {
        match (self.home, self.run.target) {
            (RunHome::Folder(folder), Target::Local) => Some(folder.outbox()),
            _ => None,
        }
    }
}

pub(super) struct Session {
    pub(super) writer: LedgerWriter,
    /// The limit of all lanes together.
    pub(super) limit: Box<dyn RateLimit>,
    /// The most recipients of a request in lanes without their own limit.
    pub(super) batch_size: NonZeroU32,
    /// The limits of the domains that have their own.
    pub(super) domains: Vec<Box<dyn RateLimit>>,
    pub(super) lanes: Vec<Lane>,
    /// How many pending rows are not sent, because no variant was chosen for them.
    pub(super) held_back: u64,
    /// If others may send the run too.
    pub(super) worker: Option<Arc<Worker>>,
    /// What the limits ask the others for.
    pub(super) permit_requests: Option<UnboundedReceiver<PermitRequest>>,
    /// Reserves permits that the runs of a group share, until nothing is sent any more.
    pub(super) pace_group: Option<PaceThread>,
}

/// The thread that reserves the permits of a pace group.
pub(super) struct PaceThread {
    pub(super) thread: JoinHandle<()>,
    /// Gets the reason if it can't go on.
    pub(super) failed: oneshot::Receiver<String>,
}

pub(super) struct Lane {
    pub(super) key: LaneKey,
    pub(super) rows: Box<dyn RowSource>,
    /// The most recipients of a request.
    pub(super) batch_size: NonZeroU32,
}

impl Session {
    /// Opens the run's ledger for sending.
    ///
    /// # Errors
    /// It can't be opened, or other workers refuse this one.
    pub(super) fn open(planned: &PlannedRun<'_>, clock: &Clock) -> Result<Self, Failure> {
        match planned.home {
            RunHome::Folder(folder) => Self::in_folder(planned, folder, clock),
            RunHome::Database(ledger) => Self::in_database(planned, ledger),
        }
    }

    fn in_folder(
        planned: &PlannedRun<'_>,
        folder: &Folder,
        clock: &Clock,
    ) -> Result<Self, Failure> {
        let path = folder.ledger();
        let writer = sqlite::open_writer(&path, clock.now())?;
        let ledger = SqliteLedger::open(&path)?;
        let now = clock.now();
        let yesterday = now.saturating_sub(DAY).unwrap_or(jiff::Timestamp::MIN);
        let last = match planned.limit {
            Some(limit) => ledger.nth_pending(limit)?,
            None => u32::MAX,
        };
        let limits = Limits::of(planned);
        let mut domains = Vec::new();
        for (domain, rate) in (1..).zip(limits.domains()) {
            let posted = ledger.posted_since(yesterday, Some(domain))?;
            let limit = RateLimits::new(&[rate], limits.batch_size(domain), posted);
            domains.push(Box::new(limit) as Box<dyn RateLimit>);
        }
        let mut lanes = Vec::new();
        for (lane, key) in limits.lanes(&ledger)? {
            lanes.push(Lane {
                key,
                rows: Box::new(PendingRows::open(&path, lane, last)?),
                batch_size: limits.batch_size(key.domain),
            });
        }
        let posted = ledger.posted_since(yesterday, None)?;
        let limit = RateLimits::new(&limits.rates, limits.batch_size(0), posted);
        let (limit, pace_group) = limits.with_group(Box::new(limit))?;
        Ok(Self {
            writer,
            limit,
            batch_size: limits.batch_size(0),
            domains,
            lanes,
            held_back: ledger.held_back()?,
            worker: None,
            permit_requests: None,
            pace_group,
        })
    }

    fn in_database(planned: &PlannedRun<'_>, ledger: &PostgresLedger) -> Result<Self, Failure> {
        let timeout = match &planned.campaign.transport {
            TransportSettings::Api(api) => api.timeout,
            TransportSettings::Smtp(smtp) => smtp.server.timeout,
        };
        let settings = planned.campaign.ledger.as_ref();
        let lease = settings.and_then(|settings| settings.lease);
        let lease = lease.unwrap_or(timeout + MORE_THAN_A_REQUEST);
        let worker = Worker::join(ledger, lease, timeout)?;
        let (requests, permit_requests) = unbounded_channel();
        let limits = Limits::of(planned);
        let most_rows = Arc::new(Mutex::new(planned.limit.unwrap_or(u64::MAX)));
        let shared = |domain, rates: &[Rate]| -> Box<dyn RateLimit> {
            let batch_size = limits.batch_size(domain);
            Box::new(SharedLimit::new(
                domain,
                rates,
                batch_size,
                requests.clone(),
            ))
        };
        let domains = (1..).zip(limits.domains());
        let domains = domains
            .map(|(domain, rate)| shared(domain, &[rate]))
            .collect();
        let lanes = limits.lanes(ledger)?.into_iter().map(|(lane, key)| Lane {
            key,
            rows: Box::new(worker.rows(lane, &most_rows)),
            batch_size: limits.batch_size(key.domain),
        });
        let (limit, pace_group) = limits.with_group(shared(0, &limits.rates))?;
        Ok(Self {
            writer: open_writer(&worker)?,
            limit,
            batch_size: limits.batch_size(0),
            domains,
            lanes: lanes.collect(),
            held_back: ledger.held_back()?,
            worker: Some(worker),
            permit_requests: Some(permit_requests),
            pace_group,
        })
    }
}

/// The limits of a run.
struct Limits<'a> {
    planned: &'a PlannedRun<'a>,
    /// Those of all lanes together. A local run has none.
    rates: Vec<Rate>,
}

impl<'a> Limits<'a> {
    fn of(planned: &'a PlannedRun<'a>) -> Self {
        let rates = match planned.run.target {
            Target::Local => Vec::new(),
            Target::Real | Target::Test => planned.rate.clone(),
        };
        Self { planned, rates }
    }

    /// The limits of the domains that have their own. Only the plan of a real run has lanes for them.
    fn domains(&self) -> impl Iterator<Item = Rate> {
        let per_domain = match self.planned.run.target {
            Target::Real => self.planned.campaign.pace.per_domain.as_slice(),
            Target::Local | Target::Test => &[],
        };
        per_domain.iter().map(|domain| domain.rate)
    }

    /// The numbers of the lanes. With several time zones, only those of lanes that have pending rows.
    fn lanes(&self, ledger: &dyn Ledger) -> Result<Vec<(u32, LaneKey)>, LedgerError> {
        let numbers = LaneNumbers::new(self.domains().count());
        let zones = self.planned.zones();
        let lanes: Vec<u32> = match zones {
            1 => (0..numbers.count(1)).collect(),
            _ => {
                let pending = ledger.pending_by_lane()?.into_iter();
                let lanes = pending.map(|(lane, _)| lane);
                lanes.filter(|lane| *lane < numbers.count(zones)).collect()
            }
        };
        let with_key = lanes.into_iter().map(|lane| {
            let key = LaneKey {
                zone: numbers.zone(lane),
                domain: numbers.domain(lane),
            };
            (lane, key)
        });
        Ok(with_key.collect())
    }

    /// The most recipients of a request to a domain with its own limit, or 0 to the others.
    fn batch_size(&self, domain: u32) -> NonZeroU32 {
        if self.planned.run.test_to.is_some() {
            // All messages of a test go to one address, so an answer could not say which row it means.
            return NonZeroU32::MIN;
        }
        let own = domain
            .checked_sub(1)
            .and_then(|index| self.domains().nth(index as usize));
        let ramp = match self.planned.run.target {
            Target::Real => self.planned.campaign.pace.ramp.as_slice(),
            Target::Local | Target::Test => &[],
        };
        let rates: Vec<Rate> = self.rates.iter().chain(ramp).copied().chain(own).collect();
        pace::batch_size(self.planned.campaign.pace.batch, &rates)
    }

    /// The limit, and the limit per day that the runs of the group share, with the thread that reserves its permits.
    fn with_group(&self, limit: Box<dyn RateLimit>) -> Result<LimitWithThread, Failure> {
        let planned = self.planned;
        let store = open_store(
            planned.home,
            planned.run,
            &planned.campaign.pace,
            planned.schedule.as_deref(),
            &self.rates,
        )?;
        let Some(store) = store else {
            return Ok((limit, None));
        };
        let (requests, receiver) = unbounded_channel();
        let (failed, failure) = oneshot::channel();
        let day = &store.day;
        let group = GroupLimit::new(day, &self.rates, self.batch_size(0), requests);
        let store = store.store;
        let thread = std::thread::Builder::new()
            .name("pace".to_owned())
            .spawn(move || pace_group::serve(store, receiver, failed));
        let thread =
            thread.map_err(|error| Failure::new("io", format!("can't start a thread: {error}")))?;
        let thread = PaceThread {
            thread,
            failed: failure,
        };
        Ok((Box::new(BothLimits(limit, Box::new(group))), Some(thread)))
    }
}

type LimitWithThread = (Box<dyn RateLimit>, Option<PaceThread>);
