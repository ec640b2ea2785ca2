//! Where rules put their findings.

use std::collections::BTreeMap;

use super::rule::Rule;
use crate::finding::{Finding, Severity};

/// The rules that the campaign turns off, each with the reason.
pub(crate) type Off = BTreeMap<&'static str, String>;

/// Which findings are reported.
#[derive(Debug, Clone)]
pub(super) struct FindingFilter {
    pub(super) least: Severity,
    pub(super) off: Off,
}

impl FindingFilter {
    fn has(&self, code: &str, severity: Severity) -> bool {
        severity >= self.least && !self.off.contains_key(code)
    }
}

/// Collects the findings that a filter lets through.
#[derive(Debug)]
pub(super) struct FindingSink<'a> {
    filter: &'a FindingFilter,
    findings: Vec<Finding>,
}

impl<'a> FindingSink<'a> {
    pub(super) fn new(filter: &'a FindingFilter) -> Self {
        Self {
            filter,
            findings: Vec::new(),
        }
    }

    /// Whether findings of a rule are reported. Expensive rules ask before they look.
    pub(super) fn wants(&self, rule: &Rule) -> bool {
        self.filter.has(rule.code, rule.severity)
    }

    pub(super) fn wants_any(&self, rules: &[Rule]) -> bool {
        rules.iter().any(|rule| self.wants(rule))
    }

    pub(super) fn wants_finding(&self, finding: &Finding) -> bool {
        self.filter.has(finding.code, finding.severity)
    }

    /// Adds a finding, unless it is filtered out or already there: a loop in a template repeats its findings.
    pub(super) fn add(&mut self, finding: Finding) {
        if self.wants_finding(&finding)
            && !self.findings.iter().any(|other| other.is_like(&finding))
        {
            self.findings.push(finding);
        }
    }

    pub(super) fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        findings.into_iter().for_each(|finding| self.add(finding));
    }

    pub(super) fn into_findings(self) -> Vec<Finding> {
        self.findings
    }
}
