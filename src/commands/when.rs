//! When a run sends: its schedule, and an estimate of when it begins, pauses and ends.

use jiff::Timestamp;

use super::failure::Failure;
use crate::campaign::{Campaign, PaceSettings, ScheduleSettings};
use crate::cli::SendArgs;
use crate::ledger::{Ledger, LedgerError};
use crate::pace::{LaneNumbers, Period};
use crate::report;
use crate::schedule::{Forecast, ForecastInputs, Opening, Schedule, Zone, forecast};

/// How far limits per day look back.
const DAY: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);

/// `[schedule]` with what the command line replaces. Only a real run has a schedule.
///
/// # Errors
/// It never opens, or `--at` is not possible.
pub(super) fn schedule_settings(
    args: &SendArgs,
    campaign: &Campaign,
    now: Timestamp,
) -> Result<Option<ScheduleSettings>, Failure> {
    if args.local || args.test_to.is_some() {
        return Ok(None);
    }
    let Some(at) = &args.at else {
        let settings = campaign.schedule.clone();
        settings
            .as_ref()
            .map_or(Ok(()), |it| require_opening(it, now))?;
        return Ok(settings);
    };
    let mut settings = match &campaign.schedule {
        Some(settings) => settings.clone(),
        None => ScheduleSettings {
            start: None,
            until: None,
            window: None,
            zone: Zone::system().map_err(|_| no_zone())?,
            timezone_column: None,
        },
    };
    let start = at.resolve(now, &settings.zone);
    let start = start.map_err(|error| Failure::new("usage", format!("--at: {error}")).usage())?;
    if start < now {
        let message = format!("--at is in the past: {}", settings.zone.show(start));
        let help = "write a later time, or leave out `--at` to begin now";
        return Err(Failure::with_help("usage", message, help).usage());
    }
    settings.start = Some(start);
    require_opening(&settings, now)?;
    Ok(Some(settings))
}

fn no_zone() -> Failure {
    Failure::with_help(
        "usage",
        "--at needs a time zone, and that of this system is not known",
        "set `timezone` in [schedule] of campaign.toml, such as \"Europe/Warsaw\"",
    )
    .usage()
}

fn require_opening(settings: &ScheduleSettings, now: Timestamp) -> Result<(), Failure> {
    let schedule = settings.for_run(Vec::new());
    if schedule.opening(0, now) != Opening::Over {
        return Ok(());
    }
    Err(Failure::with_help(
        "schedule",
        format!("nothing can be sent: {}", settings.why_over()),
        "change [schedule] in campaign.toml",
    ))
}

/// The estimate for rows by lane, of a run with this pace.
pub(super) fn estimate(
    schedule: &Schedule,
    pace: &PaceSettings,
    by_lane: &[(u32, u64)],
    posted: Vec<(i64, u64)>,
    now: Timestamp,
) -> Forecast {
    let numbers = LaneNumbers::new(pace.per_domain.len());
    let per_second = pace.rate.iter().filter_map(|rate| rate.per_second());
    let days = pace.rate.iter().filter(|rate| rate.per == Period::Day);
    let per_day = days.map(|rate| u64::from(rate.recipients.get())).min();
    forecast(ForecastInputs {
        schedule,
        rows: numbers.by_zone(by_lane),
        per_second: per_second.min_by(f64::total_cmp),
        per_day: &mut |_| per_day,
        posted,
        now,
    })
}

/// The estimate for the pending rows of a run.
///
/// # Errors
/// The ledger can't be read.
pub(super) fn estimate_of_run(
    ledger: &dyn Ledger,
    schedule: &Schedule,
    pace: &PaceSettings,
    now: Timestamp,
) -> Result<Forecast, LedgerError> {
    let yesterday = now.saturating_sub(DAY).unwrap_or(Timestamp::MIN);
    let posted = ledger.posted_since(yesterday, None)?;
    let by_lane = ledger.pending_by_lane()?;
    Ok(estimate(schedule, pace, &by_lane, posted, now))
}

/// The lines of an estimate, with their headings in a column of this width.
pub(super) fn lines(
    schedule: &Schedule,
    forecast: &Forecast,
    now: Timestamp,
    has_begun: bool,
    width: usize,
) -> Vec<String> {
    let lines = report::when(schedule, forecast, now, has_begun).into_iter();
    let lines = lines.map(|(heading, text)| {
        let heading = format!("{heading}:");
        format!("{heading:<width$}{text}")
    });
    lines.collect()
}
