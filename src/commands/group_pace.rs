//! Where the runs of a pace group count what they posted: in the ledger, in a file of the user's state folder, or, without a
//! group, in a file beside the campaign's runs.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::failure::Failure;
use super::run_home::RunHome;
use crate::campaign::{PaceSettings, RUNS};
use crate::ledger::{Run, Target};
use crate::pace::{GroupDay, Rate};
use crate::pace_group::{PaceFile, PaceGroupError, PaceStore};
use crate::schedule::{Schedule, Zone};

/// The file in a folder of runs, or in the state folder.
const FILE: &str = "pace.db";

pub(super) struct OpenStore {
    pub(super) store: Box<dyn PaceStore>,
    pub(super) day: GroupDay,
}

/// The store for a run with these rates; `None` if no day is limited. Only a real run counts.
///
/// # Errors
/// It can't be opened.
pub(super) fn open_store(
    home: &RunHome,
    run: &Run,
    pace: &PaceSettings,
    schedule: Option<&Schedule>,
    rates: &[Rate],
) -> Result<Option<OpenStore>, Failure> {
    if run.target != Target::Real {
        return Ok(None);
    }
    let zone = zone_of_days(schedule);
    let Some(day) = GroupDay::new(rates, &pace.ramp, zone) else {
        return Ok(None);
    };
    if let RunHome::Database(ledger) = home {
        let name = match &pace.pace_group {
            Some(group) => format!("group {group}"),
            None => format!("campaign {}", run.name),
        };
        let store = ledger.pace_store(name, day.clone());
        let store: Box<dyn PaceStore> = Box::new(store);
        return Ok(Some(OpenStore { store, day }));
    }
    let Some((path, group)) = file(pace, &run.campaign)? else {
        // A limit per day in `rate` still holds for this run alone, but only a store can count the days of a ramp.
        return match pace.ramp.is_empty() {
            true => Ok(None),
            false => Err(no_campaign(&run.campaign)),
        };
    };
    let store = PaceFile::open(&path, &group, day.clone()).map_err(|error| failed(&error))?;
    let store: Box<dyn PaceStore> = Box::new(store);
    Ok(Some(OpenStore { store, day }))
}

/// How much the pace group of a campaign has posted from this machine: on how many days before today, and the recipients
/// in each minute since 1970 of the last 24 hours.
///
/// # Errors
/// The file can't be read.
pub(super) fn posted_by_group(
    pace: &PaceSettings,
    campaign: &Path,
    day: &GroupDay,
    now: Timestamp,
) -> Result<(usize, Vec<(i64, u64)>), Failure> {
    match file(pace, campaign)? {
        Some((path, group)) if path.is_file() => {
            let file = PaceFile::open_to_read(&path, &group, day.clone())
                .map_err(|error| failed(&error))?;
            file.posted(now).map_err(|error| failed(&error))
        }
        _ => Ok((0, Vec::new())),
    }
}

/// The days of the ramp are those of the schedule's zone, or of this machine's.
pub(super) fn zone_of_days(schedule: Option<&Schedule>) -> TimeZone {
    let zone = schedule.map(|schedule| schedule.zone().clone());
    let zone = zone.or_else(|| Zone::system().ok());
    zone.map_or(TimeZone::UTC, |zone| zone.time_zone)
}

/// The file, and the name of the group in it; `None` if there is none for this run.
fn file(pace: &PaceSettings, campaign: &Path) -> Result<Option<(PathBuf, String)>, Failure> {
    if let Some(group) = &pace.pace_group {
        return Ok(Some((state_folder()?.join(FILE), group.clone())));
    }
    // A run may have been copied to a machine without the campaign.
    Ok(campaign
        .is_dir()
        .then(|| (campaign.join(RUNS).join(FILE), String::new())))
}

/// The user's folder for state (XDG Base Directory Specification).
fn state_folder() -> Result<PathBuf, Failure> {
    let absolute = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let home = || absolute("HOME").map(|home| home.join(".local/state"));
    let state = absolute("XDG_STATE_HOME").or_else(home);
    state.map(|state| state.join("mailrun")).ok_or_else(|| {
        Failure::with_help(
            "io",
            "`pace_group` counts the posted recipients in your state folder, but no variable names it",
            "set XDG_STATE_HOME or HOME in the environment",
        )
    })
}

fn no_campaign(campaign: &Path) -> Failure {
    Failure::with_help(
        "io",
        format!(
            "`ramp` counts the recipients of all runs of the campaign, but its folder is missing: {}",
            campaign.display()
        ),
        "put the folder of the campaign there, with its suppression lists; in a new folder, the ramp begins with its first day",
    )
}

fn failed(error: &PaceGroupError) -> Failure {
    Failure::with_help(
        "io",
        error.to_string(),
        "without it, limits per day can't be kept; check that the file can be written",
    )
}
