//! Finds addresses that an earlier row has. Of each address only a few bytes are kept: in memory, and
//! in a temporary file once a list is too long.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use hashbrown::HashTable;
use rusqlite::{Connection, OptionalExtension};

use crate::spill::{self, SpillError};

/// How many are kept in memory: as many as fit into a table of 13 MiB.
const MAX_IN_MEMORY: usize = (1 << 20) / 8 * 7;

const SCHEMA: &str = "CREATE TABLE address (hash INTEGER PRIMARY KEY, first INTEGER NOT NULL)";
const FIND: &str = "SELECT first FROM address WHERE hash = ?1";
const ADD: &str = "INSERT INTO address (hash, first) VALUES (?1, ?2)";

/// The hash of each address, and the first row that has it. `address_of` returns the address of an
/// earlier row.
pub(super) struct AddressIndex<S = RandomState> {
    hasher: S,
    recent: HashTable<IndexEntry>,
    /// The most entries of `recent`.
    most: usize,
    /// The entries before those in `recent`.
    spilled: Option<Mutex<Connection>>,
    /// Addresses whose hash is that of another address.
    collisions: HashMap<String, u32>,
}

/// The hash is split in two so that an entry takes 12 bytes and not 16.
struct IndexEntry {
    hash: [u32; 2],
    row: u32,
}

impl IndexEntry {
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

impl<S: Default> Default for AddressIndex<S> {
    fn default() -> Self {
        Self::with_most(MAX_IN_MEMORY)
    }
}

impl<S: Default> AddressIndex<S> {
    fn with_most(most: usize) -> Self {
        Self {
            hasher: S::default(),
            recent: HashTable::new(),
            most,
            spilled: None,
            collisions: HashMap::new(),
        }
    }
}

impl<S: BuildHasher> AddressIndex<S> {
    /// The first row with this address. If there is none, `row` becomes it.
    ///
    /// # Errors
    /// Those of `address_of`, or the temporary file can't be read or written.
    pub(super) fn find_or_insert<E: From<SpillError>>(
        &mut self,
        address: &str,
        row: u32,
        address_of: impl FnOnce(u32) -> Result<Option<String>, E>,
    ) -> Result<Option<u32>, E> {
        let hash = self.hasher.hash_one(address);
        let same_hash = self.find_hash(hash)?;
        let first = self.compare(same_hash, address, address_of)?;
        match (first, same_hash) {
            (Some(_), _) => {}
            (None, Some(_)) => {
                self.collisions.insert(address.to_owned(), row);
            }
            (None, None) => self.insert(hash, row)?,
        }
        Ok(first)
    }

    /// The first row with this address.
    ///
    /// # Errors
    /// Those of `address_of`, or the temporary file can't be read.
    pub(super) fn find<E: From<SpillError>>(
        &self,
        address: &str,
        address_of: impl FnOnce(u32) -> Result<Option<String>, E>,
    ) -> Result<Option<u32>, E> {
        let same_hash = self.find_hash(self.hasher.hash_one(address))?;
        self.compare(same_hash, address, address_of)
    }

    /// The first row with this address; `same_hash` is the first row whose address has its hash.
    fn compare<E>(
        &self,
        same_hash: Option<u32>,
        address: &str,
        address_of: impl FnOnce(u32) -> Result<Option<String>, E>,
    ) -> Result<Option<u32>, E> {
        let Some(row) = same_hash else {
            return Ok(None);
        };
        if address_of(row)?.as_deref() == Some(address) {
            return Ok(Some(row));
        }
        Ok(self.collisions.get(address).copied())
    }

    fn find_hash(&self, hash: u64) -> Result<Option<u32>, SpillError> {
        let recent = self.recent.find(hash, |entry| entry.hash() == hash);
        match (recent, &self.spilled) {
            (Some(entry), _) => Ok(Some(entry.row)),
            (None, None) => Ok(None),
            (None, Some(spilled)) => {
                let spilled = spilled.lock().unwrap_or_else(PoisonError::into_inner);
                let mut find = spilled.prepare_cached(FIND)?;
                Ok(find.query_row([key(hash)], |row| row.get(0)).optional()?)
            }
        }
    }

    fn insert(&mut self, hash: u64, row: u32) -> Result<(), SpillError> {
        if self.recent.len() >= self.most {
            self.spill()?;
        }
        let entry = IndexEntry::new(hash, row);
        self.recent.insert_unique(hash, entry, IndexEntry::hash);
        Ok(())
    }

    /// Moves the entries in memory to the file.
    fn spill(&mut self) -> Result<(), SpillError> {
        let file = match self.spilled.take() {
            Some(file) => file,
            None => Mutex::new(spill::open(SCHEMA)?),
        };
        let file = self.spilled.insert(file);
        let file = file.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Sorted, so that each page of the file is changed once.
        let mut entries: Vec<IndexEntry> = self.recent.drain().collect();
        entries.sort_unstable_by_key(|entry| key(entry.hash()));
        let mut add = file.prepare_cached(ADD)?;
        for entry in entries {
            add.execute((key(entry.hash()), entry.row))?;
        }
        Ok(())
    }
}

/// SQLite has no unsigned integers.
fn key(hash: u64) -> i64 {
    hash.cast_signed()
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasherDefault, Hasher};

    use super::*;

    /// Hashes everything to the same value.
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

    /// The earlier row of each address, and the first row of some, with `most` of them in memory.
    fn earlier<S: BuildHasher + Default>(most: usize) -> (Vec<Option<u32>>, Vec<Option<u32>>) {
        let mut index = AddressIndex::<S>::with_most(most);
        let rows = ADDRESSES.iter().zip(1..);
        let before = rows.map(|(address, row)| index.find_or_insert(address, row, address_of));
        let before = before.collect::<Result<_, _>>().expect("no error");
        let first = ["a@x", "c@x", "d@x"].map(|address| index.find(address, address_of));
        let first = first.into_iter().collect::<Result<_, _>>();
        let spilled = index.spilled.is_some();
        assert_eq!(spilled, most + index.collisions.len() < 3, "{most}");
        (before, first.expect("no error"))
    }

    #[test]
    fn addresses_are_compared_whatever_their_hashes_and_wherever_they_are_kept() {
        let before = vec![None, None, Some(1), None, Some(2), Some(4), Some(1)];
        let expected = (before, vec![Some(1), Some(4), None]);
        for most in [1, 2, 3] {
            assert_eq!(earlier::<RandomState>(most), expected);
            assert_eq!(earlier::<BuildHasherDefault<Same>>(most), expected);
        }
    }
}
