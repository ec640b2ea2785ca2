//! The histogram that all durations are counted in.

use prometheus_client::metrics::histogram::Histogram;

/// The upper bounds of the buckets, in seconds.
const BUCKETS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0];

pub(super) fn duration_histogram() -> Histogram {
    Histogram::new(BUCKETS)
}
