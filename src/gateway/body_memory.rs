//! Limits the memory that request bodies take, over all connections.
//!
//! A request never waits for memory: many half-read bodies would wait for each other.

use std::ops::Deref;
use std::sync::Arc;

use axum::body::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The maximum size of all bodies together in bytes, without the free share of each. Five bodies of the
/// maximum size fit.
const TOTAL: usize = 256_000_000;
/// The bytes that a body may always have, so that small requests are always accepted.
const UNCOUNTED: usize = 128 * 1024;

/// The shared budget, as an extension of each request.
#[derive(Debug, Clone)]
pub(super) struct BodyMemory(Arc<Semaphore>);

impl Default for BodyMemory {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(TOTAL)))
    }
}

/// A share of the budget. Dropping it returns the share.
pub(super) type Reservation = Option<OwnedSemaphorePermit>;

/// A request body and its share of the budget.
#[derive(Debug, Default)]
pub(super) struct RequestBody {
    bytes: Vec<u8>,
    reservation: Reservation,
}

impl RequestBody {
    /// Appends bytes. Returns `None`, and releases the reservation, if the budget is used up.
    pub(super) fn with(mut self, more: &[u8], memory: &BodyMemory) -> Option<Self> {
        let before = self.bytes.len();
        let counted = (before + more.len()).saturating_sub(before.max(UNCOUNTED));
        if counted > 0 {
            let counted = u32::try_from(counted).ok()?;
            let permit = Arc::clone(&memory.0).try_acquire_many_owned(counted).ok()?;
            match &mut self.reservation {
                Some(reservation) => reservation.merge(permit),
                None => self.reservation = Some(permit),
            }
        }
        self.bytes.extend_from_slice(more);
        Some(self)
    }

    /// The bytes, with the reservation released.
    pub(super) fn into_bytes(self) -> Bytes {
        self.bytes.into()
    }

    /// The bytes and the reservation, to be held by whatever is built from the bytes.
    pub(super) fn into_parts(self) -> (Vec<u8>, Reservation) {
        (self.bytes, self.reservation)
    }

    /// The reservation alone, to be held by whatever was built from the bytes.
    pub(super) fn into_reservation(self) -> Reservation {
        self.reservation
    }
}

impl Deref for RequestBody {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_above_the_free_share_are_counted_and_returned() {
        let memory = BodyMemory(Arc::new(Semaphore::new(10)));
        let free = [0; UNCOUNTED];
        let almost = |memory| RequestBody::default().with(&free[1..], memory);
        let first = almost(&memory).and_then(|body| body.with(&[0; 9], &memory));
        let first = first.expect("there is memory");
        let available = memory.0.available_permits();
        assert_eq!((first.len(), available), (UNCOUNTED + 8, 2));
        let second = almost(&memory).and_then(|body| body.with(&[0; 4], &memory));
        assert!(second.is_none());
        assert_eq!(memory.0.available_permits(), 2);
        let first = first.with(&[0; 2], &memory).expect("there is memory");
        let reservation = first.into_reservation();
        let third = almost(&memory).and_then(|body| body.with(&[0], &memory));
        assert!(third.is_some());
        drop(reservation);
        assert_eq!(memory.0.available_permits(), 10);
    }
}
