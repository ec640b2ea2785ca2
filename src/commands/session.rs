//! What a delivery reads its rows from and writes to, and the limits that it keeps.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::run_home::RunHome;
use super::secrets::Secrets;
use crate::campaign::{Campaign, TransportSettings};
use crate::clock::Clock;
use crate::ledger::postgres::{PostgresLedger, Worker, open_writer};
use crate::ledger::sqlite::{self, PendingRows, SqliteLedger};
use crate::ledger::{Ledger as _, LedgerError, LedgerWriter, RowSource, Run, Target};
use crate::pace::{self, PermitRequest, Rate, RateLimit, RateLimits, SharedLimit};
use crate::render::Engines;
use crate::run::{Folder, Lock};

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
}

impl PlannedRun<'_> {
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
    pub(super) lanes: Vec<Lane>,
    /// How many pending rows are not sent, because no variant was chosen for them.
    pub(super) held_back: u64,
    /// If others may send the run too.
    pub(super) worker: Option<Arc<Worker>>,
    /// What the limits ask the others for.
    pub(super) permit_requests: Option<UnboundedReceiver<PermitRequest>>,
}

pub(super) struct Lane {
    pub(super) rows: Box<dyn RowSource>,
    /// The most recipients of a request.
    pub(super) batch_size: NonZeroU32,
    /// `None` for the first lane.
    pub(super) limit: Option<Box<dyn RateLimit>>,
}

impl Session {
    /// Opens the run's ledger for sending.
    ///
    /// # Errors
    /// It can't be opened, or other workers refuse this one.
    pub(super) fn open(planned: &PlannedRun<'_>, clock: &Clock) -> Result<Self, LedgerError> {
        match planned.home {
            RunHome::Folder(folder) => Self::in_folder(planned, folder, clock),
            RunHome::Database(ledger) => Self::in_database(planned, ledger),
        }
    }

    fn in_folder(
        planned: &PlannedRun<'_>,
        folder: &Folder,
        clock: &Clock,
    ) -> Result<Self, LedgerError> {
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
        let mut lanes = Vec::new();
        for (lane, batch_size, rates) in limits.lanes() {
            let limit = match rates {
                Some(rate) => {
                    let posted = ledger.posted_since(yesterday, Some(lane))?;
                    let limits = RateLimits::new(&[rate], batch_size, posted);
                    Some(Box::new(limits) as Box<dyn RateLimit>)
                }
                None => None,
            };
            lanes.push(Lane {
                rows: Box::new(PendingRows::open(&path, lane, last)?),
                batch_size,
                limit,
            });
        }
        let posted = ledger.posted_since(yesterday, None)?;
        let limit = RateLimits::new(&limits.rates, limits.batch_size(), posted);
        Ok(Self {
            writer,
            limit: Box::new(limit),
            lanes,
            held_back: ledger.held_back()?,
            worker: None,
            permit_requests: None,
        })
    }

    fn in_database(planned: &PlannedRun<'_>, ledger: &PostgresLedger) -> Result<Self, LedgerError> {
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
        let shared = |lane, rates: &[Rate], batch_size| -> Box<dyn RateLimit> {
            Box::new(SharedLimit::new(lane, rates, batch_size, requests.clone()))
        };
        let lanes = limits
            .lanes()
            .map(|(lane, batch_size, rate)| Lane {
                rows: Box::new(worker.rows(lane, &most_rows)),
                batch_size,
                limit: rate.map(|rate| shared(lane, &[rate], batch_size)),
            })
            .collect();
        Ok(Self {
            writer: open_writer(&worker)?,
            limit: shared(0, &limits.rates, limits.batch_size()),
            lanes,
            held_back: ledger.held_back()?,
            worker: Some(worker),
            permit_requests: Some(permit_requests),
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

    /// Each lane with the most recipients of a request, and its own limit. Only the plan of a real run has
    /// lanes for single domains.
    fn lanes(&self) -> impl Iterator<Item = (u32, NonZeroU32, Option<Rate>)> {
        let per_domain = match self.planned.run.target {
            Target::Real => self.planned.campaign.pace.per_domain.as_slice(),
            Target::Local | Target::Test => &[],
        };
        let domains = per_domain.iter().map(|domain| Some(domain.rate));
        let rates = std::iter::once(None).chain(domains);
        (0..).zip(rates).map(|(lane, rate)| {
            let batch_size = match rate {
                Some(rate) => self.batch_size_with(&[self.rates.as_slice(), &[rate]].concat()),
                None => self.batch_size(),
            };
            (lane, batch_size, rate)
        })
    }

    fn batch_size(&self) -> NonZeroU32 {
        self.batch_size_with(&self.rates)
    }

    /// The most recipients of a request under these limits.
    fn batch_size_with(&self, rates: &[Rate]) -> NonZeroU32 {
        match self.planned.run.test_to {
            // All messages of a test go to one address, so an answer could not say which row it means.
            Some(_) => NonZeroU32::MIN,
            None => pace::batch_size(self.planned.campaign.pace.batch, rates),
        }
    }
}
