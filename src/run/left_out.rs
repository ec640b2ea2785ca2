//! Rows that could be sent to and are left out: their address is on a suppression list, or an earlier
//! row has it.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;

use hashbrown::HashTable;

use crate::address::Address;
use crate::campaign::Campaign;
use crate::recipients::{ReadError, SuppressionList, Warning};

/// Why a row is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Its address is on this suppression list.
    Suppressed(String),
    /// This earlier row has its address.
    Duplicate(u32),
}

impl Reason {
    /// All codes.
    pub const CODES: [&'static str; 2] = ["suppressed", "duplicate"];

    /// A short name that scripts can rely on.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Suppressed(_) => Self::CODES[0],
            Self::Duplicate(_) => Self::CODES[1],
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Suppressed(file) => write!(f, "on the suppression list {file}"),
            Self::Duplicate(earlier) => write!(f, "duplicate of row {earlier}"),
        }
    }
}

/// Which rows are left out, as they come.
#[derive(Default)]
pub struct LeftOut {
    suppressed: SuppressionList,
    seen: Seen,
}

impl LeftOut {
    /// Reads the suppression lists of a campaign.
    ///
    /// # Errors
    /// When one can't be read.
    pub fn new(campaign: &Campaign) -> Result<Self, ReadError> {
        Ok(Self {
            suppressed: suppression_list(campaign, &campaign.dir)?,
            seen: Seen::default(),
        })
    }

    /// Why the next row, of this address, is left out; else later rows of the address are.
    /// `address_of` gives the normalized address of an earlier row.
    ///
    /// # Errors
    /// What `address_of` says.
    pub fn next<E>(
        &mut self,
        address: &Address,
        row: u32,
        address_of: impl FnOnce(u32) -> Result<Option<String>, E>,
    ) -> Result<Option<Reason>, E> {
        if let Some(reason) = self.suppressed(address) {
            return Ok(Some(reason));
        }
        let earlier = self.seen.before(&address.normalized(), row, address_of)?;
        Ok(earlier.map(Reason::Duplicate))
    }

    /// Why a row would be left out if this were its address, when all rows have come.
    ///
    /// # Errors
    /// What `address_of` says.
    pub fn of<E>(
        &self,
        address: &Address,
        row: u32,
        address_of: impl FnOnce(u32) -> Result<Option<String>, E>,
    ) -> Result<Option<Reason>, E> {
        if let Some(reason) = self.suppressed(address) {
            return Ok(Some(reason));
        }
        let first = self.seen.first(&address.normalized(), address_of)?;
        Ok(first.filter(|first| *first < row).map(Reason::Duplicate))
    }

    fn suppressed(&self, address: &Address) -> Option<Reason> {
        let file = self.suppressed.file_of(address)?;
        Some(Reason::Suppressed(file.to_owned()))
    }

    /// What is odd about the suppression lists.
    pub fn warnings(&self) -> &[Warning] {
        self.suppressed.warnings()
    }
}

/// The suppression lists of a campaign, read from its folder.
///
/// # Errors
/// When one can't be read.
pub fn suppression_list(campaign: &Campaign, dir: &Path) -> Result<SuppressionList, ReadError> {
    let mut list = SuppressionList::default();
    for path in &campaign.recipients.suppress {
        list.add(&dir.join(path), &path.display().to_string())?;
    }
    Ok(list)
}

/// The addresses that have come: nine bytes each, whatever they are.
#[derive(Default)]
struct Seen<S = RandomState> {
    hasher: S,
    rows: HashTable<Entry>,
    /// Addresses whose fingerprint is that of another one.
    clashes: HashMap<String, u32>,
}

/// A row, and a part of the hash of its address.
struct Entry {
    fingerprint: u32,
    row: u32,
}

impl Entry {
    /// The fingerprint as the table wants a hash: with all its bits in use.
    fn hash(&self) -> u64 {
        u64::from(self.fingerprint).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

impl<S: BuildHasher> Seen<S> {
    /// The row that has this address already; else it is remembered.
    fn before<E>(
        &mut self,
        address: &str,
        row: u32,
        address_of: impl FnOnce(u32) -> Result<Option<String>, E>,
    ) -> Result<Option<u32>, E> {
        let first = self.first(address, address_of)?;
        if first.is_none() {
            self.remember(address, row);
        }
        Ok(first)
    }

    /// The first row that has this address.
    fn first<E>(
        &self,
        address: &str,
        address_of: impl FnOnce(u32) -> Result<Option<String>, E>,
    ) -> Result<Option<u32>, E> {
        let Some(known) = self.alike(&self.entry(address, 0)) else {
            return Ok(None);
        };
        if address_of(known)?.as_deref() == Some(address) {
            return Ok(Some(known));
        }
        Ok(self.clashes.get(address).copied())
    }

    fn remember(&mut self, address: &str, row: u32) {
        let new = self.entry(address, row);
        if self.alike(&new).is_some() {
            self.clashes.insert(address.to_owned(), row);
        } else {
            self.rows.insert_unique(new.hash(), new, Entry::hash);
        }
    }

    fn entry(&self, address: &str, row: u32) -> Entry {
        let fingerprint = self.hasher.hash_one(address) as u32;
        Entry { fingerprint, row }
    }

    /// The row whose address has the same fingerprint.
    fn alike(&self, entry: &Entry) -> Option<u32> {
        let is_it = |other: &Entry| other.fingerprint == entry.fingerprint;
        self.rows.find(entry.hash(), is_it).map(|found| found.row)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::hash::{BuildHasherDefault, Hasher};

    use super::*;

    /// Everything has the same hash.
    #[derive(Default)]
    struct Same;

    impl Hasher for Same {
        fn write(&mut self, _: &[u8]) {}

        fn finish(&self) -> u64 {
            7
        }
    }

    const ADDRESSES: [&str; 7] = ["a@x", "b@x", "a@x", "c@x", "b@x", "c@x", "a@x"];

    fn address_of(row: u32) -> Result<Option<String>, Infallible> {
        Ok(ADDRESSES.get(row as usize - 1).map(ToString::to_string))
    }

    fn earlier<S: BuildHasher + Default>() -> (Vec<Option<u32>>, Vec<Option<u32>>) {
        let mut seen = Seen::<S>::default();
        let rows = ADDRESSES.iter().zip(1..);
        let before = rows.map(|(address, row)| seen.before(address, row, address_of));
        let before = before.collect::<Result<_, _>>().expect("no error");
        let first = ["a@x", "c@x", "d@x"].map(|address| seen.first(address, address_of));
        let first = first.into_iter().collect::<Result<_, _>>();
        (before, first.expect("no error"))
    }

    #[test]
    fn addresses_are_told_apart_whatever_their_hashes() {
        let before = vec![None, None, Some(1), None, Some(2), Some(4), Some(1)];
        let wanted = (before, vec![Some(1), Some(4), None]);
        assert_eq!(earlier::<RandomState>(), wanted);
        assert_eq!(earlier::<BuildHasherDefault<Same>>(), wanted);
    }
}
