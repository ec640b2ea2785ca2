//! A line diff of two HTML sources or texts, as JSON.

use std::time::Duration;

use serde_json::{Value, json};
use similar::{ChangeTag, TextDiff};

/// The most time for the search for a minimal diff.
const TIMEOUT: Duration = Duration::from_millis(300);
/// Unchanged lines around each change.
const CONTEXT: usize = 3;
/// A line of more bytes is broken at its tags.
const LONG_LINE: usize = 100;
/// The most lines of a diff.
const MAX_LINES: usize = 5_000;

/// `{groups: [[{tag, parts}]], same, cut}`. A group is a run of changed lines with their context. A part
/// is `[changed, text]`.
pub(super) fn diff(old: &str, new: &str) -> Value {
    let (old, new) = (lines(old), lines(new));
    let (old_lines, new_lines) = (as_strs(&old), as_strs(&new));
    let mut config = TextDiff::configure();
    config.timeout(TIMEOUT);
    let changes = config.diff_slices(&old_lines, &new_lines);
    let (mut groups, mut shown) = (Vec::new(), 0);
    for group in changes.grouped_ops(CONTEXT) {
        let mut lines = Vec::new();
        for op in group {
            for change in changes.iter_inline_changes(&op) {
                shown += 1;
                if shown > MAX_LINES {
                    break;
                }
                let tag = match change.tag() {
                    ChangeTag::Equal => " ",
                    ChangeTag::Delete => "-",
                    ChangeTag::Insert => "+",
                };
                let parts = change.iter_strings_lossy();
                let parts: Vec<_> = parts
                    .map(|(changed, text)| json!([changed, text.trim_end_matches('\n')]))
                    .collect();
                lines.push(json!({ "tag": tag, "parts": parts }));
            }
        }
        groups.push(lines);
    }
    json!({ "same": groups.is_empty(), "groups": groups, "cut": shown > MAX_LINES })
}

fn as_strs(lines: &[String]) -> Vec<&str> {
    lines.iter().map(String::as_str).collect()
}

/// The lines of a text; long ones are broken after tags.
fn lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.len() <= LONG_LINE {
            lines.push(line.to_owned());
            continue;
        }
        let mut part = String::new();
        for tag in line.split_inclusive('>') {
            part.push_str(tag);
            if part.len() > LONG_LINE / 2 {
                lines.push(std::mem::take(&mut part));
            }
        }
        if !part.is_empty() {
            lines.push(part);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_lines_have_context() {
        let old: String = (0..30).map(|n| format!("line {n}\n")).collect();
        let new = old.replace("line 15\n", "line fifteen\n");
        let result = diff(&old, &new);
        assert_eq!(result["same"], false);
        let lines = result["groups"][0].as_array().expect("lines");
        let tags: String = lines
            .iter()
            .map(|line| line["tag"].as_str().expect("a tag"))
            .collect();
        assert_eq!(tags, "   -+   ");
        let marked = &lines[4]["parts"];
        assert_eq!(*marked, json!([[false, "line "], [true, "fifteen"]]));
        assert_eq!(diff(&old, &old)["same"], true);
    }

    #[test]
    fn a_long_line_is_broken_at_its_tags() {
        let old = "<p>one</p>".repeat(1_000);
        let new = old.replacen("one", "two", 1);
        let result = diff(&old, &new);
        let lines = result["groups"][0].as_array().expect("lines");
        assert!(lines.len() < 10, "{lines:?}");
    }

    #[test]
    fn a_diff_of_unrelated_texts_ends_in_time() {
        let text = |word: &str| -> String { (0..20_000).map(|n| format!("{word}{n}\n")).collect() };
        assert_eq!(diff(&text("a"), &text("b"))["cut"], true);
    }
}
