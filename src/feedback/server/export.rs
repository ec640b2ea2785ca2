//! Keeps a file with the entries of a list up to date.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::served::ServedList;
use crate::list_name::ListName;

/// The shortest time between two writes.
const PERIOD: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Exports {
    /// The lists that changed since they were written.
    changed: BTreeSet<ListName>,
    written: Option<Instant>,
}

impl Exports {
    pub(super) fn changed(&mut self, list: &ListName) {
        self.changed.insert(list.clone());
    }

    /// How long the next write has to wait; `None` if nothing changed.
    pub(super) fn next_write(&self) -> Option<Duration> {
        let waits = || {
            let written = self.written?;
            Some(PERIOD.saturating_sub(written.elapsed()))
        };
        (!self.changed.is_empty()).then(|| waits().unwrap_or_default())
    }

    /// Writes the lists that changed, unless the last write was just now.
    pub(super) fn write(&mut self, lists: &[ServedList]) {
        if self.next_write() == Some(Duration::ZERO) {
            self.write_now(lists);
        }
    }

    pub(super) fn write_now(&mut self, lists: &[ServedList]) {
        for served in lists {
            if !self.changed.remove(&served.name) {
                continue;
            }
            let Some(export) = &served.export else {
                continue;
            };
            if let Err(error) = export(&served.feed.list) {
                tracing::error!(error, "the list can't be exported");
                // It is tried again.
                self.changed.insert(served.name.clone());
            }
        }
        self.written = Some(Instant::now());
    }
}
