//! When a run sends: its schedule, and an estimate of when it begins, pauses and ends.

use std::sync::Arc;

use jiff::Timestamp;

use super::failure::Failure;
use super::pace_group::{PaceHome, PostedReader, zone_of_days};
use super::prepare::PreparedRun;
use crate::campaign::{Campaign, PaceSettings, ScheduleSettings};
use crate::cli::SendArgs;
use crate::ledger::Target;
use crate::ledger::postgres::Database;
use crate::pace::{GroupDay, GroupPosted, LaneNumbers};
use crate::report::{self, counted};
use crate::schedule::{DayLimit, Forecast, ForecastInputs, Opening, Schedule, Zone, forecast};

/// How many time zones are named whose rows are not sent.
const SHOWN_ZONES: usize = 3;

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
    let is_over = match &settings.timezone_column {
        // The zones of the rows are not known yet.
        Some(_) => schedule.is_over(now),
        None => schedule.opening(0, now) == Opening::Over,
    };
    match is_over {
        true => Err(over(&schedule)),
        false => Ok(()),
    }
}

fn over(schedule: &Schedule) -> Failure {
    Failure::with_help(
        "schedule",
        format!("nothing can be sent: {}", schedule.why_over()),
        "change [schedule] in campaign.toml",
    )
}

/// A note for the user if the window does not open any more in the time zones of some rows.
///
/// # Errors
/// It does not open for any row.
pub(super) fn rows_never_sent(
    prepared: &PreparedRun,
    pace: &PaceSettings,
) -> Result<Option<String>, Failure> {
    let Some(schedule) = &prepared.schedule else {
        return Ok(None);
    };
    let zones = LaneNumbers::new(pace.per_domain.len()).by_zone(&prepared.by_lane);
    let now = prepared.run.started;
    let is_over = |(zone, _): &(usize, u64)| schedule.opening(*zone, now) == Opening::Over;
    let (never, others): (Vec<_>, Vec<_>) = zones.into_iter().partition(is_over);
    if never.is_empty() {
        return Ok(None);
    }
    if others.is_empty() {
        return Err(over(schedule));
    }
    let rows = never.iter().map(|(_, rows)| rows).sum();
    let names = never.iter().take(SHOWN_ZONES);
    let names: Vec<&str> = names
        .map(|(zone, _)| schedule.zones[*zone].name.as_str())
        .collect();
    let more = match never.len() - names.len() {
        0 => String::new(),
        more => format!(" and {}", counted(more as u64, "more time zone")),
    };
    Ok(Some(format!(
        "{} will stay pending: {}, in {}{more}",
        counted(rows, "row"),
        schedule.why_over(),
        names.join(", ")
    )))
}

/// The posted recipients of all runs that share the limits per day; `None` for a local run or a test.
///
/// # Errors
/// They can't be read.
pub(super) fn posted_before(
    campaign: &Campaign,
    prepared: &PreparedRun,
    database: Option<&Arc<Database>>,
) -> Result<Option<GroupPosted>, Failure> {
    if prepared.run.target != Target::Real {
        return Ok(None);
    }
    let home = match database {
        Some(database) => PaceHome::Ledger(database),
        None => PaceHome::Folder(&campaign.dir),
    };
    let schedule = prepared.schedule.as_ref();
    let reader = PostedReader::new(&home, &campaign.name, &campaign.pace, schedule)?;
    Ok(Some(reader.read(prepared.run.started)?.unwrap_or_default()))
}

/// The estimate for rows by lane, of a run with this pace.
pub(super) fn estimate(
    schedule: &Schedule,
    pace: &PaceSettings,
    by_lane: &[(u32, u64)],
    posted: GroupPosted,
    now: Timestamp,
) -> Forecast {
    let numbers = LaneNumbers::new(pace.per_domain.len());
    let per_second = pace.rate.iter().filter_map(|rate| rate.per_second());
    let day = GroupDay::new(&pace.rate, &pace.ramp, zone_of_days(Some(schedule)));
    let today = |day: &GroupDay| {
        let today = day.date(now);
        let times = posted.minutes.iter();
        let mut times = times.filter_map(|(minute, _)| Timestamp::from_second(minute * 60).ok());
        times.any(|time| day.date(time) == today).then_some(today)
    };
    // The last day on which something was posted, if that is today or later.
    let mut last = day.as_ref().and_then(today);
    let mut days = posted.days_before;
    let mut per_day = |now| {
        let day = day.as_ref()?;
        let today = day.date(now);
        days += usize::from(last.is_some_and(|last| last < today));
        last = Some(today);
        Some(DayLimit {
            recipients: day.limit(days),
            grows: day.grows(days, now),
        })
    };
    forecast(ForecastInputs {
        schedule,
        rows: numbers.by_zone(by_lane),
        per_second: per_second.min_by(f64::total_cmp),
        per_day: &mut per_day,
        posted: posted.minutes,
        now,
    })
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
