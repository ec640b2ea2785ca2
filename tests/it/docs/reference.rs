//! The reference pages list the keys, columns, fields and codes of the program.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::{blocks, copy, first_cells, keys, page, root};
use crate::support::run::Run;

#[test]
fn the_full_campaign_is_valid() {
    let folder = TempDir::new().expect("a folder");
    let campaign = page("docs/campaign.md");
    let campaign = blocks(&campaign, "toml").into_iter().next();
    let put = |name: &str, content: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, content).expect("a file");
    };
    put("campaign.toml", &campaign.expect("the full example"));
    let words = "<p>{{ first_name }}, {{ issue }}, {{ site }}</p>".repeat(150);
    let logo = "<img src=\"cid:logo.png\" alt=\"Acme\" width=\"120\">";
    let head = "<html lang=\"en\"><head><title>Autumn</title></head>";
    let leave = "<p><a href=\"https://acme.example/u/{{ token }}\">Unsubscribe</a></p>";
    let html = format!("{head}<body>{words}{logo}{leave}</body></html>");
    put("templates/newsletter.html", &html);
    put("templates/newsletter.txt", "{{ first_name }}");
    put("logo.png", "a picture");
    put("autumn.pdf", "a price list");
    put("unsubscribed.csv", "email\nnobody@mail.example\n");
    put("bounces.csv", "address\nnobody@mail.example\n");
    put(
        "recipients.csv",
        "email,first_name,agent,segment,token,price list\nada@mail.example,Ada,zoe@acme.example,home,7f,autumn.pdf\n",
    );
    let ran = Run::new("check").arg(folder.path()).arg("--strict").run();
    ran.code(0).stdout_has("1 row, 0 errors, 0 warnings");
}

#[test]
fn every_key_of_a_campaign_is_documented() {
    let text = page("docs/campaign.md");
    let example = blocks(&text, "toml").into_iter().next();
    let example = example.expect("the full example");
    let tables = [
        ("CampaignFile", "## Keys"),
        ("ApiTable", "### `[api]`"),
        ("SmtpTable", "### `[smtp]`"),
        ("DkimTable", "#### `[smtp.dkim]`"),
        ("MessageTemplate", "### `[message]`"),
        ("VariantTable", "### `[[variants]]`"),
        ("AttachmentTemplate", "### `[[message.attachments]]`"),
        ("RecipientsTable", "### `[recipients]`"),
        ("PaceTable", "### `[pace]`"),
        ("ScheduleTable", "### `[schedule]`"),
        ("RetryTable", "### `[retry]`"),
        ("BreakerTable", "### `[breaker]`"),
        ("CheckTable", "### `[check]`"),
        ("LedgerTable", "### `[ledger]`"),
        ("FeedbackTable", "### `[feedback]`"),
        ("PageTable", "#### `[feedback.page]`"),
    ];
    let source = fs::read_to_string(root().join("src/campaign/file.rs")).expect("the source");
    for (table, heading) in tables {
        let keys = source
            .split(&format!("struct {table} {{"))
            .nth(1)
            .and_then(|rest| rest.split('}').next())
            .expect("the structure");
        let mut keys: BTreeSet<String> = keys
            .lines()
            .filter_map(|line| {
                let (_, field) = line.trim().strip_prefix("pub")?.split_once(' ')?;
                Some(field.split(':').next()?.trim_start_matches("r#").to_owned())
            })
            .collect();
        if table == "CampaignFile" {
            // The other keys are tables with their own headings.
            keys.retain(|key| key == "name");
        }
        // A table with a heading of its own.
        if table == "SmtpTable" {
            keys.remove("dkim");
        }
        if table == "FeedbackTable" {
            keys.remove("page");
        }
        assert_eq!(
            first_cells(&text, heading),
            keys,
            "the keys below {heading}"
        );
        // A campaign has either [api] or [smtp]; the other page has an example of the latter.
        let example = match table {
            "SmtpTable" | "DkimTable" => &page("docs/sending.md"),
            _ => &example,
        };
        for key in &keys {
            let shown = |line: &str| {
                let line = line.trim_start_matches("# ");
                line.starts_with(&format!("{key} ="))
                    || line.contains(&format!("[message.{key}]"))
                    || line.contains(&format!("[smtp.{key}]"))
            };
            assert!(example.lines().any(shown), "{key} is not in the example");
        }
    }
}

#[test]
fn columns_of_the_results_are_documented() {
    let run = local_run();
    let results = fs::read_to_string(run.path().join("run/results.csv")).expect("the results");
    let header = results.lines().next().expect("a header");
    let columns: BTreeSet<_> = header
        .split(',')
        .take_while(|name| !name.starts_with("input."))
        .map(str::to_owned)
        .collect();
    assert_eq!(
        first_cells(&page("docs/results.md"), "## results.csv"),
        columns
    );
}

#[test]
fn fields_of_the_json_are_documented() {
    let text = page("docs/results.md");
    let run = local_run();
    let status = Run::new("status").arg(run.path().join("run"));
    let status = status.args(["--format", "json"]).run();
    let status: serde_json::Value = serde_json::from_str(&status.stdout).expect("JSON");
    assert_eq!(
        first_cells(&text, "## `status --format json`"),
        keys(&status)
    );
    assert_eq!(first_cells(&text, "## Statuses"), keys(&status["counts"]));

    let check = Run::new("check").arg(run.path().join("newsletter"));
    let check = check.args(["--format", "json"]).run();
    let check: serde_json::Value = serde_json::from_str(&check.stdout).expect("JSON");
    let fields = keys(&check).into_iter().chain(keys(&check["findings"][0]));
    assert_eq!(
        first_cells(&text, "## `check --format json`"),
        fields.collect()
    );
}

/// A folder with a copy of the newsletter example, and a local run of it in `run`.
fn local_run() -> TempDir {
    let folder = TempDir::new().expect("a folder");
    let campaign = folder.path().join("newsletter");
    copy(&root().join("examples/newsletter"), &campaign);
    let send = Run::new("send").arg(&campaign).arg("--local");
    send.arg("--run-dir")
        .arg(folder.path().join("run"))
        .run()
        .code(3);
    folder
}

#[test]
fn row_codes_are_documented() {
    let documented = first_cells(&page("docs/results.md"), "## Codes");
    let source = sources(&root().join("src"));
    for code in &documented {
        assert!(
            source.contains(&format!("\"{code}\"")),
            "{code} is not in the program"
        );
    }
    let run = local_run();
    // A row with an extra field has a longer line than the header.
    let mut results = csv::ReaderBuilder::new()
        .flexible(true)
        .from_path(run.path().join("run/results.csv"))
        .expect("the results");
    let mut without_message = 0;
    for row in results.records() {
        let row = row.expect("a row of the results");
        if &row[2] != "accepted" {
            assert!(documented.contains(&row[4]), "{}", &row[4]);
            without_message += 1;
        }
    }
    assert_eq!(without_message, 11);
}

fn sources(folder: &Path) -> String {
    let entries = fs::read_dir(folder).expect("a folder");
    entries
        .map(|entry| entry.expect("an entry").path())
        .map(|path| {
            if path.is_dir() {
                sources(&path)
            } else {
                fs::read_to_string(&path).unwrap_or_default()
            }
        })
        .collect()
}
