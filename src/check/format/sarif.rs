//! SARIF 2.1.0 (OASIS), for code scanning services.

use std::collections::BTreeMap;
use std::path::Path;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{Report, text};
use crate::check::codes::codes;
use crate::check::families::rules;
use crate::check::findings::FindingGroup;
use crate::finding::Severity;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// All characters except the unreserved ones of RFC 3986 2.3.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

pub(crate) fn sarif(report: &Report<'_>) -> String {
    let descriptors: Vec<_> = descriptors().collect();
    let index = |code: &str| descriptors.iter().position(|one| one.code == code);
    let mut hashes = BTreeMap::new();
    let groups = report.findings.groups();
    let results: Vec<_> = groups
        .into_iter()
        .map(|group| result(report, group, index(group.finding.code), &mut hashes))
        .collect();
    let rules: Vec<_> = descriptors.iter().map(Descriptor::json).collect();
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "mailrun",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "invocations": [invocation(report, index)],
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    format!("{log:#}")
}

/// What the log says about a code.
struct Descriptor {
    code: &'static str,
    summary: &'static str,
    description: String,
    help: String,
    level: &'static str,
}

/// All codes that a finding can have.
fn descriptors() -> impl Iterator<Item = Descriptor> {
    let rules = rules().map(|rule| Descriptor {
        code: rule.code,
        summary: rule.finds,
        description: format!("Finds {}. {}", rule.finds, rule.why),
        help: format!(
            "{}\nFor example: {}. From: {}",
            rule.fix, rule.example, rule.source
        ),
        level: level(rule.severity),
    });
    let others = codes().map(|code| Descriptor {
        code: code.code,
        summary: code.means,
        description: code.means.to_owned(),
        help: code.means.to_owned(),
        level: "error",
    });
    rules.chain(others)
}

impl Descriptor {
    fn json(&self) -> Value {
        json!({
            "id": self.code,
            "shortDescription": {"text": self.summary},
            "fullDescription": {"text": self.description},
            "help": {"text": self.help},
            "defaultConfiguration": {"level": self.level},
        })
    }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

/// Says which rules were turned off, and how many findings are not listed.
fn invocation(report: &Report<'_>, index: impl Fn(&str) -> Option<usize>) -> Value {
    let off = report.off.iter().map(|(code, reason)| {
        json!({
            "descriptor": {"id": code, "index": index(code)},
            "configuration": {"enabled": false},
            "properties": {"reason": reason},
        })
    });
    let mut invocation = json!({
        "executionSuccessful": true,
        "ruleConfigurationOverrides": off.collect::<Vec<_>>(),
    });
    if report.findings.beyond > 0 {
        let text = format!("{} more findings of other kinds", report.findings.beyond);
        invocation["toolExecutionNotifications"] =
            json!([{"level": "warning", "message": {"text": text}}]);
    }
    invocation
}

fn result(
    report: &Report<'_>,
    group: &FindingGroup,
    index: Option<usize>,
    hashes: &mut BTreeMap<String, u64>,
) -> Value {
    let finding = &group.finding;
    let uri = uri(&report.path(group));
    let mut physical = json!({"artifactLocation": {"uri": uri}});
    if let Some(line) = finding.place.line.filter(|_| report.has_file(group)) {
        let mut region = json!({"startLine": line});
        if let Some(column) = finding.place.column {
            region["startColumn"] = json!(column);
        }
        physical["region"] = region;
    }
    let mut result = Map::from_iter([
        ("ruleId".to_owned(), json!(finding.code)),
        ("level".to_owned(), json!(level(finding.severity))),
        ("message".to_owned(), json!({"text": text(group)})),
        (
            "locations".to_owned(),
            json!([{"physicalLocation": physical}]),
        ),
        ("occurrenceCount".to_owned(), json!(group.count.max(1))),
        (
            "partialFingerprints".to_owned(),
            json!({"finding/v1": fingerprint(group, &uri, hashes)}),
        ),
    ]);
    if let Some(index) = index {
        result.insert("ruleIndex".to_owned(), json!(index));
    }
    result.into()
}

/// Identifies a finding when its line moves: by its code, file and message, and by the number of equal findings
/// before it.
fn fingerprint(group: &FindingGroup, uri: &str, hashes: &mut BTreeMap<String, u64>) -> String {
    let finding = &group.finding;
    let mut hash = Sha256::new();
    for part in [finding.code, uri, &finding.message] {
        hash.update(part);
        hash.update([0]);
    }
    let hash: String = hash.finalize()[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let count = hashes.entry(hash.clone()).or_default();
    *count += 1;
    format!("{hash}:{count}")
}

/// A relative path as a relative reference, and an absolute path as a URI.
fn uri(path: &Path) -> String {
    let segments = path.iter().filter(|segment| *segment != "/");
    let segments = segments
        .map(|segment| utf8_percent_encode(&segment.to_string_lossy(), SEGMENT).to_string());
    let segments = segments.collect::<Vec<_>>().join("/");
    if path.is_absolute() {
        format!("file:///{segments}")
    } else {
        segments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_references() {
        assert_eq!(uri(Path::new("a b/ą:%.html")), "a%20b/%C4%85%3A%25.html");
        assert_eq!(uri(Path::new("/tmp/x y")), "file:///tmp/x%20y");
    }
}
