//! Where a run is kept: in a folder, or in a ledger that several machines share.

use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use super::failure::Failure;
use super::ledger_access::LedgerAccess;
use crate::campaign::{Campaign, FILE_NAME};
use crate::cli::{LedgerOption, RunArgs};
use crate::feedback::{self, EventStore, EventsError, PostgresEvents, SqliteEvents};
use crate::ledger::postgres::{self, Database, PostgresLedger};
use crate::ledger::sqlite::SqliteLedger;
use crate::ledger::{Ledger as _, LedgerError, Target};
use crate::render::{KEY_LENGTH, has_token};
use crate::run::{Folder, FolderError, Lock, SCHEDULE};
use crate::schedule::Schedule;

pub(super) enum RunHome {
    Folder(Folder),
    Database(Box<PostgresLedger>),
}

/// The files of a run, as they were when it was planned.
pub(super) struct RunFiles {
    /// The campaign, its templates, and the attachments of all rows.
    pub(super) frozen: PathBuf,
    /// The folder of the attachments of single rows.
    pub(super) own_dir: PathBuf,
    /// Holds the files of a run in a database.
    _copy: Option<TempDir>,
}

impl RunHome {
    /// The run that the command line names: a run folder, a campaign's newest run, or a run in the
    /// ledger.
    ///
    /// # Errors
    /// There is no such run, or the ledger can't be read.
    pub(super) fn find(args: &RunArgs) -> Result<Self, Failure> {
        let path = &args.run;
        if Folder::is_run(path) {
            return Ok(Self::Folder(Folder::at(path)));
        }
        if Folder::is_campaign(path) {
            return newest_of_campaign(path, &args.ledger);
        }
        let Some(database) = open_database(&args.ledger, None)? else {
            return Ok(Self::Folder(Folder::find(path)?));
        };
        let name = path.to_string_lossy();
        match postgres::find_run(&database, &name)? {
            Some(ledger) => Ok(Self::Database(Box::new(ledger))),
            None => Err(Failure::with_help(
                "no-run",
                format!("the ledger {} has no run “{name}”", database.url()),
                "`mailrun runs` lists the runs in the ledger",
            )),
        }
    }

    /// What commands call the run: its folder, or its name.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Folder(folder) => folder.path().display().to_string(),
            Self::Database(ledger) => ledger.name().to_owned(),
        }
    }

    /// Whether a process works on the run. Must not be called while this process holds the lock.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub(super) fn is_in_use(&self) -> Result<bool, LedgerError> {
        match self {
            Self::Folder(folder) => Ok(Lock::holder(folder).is_some()),
            Self::Database(ledger) => Ok(!ledger.workers()?.is_empty()),
        }
    }

    /// Checks that no process works on the run.
    ///
    /// # Errors
    /// One does, or the ledger can't be read.
    pub(super) fn require_idle(&self) -> Result<(), Failure> {
        match self {
            Self::Folder(folder) => Ok(Lock::run(folder).map(drop)?),
            Self::Database(ledger) => Ok(ledger.require_no_worker()?),
        }
    }

    /// The file that has the results whenever the run stops.
    pub(super) fn results(&self) -> Option<PathBuf> {
        match self {
            Self::Folder(folder) => Some(folder.results()),
            Self::Database(_) => None,
        }
    }

    /// The file that has the report of this run alone.
    pub(super) fn report(&self) -> Option<PathBuf> {
        match self {
            Self::Folder(folder) => Some(folder.path().join("report.html")),
            Self::Database(_) => None,
        }
    }

    /// What is known of the run's accepted messages; `None` if the run was never followed.
    ///
    /// # Errors
    /// It can't be read.
    pub(super) fn events(&self) -> Result<Option<Box<dyn EventStore>>, EventsError> {
        Ok(match self {
            Self::Folder(folder) => {
                let events = SqliteEvents::open(&feedback::path_in(folder.path()))?;
                events.map(|events| Box::new(events) as Box<dyn EventStore>)
            }
            Self::Database(ledger) => {
                let events = PostgresEvents::of(ledger);
                match events.exist()? {
                    true => Some(Box::new(events)),
                    false => None,
                }
            }
        })
    }

    /// The same for results that must be written in any case.
    pub(super) fn readable_events(&self) -> Option<Box<dyn EventStore>> {
        self.events().unwrap_or_else(|error| {
            tracing::warn!(%error, "the results are written without the events");
            None
        })
    }

    /// The run's events, to add some.
    ///
    /// # Errors
    /// They can't be written.
    pub(super) fn writable_events(&self) -> Result<Box<dyn EventStore>, EventsError> {
        Ok(match self {
            Self::Folder(folder) => Box::new(SqliteEvents::open_for_writing(&feedback::path_in(
                folder.path(),
            ))?),
            Self::Database(ledger) => {
                let events = PostgresEvents::of(ledger);
                events.create()?;
                Box::new(events)
            }
        })
    }

    /// The file that has the events whenever the run was followed.
    pub(super) fn events_file(&self) -> Option<PathBuf> {
        match self {
            Self::Folder(folder) => Some(folder.path().join("events.csv")),
            Self::Database(_) => None,
        }
    }

    /// The run's files. Those of a run in a database are written to a temporary folder.
    ///
    /// # Errors
    /// They can't be read or written.
    pub(super) fn files(&self, campaign: &Path) -> Result<RunFiles, Failure> {
        let ledger = match self {
            Self::Folder(folder) => {
                return Ok(RunFiles {
                    frozen: folder.frozen(),
                    own_dir: match folder.is_copy() {
                        true => folder.frozen(),
                        false => campaign.to_owned(),
                    },
                    _copy: None,
                });
            }
            Self::Database(ledger) => ledger,
        };
        let temporary = std::env::temp_dir();
        let copy = tempfile::tempdir().map_err(|error| (temporary, error))?;
        write_files(ledger, copy.path())?;
        Ok(RunFiles {
            frozen: copy.path().to_owned(),
            own_dir: copy.path().to_owned(),
            _copy: Some(copy),
        })
    }

    /// When the run may send; `None` if it has no schedule. Only a real run has one.
    ///
    /// # Errors
    /// It can't be read, or is missing although the run was planned with one.
    pub(super) fn schedule(&self, target: Target) -> Result<Option<Schedule>, Failure> {
        if target != Target::Real {
            return Ok(None);
        }
        let (file, text) = match self {
            Self::Folder(folder) => {
                let file = folder.frozen().join(SCHEDULE);
                match fs::read(&file) {
                    Ok(text) => (file, text),
                    Err(error) if error.kind() == ErrorKind::NotFound => {
                        let has_schedule = SqliteLedger::open(&folder.ledger())?.is_scheduled()?
                            || Campaign::load_frozen(&folder.frozen())
                                .is_ok_and(|campaign| campaign.schedule.is_some());
                        return match has_schedule {
                            true => Err(no_schedule(&file)),
                            false => Ok(None),
                        };
                    }
                    Err(error) => return Err((file, error).into()),
                }
            }
            Self::Database(ledger) => {
                let is_schedule = |(path, _): &(PathBuf, Vec<u8>)| path == Path::new(SCHEDULE);
                match ledger.files()?.into_iter().find(is_schedule) {
                    Some(file) => file,
                    None => return Ok(None),
                }
            }
        };
        let schedule = Schedule::from_toml(&String::from_utf8_lossy(&text));
        schedule.map(Some).map_err(|error| {
            let message = format!(
                "can't read the schedule of the run, {}: {error}",
                file.display()
            );
            Failure::with_help(
                "schedule",
                message,
                "it was written by another version of mailrun, or has changed since",
            )
        })
    }

    /// The key that signs the return paths, if there are any.
    ///
    /// # Errors
    /// It can't be read.
    pub(super) fn verp_key(&self, campaign: &Campaign) -> Result<[u8; KEY_LENGTH], Failure> {
        match self {
            Self::Folder(folder) if has_verp(campaign) => folder
                .verp_key()
                .map_err(|error| no_verp_key(folder, &error)),
            Self::Folder(_) => Ok([0; KEY_LENGTH]),
            Self::Database(ledger) if has_verp(campaign) => ledger.verp_key().ok_or_else(|| {
                let message = "the ledger has no key for `{{ verp }}`, so return paths of this run can't be signed or verified";
                Failure::new("ledger", message)
            }),
            Self::Database(_) => Ok([0; KEY_LENGTH]),
        }
    }
}

/// Whether messages have a return path that must be signed.
pub(super) fn has_verp(campaign: &Campaign) -> bool {
    let mut paths = campaign.messages().flat_map(|it| &it.return_path);
    paths.any(|path| has_token(path.get_ref()))
}

/// Writes the files of a run in a database into `dir`.
///
/// # Errors
/// They can't be read or written.
pub(super) fn write_files(ledger: &PostgresLedger, dir: &Path) -> Result<(), Failure> {
    for (path, content) in ledger.files()? {
        // The paths were checked when the run was planned, but not by this machine.
        let is_inside = |part| matches!(part, Component::Normal(_));
        if !path.components().all(is_inside) {
            return Err(Failure::new(
                "ledger",
                format!("the ledger is damaged: it has a file {}", path.display()),
            ));
        }
        let file = dir.join(path);
        let written = file
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&file, content));
        written.map_err(|error| (file, error))?;
    }
    Ok(())
}

/// All runs of a campaign, in its folder and in its ledger.
///
/// # Errors
/// The ledger can't be read, or the campaign that names it.
pub(super) fn runs_of_campaign(
    path: &Path,
    option: &LedgerOption,
) -> Result<Vec<RunHome>, Failure> {
    let mut homes: Vec<RunHome> = (Folder::all_of(path).into_iter())
        .map(RunHome::Folder)
        .collect();
    let names_ledger = option.url.is_some() || LedgerAccess::is_in_environment();
    if names_ledger || Campaign::names_ledger(path) {
        let campaign = Campaign::load(path)?;
        if let Some(database) = open_database(option, Some(&campaign))? {
            let runs = postgres::runs_of(&database, &campaign.name)?.into_iter();
            homes.extend(runs.map(|run| RunHome::Database(Box::new(run))));
        }
    }
    Ok(homes)
}

/// The newest run of a campaign, in its folder or in its ledger.
fn newest_of_campaign(path: &Path, option: &LedgerOption) -> Result<RunHome, Failure> {
    let in_folder = Folder::find(path);
    let names_ledger = option.url.is_some() || LedgerAccess::is_in_environment();
    if !names_ledger && !Campaign::names_ledger(path) {
        return Ok(RunHome::Folder(in_folder?));
    }
    let campaign = Campaign::load(path)?;
    let Some(database) = open_database(option, Some(&campaign))? else {
        return Ok(RunHome::Folder(in_folder?));
    };
    let Some(shared) = postgres::newest_run(&database, &campaign.name)?.map(Box::new) else {
        return Ok(RunHome::Folder(in_folder?));
    };
    let started = |folder: &Folder| {
        let run = SqliteLedger::open(&folder.ledger()).ok()?.run().ok()?;
        Some(run.started)
    };
    let shared_started = shared.run()?.started;
    Ok(match in_folder {
        Ok(folder) if started(&folder).is_some_and(|started| started > shared_started) => {
            RunHome::Folder(folder)
        }
        Ok(_) | Err(FolderError::NoRuns(_)) => RunHome::Database(shared),
        Err(error) => return Err(error.into()),
    })
}

/// Connects to the ledger that the command line, the environment or the campaign names.
///
/// # Errors
/// It can't be used.
pub(super) fn open_database(
    option: &LedgerOption,
    campaign: Option<&Campaign>,
) -> Result<Option<Arc<Database>>, Failure> {
    let settings = campaign.and_then(|campaign| campaign.ledger.as_ref());
    let Some(access) = LedgerAccess::find(option.url.as_deref(), settings)? else {
        return Ok(None);
    };
    let database = Database::open(access.url, access.password);
    Ok(Some(database.map_err(crate::ledger::LedgerError::from)?))
}

/// The folder of the original campaign, for keys that only this machine has; the current folder if the
/// campaign is not here.
pub(super) fn key_folder(campaign: &Path) -> PathBuf {
    match campaign.join(FILE_NAME).is_file() {
        true => campaign.to_owned(),
        false => PathBuf::from("."),
    }
}

/// The command needs a ledger, and none is named.
pub(super) fn no_ledger() -> Failure {
    Failure::with_help(
        "ledger",
        "this command needs a ledger, and neither `--ledger` nor MAILRUN_LEDGER names one",
        "add `--ledger postgres://USER@HOST/DATABASE`, or set MAILRUN_LEDGER in the environment",
    )
    .usage()
}

/// Without it, rows would be sent at any time.
fn no_schedule(file: &Path) -> Failure {
    Failure::with_help(
        "schedule",
        format!("the schedule of the run is missing: {}", file.display()),
        "put the file back, from a backup or from the folder that this one was copied from; or start another run for the others: `mailrun send CAMPAIGN --except-sent`",
    )
}

/// The key of the return paths can't be read or written.
pub(super) fn no_verp_key(folder: &Folder, error: &std::io::Error) -> Failure {
    let message = format!(
        "can't use the key for `{{{{ verp }}}}` in {}: {error}",
        folder.path().display()
    );
    Failure::new("io", message)
}
