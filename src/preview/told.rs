//! What is wrong with a message, as it is told.

use crate::check::Findings;
use crate::finding::Severity;
use crate::report::counted;

/// What is wrong with a message.
#[derive(Debug, Default)]
pub struct Told {
    /// Each finding as text, which may have colours.
    pub text: Vec<String>,
    /// How many there are: `1 error, 2 warnings`; empty if there is none.
    pub counts: String,
    /// How bad the worst is.
    pub worst: Option<Severity>,
}

impl Told {
    /// Findings, with the text of each.
    pub fn new(findings: &Findings, text: Vec<String>) -> Self {
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
