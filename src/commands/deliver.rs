//! Sends the pending rows of a planned run, writes the results and prints the summary.

use std::num::NonZeroU32;
use std::sync::Arc;

use rand::rngs::StdRng;
use tokio::sync::watch;

use super::console::Console;
use super::failure::Failure;
use super::interrupt::Interrupt;
use super::local_gateway::LocalGateway;
use super::secrets::{Secrets, SmtpSecrets};
use crate::campaign::{Campaign, DomainRate, SmtpSettings, TransportSettings};
use crate::clock::Clock;
use crate::delivery::{
    BatchReceiver, Delivery, DeliverySettings, Ending, Feeder, LaneLimit, Queue, WaitReason,
};
use crate::exit_code::ExitCode;
use crate::ledger::sqlite::{self, PendingRows, SqliteLedger};
use crate::ledger::{Ledger, LedgerError, LedgerWriter, Run, Target};
use crate::pace::{self, Rate};
use crate::render::Engine;
use crate::report::{self, ResultsError};
use crate::run::{Folder, Lock};
use crate::transport::{
    AnyTransport, DkimKey, HttpSettings, HttpTransport, SmtpTransport, SmtpTransportSettings,
};

/// How far limits per day look back.
const DAY: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);

pub(super) struct PlannedRun<'a> {
    pub(super) folder: &'a Folder,
    /// Held until the results are written.
    pub(super) lock: Lock,
    /// The frozen campaign.
    pub(super) campaign: &'a Campaign,
    pub(super) run: &'a Run,
    pub(super) engine: Arc<Engine>,
    /// `None` for a local run: the gateway has secrets of its own.
    pub(super) secrets: Option<Secrets>,
    pub(super) rate: Vec<Rate>,
    pub(super) concurrency: NonZeroU32,
    pub(super) limit: Option<u64>,
}

/// # Errors
/// If nothing could be sent. An error after that, in the ledger or the results, has the exit code of a
/// stopped run.
pub(super) fn deliver(
    planned: PlannedRun<'_>,
    interrupt: &Interrupt,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let interrupted = interrupt.interrupted.clone();
    let ending = interrupt
        .runtime
        .block_on(send(&planned, interrupted, console))?;
    let (folder, run) = (planned.folder, planned.run);
    let ledger =
        SqliteLedger::open(&folder.ledger()).map_err(|error| Failure::from(error).stopped())?;
    // No request is in flight any more: rows that are still claimed are reported as unknown.
    let written = report::write_results(&ledger, &folder.results(), false, false);
    let can_reconcile = planned.campaign.can_reconcile();
    let summary = report::summary(&ledger, run, folder.path(), &ending, can_reconcile)
        .map_err(|error| Failure::from(error).stopped())?;
    console.print(&format!("\n{}", summary.to_string().trim_end()));
    drop(planned.lock);
    written.map_err(|error| results_not_written(&error, folder).after(&ending))?;
    Ok(ExitCode::of(&ending, &summary.counts))
}

fn results_not_written(error: &ResultsError, folder: &Folder) -> Failure {
    let help = format!(
        "sending has ended and the ledger is complete; write the results with `mailrun results {}`",
        folder.path().display()
    );
    Failure::with_help("results", error.to_string(), help)
}

async fn send(
    planned: &PlannedRun<'_>,
    interrupted: watch::Receiver<bool>,
    console: &Console,
) -> Result<Ending, Failure> {
    let clock = Clock::system();
    let ledger = SqliteLedger::open(&planned.folder.ledger())?;
    let writer = sqlite::open_writer(&planned.folder.ledger(), clock.now())?;
    let local = match planned.run.target {
        Target::Local => {
            let outbox = planned.folder.outbox();
            Some(LocalGateway::start(&outbox, planned.campaign, &clock).await?)
        }
        Target::Real | Target::Test => None,
    };
    let transport = transport(planned, local.as_ref())?;
    let rates = if local.is_some() {
        Vec::new()
    } else {
        planned.rate.clone()
    };
    let yesterday = clock
        .now()
        .saturating_sub(DAY)
        .unwrap_or(jiff::Timestamp::MIN);
    let settings = DeliverySettings {
        posted: ledger.posted_since(yesterday, None)?,
        batch_size: batch_size(planned, &rates),
        lanes: lane_limits(planned, &rates, &ledger, yesterday)?,
        concurrency: planned.concurrency,
        retry: planned.campaign.retry,
        breaker: planned.campaign.breaker,
        clock: clock.clone(),
        rates,
    };
    let (waiting, current_wait) = watch::channel(WaitReason::Pace);
    let progress = report::sending(console.progress, writer.counts(), current_wait);
    let (feeds, feeders) = start_feeders(planned, &settings, &writer)?;
    let rng: StdRng = rand::make_rng();
    let delivery = Delivery::new(transport, writer, settings, Box::new(rng), waiting);
    // A task of its own, because `block_on` would keep it off the worker threads.
    let ending = tokio::spawn(delivery.run(feeds, interrupted)).await;
    let ending = ending.unwrap_or_else(|panic| Err(LedgerError::Stopped(panic.to_string())));
    drop(progress);
    if let Some(local) = local {
        local.stop().await;
    }
    let feeders = feeders.into_iter().try_for_each(|feeder| {
        let panicked = |_| Err(LedgerError::Stopped("a feeder thread panicked".to_owned()));
        feeder.join().unwrap_or_else(panicked)
    });
    Ok(match (ending, feeders) {
        (Ok(ending), Ok(())) => ending,
        (Err(error), _) | (_, Err(error)) => Ending::Stopped(error.to_string()),
    })
}

/// The way of sending that the campaign chooses, or the same to the local gateway.
fn transport(
    planned: &PlannedRun<'_>,
    local: Option<&LocalGateway>,
) -> Result<AnyTransport, Failure> {
    let settings = local.map_or(&planned.campaign.transport, |local| &local.transport);
    let secrets = local.map(|local| &local.secrets);
    let secrets = secrets.or(planned.secrets.as_ref());
    Ok(match (settings, secrets) {
        (TransportSettings::Api(api), Some(Secrets::Api(keys))) => {
            AnyTransport::Http(HttpTransport::new(&HttpSettings {
                url: &api.url,
                dialect: api.dialect,
                smtp_account: &api.smtp_account,
                app_key: &keys.app_key,
                secret_key: &keys.secret_key,
                timeout: api.timeout,
                concurrency: planned.concurrency.get(),
                clock: Clock::system(),
            })?)
        }
        (TransportSettings::Smtp(smtp), Some(Secrets::Smtp(secrets))) => {
            AnyTransport::Smtp(SmtpTransport::new(SmtpTransportSettings {
                server: &smtp.server,
                username: smtp.username.as_deref(),
                password: secrets.password.as_ref(),
                dkim: dkim(smtp, secrets)?,
                messages_per_connection: smtp.messages_per_connection,
                clock: Clock::system(),
            })?)
        }
        _ => return Err(Failure::new("no-keys", "the secrets are missing")),
    })
}

fn dkim(smtp: &SmtpSettings, secrets: &SmtpSecrets) -> Result<Option<DkimKey>, Failure> {
    let Some((dkim, pem)) = smtp.dkim.as_ref().zip(secrets.dkim.as_ref()) else {
        return Ok(None);
    };
    let key = DkimKey::new(&dkim.domain, &dkim.selector, pem);
    let key = key.map_err(|error| {
        let message = format!("can't use the DKIM key {}: {error}", dkim.key.display());
        Failure::new("no-keys", message)
    });
    key.map(Some)
}

/// The limits of single domains. Only the plan of a real run has lanes for them.
fn lane_limits(
    planned: &PlannedRun<'_>,
    rates: &[Rate],
    ledger: &dyn Ledger,
    since: jiff::Timestamp,
) -> Result<Vec<LaneLimit>, LedgerError> {
    if planned.run.target != Target::Real {
        return Ok(Vec::new());
    }
    let domains = planned.campaign.pace.per_domain.iter().zip(1..);
    let limit = |(limit, lane): (&DomainRate, u32)| {
        Ok(LaneLimit {
            rate: limit.rate,
            batch_size: batch_size(planned, &[rates, &[limit.rate]].concat()),
            posted: ledger.posted_since(since, Some(lane))?,
        })
    };
    domains.map(limit).collect()
}

/// The most recipients of a request under these limits.
fn batch_size(planned: &PlannedRun<'_>, rates: &[Rate]) -> NonZeroU32 {
    match planned.run.test_to {
        // All messages of a test go to one address, so an answer could not say which row it means.
        Some(_) => NonZeroU32::MIN,
        None => pace::batch_size(planned.campaign.pace.batch, rates),
    }
}

type FeederThread = std::thread::JoinHandle<Result<(), LedgerError>>;

/// Starts one feeder for each lane.
fn start_feeders(
    planned: &PlannedRun<'_>,
    settings: &DeliverySettings,
    writer: &LedgerWriter,
) -> Result<(Vec<BatchReceiver>, Vec<FeederThread>), Failure> {
    let path = planned.folder.ledger();
    let last = match planned.limit {
        Some(limit) => SqliteLedger::open(&path)?.nth_pending(limit)?,
        None => u32::MAX,
    };
    let (mut feeds, mut threads) = (Vec::new(), Vec::new());
    for lane in 0..=settings.lanes.len() {
        let batch_size = match lane.checked_sub(1) {
            Some(limit) => settings.lanes[limit].batch_size,
            None => settings.batch_size,
        };
        let feeder = Feeder {
            rows: Box::new(PendingRows::open(&path, lane as u32, last)?),
            writer: writer.clone(),
            engine: Arc::clone(&planned.engine),
            format: planned.campaign.format(),
            batch_size,
            lane: lane as u32,
            clock: settings.clock.clone(),
        };
        let (queue, feed) = Queue::new(planned.concurrency, batch_size);
        let thread = std::thread::Builder::new()
            .name("feeder".to_owned())
            .spawn(move || feeder.run(queue));
        let thread =
            thread.map_err(|error| Failure::new("io", format!("can't start a thread: {error}")))?;
        feeds.push(feed);
        threads.push(thread);
    }
    Ok((feeds, threads))
}

pub(super) fn rng() -> StdRng {
    rand::make_rng()
}
