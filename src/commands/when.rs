//! When a run sends: its schedule, and an estimate of when it begins, pauses and ends.

use std::path::Path;

use jiff::Timestamp;

use super::failure::Failure;
use super::group_pace::{posted_by_group, zone_of_days};
use crate::campaign::{Campaign, PaceSettings, ScheduleSettings};
use crate::cli::SendArgs;
use crate::pace::{GroupDay, LaneNumbers};
use crate::report;
use crate::schedule::{Forecast, ForecastInputs, Opening, Schedule, Zone, forecast};

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

/// The recipients that the runs which share the limits per day have posted before.
#[derive(Default)]
pub(super) struct Posted {
    /// The number of days before today on which something was posted.
    pub(super) days_before: usize,
    /// In the last 24 hours, by minute since 1970.
    pub(super) minutes: Vec<(i64, u64)>,
}

impl Posted {
    /// # Errors
    /// The file that counts them can't be read.
    pub(super) fn by_group(
        pace: &PaceSettings,
        campaign: &Path,
        schedule: &Schedule,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let zone = zone_of_days(Some(schedule));
        let Some(day) = GroupDay::new(&pace.rate, &pace.ramp, zone) else {
            return Ok(Self::default());
        };
        let (days_before, minutes) = posted_by_group(pace, campaign, &day, now)?;
        Ok(Self {
            days_before,
            minutes,
        })
    }
}

/// The estimate for rows by lane, of a run with this pace.
pub(super) fn estimate(
    schedule: &Schedule,
    pace: &PaceSettings,
    by_lane: &[(u32, u64)],
    posted: Posted,
    now: Timestamp,
) -> Forecast {
    let numbers = LaneNumbers::new(pace.per_domain.len());
    let per_second = pace.rate.iter().filter_map(|rate| rate.per_second());
    let day = GroupDay::new(&pace.rate, &pace.ramp, zone_of_days(Some(schedule)));
    let (mut days, mut last) = (posted.days_before, None);
    let mut per_day = |now| {
        let day = day.as_ref()?;
        let today = day.date(now);
        days += usize::from(last.is_some_and(|last| last < today));
        last = Some(today);
        Some(day.limit(days))
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
