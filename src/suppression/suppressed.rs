//! The addresses of lists, to compare rows with.

use std::collections::HashMap;

use super::entry::Reason;
use super::hash::{AddressHash, HashKey};
use crate::address::Address;

/// The addresses of a list at one moment, in memory.
pub(crate) struct SuppressedAddresses {
    pub(super) key: HashKey,
    pub(super) reasons: HashMap<AddressHash, Reason>,
}

impl SuppressedAddresses {
    /// Why the address is suppressed.
    pub(crate) fn reason_of(&self, address: &Address) -> Option<Reason> {
        if self.reasons.is_empty() {
            return None;
        }
        self.reasons.get(&self.key.hash(address)).copied()
    }
}
