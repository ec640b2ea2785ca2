//! What differs between two sources or texts.

use std::time::Duration;

use serde_json::{Value, json};
use similar::{ChangeTag, TextDiff};

/// How long it may look for the least that differs.
const LIMIT: Duration = Duration::from_millis(300);
/// How many lines that are the same are shown around what differs.
const AROUND: usize = 3;
/// A longer line is broken at its tags.
const LONG: usize = 100;
/// The most lines that are shown.
const MOST: usize = 5_000;

/// The lines that differ, in groups with some lines around them: `{groups: [[{tag, parts}]], same,
/// cut}`. A part is a text, and whether it is what makes the line differ.
pub(super) fn differences(old: &str, new: &str) -> Value {
    let (old, new) = (lines(old), lines(new));
    let (old_lines, new_lines) = (views(&old), views(&new));
    let mut config = TextDiff::configure();
    config.timeout(LIMIT);
    let diff = config.diff_slices(&old_lines, &new_lines);
    let (mut groups, mut shown) = (Vec::new(), 0);
    for group in diff.grouped_ops(AROUND) {
        let mut lines = Vec::new();
        for op in group {
            for change in diff.iter_inline_changes(&op) {
                shown += 1;
                if shown > MOST {
                    break;
                }
                let tag = match change.tag() {
                    ChangeTag::Equal => " ",
                    ChangeTag::Delete => "-",
                    ChangeTag::Insert => "+",
                };
                let parts = change.iter_strings_lossy();
                let parts: Vec<_> = parts
                    .map(|(differs, text)| json!([differs, text.trim_end_matches('\n')]))
                    .collect();
                lines.push(json!({ "tag": tag, "parts": parts }));
            }
        }
        groups.push(lines);
    }
    json!({ "same": groups.is_empty(), "groups": groups, "cut": shown > MOST })
}

fn views(lines: &[String]) -> Vec<&str> {
    lines.iter().map(String::as_str).collect()
}

/// The lines of a text; long ones broken before their tags.
fn lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.len() <= LONG {
            lines.push(line.to_owned());
            continue;
        }
        let mut part = String::new();
        for piece in line.split_inclusive('>') {
            part.push_str(piece);
            if part.len() > LONG / 2 {
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
    fn lines_that_differ_are_shown_with_some_around_them() {
        let old: String = (0..30).map(|n| format!("line {n}\n")).collect();
        let new = old.replace("line 15\n", "line fifteen\n");
        let diff = differences(&old, &new);
        assert_eq!(diff["same"], false);
        let lines = diff["groups"][0].as_array().expect("lines");
        let tags: String = lines
            .iter()
            .map(|line| line["tag"].as_str().expect("a tag"))
            .collect();
        assert_eq!(tags, "   -+   ");
        let marked = &lines[4]["parts"];
        assert_eq!(*marked, json!([[false, "line "], [true, "fifteen"]]));
        assert_eq!(differences(&old, &old)["same"], true);
    }

    #[test]
    fn a_long_line_is_broken_at_its_tags() {
        let old = "<p>one</p>".repeat(1_000);
        let new = old.replacen("one", "two", 1);
        let diff = differences(&old, &new);
        let lines = diff["groups"][0].as_array().expect("lines");
        assert!(lines.len() < 10, "{lines:?}");
    }

    #[test]
    fn two_that_have_nothing_in_common_end_in_time() {
        let text = |word: &str| -> String { (0..20_000).map(|n| format!("{word}{n}\n")).collect() };
        let diff = differences(&text("a"), &text("b"));
        assert_eq!(diff["cut"], true);
    }
}
