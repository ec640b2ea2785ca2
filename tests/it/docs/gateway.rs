//! The pages about the gateway match its limits, metrics, log and faults.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use tempfile::TempDir;

use super::{blocks, first_cells, help, keys, options, page, root};
use crate::support::gateway::Gateway;
use crate::support::has_program;
use crate::support::run;

const OPERATIONS: &str = "docs/gateway-operations.md";

#[test]
fn limits_are_documented() {
    let page = page(OPERATIONS);
    let limits = blocks(&page, "toml");
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("gateway.toml");
    fs::write(&file, &limits[0]).expect("a file");
    let config = mailrun::gateway::config::Config::load(&file).expect("it can be read");
    assert_eq!(config, mailrun::gateway::config::Config::default());
    let table: toml::Table = limits[0].parse().expect("TOML");
    let keys = table["limits"].as_table().expect("a table").keys();
    assert_eq!(first_cells(&page, "## Limits"), keys.cloned().collect());
    let source = fs::read_to_string(root().join("src/gateway/config.rs")).expect("the source");
    let fields = source.split("struct LimitsFile {").nth(1);
    let fields = fields
        .and_then(|rest| rest.split('}').next())
        .expect("the structure");
    assert_eq!(
        fields.matches(':').count(),
        table["limits"].as_table().expect("a table").len()
    );
}

#[test]
fn metrics_and_log_fields_are_documented() {
    let page = page(OPERATIONS);
    let mut gateway = Gateway::with("", &["--log-format", "json"]);
    gateway.post(&["a@example.com"]);
    let metrics = gateway.ask("GET /metrics", &[], "").body;
    let names = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "));
    let names = names.filter_map(|line| line.split(' ').next());
    let documented = first_cells(&page, "## Health and metrics");
    assert_eq!(documented, names.map(str::to_owned).collect());
    let log = gateway.stop().stderr;
    let line: serde_json::Value = log
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .find(|line: &serde_json::Value| line["fields"]["method"].is_string())
        .expect("a request in the log");
    let mut fields = keys(&line["fields"]);
    fields.remove("message");
    assert_eq!(first_cells(&page, "## The access log"), fields);
}

#[test]
fn faults_are_documented() {
    let cells = first_cells(&page(OPERATIONS), "## Inject faults");
    let (names, specs): (BTreeSet<_>, BTreeSet<_>) =
        cells.into_iter().partition(|cell| cell.ends_with('@'));
    for spec in &specs {
        let spec = spec
            .replace("=P%", "=5%")
            .replace("TIME", "1s")
            .replace("=N", "=1");
        let parsed = spec.parse::<mailrun::gateway::chaos::Spec>();
        assert!(parsed.is_ok(), "{spec}: {parsed:?}");
    }
    let source =
        fs::read_to_string(root().join("src/gateway/chaos/scripted.rs")).expect("the source");
    let table = source.split("const NAMES").nth(1);
    let table = table
        .and_then(|rest| rest.split("];").next())
        .expect("the names");
    let known = table.split('(').filter_map(|entry| {
        let name = entry.trim_start().strip_prefix('"')?;
        let name = name.split('"').next()?;
        (!name.contains(' ')).then(|| format!("{name}@"))
    });
    assert_eq!(names, known.collect());
    assert!(specs.len() >= 10);
}

#[test]
fn recipients_with_events_are_documented() {
    let names = first_cells(
        &page("docs/gateway.md"),
        "### Rehearse bounces, opens and complaints",
    );
    let gateway = Gateway::start();
    for name in &names {
        let name = name.strip_suffix('@').expect("the name of a recipient");
        gateway.post(&[&format!("{name}@x.example")]);
    }
    let events = "SELECT count(*) FROM message WHERE status = 'ok'
                  AND NOT EXISTS (SELECT 1 FROM upcoming_event WHERE message = message.id)
                  AND NOT EXISTS (SELECT 1 FROM event WHERE message = message.id AND kind NOT IN ('injected', 'ok'))";
    let ordinary = gateway
        .store()
        .query_row(events, [], |row| row.get::<_, i64>(0));
    assert_eq!(ordinary, Ok(0));
    let source = fs::read_to_string(root().join("src/gateway/simulation/outcome.rs"));
    let source = source.expect("the source");
    let known = source
        .split("fn name(")
        .nth(1)
        .and_then(|rest| rest.split("\n    }").next());
    let known = known.expect("the names").matches("=> \"").count();
    // The short form of `spambounce@` is not among them.
    assert_eq!(names.len(), known + 1);
}

#[test]
fn the_systemd_unit_is_valid() {
    let unit = blocks(&page(OPERATIONS), "ini").remove(0);
    let mut section = "";
    let mut values = std::collections::BTreeMap::new();
    for line in unit
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        if let Some(name) = line.strip_prefix('[') {
            section = name.strip_suffix(']').expect("a section");
            assert!(["Unit", "Service", "Install"].contains(&section), "{line}");
            continue;
        }
        let (key, value) = line.split_once('=').expect("a key and a value");
        assert!(!section.is_empty(), "{line} is outside of a section");
        assert!(key.chars().all(char::is_alphanumeric), "{line}");
        assert_eq!(
            values.insert((section, key), value),
            None,
            "{key} is set twice"
        );
    }
    let start = values[&("Service", "ExecStart")];
    let mut words = start.split(' ');
    assert_eq!(words.next(), Some("/usr/bin/mailrun"));
    assert_eq!(words.next(), Some("gateway"));
    let known = options(&help(&["gateway"]));
    for option in words.filter(|word| word.starts_with("--")) {
        assert!(known.contains(&option.to_owned()), "{option}");
    }
    // --data is the StateDirectory.
    let state = values[&("Service", "StateDirectory")];
    assert!(start.contains(&format!("--data /var/lib/{state} ")));
    if has_program("systemd-analyze") {
        let folder = TempDir::new().expect("a folder");
        let file = folder.path().join("mailrun-gateway.service");
        let unit = unit.replace("/usr/bin/mailrun", &run::program());
        fs::write(&file, unit).expect("a file");
        let verified = Command::new("systemd-analyze")
            .arg("verify")
            .arg(&file)
            .output();
        let verified = verified.expect("systemd-analyze starts");
        let errors = String::from_utf8_lossy(&verified.stderr);
        assert!(verified.status.success() && errors.is_empty(), "{errors}");
    }
}
