//! The description of the API v2.1, against a gateway.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{page, quoted};
use crate::support::gateway::Gateway;
use crate::support::run::{APP_KEY, SECRET_KEY};
use crate::support::{has_program, real_part};

const DESCRIPTION: &str = "docs/openapi-v2.1.json";
const LOGIN: &str =
    "[login]\napp_key_env = \"EMAILLABS_APP_KEY\"\nsecret_key_env = \"EMAILLABS_SECRET_KEY\"\n";

fn description() -> Value {
    serde_json::from_str(&page(DESCRIPTION)).expect("JSON")
}

/// The methods and paths, such as `GET email/open`.
fn described_endpoints() -> BTreeSet<String> {
    let description = description();
    let paths = description["paths"].as_object().expect("paths");
    let endpoints = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().expect("methods").keys();
        let methods = methods.filter(|method| *method != "parameters");
        let path = path
            .trim_start_matches('/')
            .replace("{smtpAccount}", "ACCOUNT");
        methods.map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    endpoints.collect()
}

#[test]
fn the_table_has_the_endpoints_of_the_description() {
    let page = page("docs/gateway.md");
    let (_, table) = page.split_once("Below `/v2.1/`").expect("a table");
    let rows = table.lines().skip_while(|line| !line.starts_with('|'));
    let rows = rows.take_while(|line| line.starts_with('|')).skip(2);
    let cells = rows.filter_map(|row| row.trim_matches('|').split(" | ").next());
    let documented: BTreeSet<_> = cells.flat_map(quoted).collect();
    assert_eq!(documented, described_endpoints());
}

/// Sends generated requests, and checks that all answers are as described.
#[test]
fn the_gateway_answers_as_described() {
    if !real_part("schemathesis", has_program("schemathesis")) {
        return;
    }
    let gateway = Gateway::with(LOGIN, &[]);
    let run = |arguments: &[&str]| {
        let folder = tempfile::TempDir::new().expect("a folder");
        let output = Command::new("schemathesis")
            .arg("run")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(DESCRIPTION))
            .args(["--url", &format!("http://{}/v2.1", gateway.address())])
            .args(["--header", &format!("Application-Key: {APP_KEY}")])
            .args(["--header", &format!("Authorization: {SECRET_KEY}")])
            .args([
                "--seed",
                "1",
                "--request-timeout",
                "30",
                "--warnings",
                "off",
            ])
            .args(arguments)
            .env("no_proxy", "*")
            .current_dir(folder.path())
            .output()
            .expect("schemathesis");
        let log = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{log}");
        log.into_owned()
    };
    // The examples in the description are accepted.
    let log = run(&["--phases", "examples"]);
    assert!(log.contains("No issues found"), "{log}");
    // The description does not say what an address, a template or a time is. A method that does not exist is a 404
    // with the vendor.
    let excluded = "positive_data_acceptance,unsupported_method,allow_header_conformance";
    let generated = [
        "--phases",
        "coverage,fuzzing",
        "--max-examples",
        "20",
        "--exclude-checks",
        excluded,
    ];
    let log = run(&generated);
    let tested = format!("Tested: {}", described_endpoints().len());
    assert!(log.contains(&tested), "{log}");
    assert!(!gateway.message_ids().is_empty());
}
