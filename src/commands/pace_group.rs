//! Where the runs of a pace group count what they posted: in the ledger, in a file of the user's state folder, or, without a
//! group, in a file beside the campaign's runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::failure::Failure;
use super::run_home::RunHome;
use crate::campaign::{PaceSettings, RUNS};
use crate::ledger::postgres::{Database, PostgresPace};
use crate::ledger::{Run, Target};
use crate::pace::{GroupDay, GroupPosted, Rate};
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
    let day = GroupDay::new(rates, &pace.ramp, zone.clone()).or_else(|| {
        // `--rate` replaced the limit per day: the others must know what was posted all the same.
        let is_limited = GroupDay::new(&pace.rate, &[], zone.clone()).is_some();
        is_limited.then(|| GroupDay::unlimited(zone))
    });
    let Some(day) = day else {
        return Ok(None);
    };
    if let RunHome::Database(ledger) = home {
        let name = name_in_ledger(pace, &run.name);
        let store = PostgresPace::new(&Arc::new(ledger.database().second()), name, day.clone());
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
    let store = PaceFile::open(&path, &group, day.clone())?;
    let store: Box<dyn PaceStore> = Box::new(store);
    Ok(Some(OpenStore { store, day }))
}

/// Where a run and the runs that share its limits per day count what they post.
pub(super) enum PaceHome<'a> {
    /// In a file, and without a group in that of this campaign's folder.
    Folder(&'a Path),
    Ledger(&'a Arc<Database>),
}

impl<'a> PaceHome<'a> {
    pub(super) fn of(home: &'a RunHome, run: &'a Run) -> Self {
        match home {
            RunHome::Folder(_) => Self::Folder(&run.campaign),
            RunHome::Database(ledger) => Self::Ledger(ledger.database()),
        }
    }
}

/// Reads what the runs that share limits per day have posted.
pub(super) enum PostedReader {
    File {
        path: PathBuf,
        group: String,
        day: GroupDay,
    },
    Ledger(PostgresPace),
    /// Nothing is counted.
    None,
}

impl PostedReader {
    /// `name` is that of the campaign.
    ///
    /// # Errors
    /// The folder of the file is not known.
    pub(super) fn new(
        home: &PaceHome<'_>,
        name: &str,
        pace: &PaceSettings,
        schedule: Option<&Schedule>,
    ) -> Result<Self, Failure> {
        let Some(day) = GroupDay::new(&pace.rate, &pace.ramp, zone_of_days(schedule)) else {
            return Ok(Self::None);
        };
        Ok(match home {
            PaceHome::Ledger(database) => {
                Self::Ledger(PostgresPace::new(database, name_in_ledger(pace, name), day))
            }
            PaceHome::Folder(campaign) => match file(pace, campaign)? {
                Some((path, group)) => Self::File { path, group, day },
                None => Self::None,
            },
        })
    }

    /// `None` if there is no file, or nothing is counted.
    ///
    /// # Errors
    /// It can't be read.
    pub(super) fn read(&self, now: Timestamp) -> Result<Option<GroupPosted>, PaceGroupError> {
        match self {
            Self::File { path, group, day } if path.is_file() => {
                let file = PaceFile::open_to_read(path, group, day.clone())?;
                file.map(|file| file.posted(now)).transpose()
            }
            Self::Ledger(pace) => pace.posted(now).map(Some),
            Self::File { .. } | Self::None => Ok(None),
        }
    }
}

/// The name of the group in a ledger.
fn name_in_ledger(pace: &PaceSettings, campaign: &str) -> String {
    match &pace.pace_group {
        Some(group) => format!("group {group}"),
        None => format!("campaign {campaign}"),
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

impl From<PaceGroupError> for Failure {
    fn from(error: PaceGroupError) -> Self {
        Self::with_help("io", error.to_string(), error.help())
    }
}
