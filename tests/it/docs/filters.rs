//! Every example on the page about filters prints what the page says, and every name has one.

use std::collections::BTreeSet;
use std::fs;

use super::{blocks, page, root};
use crate::support::campaign::Campaign;
use crate::support::findings::check_without_style_rules as check;
use crate::support::mail::outbox;
use crate::support::run::Run;

/// A template and what it prints.
type Example = (String, String);

fn examples(page: &str) -> Vec<Example> {
    let lines = blocks(page, "text");
    let lines = lines.iter().flat_map(|block| block.lines());
    let examples = lines.map(|line| line.split_once(" → ").expect("a template and its output"));
    examples
        .map(|(template, output)| (template.to_owned(), output.to_owned()))
        .collect()
}

fn campaign(page: &str, template: &str) -> Campaign {
    let row = blocks(page, "csv").remove(0) + "\n";
    Campaign::new()
        .unset("message.html")
        .set("message.subject", "x")
        .set("message.text", "letter.txt")
        .recipients(row)
        .template("letter.txt", template)
}

/// Non-breaking spaces can't be seen on the page.
fn visible(text: &str) -> String {
    text.replace(['\u{a0}', '\u{202f}'], " ")
}

#[test]
fn examples_print_what_the_page_says() {
    let page = page("docs/filters.md");
    let examples = examples(&page);
    let printing: Vec<&Example> = examples
        .iter()
        .filter(|(_, output)| !output.starts_with("error: "))
        .collect();
    assert!(printing.len() > 80, "{}", printing.len());
    let template: String = printing
        .iter()
        .map(|(template, _)| format!("[{template}]\n"))
        .collect();
    let campaign = campaign(&page, &template);
    let ran = Run::new("send").arg(campaign.path()).arg("--local").run();
    ran.code(0);
    let mails = outbox(ran.run_dir().join("outbox"));
    let text = mails[0].text.as_deref().expect("a text");
    let text = visible(text).replace("\r\n", "\n");
    let printed: Vec<&str> = text.lines().collect();
    assert_eq!(printed.len(), printing.len());
    let wrong: Vec<String> = std::iter::zip(printed, printing)
        .filter(|(printed, (_, output))| *printed != format!("[{output}]"))
        .map(|(printed, (template, output))| format!("{template} prints {printed}, not {output}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn examples_of_errors_are_errors() {
    let page = page("docs/filters.md");
    let mut errors = 0;
    for (template, output) in examples(&page) {
        let Some(error) = output.strip_prefix("error: ") else {
            continue;
        };
        errors += 1;
        let report = check(&campaign(&page, &template));
        let finding = report.about(error);
        finding
            .is("template-error", error)
            .at_line("templates/letter.txt", 1);
    }
    assert!(errors > 4);
}

#[test]
fn every_name_has_an_example() {
    let page = page("docs/filters.md");
    let templates: Vec<String> = examples(&page)
        .into_iter()
        .map(|(template, _)| template)
        .collect();
    let source =
        fs::read_to_string(root().join("src/render/filters/catalogue.rs")).expect("the source");
    for (list, before, after) in [
        ("FILTERS", "| ", ""),
        ("TESTS", "is ", ""),
        ("FUNCTIONS", "", "("),
    ] {
        let names = source
            .split(&format!("const {list}: &[Entry] = &["))
            .nth(1)
            .expect("the list");
        let names = names.split("\n];").next().unwrap_or_default();
        let names: BTreeSet<&str> = names
            .split("(\"")
            .chain(names.split("(\n        \""))
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .filter(|name| {
                name.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            })
            .filter(|name| !name.is_empty())
            .collect();
        assert!(names.len() >= 3, "{list}");
        for name in names {
            let call = format!("{before}{name}{after}");
            let is_call = |template: &String| {
                template.match_indices(&call).any(|(at, _)| {
                    let next = template[at + call.len()..].chars().next();
                    !next.is_some_and(|c| c.is_alphanumeric() || c == '_') || after == "("
                })
            };
            assert!(
                templates.iter().any(is_call),
                "{list}: `{name}` has no example"
            );
        }
    }
}
