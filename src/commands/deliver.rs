//! Sending the pending rows of a run that is planned, and telling how it went.

use std::num::NonZeroU32;
use std::sync::Arc;

use rand::rngs::StdRng;
use tokio::sync::watch;

use super::failure::Failure;
use super::interrupt::Interrupt;
use super::keys::Keys;
use super::local::{self, Local};
use super::show::Shown;
use crate::campaign::{Campaign, DomainRate};
use crate::clock::Clock;
use crate::delivery::{Delivery, Ending, Feeder, Jobs, LaneLimit, Queue, Settings, Waiting};
use crate::exit_code::ExitCode;
use crate::ledger::{Ledger, LedgerError, Run, Target, Writer};
use crate::pace::{Rate, batch_size};
use crate::render::Engine;
use crate::report::{self, ResultsError};
use crate::run::{Folder, Lock};
use crate::transport::{HttpSettings, HttpTransport};

/// A day, which the limits per day look back on.
const DAY: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);

/// What is to be sent.
pub(super) struct Deliver<'a> {
    pub(super) folder: &'a Folder,
    /// Held for as long as the run is worked on.
    pub(super) lock: Lock,
    /// The campaign as it was frozen.
    pub(super) campaign: &'a Campaign,
    pub(super) run: &'a Run,
    pub(super) engine: Arc<Engine>,
    /// None for a local run: the gateway has its own.
    pub(super) keys: Option<Keys>,
    pub(super) rate: Vec<Rate>,
    pub(super) concurrency: NonZeroU32,
    pub(super) limit: Option<u64>,
}

/// Sends, writes the results, and says how it went.
///
/// # Errors
/// When nothing could be sent; or, with the exit code for that, when the ledger or the results
/// could not be written.
pub(super) fn deliver(
    deliver: Deliver<'_>,
    interrupt: &Interrupt,
    shown: &Shown,
) -> Result<ExitCode, Failure> {
    let interrupted = interrupt.interrupted.clone();
    let ending = interrupt
        .runtime
        .block_on(send(&deliver, interrupted, shown))?;
    let (folder, run) = (deliver.folder, deliver.run);
    let ledger = Ledger::open(&folder.ledger()).map_err(|error| Failure::from(error).stopped())?;
    // Nothing is in flight any more: what is still claimed could not be settled, and is unknown.
    let written = report::write_results(&ledger, &folder.results(), false, false);
    let summary = report::summary(
        &ledger,
        run,
        folder.path(),
        &ending,
        deliver.campaign.api.dialect,
    )
    .map_err(|error| Failure::from(error).stopped())?;
    shown.say(&format!("\n{}", summary.to_string().trim_end()));
    drop(deliver.lock);
    written.map_err(|error| without_results(&error, folder).after(&ending))?;
    Ok(ExitCode::of(&ending, &summary.counts))
}

/// The sending has ended, and only its results are missing.
fn without_results(error: &ResultsError, folder: &Folder) -> Failure {
    let help = format!(
        "the sending has ended, and the ledger has all of it: `mailrun results {}` writes the results",
        folder.path().display()
    );
    Failure::with_help("results", error.to_string(), help)
}

async fn send(
    deliver: &Deliver<'_>,
    interrupted: watch::Receiver<bool>,
    shown: &Shown,
) -> Result<Ending, Failure> {
    let clock = Clock::system();
    let ledger = Ledger::open(&deliver.folder.ledger())?;
    let writer = Writer::open(&deliver.folder.ledger(), clock.now())?;
    let local = match deliver.run.target {
        Target::Local => Some(local::start(&deliver.folder.outbox(), &clock).await?),
        Target::Real | Target::Test => None,
    };
    let transport = transport(deliver, local.as_ref())?;
    let rate = if local.is_some() {
        Vec::new()
    } else {
        deliver.rate.clone()
    };
    let yesterday = clock
        .now()
        .saturating_sub(DAY)
        .unwrap_or(jiff::Timestamp::MIN);
    let settings = Settings {
        posted: ledger.posted_since(yesterday, None)?,
        lanes: lane_limits(deliver, &ledger, yesterday)?,
        concurrency: deliver.concurrency,
        retry: deliver.campaign.retry,
        breaker: deliver.campaign.breaker,
        clock: clock.clone(),
        rate,
    };
    let (waiting, waits_for) = watch::channel(Waiting::Going);
    let progress = report::sending(shown.face, writer.counts(), waits_for);
    let (jobs, feeding) = start_feeders(deliver, &settings, &writer)?;
    let rng: StdRng = rand::make_rng();
    let delivery = Delivery::new(transport, writer, settings, Box::new(rng), waiting);
    // Beside the connections, not on the thread that waits for all this.
    let ending = tokio::spawn(delivery.run(jobs, interrupted)).await;
    let ending = ending.unwrap_or_else(|died| Err(LedgerError::Stopped(died.to_string())));
    drop(progress);
    if let Some(local) = local {
        local.stop().await;
    }
    let fed = feeding.into_iter().try_for_each(|feeder| {
        let died = |_| Err(LedgerError::Stopped("a feeder died".to_owned()));
        feeder.join().unwrap_or_else(died)
    });
    Ok(match (ending, fed) {
        (Ok(ending), Ok(())) => ending,
        (Err(error), _) | (_, Err(error)) => Ending::Stopped(error.to_string()),
    })
}

fn transport(deliver: &Deliver<'_>, local: Option<&Local>) -> Result<HttpTransport, Failure> {
    let api = &deliver.campaign.api;
    let keys = local.map(|local| &local.keys).or(deliver.keys.as_ref());
    let keys = keys.ok_or_else(|| Failure::new("no-keys", "the API's keys are missing"))?;
    Ok(HttpTransport::new(&HttpSettings {
        url: local.map_or(&api.url, |local| &local.url),
        dialect: api.dialect,
        app_key: &keys.app_key,
        secret_key: &keys.secret_key,
        timeout: api.timeout,
        concurrency: deliver.concurrency.get(),
    })?)
}

/// The domains with a limit of their own: none but in a real run, as the plan has it.
fn lane_limits(
    deliver: &Deliver<'_>,
    ledger: &Ledger,
    since: jiff::Timestamp,
) -> Result<Vec<LaneLimit>, LedgerError> {
    if deliver.run.target != Target::Real {
        return Ok(Vec::new());
    }
    let domains = deliver.campaign.pace.per_domain.iter().zip(1..);
    let limit = |(limit, lane): (&DomainRate, u32)| {
        Ok(LaneLimit {
            rate: limit.rate,
            posted: ledger.posted_since(since, Some(lane))?,
        })
    };
    domains.map(limit).collect()
}

type Feeding = std::thread::JoinHandle<Result<(), LedgerError>>;

/// One feeder for each lane.
fn start_feeders(
    deliver: &Deliver<'_>,
    settings: &Settings,
    writer: &Writer,
) -> Result<(Vec<Jobs>, Vec<Feeding>), Failure> {
    let path = deliver.folder.ledger();
    let last = match deliver.limit {
        Some(limit) => Ledger::open(&path)?.nth_pending(limit)?,
        None => u32::MAX,
    };
    let mut started = (Vec::new(), Vec::new());
    for lane in 0..=settings.lanes.len() {
        let own = lane.checked_sub(1).map(|limit| settings.lanes[limit].rate);
        let rates: Vec<Rate> = settings.rate.iter().copied().chain(own).collect();
        // All messages of a test have one recipient: an answer could not tell them apart in a batch.
        let batch = match deliver.run.test_to {
            Some(_) => 1,
            None => batch_size(deliver.campaign.pace.batch, &rates),
        };
        let feeder = Feeder {
            ledger: Ledger::open(&path)?,
            writer: writer.clone(),
            engine: Arc::clone(&deliver.engine),
            dialect: deliver.campaign.api.dialect,
            batch,
            lane: lane as u32,
            last,
            clock: settings.clock.clone(),
        };
        let (queue, jobs) = Queue::new(deliver.concurrency, batch);
        let thread = std::thread::Builder::new()
            .name("feeder".to_owned())
            .spawn(move || feeder.run(queue));
        let thread =
            thread.map_err(|error| Failure::new("io", format!("can't start a thread: {error}")))?;
        started.0.push(jobs);
        started.1.push(thread);
    }
    Ok(started)
}

/// A generator of random numbers, seeded by the system.
pub(super) fn rng() -> StdRng {
    rand::make_rng()
}
