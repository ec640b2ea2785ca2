//! `mailrun status`.

mod text;
mod watch;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::failure::Failure;
use super::open_run::{OpenRun, open};
use super::output;
use super::pace_group::{PaceHome, PostedReader};
use super::run_home::RunHome;
use super::when::estimate;
use crate::api::EventKind;
use crate::campaign::PaceSettings;
use crate::cli;
use crate::clock::Clock;
use crate::exit_code::ExitCode;
use crate::feedback::{EventsError, StateCounts};
use crate::ledger::postgres::{FullDay, SharedPause, WorkerStatus};
use crate::ledger::{LedgerError, ResultRow, Status, StatusCounts, VariantRows};
use crate::pace::GroupPosted;
use crate::pace_group::PaceGroupError;
use crate::report::{held_back, reasons};
use crate::run::Lock;
use crate::schedule::{Forecast, Schedule};
use text::as_text;

/// How many unknown rows are listed in JSON.
const LISTED_AS_JSON: u32 = 1000;

struct RunStatus<'a> {
    opened: &'a OpenRun,
    /// The rows by status, without those in the messages of others.
    counts: StatusCounts,
    /// The rows in the messages of others.
    members: StatusCounts,
    /// The process that works on the run.
    holder: Option<i32>,
    /// The rows by variant, if the run has variants.
    variants: Vec<VariantRows>,
    /// The processes that send a run in a database.
    workers: Vec<WorkerStatus>,
    pause: Option<SharedPause>,
    /// When it begins, pauses and ends, if it has a schedule and pending rows.
    schedule: Option<(&'a Schedule, Forecast)>,
    /// If the limit per day of a run in a database is reached.
    full_day: Option<FullDay>,
    /// Where the run continues, if this copy of it is not sent any more.
    moved_to: Option<String>,
    /// Recipients per second.
    rate: Option<f64>,
    eta: Option<Duration>,
    /// The first unknown rows.
    unknown: Vec<ResultRow>,
    /// What became of the accepted rows, if the run was followed.
    delivery: Option<Delivery>,
}

struct Delivery {
    counts: StateCounts,
    /// When the API was asked last.
    followed: Option<Timestamp>,
}

impl Delivery {
    fn read(opened: &OpenRun) -> Result<Option<Self>, EventsError> {
        let Some(events) = opened.home.events()? else {
            return Ok(None);
        };
        Ok(Some(Self {
            counts: events.counts()?,
            followed: events.followed()?.at,
        }))
    }
}

pub(super) fn run(args: &cli::StatusArgs) -> Result<ExitCode, Failure> {
    if args.watch {
        watch::require_terminal()?;
    }
    let opened = open(&args.run)?;
    let planned = PlannedTimes::of(&opened)?;
    if args.watch {
        return watch::run(&opened, planned.as_ref());
    }
    let status = RunStatus::read(&opened, planned.as_ref())?;
    match args.format {
        cli::OutputFormat::Json => output::json_line(format_args!("{:#}", as_json(&status)?)),
        cli::OutputFormat::Text => output::line(as_text(&status)?.trim_end_matches('\n')),
    }
    Ok(ExitCode::Done)
}

impl<'a> RunStatus<'a> {
    /// # Errors
    /// The ledger or the events can't be read.
    fn read(opened: &'a OpenRun, planned: Option<&'a PlannedTimes>) -> Result<Self, StatusError> {
        let (mut holder, mut workers) = (None, Vec::new());
        let (mut pause, mut full_day) = (None, None);
        let moved_to;
        match &opened.home {
            RunHome::Folder(folder) => {
                holder = Lock::holder(folder);
                moved_to = folder.moved_to();
            }
            RunHome::Database(ledger) => {
                workers = ledger.workers()?;
                if !workers.is_empty() {
                    (pause, full_day) = (ledger.pause()?, ledger.full_day()?);
                }
                moved_to = ledger.moved_to()?;
            }
        }
        let live = holder.is_some() || !workers.is_empty();
        let mut counts = opened.ledger.counts()?;
        let mut members = opened.ledger.members()?;
        let mut rate = None;
        if !workers.is_empty() {
            let all: f64 = workers.iter().map(|worker| worker.rate).sum();
            rate = (all > 0.0).then_some(all);
        } else if live {
            rate = current_rate(opened)?;
        } else {
            counts = counts.without_holder();
            members = members.without_holder();
        }
        let variants = opened.ledger.by_variant()?;
        let left = counts.of(Status::Pending) + counts.of(Status::Sending);
        let left = left.saturating_sub(held_back(&variants));
        let eta = rate
            .filter(|_| left > 0)
            .map(|rate| Duration::from_secs_f64(left as f64 / rate));
        let schedule = match planned.filter(|_| counts.of(Status::Pending) > 0) {
            Some(planned) => {
                let now = Clock::system().now();
                let (schedule, pace) = (&planned.schedule, &planned.pace);
                let by_lane = opened.ledger.pending_by_lane()?;
                let posted = match planned.posted.read(now)? {
                    Some(posted) => posted,
                    None => GroupPosted {
                        days_before: 0,
                        minutes: opened.ledger.posted_since(yesterday(now), None)?,
                    },
                };
                let estimate = estimate(schedule, pace, &by_lane, posted, now);
                Some((schedule, estimate))
            }
            None => None,
        };
        let unknown = opened.ledger.first_unknown(LISTED_AS_JSON, live)?;
        Ok(Self {
            opened,
            counts,
            members,
            variants,
            holder,
            workers,
            pause,
            schedule,
            full_day,
            moved_to,
            rate,
            eta,
            unknown,
            delivery: Delivery::read(opened)?,
        })
    }

    /// Whether a process works on the run.
    fn is_live(&self) -> bool {
        self.holder.is_some() || !self.workers.is_empty()
    }
}

/// The events or the posted recipients can't be read.
#[derive(Debug, thiserror::Error)]
enum StatusError {
    #[error(transparent)]
    Events(#[from] EventsError),
    #[error(transparent)]
    Pace(#[from] PaceGroupError),
}

impl From<LedgerError> for StatusError {
    fn from(error: LedgerError) -> Self {
        Self::Events(error.into())
    }
}

impl From<StatusError> for Failure {
    fn from(error: StatusError) -> Self {
        match error {
            StatusError::Events(error) => error.into(),
            StatusError::Pace(error) => error.into(),
        }
    }
}

impl StatusError {
    /// Whether the same may succeed later.
    fn is_transient(&self) -> bool {
        match self {
            Self::Events(EventsError::Ledger(LedgerError::Postgres(error))) => error.is_transient(),
            Self::Events(_) => false,
            Self::Pace(error) => error.is_transient(),
        }
    }
}

fn yesterday(now: Timestamp) -> Timestamp {
    let day = jiff::SignedDuration::from_hours(24);
    now.saturating_sub(day).unwrap_or(Timestamp::MIN)
}

/// The inputs of the estimate of a run's times.
struct PlannedTimes {
    schedule: Schedule,
    pace: PaceSettings,
    /// The posted recipients of all runs that share the limits per day.
    posted: PostedReader,
}

impl PlannedTimes {
    /// `None` if the run has no schedule.
    ///
    /// # Errors
    /// The run's files can't be read.
    fn of(opened: &OpenRun) -> Result<Option<Self>, Failure> {
        let Some(schedule) = opened.home.schedule(opened.run.target)? else {
            return Ok(None);
        };
        let (campaign, _files) = opened.campaign()?;
        let pace = campaign.pace;
        let home = PaceHome::of(&opened.home, &opened.run);
        let posted = PostedReader::new(&home, &opened.run.name, &pace, Some(&schedule))?;
        Ok(Some(Self {
            schedule,
            pace,
            posted,
        }))
    }
}

/// Recipients per second over the last five minutes; `None` if none were posted.
fn current_rate(opened: &OpenRun) -> Result<Option<f64>, LedgerError> {
    let now = Clock::system().now();
    let since = now
        .saturating_sub(jiff::SignedDuration::from_mins(5))
        .unwrap_or(now);
    let posted: u64 = opened
        .ledger
        .posted_since(since, None)?
        .iter()
        .map(|(_, recipients)| recipients)
        .sum();
    let started = opened.run.started.max(since);
    let seconds = now.duration_since(started).as_secs_f64();
    Ok((posted > 0 && seconds > 0.0).then(|| posted as f64 / seconds))
}

fn as_json(status: &RunStatus) -> Result<serde_json::Value, LedgerError> {
    let run = &status.opened.run;
    let counts = counts_as_json(&status.counts);
    let reasons = reasons(&*status.opened.ledger)?;
    let unknown: Vec<_> = status
        .unknown
        .iter()
        .map(|row| json!({"row": row.number, "email": row.email, "error": row.error, "at": row.at.map(|at| at.to_string())}))
        .collect();
    let workers: Vec<_> = status
        .workers
        .iter()
        .map(|worker| {
            json!({"host": worker.host, "process": worker.process, "rate": worker.rate,
                   "in_flight": worker.in_flight, "heartbeat_seconds_ago": worker.last_heartbeat})
        })
        .collect();
    let mut json = json!({
        "run": status.opened.home.name(),
        "name": run.name,
        "target": run.target.as_str(),
        "started_at": run.started.to_string(),
        "rows": status.counts.total() + status.members.total(),
        "blank_rows": run.blank_rows,
        "counts": counts,
        "reasons": reasons,
        "unknown": unknown,
        "process": status.holder,
        "rate": status.rate,
        "eta_seconds": status.eta.map(|eta| eta.as_secs()),
        "moved_to": status.moved_to,
        "variants": variants_as_json(status),
        "delivery": status.delivery.as_ref().map(|delivery| {
            let counts = EventKind::ALL.map(|state| (state.as_str().to_owned(), delivery.counts.of(state).into()));
            let counts: serde_json::Map<_, _> = counts.into_iter().collect();
            json!({"followed_at": delivery.followed.map(|at| at.to_string()), "counts": counts})
        }),
    });
    if let (Some((schedule, estimate)), Some(fields)) = (&status.schedule, json.as_object_mut()) {
        let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
        let pause = estimate
            .pause
            .map(|(from, until)| json!({"from": from.to_string(), "until": until.to_string()}));
        let schedule = json!({
            "timezone": schedule.zone().name,
            "begins_at": time(estimate.begins),
            "pause": pause,
            "ends_at": time(estimate.ends),
            "left": estimate.left,
        });
        fields.insert("schedule".to_owned(), schedule);
    }
    if let (RunHome::Database(_), Some(fields)) = (&status.opened.home, json.as_object_mut()) {
        let pause = status.pause.as_ref();
        let pause = pause.map(|pause| json!({"seconds": pause.left, "reason": pause.reason}));
        fields.insert("workers".to_owned(), workers.into());
        fields.insert("pause".to_owned(), pause.unwrap_or_default());
        let full = status.full_day.as_ref();
        let full = full
            .map(|full| json!({"recipients": full.recipients, "until": full.until.to_string()}));
        fields.insert("daily_limit".to_owned(), full.unwrap_or_default());
    }
    Ok(json)
}

fn counts_as_json(counts: &StatusCounts) -> serde_json::Value {
    let counts = Status::ALL.map(|status| (status.as_str().to_owned(), counts.of(status).into()));
    serde_json::Map::from_iter(counts).into()
}

/// Null if the run has no variants.
fn variants_as_json(status: &RunStatus) -> serde_json::Value {
    let run = &status.opened.run;
    if run.variants.is_empty() {
        return serde_json::Value::Null;
    }
    let rows = status.variants.iter();
    let rows = rows.filter(|rows| rows.variant.is_some()).map(|rows| {
        json!({"variant": rows.variant, "chosen": rows.chosen, "rows": rows.counts.total(),
               "counts": counts_as_json(&rows.counts)})
    });
    json!({
        "names": run.variants,
        "chosen": run.chosen,
        "held_back": held_back(&status.variants),
        "rows": rows.collect::<Vec<_>>(),
    })
}
