//! Addresses that have come before. A few bytes of each are kept: in memory, of a long list the last
//! ones, and the others in a temporary file.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use hashbrown::HashTable;
use rusqlite::{Connection, OptionalExtension};

use crate::spill::{self, SpillError};

/// How many are kept in memory: what fills a table of 13 MiB.
const MOST: usize = (1 << 20) / 8 * 7;

const SCHEMA: &str = "CREATE TABLE seen (hash INTEGER PRIMARY KEY, first INTEGER NOT NULL)";
const FIND: &str = "SELECT first FROM seen WHERE hash = ?1";
const ADD: &str = "INSERT INTO seen (hash, first) VALUES (?1, ?2)";

/// The addresses that have come, each by its hash and the first row that has it.
pub(super) struct Seen<S = RandomState> {
    hasher: S,
    rows: HashTable<Entry>,
    /// How many `rows` may have.
    most: usize,
    /// Those that came before the ones in `rows`.
    written: Option<Mutex<Connection>>,
    /// Addresses whose hash is that of another one.
    clashes: HashMap<String, u32>,
}

/// The hash of an address in two halves, which take less room than it as one, and a row.
struct Entry {
    hash: [u32; 2],
    row: u32,
}

impl Entry {
    fn new(hash: u64, row: u32) -> Self {
        Self {
            hash: [(hash >> 32) as u32, hash as u32],
            row,
        }
    }

    fn hash(&self) -> u64 {
        let [high, low] = self.hash.map(u64::from);
        high << 32 | low
    }
}

impl<S: Default> Default for Seen<S> {
    fn default() -> Self {
        Self::with_most(MOST)
    }
}

impl<S: Default> Seen<S> {
    fn with_most(most: usize) -> Self {
        Self {
            hasher: S::default(),
            rows: HashTable::new(),
            most,
            written: None,
            clashes: HashMap::new(),
        }
    }
}

impl<S: BuildHasher> Seen<S> {
    /// The row that has this address already; else it is remembered. `address_of` gives the address
    /// of an earlier row.
    ///
    /// # Errors
    /// What `address_of` says, or when the temporary file can't be read or written.
    pub(super) fn before<E: From<SpillError>>(
        &mut self,
        address: &str,
        row: u32,
        address_of: impl FnOnce(u32) -> Result<Option<String>, E>,
    ) -> Result<Option<u32>, E> {
        let hash = self.hasher.hash_one(address);
        let alike = self.alike(hash)?;
        let first = self.first_of(alike, address, address_of)?;
        match (first, alike) {
            (Some(_), _) => {}
            (None, Some(_)) => {
                self.clashes.insert(address.to_owned(), row);
            }
            (None, None) => self.remember(hash, row)?,
        }
        Ok(first)
    }

    /// The first row that has this address.
    ///
    /// # Errors
    /// What `address_of` says, or when the temporary file can't be read.
    pub(super) fn first<E: From<SpillError>>(
        &self,
        address: &str,
        address_of: impl FnOnce(u32) -> Result<Option<String>, E>,
    ) -> Result<Option<u32>, E> {
        let alike = self.alike(self.hasher.hash_one(address))?;
        self.first_of(alike, address, address_of)
    }

    /// The first row that has this address; `alike` is the first whose address has its hash.
    fn first_of<E>(
        &self,
        alike: Option<u32>,
        address: &str,
        address_of: impl FnOnce(u32) -> Result<Option<String>, E>,
    ) -> Result<Option<u32>, E> {
        let Some(alike) = alike else {
            return Ok(None);
        };
        if address_of(alike)?.as_deref() == Some(address) {
            return Ok(Some(alike));
        }
        Ok(self.clashes.get(address).copied())
    }

    /// The first row whose address has this hash.
    fn alike(&self, hash: u64) -> Result<Option<u32>, SpillError> {
        let found = self.rows.find(hash, |entry| entry.hash() == hash);
        match (found, &self.written) {
            (Some(entry), _) => Ok(Some(entry.row)),
            (None, None) => Ok(None),
            (None, Some(written)) => {
                let written = written.lock().unwrap_or_else(PoisonError::into_inner);
                let mut find = written.prepare_cached(FIND)?;
                Ok(find.query_row([key(hash)], |row| row.get(0)).optional()?)
            }
        }
    }

    fn remember(&mut self, hash: u64, row: u32) -> Result<(), SpillError> {
        if self.rows.len() >= self.most {
            self.write()?;
        }
        let entry = Entry::new(hash, row);
        self.rows.insert_unique(hash, entry, Entry::hash);
        Ok(())
    }

    /// Moves those in memory to the file.
    fn write(&mut self) -> Result<(), SpillError> {
        let file = match self.written.take() {
            Some(file) => file,
            None => Mutex::new(spill::open(SCHEMA)?),
        };
        let file = self.written.insert(file);
        let file = file.get_mut().unwrap_or_else(PoisonError::into_inner);
        // In the order of the file, every page of it is changed once.
        let mut entries: Vec<Entry> = self.rows.drain().collect();
        entries.sort_unstable_by_key(|entry| key(entry.hash()));
        let mut add = file.prepare_cached(ADD)?;
        for entry in entries {
            add.execute((key(entry.hash()), entry.row))?;
        }
        Ok(())
    }
}

/// SQLite has no integers without a sign.
fn key(hash: u64) -> i64 {
    hash.cast_signed()
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasherDefault, Hasher};

    use super::*;

    /// Everything has the same hash.
    #[derive(Default)]
    struct Same;

    impl Hasher for Same {
        fn write(&mut self, _: &[u8]) {}

        fn finish(&self) -> u64 {
            u64::MAX - 7
        }
    }

    const ADDRESSES: [&str; 7] = ["a@x", "b@x", "a@x", "c@x", "b@x", "c@x", "a@x"];

    fn address_of(row: u32) -> Result<Option<String>, SpillError> {
        Ok(ADDRESSES.get(row as usize - 1).map(ToString::to_string))
    }

    /// The earlier row of each, and the first of some, with so many in memory.
    fn earlier<S: BuildHasher + Default>(most: usize) -> (Vec<Option<u32>>, Vec<Option<u32>>) {
        let mut seen = Seen::<S>::with_most(most);
        let rows = ADDRESSES.iter().zip(1..);
        let before = rows.map(|(address, row)| seen.before(address, row, address_of));
        let before = before.collect::<Result<_, _>>().expect("no error");
        let first = ["a@x", "c@x", "d@x"].map(|address| seen.first(address, address_of));
        let first = first.into_iter().collect::<Result<_, _>>();
        let written = seen.written.is_some();
        assert_eq!(written, most + seen.clashes.len() < 3, "{most}");
        (before, first.expect("no error"))
    }

    #[test]
    fn addresses_are_told_apart_whatever_their_hashes_and_wherever_they_are_kept() {
        let before = vec![None, None, Some(1), None, Some(2), Some(4), Some(1)];
        let wanted = (before, vec![Some(1), Some(4), None]);
        for most in [1, 2, 3] {
            assert_eq!(earlier::<RandomState>(most), wanted);
            assert_eq!(earlier::<BuildHasherDefault<Same>>(most), wanted);
        }
    }
}
