//! The page about several machines: its commands run against a server, and its files are valid.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use super::commands::{Shell, Started};
use super::{blocks, page};
use crate::support::fake_api::{FakeApi, Reply};
use crate::support::postgres::{Cluster, Setup};
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
    let stopped = Arc::new(AtomicBool::new(false));
    let may_answer = Arc::clone(&stopped);
    let api = FakeApi::start(move |_, _| {
        // It ends if the test fails.
        for _ in 0..6000 {
            if may_answer.load(Ordering::Relaxed) {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Reply::Take
    });
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
    let delete = delete.iter().find(|block| block.starts_with("DELETE"));
    let delete = delete.expect("a run is deleted").replace(NAME, &name);
    cluster.psql_in("mailrun", &delete);
    let tables = "SELECT count(*) FROM mailrun.run, mailrun.recipient, mailrun.delivery";
    assert_eq!(cluster.psql_in("mailrun", tables), "0");
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
