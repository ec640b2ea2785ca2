//! A rule: what `check` looks for, under a code that scripts and campaigns can rely on.

use super::net;
use crate::finding::{Finding, Place, Severity};

/// What `check` looks for.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Its name, such as `link-empty`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What it finds, in a few words.
    pub finds: &'static str,
    /// Where it comes from: a standard, a vendor's page, a measurement.
    pub source: &'static str,
    /// Something that it finds.
    pub example: &'static str,
}

impl Rule {
    /// Whether it looks only with `--net`.
    pub fn needs_network(&self) -> bool {
        net::RULES.iter().any(|rule| rule.code == self.code)
    }

    /// Found at a place.
    pub(super) fn at(&self, place: Place, message: impl Into<String>) -> Finding {
        Finding {
            severity: self.severity,
            ..Finding::error(self.code, place, message)
        }
    }

    /// Found in a row, whose place is filled in.
    pub(super) fn found(&self, message: impl Into<String>) -> Finding {
        self.at(Place::default(), message)
    }
}
