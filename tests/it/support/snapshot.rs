//! Removes what differs from run to run from snapshots.

use std::path::Path;

/// Settings for `insta` that replace times, durations, run names, ports, and each of the `folders` by its name.
///
/// ```ignore
/// snapshot::settings(&[(campaign.path(), "[CAMPAIGN]")]).bind(|| insta::assert_snapshot!(ran.stderr));
/// ```
pub fn settings(folders: &[(&Path, &str)]) -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    for (folder, name) in folders {
        if let Ok(real) = folder.canonicalize() {
            settings.add_filter(&escape(&real.to_string_lossy()), *name);
        }
        settings.add_filter(&escape(&folder.to_string_lossy()), *name);
    }
    for (pattern, replacement) in FILTERS {
        settings.add_filter(pattern, *replacement);
    }
    settings
}

/// Applied in this order: later patterns see the replacements of earlier ones.
const FILTERS: &[(&str, &str)] = &[
    // The folder of a run: <UTC time>-<name>-<4 random letters>.
    (
        r"\d{4}-?\d\d-?\d\dT\d\d-?\d\d-?\d\d(\.\d+)?Z?-([a-z0-9-]+)-[a-z]{4}\b",
        "[TIME]-$2-[RANDOM]",
    ),
    (
        r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?( ?UTC|Z|[+-]\d\d:?\d\d)?",
        "[TIME]",
    ),
    (r"(127\.0\.0\.1|localhost|\[::1\]):\d+", "$1:[PORT]"),
    (r"\b(\d+h ?)?\d+m ?\d+s\b", "[DURATION]"),
    (r"\b\d+(\.\d+)? ?(ns|µs|ms|s)\b", "[DURATION]"),
    (r"\.tmp[A-Za-z0-9]{6}\b", "[TEMP]"),
];

fn escape(text: &str) -> String {
    let literal = |c: char| {
        if c.is_alphanumeric() {
            vec![c]
        } else {
            vec!['\\', c]
        }
    };
    text.chars().flat_map(literal).collect()
}
