//! How long something takes, counted by how long.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The upper ends of the buckets, in microseconds, and in seconds as they are written.
const BUCKETS: [(u128, &str); 10] = [
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (100_000, "0.1"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (5_000_000, "5"),
    (30_000_000, "30"),
];

/// Times that were counted.
#[derive(Debug, Default)]
pub(super) struct Histogram(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    buckets: [u64; BUCKETS.len()],
    count: u64,
    sum: Duration,
}

/// What was counted so far.
pub(super) struct Seen {
    /// For the end of each bucket, in seconds, how many took no longer.
    pub(super) below: Vec<(&'static str, u64)>,
    pub(super) count: u64,
    pub(super) sum: Duration,
}

impl Histogram {
    pub(super) fn add(&self, took: Duration) {
        let mut counts = self.counts();
        counts.count += 1;
        counts.sum += took;
        let micros = took.as_micros();
        let bucket = BUCKETS.iter().position(|(end, _)| micros <= *end);
        if let Some(count) = bucket.and_then(|bucket| counts.buckets.get_mut(bucket)) {
            *count += 1;
        }
    }

    pub(super) fn seen(&self) -> Seen {
        let counts = self.counts();
        let mut below = 0;
        let ends = BUCKETS.iter().zip(counts.buckets);
        let ends = ends.map(|((_, end), count)| {
            below += count;
            (*end, below)
        });
        Seen {
            below: ends.collect(),
            count: counts.count,
            sum: counts.sum,
        }
    }

    /// Whoever held it while panicking left no count half changed.
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
