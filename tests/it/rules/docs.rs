//! The rules and the codes in docs/check.md and docs/results.md are those of the program.

use std::path::Path;
use std::{env, fs};

use mailrun::check::{codes, rules};

/// The summary table, and a section for each rule.
fn rules_section() -> String {
    let mut table = "| rule | severity | finds |\n|---|---|---|\n".to_owned();
    let mut sections = String::new();
    for rule in rules() {
        let (code, finds) = (rule.code, rule.finds);
        let severity = format!("{:?}", rule.severity).to_lowercase();
        table.push_str(&format!(
            "| [`{code}`](#{code}) | {severity} | {} |\n",
            cell(finds)
        ));
        let network = if rule.network { ", with `--net`" } else { "" };
        sections.push_str(&format!(
            "\n### {code}\n\n{} ({severity}{network}). {}\n\n- Fix: {}\n- Example: {}\n- Source: {}\n",
            capitalized(finds),
            rule.why,
            rule.fix,
            rule.example,
            rule.source
        ));
    }
    table + &sections
}

fn codes_table() -> String {
    let mut table = "| code | means |\n|---|---|\n".to_owned();
    for code in codes() {
        table.push_str(&format!("| `{}` | {} |\n", code.code, cell(code.means)));
    }
    table
}

fn row_codes_table() -> String {
    let mut table = "| code | status | means |\n|---|---|---|\n".to_owned();
    for code in codes() {
        if let Some(status) = code.status {
            let means = cell(code.means);
            table.push_str(&format!("| `{}` | `{status}` | {means} |\n", code.code));
        }
    }
    table
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string());
    first.unwrap_or_default() + chars.as_str()
}

/// The page with its generated part replaced.
fn with_generated(page: &str, marker: &str, generated: &str) -> String {
    let start = page.find(marker).expect("the marker of a generated part");
    let start = start + page[start..].find('\n').expect("a line break") + 1;
    let end = start + page[start..].find("<!-- end -->").expect("the end marker");
    format!("{}\n{generated}\n{}", &page[..start], &page[end..])
}

/// Compares a page with the program, or rewrites it if `MAILRUN_WRITE_DOCS=1` is in the environment.
#[track_caller]
fn is_up_to_date(name: &str, parts: &[(&str, String)]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let page = fs::read_to_string(&path).expect("a page");
    let right = parts.iter().fold(page.clone(), |page, (marker, part)| {
        with_generated(&page, marker, part)
    });
    if env::var_os("MAILRUN_WRITE_DOCS").is_some_and(|value| value == "1") {
        fs::write(path, right).expect("the page can be written");
        return;
    }
    let missing = |one: &str, other: &str| -> Vec<String> {
        let lines = one
            .lines()
            .filter(|line| !other.lines().any(|it| it == *line));
        lines.map(str::to_owned).collect()
    };
    assert!(
        page == right,
        "{name} is out of date: run this test with MAILRUN_WRITE_DOCS=1.\nmissing: {:#?}\nto be removed: {:#?}",
        missing(&right, &page),
        missing(&page, &right)
    );
}

#[test]
fn every_rule_is_documented() {
    let parts = [
        ("<!-- rules:", rules_section()),
        ("<!-- codes:", codes_table()),
    ];
    is_up_to_date("docs/check.md", &parts);
    is_up_to_date("docs/results.md", &[("<!-- row codes:", row_codes_table())]);
}

#[test]
fn every_rule_says_what_it_finds_why_it_matters_and_how_to_fix_it() {
    for rule in rules() {
        for text in [rule.finds, rule.why, rule.fix, rule.source, rule.example] {
            assert!(!text.trim().is_empty(), "{}", rule.code);
        }
        for sentence in [rule.why, rule.fix] {
            assert!(sentence.ends_with(['.', '`']), "{}: {sentence}", rule.code);
        }
    }
}
