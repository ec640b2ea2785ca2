//! Where a list is kept.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use jiff::Timestamp;

use super::entry::{Entry, Reason};
use super::hash::{AddressHash, KEY_LENGTH};
use super::history::{History, StoredEntry};
use crate::durable::WriteAheadError;
use crate::ledger::PostgresError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum ListError {
    #[error("{} is not a list of suppressed addresses", .0.display())]
    NotAList(PathBuf),
    #[error("{} was made by {} mailrun: its version is {found}, this mailrun reads {known}", path.display(), if found < known { "an older" } else { "a newer" })]
    Version {
        path: PathBuf,
        found: i64,
        known: i64,
    },
    #[error("the list {}: {error}", path.display())]
    Sqlite {
        path: PathBuf,
        error: rusqlite::Error,
    },
    #[error("the list {}: {error}", path.display())]
    WriteAhead {
        path: PathBuf,
        error: WriteAheadError,
    },
    #[error("can't create {}: {error}", path.display())]
    NotCreated { path: PathBuf, error: io::Error },
    /// Another process reads the file, so that what was changed can't be removed from it.
    #[error("{} is being read by another process", .0.display())]
    BeingRead(PathBuf),
    #[error("the list is damaged: {0}")]
    Damaged(String),
    #[error(transparent)]
    Postgres(#[from] PostgresError),
}

pub(super) type Histories = BTreeMap<AddressHash, History>;

/// The place of an entry in the order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EntryPosition {
    pub(super) hash: AddressHash,
    pub(super) reason: Reason,
}

/// All methods fail if the list can't be read or written.
pub(super) trait ListStore: Send {
    fn key(&self) -> [u8; KEY_LENGTH];

    /// Lets `change` change what is known of these addresses, alone among all processes. The result is durable when this
    /// returns.
    fn change(
        &mut self,
        hashes: &[AddressHash],
        change: &mut dyn FnMut(&mut Histories),
    ) -> Result<(), ListError>;

    fn history(&self, hash: &AddressHash) -> Result<History, ListError>;

    /// The entries after a position, in the order of positions.
    fn entries(
        &self,
        after: Option<EntryPosition>,
        most: u32,
    ) -> Result<Vec<(EntryPosition, Entry)>, ListError>;

    /// Makes sure that nothing is left of what was changed.
    fn scrub(&self) -> Result<(), ListError>;

    /// Calls `each` with all entries.
    fn each_reason(&self, each: &mut dyn FnMut(AddressHash, Reason)) -> Result<(), ListError>;
}

/// The histories that `change` changed.
pub(super) fn changed<'a>(
    before: &'a Histories,
    after: &'a Histories,
) -> impl Iterator<Item = (&'a AddressHash, &'a History)> {
    after
        .iter()
        .filter(|(hash, history)| before.get(*hash) != Some(*history))
}

pub(super) fn parse_reason(name: &str) -> Result<Reason, ListError> {
    Reason::parse(name).ok_or_else(|| ListError::Damaged(format!("unknown reason “{name}”")))
}

pub(super) fn parse_hash(bytes: &[u8]) -> Result<AddressHash, ListError> {
    let hash = bytes.try_into();
    hash.map_err(|_| ListError::Damaged("a hash has another length".to_owned()))
}

pub(super) fn parse_key(bytes: &[u8]) -> Result<[u8; KEY_LENGTH], ListError> {
    let key = bytes.try_into();
    key.map_err(|_| ListError::Damaged("its key has another length".to_owned()))
}

pub(super) fn entry_of(reason: Reason, stored: StoredEntry) -> Result<Entry, ListError> {
    let at = Timestamp::from_millisecond(stored.at);
    Ok(Entry {
        address: stored.address,
        reason,
        source: stored.source,
        at: at.map_err(|error| ListError::Damaged(error.to_string()))?,
        note: stored.note,
    })
}
