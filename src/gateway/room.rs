//! How much of posted bodies is in memory at a time, over all connections.
//!
//! Nobody waits for room: many bodies that are half read would wait for each other.

use std::ops::Deref;
use std::sync::Arc;

use axum::body::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The most bytes of all bodies together, beside what each may have anyway: five of the largest, and more.
const MOST: usize = 256_000_000;
/// So much each body may have whatever others take: small requests always get through.
const OWN: usize = 128 * 1024;

/// The room for bodies, as an extension of each request.
#[derive(Debug, Clone)]
pub(super) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MOST)))
    }
}

/// A part of the room; it is given back when this is dropped.
pub(super) type Part = Option<OwnedSemaphorePermit>;

/// What was posted, and its part of the room.
#[derive(Debug, Default)]
pub(super) struct Posted {
    bytes: Vec<u8>,
    part: Part,
}

impl Posted {
    /// With more of it; nothing when there is no room, and then its part is given back.
    pub(super) fn with(mut self, more: &[u8], room: &Room) -> Option<Self> {
        let before = self.bytes.len();
        let beyond = (before + more.len()).saturating_sub(before.max(OWN));
        if beyond > 0 {
            let beyond = u32::try_from(beyond).ok()?;
            let permit = Arc::clone(&room.0).try_acquire_many_owned(beyond).ok()?;
            match &mut self.part {
                Some(part) => part.merge(permit),
                None => self.part = Some(permit),
            }
        }
        self.bytes.extend_from_slice(more);
        Some(self)
    }

    /// The bytes without their part of the room.
    pub(super) fn into_bytes(self) -> Bytes {
        self.bytes.into()
    }

    /// The part of the room alone, for what was made of the bytes.
    pub(super) fn into_part(self) -> Part {
        self.part
    }
}

impl Deref for Posted {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_its_own_is_counted_and_given_back() {
        let room = Room(Arc::new(Semaphore::new(10)));
        let own = [0; OWN];
        let whole = |room| Posted::default().with(&own[1..], room);
        let first = whole(&room).and_then(|body| body.with(&[0; 9], &room));
        let first = first.expect("there is room");
        assert_eq!((first.len(), room.0.available_permits()), (OWN + 8, 2));
        assert!(
            whole(&room)
                .and_then(|body| body.with(&[0; 4], &room))
                .is_none()
        );
        assert_eq!(room.0.available_permits(), 2);
        let part = first
            .with(&[0; 2], &room)
            .expect("there is room")
            .into_part();
        assert!(
            whole(&room)
                .and_then(|body| body.with(&[0], &room))
                .is_some()
        );
        drop(part);
        assert_eq!(room.0.available_permits(), 10);
    }
}
