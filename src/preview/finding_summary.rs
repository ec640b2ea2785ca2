//! The findings of one message, as text and as counts.

use crate::check::Findings;
use crate::finding::Severity;
use crate::report::counted;

#[derive(Debug, Default)]
pub(crate) struct FindingSummary {
    /// Each finding as text, which may have colours.
    pub(crate) text: Vec<String>,
    /// Such as `1 error, 2 warnings`; empty without findings.
    pub(crate) counts: String,
    pub(crate) worst: Option<Severity>,
}

impl FindingSummary {
    pub(crate) fn new(findings: &Findings, text: Vec<String>) -> Self {
        let kinds = [
            (Severity::Error, "error"),
            (Severity::Warning, "warning"),
            (Severity::Note, "note"),
        ];
        let counts = kinds.map(|(severity, noun)| (findings.count(severity), noun));
        let counts = counts.into_iter().filter(|(count, _)| *count > 0);
        let counts: Vec<_> = counts.map(|(count, noun)| counted(count, noun)).collect();
        let worst = findings
            .groups()
            .into_iter()
            .map(|group| group.finding.severity)
            .max();
        Self {
            text,
            counts: counts.join(", "),
            worst,
        }
    }
}
