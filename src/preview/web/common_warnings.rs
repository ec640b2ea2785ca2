//! Warnings that every message has. They are shown with each message, but the search for messages with
//! findings ignores them.

use std::collections::BTreeSet;
use std::io;

use crate::finding::{Finding, Severity};

/// How many messages to sample, evenly spread over the rows.
const SAMPLE: u32 = 16;
/// A warning is common only if at least so many messages could be sampled.
const MIN_SAMPLE: usize = 3;

/// The code and the message of each warning.
#[derive(Default)]
pub(super) struct CommonWarnings(BTreeSet<(&'static str, String)>);

impl CommonWarnings {
    /// Samples `count` rows. `findings` checks the message of a row; `None` if the row gets none.
    pub(super) fn sample(
        count: u32,
        findings: impl Fn(u32) -> io::Result<Option<Vec<Finding>>>,
    ) -> io::Result<Self> {
        let rows =
            (0..SAMPLE).map(|n| 1 + (u64::from(count) * u64::from(n) / u64::from(SAMPLE)) as u32);
        let rows: BTreeSet<u32> = rows.filter(|row| *row <= count).collect();
        let mut warnings = Vec::new();
        for row in rows {
            if let Some(findings) = findings(row)? {
                let low = findings
                    .iter()
                    .filter(|finding| finding.severity < Severity::Error);
                warnings.push(low.map(key).collect::<BTreeSet<_>>());
            }
        }
        if warnings.len() < MIN_SAMPLE {
            return Ok(Self::default());
        }
        let common = warnings.into_iter().reduce(|common, next| &common & &next);
        Ok(Self(common.unwrap_or_default()))
    }

    /// Always false for an error.
    pub(super) fn contains(&self, finding: &Finding) -> bool {
        finding.severity < Severity::Error && self.0.contains(&key(finding))
    }
}

fn key(finding: &Finding) -> (&'static str, String) {
    (finding.code, finding.message.clone())
}
