//! Links, command lines and options in the documentation exist.

use std::collections::BTreeSet;
use std::fs;

use super::{blocks, command_names, help, options, page, prose, quoted, root};

const PAGES: &[&str] = &[
    "README.md",
    "CHANGELOG.md",
    "docs/install.md",
    "docs/guide.md",
    "docs/sending.md",
    "docs/many-machines.md",
    "docs/preview.md",
    "docs/campaign.md",
    "docs/filters.md",
    "docs/check.md",
    "docs/guarantees.md",
    "docs/performance.md",
    "docs/results.md",
    "docs/after-sending.md",
    "docs/feedback.md",
    "docs/privacy.md",
    "docs/gateway.md",
    "docs/inbox.md",
    "docs/preview-web.md",
    "docs/relay.md",
    "docs/gateway-operations.md",
    "docs/clients.md",
    "docs/architecture.md",
];

#[test]
fn links_have_targets() {
    let mut links = 0;
    for name in PAGES {
        let text = prose(&page(name));
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            if target.starts_with("https://") {
                continue;
            }
            links += 1;
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let to = match file {
                "" => root().join(name),
                file => root()
                    .join(name)
                    .parent()
                    .expect("a page is in a folder")
                    .join(file),
            };
            assert!(
                to.is_file(),
                "{name} links to {target}, which does not exist"
            );
            if !anchor.is_empty() {
                let text = fs::read_to_string(&to).expect("a page");
                assert!(
                    prose(&text)
                        .lines()
                        .any(|line| line.starts_with('#') && slug(line) == anchor),
                    "{name} links to {target}, but there is no such heading"
                );
            }
        }
    }
    assert!(links >= 15, "{links} links");
}

/// The anchor of a heading, as GitHub makes it.
fn slug(heading: &str) -> String {
    heading
        .trim_start_matches('#')
        .trim()
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[test]
fn usage_lines_match_the_program() {
    let usage = blocks(&page("README.md"), "text");
    let usage = usage.iter().find(|text| text.contains("[OPTIONS]"));
    let usage = usage.expect("the block with the usage");
    let documented: Vec<_> = usage.lines().collect();
    let actual: Vec<_> = command_names()
        .iter()
        .map(|command| {
            let help = help(&[command]);
            let line = help.lines().find_map(|line| line.strip_prefix("Usage: "));
            line.expect("a line with the usage").to_owned()
        })
        .collect();
    assert_eq!(documented, actual);
}

#[test]
fn options_exist() {
    let mut known: BTreeSet<String> = command_names()
        .iter()
        .flat_map(|command| options(&help(&[command])))
        .collect();
    known.extend(
        ["init", "copy"]
            .iter()
            .flat_map(|command| options(&help(&["ledger", command]))),
    );
    known.extend(
        ["add", "remove", "check", "import", "export"]
            .iter()
            .flat_map(|command| options(&help(&["suppress", command]))),
    );
    // Options of cargo, of the soak test and of containers.
    let others = [
        "--profile",
        "--path",
        "--test",
        "--bench",
        "--kills",
        "--user",
        "--userns",
        "--env",
        "--now",
    ];
    known.extend(others.map(str::to_owned));
    for name in PAGES {
        let text = page(name);
        let mut texts = blocks(&text, "sh");
        texts.extend(quoted(&prose(&text)));
        for text in texts {
            for option in options(&text) {
                assert!(known.contains(&option), "{name}: {option} in `{text}`");
            }
        }
    }
}
