//! The result of one scenario or of many.

use std::collections::BTreeMap;

use super::moment::Moment;
use crate::support::promises::Promises;

/// The kills, both ends, and the broken guarantees.
#[derive(Debug, Default)]
pub struct Story {
    /// The kills, by moment.
    pub moments: BTreeMap<&'static str, usize>,
    /// How many rows may be `unknown`: those that were in flight when sending processes were killed.
    pub bound: usize,
    pub rows: usize,
    pub taken: usize,
    pub accepted: usize,
    pub unknown: usize,
    /// The broken guarantees, one line each.
    pub broken: Vec<String>,
}

impl Story {
    /// All kills.
    pub fn kills(&self) -> usize {
        self.moments.values().sum()
    }

    /// Adds a broken guarantee unless it `holds`.
    pub fn expect(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.broken.push(what());
        }
    }

    /// Adds another.
    pub fn add(&mut self, other: Self) {
        for (moment, kills) in other.moments {
            *self.moments.entry(moment).or_default() += kills;
        }
        self.bound += other.bound;
        self.rows += other.rows;
        self.taken += other.taken;
        self.accepted += other.accepted;
        self.unknown += other.unknown;
        self.broken.extend(other.broken);
    }

    pub(super) fn killed(&mut self, moment: Moment) {
        let name = match moment {
            Moment::Started => "starting",
            Moment::Folder => "planning",
            Moment::Preflight => "in the preflight",
            Moment::Requests(_) => "sending",
            Moment::Results => "writing results",
        };
        self.hit(name);
    }

    /// Counts a fault of this name.
    pub(super) fn hit(&mut self, name: &'static str) {
        *self.moments.entry(name).or_default() += 1;
    }

    pub(super) fn compare(&mut self, promises: &Promises<'_>, rows: usize) {
        self.rows = promises.results.rows.len();
        self.taken = promises.taken.len();
        self.accepted = promises.accepted();
        self.unknown = promises.unknown();
        self.broken.extend(promises.broken());
        let found = self.rows;
        self.expect(found == rows, || {
            format!("{found} rows of {rows} in the results")
        });
        let (unknown, bound) = (self.unknown, self.bound);
        self.expect(unknown <= bound, || {
            format!("{unknown} rows are unknown, and at most {bound} may be")
        });
    }
}
