//! The events of a run in a folder: `events.db`. `send` never writes it.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior, params};

use super::event::{RowEvent, StateCounts, StoredEvent, state_of};
use super::store::{EventStore, EventsError, Followed, from_millis, parse_kind};
use crate::api::EventKind;
use crate::durable::{self, WriteAheadError};
use crate::ledger::{LedgerError, Person, Whom};

/// The version of the schema, in SQLite's `user_version`.
const SCHEMA_VERSION: i64 = 1;
/// Marks a SQLite file as one with events, in SQLite's `application_id`.
const APPLICATION_ID: i64 = 0x6d61_6576;
/// How long to wait for another process that has the file locked.
const BUSY: Duration = Duration::from_secs(10);

/// Times are milliseconds since 1970.
const SCHEMA: &str = "\
    CREATE TABLE event (
      row         INTEGER NOT NULL,
      kind        TEXT NOT NULL,
      at          INTEGER NOT NULL,
      description TEXT NOT NULL,
      PRIMARY KEY (row, kind, at)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE delivery_state (row INTEGER PRIMARY KEY, state TEXT NOT NULL) STRICT;
    CREATE TABLE follow (
      id           INTEGER PRIMARY KEY CHECK (id = 1),
      followed_at  INTEGER,
      known_before INTEGER
    ) STRICT;
    INSERT INTO follow (id) VALUES (1);";

/// The file in a run's folder.
pub(crate) fn path_in(run_dir: &Path) -> PathBuf {
    run_dir.join("events.db")
}

pub(crate) struct SqliteEvents {
    connection: Connection,
    path: PathBuf,
}

impl SqliteEvents {
    /// Opens the file for reading; `None` if the run was never followed.
    ///
    /// # Errors
    /// It is not one that this version reads.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>, EventsError> {
        if !path.is_file() {
            return Ok(None);
        }
        let events = Self::connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        Ok(events.is_complete()?.then_some(events))
    }

    /// Opens the file for writing, and creates it if it is missing.
    ///
    /// # Errors
    /// It is not one that this version writes, or it can't be written.
    pub(crate) fn open_for_writing(path: &Path) -> Result<Self, EventsError> {
        let mode = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let mut events = Self::connect(path, mode)?;
        let is_complete = events.is_complete()?;
        events
            .connection
            .pragma_update(None, "synchronous", "FULL")?;
        events.connection.pragma_update(None, "fullfsync", "ON")?;
        durable::write_ahead(&events.connection).map_err(|error| match error {
            WriteAheadError::Stays(mode) => EventsError::NoWriteAhead(mode),
            WriteAheadError::Sqlite(error) => error.into(),
        })?;
        if !is_complete {
            events.create()?;
        }
        Ok(events)
    }

    fn connect(path: &Path, mode: OpenFlags) -> Result<Self, EventsError> {
        let flags = mode | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY)?;
        Ok(Self {
            connection,
            path: path.to_owned(),
        })
    }

    fn create(&mut self) -> Result<(), EventsError> {
        let behavior = TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(behavior)?;
        // Another process may have created the tables in the meantime.
        let tables: i64 =
            transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if tables == 0 {
            transaction.execute_batch(SCHEMA)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        }
        Ok(transaction.commit()?)
    }

    /// Whether the file has the tables. It has none if its process died before it created them.
    fn is_complete(&self) -> Result<bool, EventsError> {
        let not_events = |error: rusqlite::Error| match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => EventsError::NotEvents(self.path.clone()),
            _ => error.into(),
        };
        let number = |sql: &str| {
            self.connection
                .query_row(sql, [], |row| row.get::<_, i64>(0))
        };
        let tables = number("SELECT count(*) FROM sqlite_schema").map_err(not_events)?;
        let application = number("PRAGMA application_id")?;
        if tables == 0 && application == 0 {
            return Ok(false);
        }
        if application != APPLICATION_ID {
            return Err(EventsError::NotEvents(self.path.clone()));
        }
        match number("PRAGMA user_version")? {
            SCHEMA_VERSION => Ok(true),
            found => Err(EventsError::Version {
                path: self.path.clone(),
                found,
                known: SCHEMA_VERSION,
            }),
        }
    }
}

/// No event is added to the rows in `forgotten`, and none at all if the row 0 is in it: a process that found one before
/// may add it after the person was forgotten.
const FORGET: &str = "\
    CREATE TABLE IF NOT EXISTS forgotten (row INTEGER PRIMARY KEY) STRICT;
    CREATE TRIGGER IF NOT EXISTS no_event_of_forgotten BEFORE INSERT ON event
    WHEN EXISTS (SELECT 1 FROM forgotten WHERE row IN (0, NEW.row))
    BEGIN SELECT RAISE(IGNORE); END;";

impl SqliteEvents {
    /// Whether a description has the address of a person.
    ///
    /// # Errors
    /// The events can't be read.
    pub(crate) fn mentions(&self, person: &Person) -> Result<bool, EventsError> {
        let mut select = self.connection.prepare("SELECT description FROM event")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            if person.is_in(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes people out of the descriptions. The events and their times stay. Returns how many had one.
    ///
    /// # Errors
    /// The events can't be written, or another process reads them.
    pub(crate) fn forget(&mut self, whom: Whom<'_>) -> Result<u64, EventsError> {
        self.connection.pragma_update(None, "secure_delete", "ON")?;
        let behavior = TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(behavior)?;
        transaction.execute_batch(FORGET)?;
        let changed = match whom {
            Whom::Person { person, rows } => forget_rows(&transaction, person, rows)?,
            Whom::Everybody => {
                transaction.execute("INSERT OR IGNORE INTO forgotten (row) VALUES (0)", [])?;
                let sql = "UPDATE event SET description = '' WHERE description <> ''";
                transaction.execute(sql, [])? as u64
            }
        };
        transaction.commit()?;
        match durable::scrub(&self.connection)? {
            true => Ok(changed),
            false => Err(LedgerError::BeingRead(self.path.clone()).into()),
        }
    }
}

fn forget_rows(
    transaction: &Transaction<'_>,
    person: &Person,
    rows: &[u32],
) -> Result<u64, EventsError> {
    let mut changed = 0;
    for row in rows {
        let sql = "INSERT OR IGNORE INTO forgotten (row) VALUES (?)";
        transaction.execute(sql, [row])?;
        let sql = "UPDATE event SET description = '' WHERE row = ? AND description <> ''";
        changed += transaction.execute(sql, [row])?;
    }
    let mut select = transaction.prepare("SELECT row, kind, at, description FROM event")?;
    let mut events = select.query([])?;
    let mut found = Vec::new();
    while let Some(event) = events.next()? {
        let description = event.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?;
        if person.is_in(description) {
            let without = person.taken_out_of(description).into_owned();
            let key: (u32, String, i64) = (event.get(0)?, event.get(1)?, event.get(2)?);
            found.push((key, without));
        }
    }
    for ((row, kind, at), without) in found {
        let sql = "UPDATE event SET description = ? WHERE row = ? AND kind = ? AND at = ?";
        changed += transaction.execute(sql, params![without, row, kind, at])?;
    }
    Ok(changed as u64)
}

/// Derives the states of these rows from their events.
fn update_states(transaction: &Transaction<'_>, rows: BTreeSet<u32>) -> Result<(), EventsError> {
    for row in rows {
        let mut select = transaction.prepare_cached("SELECT kind, at FROM event WHERE row = ?")?;
        let known = select.query_map([row], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
        let mut of_row = Vec::new();
        for event in known {
            let (kind, at) = event?;
            of_row.push((parse_kind(&kind)?, at));
        }
        match state_of(&of_row) {
            Some(state) => {
                let sql = "INSERT OR REPLACE INTO delivery_state (row, state) VALUES (?, ?)";
                let mut replace = transaction.prepare_cached(sql)?;
                replace.execute(params![row, state.as_str()])?;
            }
            None => {
                let sql = "DELETE FROM delivery_state WHERE row = ?";
                transaction.prepare_cached(sql)?.execute([row])?;
            }
        }
    }
    Ok(())
}

impl EventStore for SqliteEvents {
    fn reopen(&self) -> Result<Box<dyn EventStore>, EventsError> {
        let events = Self::connect(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        Ok(Box::new(events))
    }

    fn add(&mut self, events: &[RowEvent], now: Timestamp) -> Result<u64, EventsError> {
        if events.is_empty() {
            return Ok(0);
        }
        let behavior = TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(behavior)?;
        let (mut new, mut rows) = (0, BTreeSet::new());
        for event in events {
            let sql = match event.at {
                Some(_) => {
                    "INSERT OR IGNORE INTO event (row, kind, at, description) VALUES (?1, ?2, ?3, ?4)"
                }
                None => {
                    "INSERT INTO event (row, kind, at, description) SELECT ?1, ?2, ?3, ?4
                     WHERE NOT EXISTS (SELECT 1 FROM event WHERE row = ?1 AND kind = ?2)"
                }
            };
            let at = event.at.unwrap_or(now).as_millisecond();
            let mut insert = transaction.prepare_cached(sql)?;
            let values = params![event.row, event.kind.as_str(), at, event.description];
            if insert.execute(values)? > 0 {
                new += 1;
                rows.insert(event.row);
            }
        }
        update_states(&transaction, rows)?;
        transaction.commit()?;
        Ok(new)
    }

    fn remove(&mut self, event: &RowEvent) -> Result<(), EventsError> {
        let behavior = TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(behavior)?;
        let at = event.at.map(Timestamp::as_millisecond);
        let sql = "DELETE FROM event WHERE row = ? AND kind = ? AND at = ?";
        transaction.execute(sql, params![event.row, event.kind.as_str(), at])?;
        update_states(&transaction, [event.row].into())?;
        Ok(transaction.commit()?)
    }

    fn states(&self, after: u32, last: u32) -> Result<HashMap<u32, EventKind>, EventsError> {
        let sql = "SELECT row, state FROM delivery_state WHERE row > ? AND row <= ?";
        let mut select = self.connection.prepare_cached(sql)?;
        states_in(select.query([after, last])?)
    }

    fn states_of(&self, rows: &[u32]) -> Result<HashMap<u32, EventKind>, EventsError> {
        let sql =
            "SELECT row, state FROM delivery_state WHERE row IN (SELECT value FROM json_each(?))";
        let mut select = self.connection.prepare_cached(sql)?;
        let rows = serde_json::to_string(rows).unwrap_or_default();
        states_in(select.query([rows])?)
    }

    fn counts(&self) -> Result<StateCounts, EventsError> {
        let sql = "SELECT state, count(*) FROM delivery_state GROUP BY state";
        let mut select = self.connection.prepare_cached(sql)?;
        let mut rows = select.query([])?;
        let mut counts = StateCounts::default();
        while let Some(row) = rows.next()? {
            let state = parse_kind(&row.get::<_, String>(0)?)?;
            counts.set(state, row.get::<_, i64>(1)? as u64);
        }
        Ok(counts)
    }

    fn events(&self, after: u32, last: u32) -> Result<Vec<StoredEvent>, EventsError> {
        let sql = "SELECT row, kind, at, description FROM event WHERE row > ? AND row <= ? ORDER BY row, at, kind";
        let mut select = self.connection.prepare_cached(sql)?;
        let mut rows = select.query([after, last])?;
        let mut events = Vec::new();
        while let Some(row) = rows.next()? {
            events.push(StoredEvent {
                row: row.get(0)?,
                kind: parse_kind(&row.get::<_, String>(1)?)?,
                at: from_millis(row.get(2)?)?,
                description: row.get(3)?,
            });
        }
        Ok(events)
    }

    fn followed(&self) -> Result<Followed, EventsError> {
        let sql = "SELECT followed_at, known_before FROM follow";
        let times = self
            .connection
            .query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let (at, known_before): (Option<i64>, Option<i64>) = times;
        Ok(Followed {
            at: at.map(from_millis).transpose()?,
            known_before: known_before.map(from_millis).transpose()?,
        })
    }

    fn set_followed(&mut self, followed: Followed) -> Result<(), EventsError> {
        let millis = |time: Option<Timestamp>| time.map(Timestamp::as_millisecond);
        self.connection.execute(
            "UPDATE follow SET followed_at = ?, known_before = ?",
            params![millis(followed.at), millis(followed.known_before)],
        )?;
        Ok(())
    }
}

fn states_in(mut rows: rusqlite::Rows<'_>) -> Result<HashMap<u32, EventKind>, EventsError> {
    let mut states = HashMap::new();
    while let Some(row) = rows.next()? {
        states.insert(row.get(0)?, parse_kind(&row.get::<_, String>(1)?)?);
    }
    Ok(states)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(row: u32, kind: EventKind, at: Option<i64>) -> RowEvent {
        RowEvent {
            row,
            kind,
            at: at.map(|at| Timestamp::from_second(at).expect("a time")),
            description: "d".to_owned(),
        }
    }

    #[test]
    fn an_event_is_stored_once_and_another_one_changes_the_state() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = path_in(dir.path());
        assert!(SqliteEvents::open(&path).expect("no file").is_none());
        let mut events = SqliteEvents::open_for_writing(&path).expect("a file");
        let now = Timestamp::from_second(99).expect("a time");
        let delivered = event(7, EventKind::Delivered, Some(1));
        let twice = [delivered.clone(), delivered.clone()];
        assert_eq!(events.add(&twice, now).expect("added"), 1);
        assert_eq!(events.add(&twice, now).expect("added"), 0);
        let opens = [1, 2].map(|_| event(7, EventKind::Opened, None));
        assert_eq!(events.add(&opens, now).expect("added"), 1);
        drop(events);
        let events = SqliteEvents::open(&path).expect("a file").expect("events");
        assert_eq!(
            events.states(0, 9).expect("states"),
            [(7, EventKind::Opened)].into()
        );
        assert_eq!(events.states(7, 9).expect("states"), [].into());
        assert_eq!(events.counts().expect("counts").of(EventKind::Opened), 1);
        let times: Vec<_> = events
            .events(0, 9)
            .expect("events")
            .iter()
            .map(|it| it.at.as_second())
            .collect();
        assert_eq!(times, [1, 99]);
        assert_eq!(events.followed().expect("followed"), Followed::default());
    }

    #[test]
    fn an_event_that_is_removed_leaves_the_state_that_was_there_before() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut events = SqliteEvents::open_for_writing(&path_in(dir.path())).expect("a file");
        let now = Timestamp::from_second(99).expect("a time");
        let unsubscribed = event(7, EventKind::Unsubscribed, Some(5));
        let state = |events: &SqliteEvents| events.states(0, 9).expect("states").remove(&7);
        for (first, before) in [
            (None, None),
            (Some(EventKind::Opened), Some(EventKind::Opened)),
        ] {
            let first = first.map(|kind| event(7, kind, Some(1)));
            events.add(first.as_slice(), now).expect("added");
            events
                .add(std::slice::from_ref(&unsubscribed), now)
                .expect("added");
            assert_eq!(state(&events), Some(EventKind::Unsubscribed));
            let other = event(7, EventKind::Unsubscribed, Some(6));
            events.remove(&other).expect("nothing is removed");
            assert_eq!(state(&events), Some(EventKind::Unsubscribed));
            events.remove(&unsubscribed).expect("removed");
            assert_eq!(state(&events), before);
        }
    }

    #[test]
    fn no_event_of_a_forgotten_row_is_added() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut events = SqliteEvents::open_for_writing(&path_in(dir.path())).expect("a file");
        let now = Timestamp::from_second(99).expect("a time");
        let (old, other) = (
            event(7, EventKind::Delivered, Some(1)),
            event(8, EventKind::Delivered, Some(1)),
        );
        assert_eq!(events.add(&[old], now).expect("added"), 1);
        let person = Person::new(&"d@one.example".parse().expect("an address"));
        let whom = Whom::Person {
            person: &person,
            rows: &[7],
        };
        assert_eq!(events.forget(whom).expect("forgotten"), 1);
        let late = event(7, EventKind::Complaint, Some(2));
        assert_eq!(events.add(&[late.clone(), other], now).expect("added"), 1);
        assert_eq!(events.events(6, 7).expect("events").len(), 1);
        let states = events.states(0, 9).expect("states");
        assert_eq!(states[&7], EventKind::Delivered);
        assert_eq!(events.forget(Whom::Everybody).expect("forgotten"), 1);
        let none = event(9, EventKind::Opened, None);
        assert_eq!(events.add(&[none, late], now).expect("added"), 0);
        assert_eq!(events.counts().expect("counts").total(), 2);
    }

    #[test]
    fn an_empty_file_has_no_events_and_another_file_is_an_error() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = path_in(dir.path());
        std::fs::write(&path, "").expect("a file");
        assert!(SqliteEvents::open(&path).expect("it is empty").is_none());
        SqliteEvents::open_for_writing(&path).expect("tables");
        assert!(SqliteEvents::open(&path).expect("a file").is_some());
        std::fs::write(&path, "hello, this is no database at all").expect("a file");
        let error = SqliteEvents::open(&path).err().expect("an error");
        assert!(matches!(error, EventsError::NotEvents(_)), "{error}");
    }
}
