//! A list in a file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, Row, Transaction, TransactionBehavior, params};

use super::entry::{Entry, Reason};
use super::hash::{AddressHash, KEY_LENGTH};
use super::history::{History, StoredEntry};
use super::store::{
    EntryPosition, Histories, ListError, ListStore, changed, entry_of, parse_hash, parse_key,
    parse_reason,
};
use crate::durable;

/// The version of the schema, in SQLite's `user_version`.
const SCHEMA_VERSION: i64 = 1;
/// Marks a SQLite file as a list, in SQLite's `application_id`.
const APPLICATION_ID: i64 = 0x6d61_6c69;
/// How long to wait for another process that has the file locked.
const BUSY: Duration = Duration::from_secs(10);

/// Times are milliseconds since 1970. `hash` is the keyed hash of an address.
const SCHEMA: &str = "\
    CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 1), hash_key BLOB NOT NULL) STRICT;
    CREATE TABLE entry (
      hash    BLOB NOT NULL,
      reason  TEXT NOT NULL,
      address TEXT,
      source  TEXT NOT NULL,
      at      INTEGER NOT NULL,
      note    TEXT NOT NULL,
      counted INTEGER NOT NULL,
      PRIMARY KEY (hash, reason)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE removal (
      hash BLOB NOT NULL, reason TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (hash, reason)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE soft_bounce (
      hash BLOB NOT NULL, message TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (hash, message)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE delivery (hash BLOB PRIMARY KEY, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;";

pub(super) struct SqliteList {
    connection: Connection,
    path: PathBuf,
    key: [u8; KEY_LENGTH],
}

impl SqliteList {
    /// Opens the file for reading; `None` if there is no list.
    ///
    /// # Errors
    /// It is not a list that this version reads.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, ListError> {
        Self::open_with(path, OpenFlags::SQLITE_OPEN_READ_ONLY, |_| Ok(()))
    }

    /// Opens the file for writing; `None` if there is no list.
    ///
    /// # Errors
    /// It is not a list that this version writes, or it can't be written.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, ListError> {
        Self::open_with(path, OpenFlags::SQLITE_OPEN_READ_WRITE, |connection| {
            make_durable(path, connection)
        })
    }

    fn open_with(
        path: &Path,
        mode: OpenFlags,
        prepare: impl FnOnce(&Connection) -> Result<(), ListError>,
    ) -> Result<Option<Self>, ListError> {
        if !path.is_file() {
            return Ok(None);
        }
        let connection = connect(path, mode)?;
        if !is_complete(path, &connection)? {
            return Ok(None);
        }
        prepare(&connection)?;
        let key = key_of(&connection).map_err(failed(path))?;
        Ok(Some(Self {
            key: parse_key(&key)?,
            connection,
            path: path.to_owned(),
        }))
    }

    /// Creates the list, unless another process has created it in the meantime.
    ///
    /// # Errors
    /// It can't be written.
    pub(super) fn create(path: &Path) -> Result<Self, ListError> {
        let not_created = |error| ListError::NotCreated {
            path: path.to_owned(),
            error,
        };
        let dir = path.parent().unwrap_or(Path::new(""));
        if !dir.as_os_str().is_empty() && !dir.exists() {
            durable::make_dir(dir).map_err(not_created)?;
            // Addresses of people don't belong into a repository.
            std::fs::write(dir.join(".gitignore"), "*\n").map_err(not_created)?;
        }
        let mode = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let mut connection = connect(path, mode)?;
        is_complete(path, &connection)?;
        make_durable(path, &connection)?;
        let created = create_tables(&mut connection);
        let key = created
            .and_then(|()| key_of(&connection))
            .map_err(failed(path))?;
        durable::sync_dir(dir).map_err(not_created)?;
        Ok(Self {
            key: parse_key(&key)?,
            connection,
            path: path.to_owned(),
        })
    }

    fn failed(&self) -> impl Fn(rusqlite::Error) -> ListError + use<> {
        failed(&self.path)
    }
}

fn failed(path: &Path) -> impl Fn(rusqlite::Error) -> ListError + use<> {
    let path = path.to_owned();
    move |error| ListError::Sqlite {
        path: path.clone(),
        error,
    }
}

fn connect(path: &Path, mode: OpenFlags) -> Result<Connection, ListError> {
    let flags = mode | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed(path))?;
    connection.busy_timeout(BUSY).map_err(failed(path))?;
    Ok(connection)
}

fn make_durable(path: &Path, connection: &Connection) -> Result<(), ListError> {
    let set = |name, value: &str| connection.pragma_update(None, name, value);
    set("synchronous", "FULL")
        .and_then(|()| set("fullfsync", "ON"))
        .map_err(failed(path))?;
    durable::write_ahead(connection).map_err(|error| ListError::WriteAhead {
        path: path.to_owned(),
        error,
    })
}

fn create_tables(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have created them.
    let tables: i64 =
        transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        transaction.execute_batch(SCHEMA)?;
        let key: [u8; KEY_LENGTH] = rand::random();
        transaction.execute("INSERT INTO meta (id, hash_key) VALUES (1, ?)", [&key[..]])?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    }
    transaction.commit()
}

fn key_of(connection: &Connection) -> rusqlite::Result<Vec<u8>> {
    connection.query_row("SELECT hash_key FROM meta", [], |row| row.get(0))
}

/// Whether the file has the tables. It has none if its process died before it created them.
fn is_complete(path: &Path, connection: &Connection) -> Result<bool, ListError> {
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let not_a_list = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => ListError::NotAList(path.to_owned()),
        _ => failed(path)(error),
    };
    let tables = number("SELECT count(*) FROM sqlite_schema").map_err(not_a_list)?;
    let application = number("PRAGMA application_id").map_err(failed(path))?;
    if tables == 0 && application == 0 {
        return Ok(false);
    }
    if application != APPLICATION_ID {
        return Err(ListError::NotAList(path.to_owned()));
    }
    match number("PRAGMA user_version").map_err(failed(path))? {
        SCHEMA_VERSION => Ok(true),
        found => Err(ListError::Version {
            path: path.to_owned(),
            found,
            known: SCHEMA_VERSION,
        }),
    }
}

const HISTORY_ENTRIES: &str =
    "SELECT reason, address, source, at, note, counted FROM entry WHERE hash = ?";

/// What is known of an address. Names are not checked yet.
fn load(connection: &Connection, hash: &AddressHash) -> rusqlite::Result<RawHistory> {
    let pairs = |sql: &str| {
        let mut select = connection.prepare_cached(sql)?;
        let rows = select.query_map([&hash[..]], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect::<rusqlite::Result<Vec<(String, i64)>>>()
    };
    let mut select = connection.prepare_cached(HISTORY_ENTRIES)?;
    let entries = select.query_map([&hash[..]], |row| Ok((row.get(0)?, stored(row, 1)?)))?;
    let entries = entries.collect::<rusqlite::Result<_>>()?;
    let mut select = connection.prepare_cached("SELECT at FROM delivery WHERE hash = ?")?;
    let mut deliveries = select.query([&hash[..]])?;
    let last_delivery = deliveries.next()?.map(|row| row.get(0)).transpose()?;
    Ok(RawHistory {
        entries,
        removals: pairs("SELECT reason, at FROM removal WHERE hash = ?")?,
        soft_bounces: pairs("SELECT message, at FROM soft_bounce WHERE hash = ?")?,
        last_delivery,
    })
}

struct RawHistory {
    entries: Vec<(String, StoredEntry)>,
    removals: Vec<(String, i64)>,
    soft_bounces: Vec<(String, i64)>,
    last_delivery: Option<i64>,
}

impl RawHistory {
    fn parse(self) -> Result<History, ListError> {
        let entries = self.entries.into_iter();
        let removals = self.removals.into_iter();
        Ok(History {
            entries: entries
                .map(|(name, entry)| Ok((parse_reason(&name)?, entry)))
                .collect::<Result<_, ListError>>()?,
            removals: removals
                .map(|(name, at)| Ok((parse_reason(&name)?, at)))
                .collect::<Result<_, ListError>>()?,
            soft_bounces: self.soft_bounces.into_iter().collect(),
            last_delivery: self.last_delivery,
        })
    }
}

/// The columns from `first` on: address, source, at, note, counted.
fn stored(row: &Row<'_>, first: usize) -> rusqlite::Result<StoredEntry> {
    Ok(StoredEntry {
        address: row.get(first)?,
        source: row.get(first + 1)?,
        at: row.get(first + 2)?,
        note: row.get(first + 3)?,
        counted: row.get(first + 4)?,
    })
}

fn save(
    transaction: &Transaction<'_>,
    hash: &AddressHash,
    history: &History,
) -> rusqlite::Result<()> {
    let hash = &hash[..];
    let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
        transaction.prepare_cached(sql)?.execute(values).map(drop)
    };
    run("DELETE FROM entry WHERE hash = ?", &[&hash])?;
    run("DELETE FROM removal WHERE hash = ?", &[&hash])?;
    run("DELETE FROM soft_bounce WHERE hash = ?", &[&hash])?;
    for (reason, entry) in &history.entries {
        let sql = "INSERT INTO entry (hash, reason, address, source, at, note, counted) VALUES (?, ?, ?, ?, ?, ?, ?)";
        transaction.prepare_cached(sql)?.execute(params![
            hash,
            reason.as_str(),
            entry.address,
            entry.source,
            entry.at,
            entry.note,
            entry.counted
        ])?;
    }
    for (reason, at) in &history.removals {
        let sql = "INSERT INTO removal (hash, reason, at) VALUES (?, ?, ?)";
        run(sql, &[&hash, &reason.as_str(), at])?;
    }
    for (message, at) in &history.soft_bounces {
        let sql = "INSERT INTO soft_bounce (hash, message, at) VALUES (?, ?, ?)";
        run(sql, &[&hash, message, at])?;
    }
    if let Some(at) = &history.last_delivery {
        let sql = "INSERT OR REPLACE INTO delivery (hash, at) VALUES (?, ?)";
        run(sql, &[&hash, at])?;
    }
    Ok(())
}

impl ListStore for SqliteList {
    fn key(&self) -> [u8; KEY_LENGTH] {
        self.key
    }

    fn change(
        &mut self,
        hashes: &[AddressHash],
        change: &mut dyn FnMut(&mut Histories),
    ) -> Result<(), ListError> {
        let failed = self.failed();
        let behavior = TransactionBehavior::Immediate;
        let transaction = self
            .connection
            .transaction_with_behavior(behavior)
            .map_err(&failed)?;
        let mut before = Histories::new();
        for hash in hashes {
            if before.contains_key(hash) {
                continue;
            }
            let history = load(&transaction, hash).map_err(&failed)?;
            before.insert(*hash, history.parse()?);
        }
        let mut after = before.clone();
        change(&mut after);
        for (hash, history) in changed(&before, &after) {
            save(&transaction, hash, history).map_err(&failed)?;
        }
        transaction.commit().map_err(&failed)
    }

    fn history(&self, hash: &AddressHash) -> Result<History, ListError> {
        load(&self.connection, hash).map_err(self.failed())?.parse()
    }

    fn entries(
        &self,
        after: Option<EntryPosition>,
        most: u32,
    ) -> Result<Vec<(EntryPosition, Entry)>, ListError> {
        let failed = self.failed();
        let (hash, reason) = after.map_or((Vec::new(), ""), |after| {
            (after.hash.to_vec(), after.reason.as_str())
        });
        let sql = "SELECT hash, reason, address, source, at, note, counted FROM entry
             WHERE (hash, reason) > (?, ?) ORDER BY hash, reason LIMIT ?";
        let mut select = self.connection.prepare_cached(sql).map_err(&failed)?;
        let rows = select.query_map(params![hash, reason, most], |row| {
            let place: (Vec<u8>, String) = (row.get(0)?, row.get(1)?);
            Ok((place, stored(row, 2)?))
        });
        let mut entries = Vec::new();
        for row in rows.map_err(&failed)? {
            let ((hash, reason), stored) = row.map_err(&failed)?;
            let (hash, reason) = (parse_hash(&hash)?, parse_reason(&reason)?);
            let position = EntryPosition { hash, reason };
            entries.push((position, entry_of(reason, stored)?));
        }
        Ok(entries)
    }

    fn scrub(&self) -> Result<(), ListError> {
        match durable::scrub(&self.connection).map_err(self.failed())? {
            true => Ok(()),
            false => Err(ListError::BeingRead(self.path.clone())),
        }
    }

    fn each_reason(&self, each: &mut dyn FnMut(AddressHash, Reason)) -> Result<(), ListError> {
        let failed = self.failed();
        let sql = "SELECT hash, reason FROM entry";
        let mut select = self.connection.prepare_cached(sql).map_err(&failed)?;
        let mut rows = select.query([]).map_err(&failed)?;
        while let Some(row) = rows.next().map_err(&failed)? {
            let hash: Vec<u8> = row.get(0).map_err(&failed)?;
            let reason: String = row.get(1).map_err(&failed)?;
            each(parse_hash(&hash)?, parse_reason(&reason)?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::address::Address;
    use crate::api::EventKind;
    use crate::suppression::{DeliveryEvent, KeptList, ListPlace, NewEntry};

    fn address(text: &str) -> Address {
        Address::parse(text).expect("an address")
    }

    fn time(at: i64) -> Timestamp {
        Timestamp::from_second(at).expect("a time")
    }

    fn manual(text: &str, at: i64) -> NewEntry {
        NewEntry {
            address: address(text),
            reason: Reason::Manual,
            source: "command line".to_owned(),
            at: time(at),
            note: String::new(),
        }
    }

    #[test]
    fn what_one_connection_writes_another_one_reads() {
        let dir = tempfile::tempdir().expect("a folder");
        let place = ListPlace::File(dir.path().join("lists").join("acme.db"));
        assert!(KeptList::read(&place).expect("no file").is_none());
        let (mut list, created) = KeptList::create(&place).expect("a list");
        assert!(created);
        let (mut second, created) = KeptList::create(&place).expect("the list");
        assert!(!created);
        let entries = [manual("Ann@One.example", 7), manual("ann@one.example", 5)];
        assert_eq!(list.add(&entries).expect("added"), [true, false]);
        let bounce = DeliveryEvent {
            address: address("ann@one.example"),
            kind: EventKind::HardBounce,
            at: time(6),
            message: "m".to_owned(),
            description: "550 no such user".to_owned(),
        };
        let events = [bounce];
        assert_eq!(second.record(&events, "follow", 3).expect("recorded"), 0);
        assert_eq!(second.record(&events, "follow", 3).expect("recorded"), 0);
        let of_ann = list
            .entries_of(&address("ANN@one.example"))
            .expect("entries");
        let of_ann: Vec<_> = of_ann.iter().map(|it| (it.reason, it.at)).collect();
        assert_eq!(
            of_ann,
            [(Reason::HardBounce, time(6)), (Reason::Manual, time(5))]
        );
        let read = KeptList::read(&place).expect("a file").expect("a list");
        let suppressed = read.suppressed().expect("addresses");
        let reason = |text: &str| suppressed.reason_of(&address(text));
        assert_eq!(reason("ann@one.example"), Some(Reason::HardBounce));
        assert_eq!(reason("bob@one.example"), None);
        let (position, first) = list.entries(None, 1).expect("entries").remove(0);
        let rest = list.entries(Some(position), 9).expect("entries");
        assert_eq!((first.reason, rest.len()), (Reason::HardBounce, 1));
        let removed = list
            .remove(&address("ann@one.example"), Some(Reason::Manual), time(8))
            .expect("removed");
        assert_eq!(removed.len(), 1);
        assert_eq!(second.entries(None, 9).expect("entries").len(), 1);
    }

    #[test]
    fn another_file_and_a_newer_list_are_errors() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("acme.db");
        std::fs::write(&path, "").expect("a file");
        let place = ListPlace::File(path.clone());
        assert!(KeptList::open(&place).expect("it is empty").is_none());
        KeptList::create(&place).expect("a list");
        let other = Connection::open(&path).expect("a file");
        other.pragma_update(None, "user_version", 9).expect("set");
        let error = KeptList::open(&place).err().expect("an error");
        assert!(error.to_string().contains("a newer mailrun"), "{error}");
        let path = dir.path().join("other.db");
        std::fs::write(&path, "hello, this is no database at all").expect("a file");
        let error = KeptList::open(&ListPlace::File(path))
            .err()
            .expect("an error");
        assert!(matches!(error, ListError::NotAList(_)), "{error}");
    }
}
