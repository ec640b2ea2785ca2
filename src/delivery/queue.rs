//! Requests between their feeder and those who post them: so many ahead that nobody waits for a
//! feeder that had to wait for a core, and no more bytes than fit.

use std::num::NonZeroU32;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::job::Job;

/// How many rows are handed over at once; a request with more goes alone.
const HANDED_OVER: usize = 32;
/// How many bytes of bodies are handed over at once, about.
const HANDED_OVER_BYTES: usize = 512 << 10;
/// The most bytes of bodies that wait; what is handed over with more waits alone.
const MOST_BYTES: usize = 16 << 20;

/// Requests that were handed over together. Their room in the queue is free when this is dropped.
pub struct Handed {
    /// The requests.
    pub(super) jobs: Vec<Job>,
    _room: OwnedSemaphorePermit,
}

/// Where the requests of a lane come from: several at a time, as waking a thread costs as much as
/// rendering a row.
pub type Jobs = mpsc::Receiver<Handed>;

/// The feeder's end of a queue.
pub struct Queue {
    sender: mpsc::Sender<Handed>,
    room: Arc<Semaphore>,
    runtime: Handle,
    ready: Ready,
}

/// Requests to be handed over.
#[derive(Default)]
struct Ready {
    jobs: Vec<Job>,
    rows: usize,
    bytes: usize,
}

/// Who takes the requests takes no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closed;

impl Queue {
    /// A queue of about two requests for each connection, if each has so many rows.
    ///
    /// # Panics
    /// Outside of a runtime, which gets the requests.
    pub fn new(connections: NonZeroU32, rows: u32) -> (Self, Jobs) {
        let at_once = HANDED_OVER.div_ceil(rows.max(1) as usize);
        let (sender, jobs) = mpsc::channel((2 * connections.get() as usize / at_once).max(2));
        let queue = Self {
            sender,
            room: Arc::new(Semaphore::new(MOST_BYTES)),
            runtime: Handle::current(),
            ready: Ready::default(),
        };
        (queue, jobs)
    }

    /// Adds a request. It waits for room, on a thread of the caller's own.
    pub(super) fn put(&mut self, job: Job) -> Result<(), Closed> {
        let ready = &mut self.ready;
        ready.rows += job.rows.len();
        ready.bytes += job.body.len();
        ready.jobs.push(job);
        if ready.rows >= HANDED_OVER || ready.bytes >= HANDED_OVER_BYTES {
            return self.hand_over();
        }
        Ok(())
    }

    /// Hands over what was added.
    pub(super) fn hand_over(&mut self) -> Result<(), Closed> {
        let Ready { jobs, bytes, .. } = std::mem::take(&mut self.ready);
        if jobs.is_empty() {
            return Ok(());
        }
        let room = Arc::clone(&self.room).acquire_many_owned(bytes.min(MOST_BYTES) as u32);
        let _room = self.runtime.block_on(room).map_err(|_| Closed)?;
        let sent = self.sender.blocking_send(Handed { jobs, _room });
        sent.map_err(|_| Closed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::transport::Body;

    fn job(bytes: usize) -> Job {
        Job {
            rows: Vec::new(),
            body: Body(vec![Bytes::from(vec![0; bytes])]),
            lane: 0,
            again: false,
        }
    }

    /// How many of these requests a feeder hands over before anybody takes one, and at the end.
    async fn ahead(jobs: Vec<Job>, connections: u32) -> (usize, usize) {
        let connections = NonZeroU32::new(connections).expect("some");
        let (mut queue, mut taken) = Queue::new(connections, 32);
        let done = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&done);
        let feeder = std::thread::spawn(move || {
            for job in jobs {
                queue
                    .put(job)
                    .and_then(|()| queue.hand_over())
                    .expect("taken");
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        // Until it stands still.
        let mut before = usize::MAX;
        while before != done.load(Ordering::SeqCst) {
            before = done.load(Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let mut all = 0;
        while let Some(handed) = taken.recv().await {
            all += handed.jobs.len();
        }
        feeder.join().expect("no panic");
        (before, all)
    }

    #[tokio::test]
    async fn two_requests_a_connection_are_ahead() {
        let jobs = (0..40).map(|_| job(1)).collect();
        assert_eq!(ahead(jobs, 8).await, (16, 40));
    }

    #[tokio::test]
    async fn no_more_bytes_are_ahead_than_fit() {
        let jobs = (0..10).map(|_| job(MOST_BYTES / 4)).collect();
        assert_eq!(ahead(jobs, 8).await, (4, 10));
        let larger = (0..3).map(|_| job(MOST_BYTES * 2)).collect();
        assert_eq!(ahead(larger, 8).await, (1, 3));
    }

    #[tokio::test]
    async fn a_feeder_that_waits_for_room_ends_with_those_who_take() {
        let (mut queue, taken) = Queue::new(NonZeroU32::MIN, 1);
        let feeder = std::thread::spawn(move || {
            let mut put = || queue.put(job(MOST_BYTES));
            (put(), put())
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        drop(taken);
        let ended = tokio::task::spawn_blocking(move || feeder.join());
        let (_, second) = ended.await.expect("joined").expect("no panic");
        assert_eq!(second, Err(Closed));
    }
}
