//! Where rules put what they find: what is turned off or not bad enough goes no further.

use super::rule::Rule;
use super::settings::Off;
use crate::finding::{Finding, Severity};

/// Which findings are wanted.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// The least that is wanted.
    pub(super) least: Severity,
    /// The rules that are turned off.
    pub(super) off: Off,
}

impl Wanted {
    fn has(&self, code: &str, severity: Severity) -> bool {
        severity >= self.least && !self.off.contains_key(code)
    }
}

/// What is found.
#[derive(Debug)]
pub(super) struct Out<'a> {
    wanted: &'a Wanted,
    findings: Vec<Finding>,
}

impl<'a> Out<'a> {
    pub(super) fn new(wanted: &'a Wanted) -> Self {
        Self {
            wanted,
            findings: Vec::new(),
        }
    }

    /// Whether what a rule finds is wanted at all: costly ones ask first.
    pub(super) fn wants(&self, rule: &Rule) -> bool {
        self.wanted.has(rule.code, rule.severity)
    }

    /// Whether a finding would be taken.
    pub(super) fn wants_finding(&self, finding: &Finding) -> bool {
        self.wanted.has(finding.code, finding.severity)
    }

    /// The same of several rules: whether what one of them finds is wanted.
    pub(super) fn wants_any(&self, rules: &[Rule]) -> bool {
        rules.iter().any(|rule| self.wants(rule))
    }

    /// Takes a finding, if it is wanted and not there yet: what stands at one place several times in
    /// a message, as in a loop, is told once.
    pub(super) fn add(&mut self, finding: Finding) {
        if self.wants_finding(&finding)
            && !self.findings.iter().any(|known| known.is_like(&finding))
        {
            self.findings.push(finding);
        }
    }

    /// Takes several, as far as they are wanted.
    pub(super) fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        findings.into_iter().for_each(|finding| self.add(finding));
    }

    /// What is wanted, but nothing that is less bad than this.
    pub(super) fn at_least(&self, least: Severity) -> Wanted {
        Wanted {
            least,
            ..self.wanted.clone()
        }
    }

    pub(super) fn into_findings(self) -> Vec<Finding> {
        self.findings
    }
}
