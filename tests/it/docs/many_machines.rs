//! The page about several machines: its commands run against a server, and its files are valid.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tempfile::TempDir;

use super::commands::{Shell, Started};
use super::{blocks, first_cells, keys, page, quoted};
use crate::support::fake_api::FakeApi;
use crate::support::postgres::{Cluster, Setup};
use crate::support::run::Run;
use crate::support::{client, has_program, python_with, real_part};

const PAGE: &str = "docs/many-machines.md";
/// The run on the page.
const NAME: &str = "20260901T080000.000Z-first-letter-kfzq";
const HOST: &str = "db.acme.example";

#[test]
fn commands_run() {
    if !real_part("PostgreSQL", Cluster::is_available()) {
        return;
    }
    let cluster = Cluster::with(&Setup {
        password: Some("secret"),
        ..Setup::default()
    });
    let text = page(PAGE);
    let [roles] = &blocks(&text, "sql")[..] else {
        panic!("a block of SQL")
    };
    for statement in roles.lines() {
        cluster.psql(statement);
    }
    // The API answers nothing until the run is stopped.
    let (api, stopped) = FakeApi::answering_later();
    let mut shell = Shell::new(&api);
    let mut name = NAME.to_owned();
    let mut workers: Vec<Started> = Vec::new();
    let mut lines = 0;
    for block in blocks(&text, "sh") {
        for line in block.lines() {
            lines += 1;
            let line = line.replace(HOST, &format!("127.0.0.1:{}", cluster.port()));
            let line = line.replace(NAME, &name);
            let joins = line.starts_with("mailrun send") || line.starts_with("mailrun resume");
            if joins && !stopped.load(Ordering::Relaxed) {
                let mut worker = shell.start(&line);
                name = worker.first_line();
                workers.push(worker);
                continue;
            }
            if line.starts_with("mailrun stop") {
                let sending = cluster.psql_in(
                    "mailrun",
                    "SELECT count(*) FROM mailrun.worker WHERE ended_at IS NULL",
                );
                assert_eq!(sending, "2", "both lines send the run");
                assert_eq!(api.taken().len(), 0);
                fields_are_documented(&name, &cluster);
            }
            shell.line(PAGE, &line);
            if line.starts_with("mailrun stop") {
                // The workers hear of it with their next heartbeat.
                std::thread::sleep(Duration::from_secs(1));
                stopped.store(true, Ordering::Relaxed);
                for worker in workers.drain(..) {
                    worker.end(PAGE);
                }
                assert!(api.taken().len() < 3, "the run was stopped");
            }
        }
    }
    assert!(lines >= 15, "{lines} lines");
    assert_eq!(api.taken_addresses().len(), 3, "nobody got it twice");
    let delete = blocks(&text, "text");
    let delete = delete.iter().find(|block| block.contains("delete_run"));
    let delete = delete.expect("a run is deleted").replace(NAME, &name);
    cluster.psql_in("mailrun", &delete);
    for table in ["run", "file", "recipient", "delivery", "worker"] {
        let count = format!("SELECT count(*) FROM mailrun.{table}");
        assert_eq!(cluster.psql_in("mailrun", &count), "0", "{table}");
    }
}

/// The fields of the JSON about this run.
fn fields_are_documented(run: &str, cluster: &Cluster) {
    let json = |arguments: &[&str]| -> serde_json::Value {
        let (command, rest) = arguments.split_first().expect("a command");
        let url = cluster.url_of("news", "mailrun");
        let ran = Run::new(command).args(rest).args(["--format", "json"]);
        let ran = ran
            .args(["--ledger", &url])
            .env("PGPASSWORD", "worker-password");
        serde_json::from_str(&ran.run().code(0).stdout).expect("JSON")
    };
    let results = page("docs/results.md");
    let common = first_cells(&results, "## `status --format json`");
    let of_runs = "### A run in a database";
    let mut documented = first_cells(&results, of_runs);
    let status = json(&["status", run]);
    for worker in keys(&status["workers"][0]) {
        assert!(results.contains(&format!("`{worker}`")), "{worker}");
    }
    documented.extend(common);
    assert_eq!(keys(&status), documented);
    let listed = keys(&json(&["runs"])[0]);
    let paragraph = results.split("`runs --format json` prints").nth(1);
    let paragraph = paragraph.and_then(|text| text.split("\n\n").next());
    let named: BTreeSet<_> = quoted(paragraph.expect("a paragraph"))
        .into_iter()
        .collect();
    assert_eq!(listed, named);
}

#[test]
fn the_unit_is_valid() {
    if !real_part("systemd-analyze", has_program("systemd-analyze")) {
        return;
    }
    let [unit] = &blocks(&page(PAGE), "ini")[..] else {
        panic!("a unit")
    };
    let folder = TempDir::new().expect("a folder");
    // It also checks that the program exists.
    let unit = unit.replace("/usr/local/bin/mailrun", "/bin/true");
    let path = folder.path().join("mailrun-worker@run.service");
    std::fs::write(&path, unit).expect("a file");
    let output = Command::new("systemd-analyze")
        .arg("verify")
        .arg("--man=no")
        .arg(&path)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    let about_it: Vec<_> = said
        .lines()
        .filter(|line| line.contains("mailrun-worker"))
        .collect();
    assert_eq!(about_it, [""; 0]);
}

#[test]
fn the_job_is_valid_yaml() {
    let Some(python) = python_with("yaml") else {
        eprintln!("SKIPPED: Python's yaml is missing");
        return;
    };
    let [job] = &blocks(&page(PAGE), "yaml")[..] else {
        panic!("a Job")
    };
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("job.yaml");
    std::fs::write(&path, job).expect("a file");
    let script = format!(
        "import json, yaml\nprint(json.dumps(yaml.safe_load(open({:?}))))",
        path.display().to_string()
    );
    let job: serde_json::Value =
        serde_json::from_str(&client(python, &["-"], &script)).expect("JSON");
    assert_eq!(job["kind"], "Job");
    let pod = &job["spec"]["template"]["spec"];
    let arguments = &pod["containers"][0]["args"];
    assert_eq!(
        (&arguments[0], &arguments[1]),
        (&"resume".into(), &NAME.into())
    );
}
