//! How long requests took.

use std::collections::BTreeMap;
use std::time::Duration;

/// Upper bounds of the classes, in milliseconds. The last class has all longer ones.
const BOUNDS: [u32; 18] = [
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 30_000, 60_000,
    120_000, 300_000,
];
/// The class of requests that took longer than the last bound.
const LONGER: u32 = i32::MAX as u32;

/// The numbers of requests by how long their answer took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Latencies(BTreeMap<u32, u64>);

impl Latencies {
    pub(crate) fn record(&mut self, duration: Duration) {
        let fits = |bound: &&u32| duration <= Duration::from_millis(u64::from(**bound));
        let bound = BOUNDS.iter().find(fits).copied().unwrap_or(LONGER);
        self.add(bound, 1);
    }

    /// Adds requests of the class with this upper bound, in milliseconds.
    pub(crate) fn add(&mut self, bound: u32, requests: u64) {
        *self.0.entry(bound).or_default() += requests;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (bound, requests) in other.classes() {
            self.add(bound, requests);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The upper bounds of the classes that have requests, and the number of requests.
    pub(crate) fn classes(&self) -> impl Iterator<Item = (u32, u64)> {
        self.0.iter().map(|(bound, requests)| (*bound, *requests))
    }

    pub(crate) fn requests(&self) -> u64 {
        self.0.values().sum()
    }

    /// The bound that this share of the requests did not exceed, in milliseconds; `None` if it is not known.
    pub(crate) fn quantile(&self, share: f64) -> Option<u32> {
        let wanted = share * self.requests() as f64;
        let mut below = 0;
        let class = self.classes().find(|(_, requests)| {
            below += requests;
            below as f64 >= wanted
        });
        class
            .map(|(bound, _)| bound)
            .filter(|bound| *bound < LONGER)
    }

    /// All classes from the first to the last one that has requests: their upper bounds, `None` for the class without
    /// one, and the numbers of requests.
    pub(crate) fn consecutive(&self) -> Vec<(Option<u32>, u64)> {
        let (Some((first, _)), Some((last, _))) =
            (self.0.first_key_value(), self.0.last_key_value())
        else {
            return Vec::new();
        };
        let bounds = BOUNDS.iter().chain([&LONGER]);
        bounds
            .filter(|bound| (first..=last).contains(bound))
            .map(|bound| {
                let requests = self.0.get(bound).copied().unwrap_or(0);
                ((*bound < LONGER).then_some(*bound), requests)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_in_classes() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.quantile(0.5), None);
        for millis in [1, 2, 2, 3, 1_001, 900_000] {
            latencies.record(Duration::from_millis(millis));
        }
        latencies.record(Duration::from_micros(1_001));
        assert_eq!(
            latencies.classes().collect::<Vec<_>>(),
            [(1, 1), (2, 3), (5, 1), (2_000, 1), (LONGER, 1)]
        );
        assert_eq!(latencies.requests(), 7);
        assert_eq!(latencies.quantile(0.5), Some(2));
        assert_eq!(latencies.quantile(0.8), Some(2_000));
        assert_eq!(latencies.quantile(1.0), None);
        let classes = latencies.consecutive();
        assert_eq!(classes.first(), Some(&(Some(1), 1)));
        assert_eq!(classes.last(), Some(&(None, 1)));
        assert_eq!(classes.len(), BOUNDS.len() + 1);
    }
}
