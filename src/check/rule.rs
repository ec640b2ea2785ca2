//! What a rule says about itself.

use crate::finding::{Finding, Place, Severity};

/// A problem that `check` looks for. Its texts are Markdown and appear in `docs/check.md` and in SARIF.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The name that scripts and `[check.off]` use, such as `link-empty`.
    pub code: &'static str,
    pub severity: Severity,
    /// Whether the rule runs with `--net` only.
    pub network: bool,
    /// What the rule finds, as a phrase.
    pub finds: &'static str,
    /// Why it matters to readers or to the sender.
    pub why: &'static str,
    /// How to fix it.
    pub fix: &'static str,
    /// The standard, vendor page or measurement that the rule follows.
    pub source: &'static str,
    pub example: &'static str,
}

impl Rule {
    const fn new(code: &'static str, severity: Severity) -> Self {
        Self {
            code,
            severity,
            network: false,
            finds: "",
            why: "",
            fix: "",
            source: "",
            example: "",
        }
    }

    pub(super) const fn error(code: &'static str) -> Self {
        Self::new(code, Severity::Error)
    }

    pub(super) const fn warning(code: &'static str) -> Self {
        Self::new(code, Severity::Warning)
    }

    pub(super) const fn note(code: &'static str) -> Self {
        Self::new(code, Severity::Note)
    }

    pub(super) const fn network(self) -> Self {
        Self {
            network: true,
            ..self
        }
    }

    pub(super) const fn finds(self, finds: &'static str) -> Self {
        Self { finds, ..self }
    }

    pub(super) const fn why(self, why: &'static str) -> Self {
        Self { why, ..self }
    }

    pub(super) const fn fix(self, fix: &'static str) -> Self {
        Self { fix, ..self }
    }

    pub(super) const fn source(self, source: &'static str) -> Self {
        Self { source, ..self }
    }

    pub(super) const fn example(self, example: &'static str) -> Self {
        Self { example, ..self }
    }

    pub(super) fn at(&self, place: Place, message: impl Into<String>) -> Finding {
        Finding {
            severity: self.severity,
            ..Finding::error(self.code, place, message)
        }
    }

    /// A finding whose place is filled in later.
    pub(super) fn found(&self, message: impl Into<String>) -> Finding {
        self.at(Place::default(), message)
    }
}
