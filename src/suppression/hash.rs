//! Addresses as keyed hashes, which still match after the address itself was forgotten.

use ring::hmac;

use crate::address::Address;

/// In bytes.
pub(super) const KEY_LENGTH: usize = 32;
const HASH_LENGTH: usize = 16;

pub(super) type AddressHash = [u8; HASH_LENGTH];

/// The key of a list. It never changes, because forgotten addresses can't be hashed again.
#[derive(Clone)]
pub(super) struct HashKey(hmac::Key);

impl HashKey {
    pub(super) fn new(key: &[u8; KEY_LENGTH]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The same for all spellings of an address.
    pub(super) fn hash(&self, address: &Address) -> AddressHash {
        let mac = hmac::sign(&self.0, address.normalized().as_bytes());
        let mut hash = [0; HASH_LENGTH];
        hash.copy_from_slice(&mac.as_ref()[..HASH_LENGTH]);
        hash
    }
}
