//! JSON. docs/results.md documents its fields.

use serde_json::{Value, json};

use super::Report;
use crate::check::findings::FindingGroup;
use crate::finding::Severity;

pub(crate) fn json(report: &Report<'_>) -> String {
    let findings: Vec<_> = report.findings.groups().into_iter().map(group).collect();
    let off = report.off.iter();
    let off: Vec<_> = off
        .map(|(code, reason)| json!({"code": code, "reason": reason}))
        .collect();
    let reasons = |reasons: &[(String, u64)]| -> Vec<Value> {
        let reasons = reasons.iter();
        reasons
            .map(|(reason, rows)| json!({"reason": reason, "rows": rows}))
            .collect()
    };
    let report = json!({
        "rows": report.rows,
        "errors": report.findings.count(Severity::Error),
        "warnings": report.findings.count(Severity::Warning),
        "notes": report.findings.count(Severity::Note),
        "off": off,
        "suppressed": reasons(report.suppressed),
        "not_selected": reasons(report.not_selected),
        "findings": findings,
    });
    format!("{report:#}")
}

fn group(group: &FindingGroup) -> Value {
    let finding = &group.finding;
    json!({
        "severity": finding.severity,
        "code": finding.code,
        "message": finding.message,
        "help": finding.help,
        "file": finding.place.file,
        "line": finding.place.line,
        "column": finding.place.column,
        "rows": group.rows,
        "count": group.count,
    })
}
