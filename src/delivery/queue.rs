//! The queue between a feeder and the delivery: long enough that the delivery never waits for a
//! feeder that waits for a core, and bounded in bytes.

use std::num::NonZeroU32;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::batch::Batch;

/// How many rows are handed over at once; a request with more goes alone.
const ROWS_AT_ONCE: usize = 32;
/// About how many bytes of bodies are handed over at once, at most.
const BYTES_AT_ONCE: usize = 512 << 10;
/// The most bytes of bodies in the queues of a delivery together. A larger handover waits alone in its queue.
const MAX_BYTES: usize = 16 << 20;

/// Requests that are handed over together, because waking a thread costs as much as rendering a row.
/// They take up room in the queue until this is dropped.
pub(crate) struct Handover {
    pub(super) batches: Vec<Batch>,
    _room: OwnedSemaphorePermit,
}

/// The delivery's end of a queue.
pub(crate) type BatchReceiver = mpsc::Receiver<Handover>;

/// The feeder's end of a queue.
pub(crate) struct Queue {
    sender: mpsc::Sender<Handover>,
    room: Arc<Semaphore>,
    /// The most bytes of bodies in this queue.
    max_bytes: usize,
    runtime: Handle,
    next: NextHandover,
}

#[derive(Default)]
struct NextHandover {
    batches: Vec<Batch>,
    rows: usize,
    bytes: usize,
}

/// The delivery takes no more requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closed;

impl Queue {
    /// A queue of about two requests for each connection, of `batch_size` rows each, which is one of so many `queues`.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub(crate) fn new(
        connections: NonZeroU32,
        batch_size: NonZeroU32,
        queues: usize,
    ) -> (Self, BatchReceiver) {
        let at_once = ROWS_AT_ONCE.div_ceil(batch_size.get() as usize);
        let handovers = (2 * connections.get() as usize / at_once).max(2);
        let (sender, receiver) = mpsc::channel(handovers);
        let max_bytes = MAX_BYTES / queues.max(1);
        let queue = Self {
            sender,
            room: Arc::new(Semaphore::new(max_bytes)),
            max_bytes,
            runtime: Handle::current(),
            next: NextHandover::default(),
        };
        (queue, receiver)
    }

    /// Adds a request. Blocks while the queue is full.
    pub(super) fn put(&mut self, batch: Batch) -> Result<(), Closed> {
        let next = &mut self.next;
        next.rows += batch.rows.len();
        next.bytes += batch.request.body.len();
        next.batches.push(batch);
        if next.rows >= ROWS_AT_ONCE || next.bytes >= BYTES_AT_ONCE.min(self.max_bytes / 2) {
            return self.hand_over();
        }
        Ok(())
    }

    /// Whether the delivery takes no more requests.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Hands over what was added.
    pub(super) fn hand_over(&mut self) -> Result<(), Closed> {
        let NextHandover { batches, bytes, .. } = std::mem::take(&mut self.next);
        if batches.is_empty() {
            return Ok(());
        }
        let room = Arc::clone(&self.room).acquire_many_owned(bytes.min(self.max_bytes) as u32);
        let _room = self.runtime.block_on(room).map_err(|_| Closed)?;
        let sent = self.sender.blocking_send(Handover { batches, _room });
        sent.map_err(|_| Closed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::address::Address;
    use crate::transport::{PostRequest, RequestBody};

    fn batch(bytes: usize) -> Batch {
        Batch {
            rows: Vec::new(),
            request: PostRequest {
                to: Vec::new(),
                sender: Address::parse("a@x.example").expect("an address"),
                copies: Vec::new(),
                body: RequestBody(vec![Bytes::from(vec![0; bytes])]),
            },
            message: None,
            lane: 0,
            is_retry: false,
        }
    }

    /// How many of these requests a feeder hands over before any is taken, and how many in all.
    async fn ahead(batches: Vec<Batch>, connections: u32) -> (usize, usize) {
        let connections = NonZeroU32::new(connections).expect("some");
        let (mut queue, mut taken) = Queue::new(connections, NonZeroU32::new(32).expect("some"), 1);
        let done = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&done);
        let feeder = std::thread::spawn(move || {
            for batch in batches {
                queue
                    .put(batch)
                    .and_then(|()| queue.hand_over())
                    .expect("taken");
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        // Until the feeder waits.
        let mut before = usize::MAX;
        while before != done.load(Ordering::SeqCst) {
            before = done.load(Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let mut all = 0;
        while let Some(handover) = taken.recv().await {
            all += handover.batches.len();
        }
        feeder.join().expect("no panic");
        (before, all)
    }

    #[tokio::test]
    async fn two_requests_a_connection_are_ahead() {
        let batches = (0..40).map(|_| batch(1)).collect();
        assert_eq!(ahead(batches, 8).await, (16, 40));
    }

    #[tokio::test]
    async fn no_more_bytes_are_ahead_than_fit() {
        let batches = (0..10).map(|_| batch(MAX_BYTES / 4)).collect();
        assert_eq!(ahead(batches, 8).await, (4, 10));
        let larger = (0..3).map(|_| batch(MAX_BYTES * 2)).collect();
        assert_eq!(ahead(larger, 8).await, (1, 3));
    }

    #[tokio::test]
    async fn a_feeder_that_waits_for_room_ends_when_the_queue_is_closed() {
        let (mut queue, taken) = Queue::new(NonZeroU32::MIN, NonZeroU32::MIN, 1);
        let feeder = std::thread::spawn(move || {
            let mut put = || queue.put(batch(MAX_BYTES));
            (put(), put())
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        drop(taken);
        let ended = tokio::task::spawn_blocking(move || feeder.join());
        let (_, second) = ended.await.expect("joined").expect("no panic");
        assert_eq!(second, Err(Closed));
    }
}
