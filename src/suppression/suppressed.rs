//! The addresses on lists, to compare rows with.

use std::collections::HashMap;
use std::sync::Arc;

use super::entry::Reason;
use super::hash::{AddressHash, HashKey};
use crate::address::Address;
use crate::list_name::ListName;

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

/// The kept lists of a campaign.
#[derive(Clone, Default)]
pub struct CampaignLists(Vec<(ListName, Arc<SuppressedAddresses>)>);

impl CampaignLists {
    pub(crate) fn add(&mut self, name: ListName, addresses: SuppressedAddresses) {
        self.0.push((name, Arc::new(addresses)));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|(_, list)| list.reasons.is_empty())
    }

    /// The first list that has the address, and why.
    pub(crate) fn reason_of(&self, address: &Address) -> Option<(&ListName, Reason)> {
        let mut lists = self.0.iter();
        lists.find_map(|(name, list)| Some((name, list.reason_of(address)?)))
    }
}
