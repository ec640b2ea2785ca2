//! Warnings that every message has: they are told with each, and lead to none.

use std::collections::BTreeSet;
use std::io;

use super::loaded::Loaded;
use crate::check::Checker;
use crate::finding::{Finding, Severity};

/// How many messages are looked at, from the first row to the last.
const SAMPLE: u32 = 16;
/// What fewer have in common is not what every one has.
const LEAST: usize = 3;

/// Warnings by what they say.
#[derive(Default)]
pub(super) struct Everywhere(BTreeSet<(&'static str, String)>);

impl Everywhere {
    /// What some messages from all over the list have in common.
    ///
    /// # Errors
    /// When the temporary file can't be read.
    pub(super) fn of(now: &Loaded, checker: &Checker<'_>) -> io::Result<Self> {
        let last = now.spool.count();
        let rows =
            (0..SAMPLE).map(|n| 1 + (u64::from(last) * u64::from(n) / u64::from(SAMPLE)) as u32);
        let rows: BTreeSet<u32> = rows.filter(|row| *row <= last).collect();
        let (mut count, mut common) = (0, None::<BTreeSet<_>>);
        for row in rows {
            let Some(recipient) = now.recipient(row, &[])? else {
                continue;
            };
            // A row without a message has nothing in common with the others.
            if recipient.row.is_err() {
                continue;
            }
            let found = now.findings(checker, &recipient);
            let found = found
                .iter()
                .filter(|finding| finding.severity < Severity::Error);
            let found: BTreeSet<_> = found.map(key).collect();
            count += 1;
            common = Some(match common {
                Some(common) => common.intersection(&found).cloned().collect(),
                None => found,
            });
        }
        Ok(match common {
            Some(common) if count >= LEAST => Self(common),
            _ => Self::default(),
        })
    }

    /// Whether every message has a finding. An error leads to each that has it.
    pub(super) fn has(&self, finding: &Finding) -> bool {
        finding.severity < Severity::Error && self.0.contains(&key(finding))
    }
}

fn key(finding: &Finding) -> (&'static str, String) {
    (finding.code, finding.message.clone())
}
