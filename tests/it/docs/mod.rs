//! Tests that the documentation matches the program.

mod commands;
mod filters;
mod gateway;
mod install;
mod links;
mod many_machines;
mod openapi;
mod reference;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::run::Run;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The code blocks of a page in one language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(block_language) = line.strip_prefix("```") {
            let block: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
            if block_language == language {
                blocks.push(block.join("\n"));
            }
        }
    }
    blocks
}

/// The page without code blocks.
fn prose(page: &str) -> String {
    let mut inside = false;
    page.lines()
        .filter(|line| {
            let fence = line.starts_with("```");
            inside ^= fence;
            !inside && !fence
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// The text in backquotes in the first column of the tables below a heading, up to the next heading.
fn first_cells(page: &str, heading: &str) -> BTreeSet<String> {
    let mut lines = page.lines();
    assert!(
        lines.any(|line| line == heading),
        "there is no heading {heading}"
    );
    lines
        .take_while(|line| !line.starts_with('#'))
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next())
        .flat_map(quoted)
        .collect()
}

/// The text in backquotes.
fn quoted(text: &str) -> Vec<String> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// Copies a folder without its `runs`.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name");
        if name == "runs" {
            continue;
        }
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else {
            fs::copy(&path, to.join(name)).expect("a file can be copied");
        }
    }
}

fn help(arguments: &[&str]) -> String {
    let (first, rest) = arguments.split_first().expect("an argument");
    let ran = Run::new(first).args(rest).arg("--help").run();
    ran.code(0);
    ran.stdout
}

/// The names of the commands in `--help`.
fn command_names() -> Vec<String> {
    let ran = Run::new("--help").run();
    let list = ran.stdout.split("Commands:\n").nth(1).expect("a list");
    list.lines()
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help")
        .map(str::to_owned)
        .collect()
}

/// The long options in a text, such as `--limit`.
fn options(text: &str) -> Vec<String> {
    text.split(|c: char| !(c.is_ascii_lowercase() || c == '-'))
        .filter(|word| word.starts_with("--") && word.len() > 2)
        .map(str::to_owned)
        .collect()
}

fn keys(object: &serde_json::Value) -> BTreeSet<String> {
    let object = object.as_object().expect("an object");
    object.keys().cloned().collect()
}
