//! A list, wherever it is kept.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use super::entry::{DeliveryEvent, Entry, NewEntry, Reason};
use super::hash::{AddressHash, HashKey};
use super::postgres::PostgresList;
use super::sqlite::SqliteList;
use super::store::{EntryPosition, Histories, ListError, ListStore, entry_of};
use super::suppressed::SuppressedAddresses;
use crate::address::Address;
use crate::ledger::postgres::Database;
use crate::list_name::ListName;

/// How many addresses are changed in one transaction.
const BATCH: usize = 2_000;

#[derive(Clone)]
pub(crate) enum ListPlace {
    File(PathBuf),
    Ledger(Arc<Database>, ListName),
}

impl fmt::Display for ListPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Ledger(database, name) => write!(f, "{name} in the ledger {}", database.url()),
        }
    }
}

/// A list. Several processes may use it at the same time. All methods fail if it can't be read or written; what they
/// change is durable when they return.
pub(crate) struct KeptList {
    store: Box<dyn ListStore>,
    key: HashKey,
}

impl KeptList {
    /// Opens a list to read it; `None` if there is none.
    pub(crate) fn read(place: &ListPlace) -> Result<Option<Self>, ListError> {
        match place {
            ListPlace::File(path) => Ok(SqliteList::read(path)?.map(Self::of)),
            ListPlace::Ledger(..) => Self::open(place),
        }
    }

    /// Opens a list to change it; `None` if there is none.
    pub(crate) fn open(place: &ListPlace) -> Result<Option<Self>, ListError> {
        match place {
            ListPlace::File(path) => Ok(SqliteList::open(path)?.map(Self::of)),
            ListPlace::Ledger(database, name) => {
                Ok(PostgresList::open(database, name)?.map(Self::of))
            }
        }
    }

    /// Opens a list to change it, and creates it if it is missing. Returns whether it was.
    pub(crate) fn create(place: &ListPlace) -> Result<(Self, bool), ListError> {
        if let Some(list) = Self::open(place)? {
            return Ok((list, false));
        }
        let list = match place {
            ListPlace::File(path) => Self::of(SqliteList::create(path)?),
            ListPlace::Ledger(database, name) => Self::of(PostgresList::create(database, name)?),
        };
        Ok((list, true))
    }

    fn of(store: impl ListStore + 'static) -> Self {
        let key = HashKey::new(&store.key());
        Self {
            store: Box::new(store),
            key,
        }
    }

    /// Adds entries, whatever was removed before. An entry whose address and reason are on the list changes nothing, but
    /// the earlier time counts. Returns for each entry whether it is new.
    pub(crate) fn add(&mut self, entries: &[NewEntry]) -> Result<Vec<bool>, ListError> {
        let mut new = Vec::with_capacity(entries.len());
        for batch in entries.chunks(BATCH) {
            let hashes: Vec<_> = batch.iter().map(|it| self.key.hash(&it.address)).collect();
            self.store.change(&hashes, &mut |histories| {
                for (entry, hash) in batch.iter().zip(&hashes) {
                    new.push(histories.entry(*hash).or_default().add(entry));
                }
            })?;
        }
        Ok(new)
    }

    /// Records what became of messages, and suppresses addresses by the rules of [`History`](super::history::History).
    /// Events may be recorded in any order and again. Reasons that were removed after an event don't come back with it.
    /// Returns how many addresses were not suppressed before and are now.
    pub(crate) fn record(
        &mut self,
        events: &[DeliveryEvent],
        source: &str,
        soft_limit: u32,
    ) -> Result<u64, ListError> {
        let mut suppressed = 0;
        for batch in events.chunks(BATCH) {
            let hashes: Vec<_> = batch.iter().map(|it| self.key.hash(&it.address)).collect();
            self.store.change(&hashes, &mut |histories| {
                let before = suppressed_in(histories);
                for (event, hash) in batch.iter().zip(&hashes) {
                    let history = histories.entry(*hash).or_default();
                    history.record(event, source, soft_limit);
                }
                let after = suppressed_in(histories);
                suppressed += after.difference(&before).count() as u64;
            })?;
        }
        Ok(suppressed)
    }

    /// Removes the entry of an address with this reason, or all of them, and returns them. Events up to `now` don't
    /// suppress the address for these reasons again.
    pub(crate) fn remove(
        &mut self,
        address: &Address,
        reason: Option<Reason>,
        now: Timestamp,
    ) -> Result<Vec<Entry>, ListError> {
        let mut removed = Vec::new();
        self.change_one(address, |history| {
            removed = history.remove(reason, now.as_millisecond());
        })?;
        removed
            .into_iter()
            .map(|(reason, stored)| entry_of(reason, stored))
            .collect()
    }

    /// Removes exactly the entry of an address that has this reason and this time. Returns whether there was one.
    pub(crate) fn undo(
        &mut self,
        address: &Address,
        reason: Reason,
        at: Timestamp,
    ) -> Result<bool, ListError> {
        let mut undone = false;
        self.change_one(address, |history| {
            undone = history.undo(reason, at.as_millisecond());
        })?;
        Ok(undone)
    }

    /// Keeps only the keyed hash of an address: it stays suppressed. Returns whether it is on the list.
    pub(crate) fn forget(&mut self, address: &Address) -> Result<bool, ListError> {
        let mut known = false;
        self.change_one(address, |history| known = history.forget())?;
        if known {
            self.store.scrub()?;
        }
        Ok(known)
    }

    fn change_one(
        &mut self,
        address: &Address,
        mut change: impl FnMut(&mut super::history::History),
    ) -> Result<(), ListError> {
        let hash = self.key.hash(address);
        self.store.change(&[hash], &mut |histories| {
            change(histories.entry(hash).or_default());
        })
    }

    /// The entries of an address, the most telling reason first.
    pub(crate) fn entries_of(&self, address: &Address) -> Result<Vec<Entry>, ListError> {
        let history = self.store.history(&self.key.hash(address))?;
        let entries = history.entries.into_iter();
        entries
            .map(|(reason, stored)| entry_of(reason, stored))
            .collect()
    }

    /// The entries after a position, in an order that means nothing. The position of the last one leads to the next ones.
    pub(crate) fn entries(
        &self,
        after: Option<EntryPosition>,
        most: u32,
    ) -> Result<Vec<(EntryPosition, Entry)>, ListError> {
        self.store.entries(after, most)
    }

    /// All addresses, each with its most telling reason.
    pub(crate) fn suppressed(&self) -> Result<SuppressedAddresses, ListError> {
        let mut reasons: HashMap<AddressHash, Reason> = HashMap::new();
        self.store.each_reason(&mut |hash, reason| {
            let known = reasons.entry(hash).or_insert(reason);
            *known = reason.min(*known);
        })?;
        Ok(SuppressedAddresses {
            key: self.key.clone(),
            reasons,
        })
    }
}

fn suppressed_in(histories: &Histories) -> BTreeSet<AddressHash> {
    let suppressed = histories.iter().filter(|(_, it)| !it.entries.is_empty());
    suppressed.map(|(hash, _)| *hash).collect()
}
