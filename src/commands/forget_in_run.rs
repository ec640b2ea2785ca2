//! Takes people out of a run: out of its ledger, its events, its results and its outbox.

use std::fs;
use std::path::Path;

use jiff::Timestamp;

use super::failure::Failure;
use super::open_run::OpenRun;
use super::run_home::RunHome;
use crate::address::Address;
use crate::campaign::Campaign;
use crate::feedback::{SqliteEvents, path_in};
use crate::gateway::{remove_messages, store};
use crate::ledger::postgres::{self, PostgresLedger};
use crate::ledger::sqlite::SqliteLedger;
use crate::ledger::{ForgetKeys, Ledger as _, Person, Run, Whom};
use crate::message::inside;
use crate::report::{counted, write_events};
use crate::run::{Folder, Lock, forget_keys, key_for_forgetting};

/// The index of the outbox, which `mailrun inbox` makes again.
const INDEX: &str = "inbox";
/// What a process leaves when it dies while it writes results, events or recipients.
const LEFTOVERS: [&str; 3] = [".results-", ".events-", ".recipients-"];

/// Who is taken out of runs.
pub(super) enum People<'a> {
    One(&'a Address),
    All,
}

/// What was taken out of a run.
#[derive(Debug, Default)]
pub(super) struct Forgotten {
    pub(super) rows: u64,
    pub(super) errors: u64,
    pub(super) events: u64,
    pub(super) messages: u64,
    pub(super) test: bool,
}

impl Forgotten {
    /// Such as `2 rows, 1 event`; `None` if nothing was left to take out.
    pub(super) fn describe(&self) -> Option<String> {
        let parts = [
            (self.rows, "row"),
            (self.errors, "error text"),
            (self.events, "event"),
            (self.messages, "message"),
        ];
        let parts = parts.iter().filter(|(number, _)| *number > 0);
        let mut parts: Vec<String> = parts.map(|(number, name)| counted(*number, name)).collect();
        if self.test {
            parts.push("the recipient of the test".to_owned());
        }
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

/// Takes people out of a run. Whatever was done when the process dies, doing it again does the rest. Returns `None` if
/// the run does not have the person.
///
/// # Errors
/// A process works on the run, or something of it can't be read or written.
pub(super) fn forget_in(
    home: &RunHome,
    people: &People<'_>,
    now: Timestamp,
) -> Result<Option<Forgotten>, Failure> {
    match home {
        RunHome::Folder(folder) => in_folder(folder, people, now),
        RunHome::Database(ledger) => in_database(home, ledger, people, now),
    }
}

fn in_folder(
    folder: &Folder,
    people: &People<'_>,
    now: Timestamp,
) -> Result<Option<Forgotten>, Failure> {
    // Rows of a run that was never sent.
    folder.remove_unplanned()?;
    if !folder.path().is_dir() {
        return Ok(None);
    }
    let lock = Lock::run(folder)?;
    let ledger = SqliteLedger::open(&folder.ledger())?;
    let run = ledger.run()?;
    let _lock = lock.and(Lock::campaign_for_resume(folder, &run)?);
    let work = FolderWork {
        folder,
        ledger,
        campaign: &run.campaign,
        now,
    };
    match people {
        People::One(address) => {
            let person = Person::new(address);
            let keys = forget_keys(folder, &run.campaign)?;
            let rows = work.ledger.rows_of(&person, &keys)?;
            let unfinished = !work.ledger.is_cleaned()?;
            let is_tester = is_recipient_of(&person, &run, &keys);
            // Including a test that was sent to this person.
            let is_left = work.ledger.has_clear(&rows)? || work.mentions(&person)?;
            if !is_left && !unfinished {
                let known = !rows.is_empty() || is_tester;
                return Ok(known.then(Forgotten::default));
            }
            let whom = Whom::Person {
                person: &person,
                rows: &rows,
            };
            let found = !rows.is_empty() || is_tester;
            let to = found.then_some(*address);
            let forgotten = work.forget(whom, to, to.is_some())?;
            Ok((found || forgotten.describe().is_some()).then_some(forgotten))
        }
        People::All => work.forget(Whom::Everybody, None, true).map(Some),
    }
}

struct FolderWork<'a> {
    folder: &'a Folder,
    ledger: SqliteLedger,
    campaign: &'a Path,
    now: Timestamp,
}

impl FolderWork<'_> {
    fn mentions(&self, person: &Person) -> Result<bool, Failure> {
        if self.ledger.mentions(person)? {
            return Ok(true);
        }
        let events = SqliteEvents::open(&path_in(self.folder.path()))?;
        Ok(match events {
            Some(events) => events.mentions(person)?,
            None => false,
        })
    }

    /// The ledger comes after everything that is found with the help of its rows, and before what is written from it.
    fn forget(
        &self,
        whom: Whom<'_>,
        to: Option<&Address>,
        messages: bool,
    ) -> Result<Forgotten, Failure> {
        let key = key_for_forgetting(self.folder, self.campaign)?;
        let mut forgotten = Forgotten::default();
        if messages {
            forgotten.messages = self.remove_messages(to)?;
        }
        if self.folder.is_copy() {
            self.remove_attachments(whom)?;
        }
        let events = path_in(self.folder.path());
        if SqliteEvents::open(&events)?.is_some() {
            forgotten.events = SqliteEvents::open_for_writing(&events)?.forget(whom)?;
        }
        let taken_out = self.ledger.forget(whom, &key, self.now)?;
        (forgotten.rows, forgotten.errors) = (taken_out.rows, taken_out.errors);
        forgotten.test = taken_out.test;
        self.ledger.scrub()?;
        self.write_files()?;
        self.ledger.mark_cleaned()?;
        Ok(forgotten)
    }

    fn remove_messages(&self, to: Option<&Address>) -> Result<u64, Failure> {
        store::remove(&self.folder.path().join(INDEX))?;
        let outbox = self.folder.outbox();
        let removed = remove_messages(&outbox, to);
        Ok(removed.map_err(|error| (outbox, error))?)
    }

    /// Removes the attachments of single rows, which a copy of a run has in `frozen`.
    fn remove_attachments(&self, whom: Whom<'_>) -> Result<(), Failure> {
        let frozen = self.folder.frozen();
        let shared = shared_files(&Campaign::load_frozen(&frozen)?);
        for path in self.ledger.own_attachments_of(whom)? {
            let file = inside(&frozen, Path::new(&path));
            if let (false, Ok(file)) = (shared.contains(&path), file) {
                fs::remove_file(&file).map_err(|error| (file, error))?;
            }
        }
        Ok(())
    }

    /// Writes the results and the events again, if they were written before.
    fn write_files(&self) -> Result<(), Failure> {
        let dir = self.folder.path();
        let failed = |error| (dir.to_owned(), error);
        for entry in fs::read_dir(dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if LEFTOVERS.iter().any(|prefix| name.starts_with(prefix)) {
                fs::remove_file(entry.path()).map_err(|error| (entry.path(), error))?;
            }
        }
        let opened = OpenRun {
            home: RunHome::Folder(self.folder.clone()),
            run: self.ledger.run()?,
            ledger: self.ledger.reopen()?,
        };
        if self.folder.results().exists() {
            // Nobody works on the run: it is locked.
            opened.write_results(false)?;
        }
        if let (Some(path), Some(events)) = (opened.home.events_file(), opened.home.events()?)
            && path.exists()
        {
            write_events(&self.ledger, &*events, &path)?;
        }
        Ok(())
    }
}

fn in_database(
    home: &RunHome,
    ledger: &PostgresLedger,
    people: &People<'_>,
    now: Timestamp,
) -> Result<Option<Forgotten>, Failure> {
    let database = ledger.database();
    let forget = |whom| {
        let key = postgres::key_for_forgetting(database)?;
        let shared = match ledger.has_attachments() {
            true => {
                let files = home.files(&ledger.run()?.campaign)?;
                shared_files(&Campaign::load_frozen(&files.frozen)?)
            }
            false => Vec::new(),
        };
        let taken_out = ledger.forget(whom, &key, &shared, now)?;
        Ok::<_, Failure>(Forgotten {
            rows: taken_out.rows,
            errors: taken_out.errors,
            events: taken_out.events,
            messages: 0,
            test: taken_out.test,
        })
    };
    match people {
        People::One(address) => {
            let person = Person::new(address);
            let keys = postgres::forget_keys(database)?;
            let rows = ledger.rows_of(&person, &keys)?;
            let is_tester = is_recipient_of(&person, &ledger.run()?, &keys);
            if rows.is_empty() && !is_tester && !ledger.mentions(&person)? {
                return Ok(None);
            }
            let whom = Whom::Person {
                person: &person,
                rows: &rows,
            };
            Ok(Some(forget(whom)?))
        }
        People::All => Ok(Some(forget(Whom::Everybody)?)),
    }
}

/// Whether a run is a test that was sent to this person.
fn is_recipient_of(person: &Person, run: &Run, keys: &ForgetKeys) -> bool {
    let test_to = run.test_to.as_deref();
    test_to.is_some_and(|address| person.is(address, keys))
}

/// The attachments of all rows.
fn shared_files(campaign: &Campaign) -> Vec<String> {
    let attachments = campaign.message.attachments.iter();
    attachments.map(|it| it.path.get_ref().clone()).collect()
}
