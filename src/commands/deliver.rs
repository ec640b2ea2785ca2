//! Sends the pending rows of a planned run, writes the results and prints the summary.

use std::sync::Arc;

use rand::rngs::StdRng;
use tokio::sync::watch;

use super::console::Console;
use super::failure::Failure;
use super::interrupt::Interrupt;
use super::local_gateway::LocalGateway;
use super::run_home::RunHome;
use super::secrets::{Secrets, SmtpSecrets};
use super::session::{Lane, PlannedRun, Session};
use super::waiting::wait_for_opening;
use crate::campaign::{SmtpSettings, TransportSettings};
use crate::clock::Clock;
use crate::delivery::{
    BatchReceiver, Delivery, DeliverySettings, Ending, Feeder, LaneKey, Queue, WaitReason,
};
use crate::exit_code::ExitCode;
use crate::ledger::postgres::reserve_permits;
use crate::ledger::sqlite::SqliteLedger;
use crate::ledger::{Ledger, LedgerError, LedgerWriter, Status};
use crate::report::{self, ResultsError, ResultsFormat};
use crate::transport::{AnyTransport, DkimKey, SmtpTransport, SmtpTransportSettings};

/// # Errors
/// If nothing could be sent. An error after that, in the ledger or the results, has the exit code of a
/// stopped run.
pub(super) fn deliver(
    mut planned: PlannedRun<'_>,
    interrupt: &Interrupt,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let clock = Clock::system();
    let stopped = |error: LedgerError| Failure::from(error).stopped();
    let mut was_sending = false;
    let ending = loop {
        let not_opened = |failure: Failure| match was_sending {
            true => failure.stopped(),
            false => failure,
        };
        let ending = wait_for_opening(&planned, &clock, interrupt, console);
        if let Some(ending) = ending.map_err(not_opened)? {
            break ending;
        }
        let session = Session::open(&planned, &clock).map_err(not_opened)?;
        was_sending = true;
        let worker = session.worker.clone();
        let counts = Arc::clone(session.writer.counts());
        let pending = counts.get().of(Status::Pending);
        let interrupted = interrupt.interrupted.clone();
        let sending = send(&planned, session, &clock, interrupted, console);
        let ending = interrupt.runtime.block_on(sending);
        // Also if nothing could be sent, so that other workers get its rows at once.
        let left = worker.map_or(Ok(()), |worker| worker.leave());
        let ending = ending?;
        left.map_err(stopped)?;
        if ending != Ending::Closed {
            break ending;
        }
        let sent = pending.saturating_sub(counts.get().of(Status::Pending));
        planned.limit = planned.limit.map(|limit| limit.saturating_sub(sent));
        if planned.limit == Some(0) {
            break Ending::Done;
        }
    };
    let ledger: Box<dyn Ledger> = match planned.home {
        RunHome::Folder(folder) => Box::new(SqliteLedger::open(&folder.ledger()).map_err(stopped)?),
        RunHome::Database(ledger) => ledger.clone(),
    };
    // No request of this process is in flight any more: rows that are still claimed are reported as unknown.
    let results = planned.home.results();
    let written = results.as_ref().map_or(Ok(()), |path| {
        let events = planned.home.readable_events();
        let format = ResultsFormat {
            raw: false,
            live: false,
        };
        report::write_results(&*ledger, events.as_deref(), path, format)
    });
    let others = match planned.home {
        RunHome::Folder(_) => 0,
        RunHome::Database(ledger) => ledger.workers().map_err(stopped)?.len(),
    };
    let (name, outbox) = (planned.home.name(), planned.outbox());
    let inputs = report::SummaryInputs {
        run: planned.run,
        name: &name,
        results: results.as_deref(),
        outbox: outbox.as_deref(),
        ending: &ending,
        can_reconcile: planned.campaign.can_reconcile(),
        others,
    };
    let summary = report::summary(&*ledger, &inputs).map_err(stopped)?;
    console.print(&format!("\n{}", summary.to_string().trim_end()));
    drop(planned.lock);
    written.map_err(|error| results_not_written(&error, planned.home).after(&ending))?;
    Ok(ExitCode::of(&ending, &summary.counts))
}

fn results_not_written(error: &ResultsError, home: &RunHome) -> Failure {
    let help = format!(
        "sending has ended and the ledger is complete; write the results with `mailrun results {}`",
        home.name()
    );
    Failure::with_help("results", error.to_string(), help)
}

async fn send(
    planned: &PlannedRun<'_>,
    session: Session,
    clock: &Clock,
    interrupted: watch::Receiver<bool>,
    console: &Console,
) -> Result<Ending, Failure> {
    let writer = session.writer;
    let local = match planned.outbox() {
        Some(outbox) => Some(LocalGateway::start(&outbox, planned.campaign, clock).await?),
        None => None,
    };
    let transport = transport(planned, local.as_ref())?;
    let (waiting, current_wait) = watch::channel(WaitReason::Pace);
    let progress = report::sending(
        console.progress,
        writer.counts(),
        session.held_back,
        current_wait,
    );
    let feeders = start_feeders(planned, session.lanes, &writer, clock)?;
    let (pace_thread, limits_failed) = match session.pace_group {
        Some(pace) => (Some(pace.thread), Some(pace.failed)),
        None => (None, None),
    };
    if let Some((worker, requests)) = session.worker.clone().zip(session.permit_requests) {
        tokio::spawn(reserve_permits(worker, requests));
    }
    let settings = DeliverySettings {
        limit: session.limit,
        batch_size: session.batch_size,
        domains: session.domains,
        schedule: planned.schedule.clone(),
        concurrency: planned.concurrency,
        retry: planned.campaign.retry,
        breaker: planned.campaign.breaker,
        worker: session.worker,
        limits_failed,
        clock: clock.clone(),
    };
    let rng: StdRng = rand::make_rng();
    let delivery = Delivery::new(transport, writer, settings, Box::new(rng), waiting);
    // A task of its own, because `block_on` would keep it off the worker threads.
    let ending = tokio::spawn(delivery.run(feeders.feeds, interrupted)).await;
    let ending = ending.unwrap_or_else(|panic| Err(LedgerError::Stopped(panic.to_string())));
    drop(progress);
    // The delivery has dropped its limits: the thread gives back what was not used, and ends.
    if let Some(thread) = pace_thread {
        let _ = thread.join();
    }
    if let Some(local) = local {
        local.stop().await;
    }
    let feeders = feeders.threads.into_iter().try_for_each(|feeder| {
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
            AnyTransport::Http(keys.transport(api, planned.concurrency.get())?)
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

/// The feeder threads of a delivery, with the receiving end of each lane.
#[derive(Default)]
struct Feeders {
    feeds: Vec<(LaneKey, BatchReceiver)>,
    threads: Vec<std::thread::JoinHandle<Result<(), LedgerError>>>,
}

/// Starts one feeder for each lane.
fn start_feeders(
    planned: &PlannedRun<'_>,
    lanes: Vec<Lane>,
    writer: &LedgerWriter,
    clock: &Clock,
) -> Result<Feeders, Failure> {
    let mut feeders = Feeders::default();
    let queues = lanes.len();
    for (lane, number) in lanes.into_iter().zip(0..) {
        let feeder = Feeder {
            rows: lane.rows,
            writer: writer.clone(),
            engines: Arc::clone(&planned.engines),
            format: planned.campaign.format(),
            batch_size: lane.batch_size,
            lane: number,
            clock: clock.clone(),
        };
        let (queue, feed) = Queue::new(planned.concurrency, lane.batch_size, queues);
        let thread = std::thread::Builder::new()
            .name("feeder".to_owned())
            .spawn(move || feeder.run(queue));
        let thread =
            thread.map_err(|error| Failure::new("io", format!("can't start a thread: {error}")))?;
        feeders.feeds.push((lane.key, feed));
        feeders.threads.push(thread);
    }
    Ok(feeders)
}

pub(super) fn rng() -> StdRng {
    rand::make_rng()
}
