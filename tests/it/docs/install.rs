//! The files of packages.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use super::{blocks, page};
use crate::support::{has_program, real_part, run};

const FEEDBACK: &str = "packaging/systemd/mailrun-feedback@.service";

#[test]
fn the_pages_show_the_units_of_the_package() {
    for (name, unit) in [
        (
            "docs/gateway-operations.md",
            "packaging/systemd/mailrun-gateway.service",
        ),
        ("docs/feedback.md", FEEDBACK),
    ] {
        let shown = blocks(&page(name), "ini").remove(0);
        assert_eq!(shown, page(unit).trim_end(), "{name}");
    }
}

#[test]
fn the_unit_of_the_feedback_server_is_valid() {
    if !real_part("systemd-analyze", has_program("systemd-analyze")) {
        return;
    }
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("mailrun-feedback@root.service");
    let unit = page(FEEDBACK).replace("/usr/bin/mailrun", &run::program());
    fs::write(&file, unit).expect("a file");
    let verified = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(&file)
        .output();
    let said = verified.expect("systemd-analyze starts").stderr;
    let said = String::from_utf8_lossy(&said);
    let about_it: Vec<_> = said
        .lines()
        .filter(|line| line.contains("mailrun-feedback"))
        .collect();
    assert_eq!(about_it, [""; 0]);
}

#[test]
fn the_settings_of_the_package_are_valid() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("gateway.toml");
    fs::write(&file, page("packaging/gateway.toml")).expect("a file");
    let gateway = run::Run::new("gateway").arg("--config").arg(&file);
    let gateway = gateway.arg("--data").arg(folder.path().join("data"));
    let running = gateway.args(["--listen", "127.0.0.1:0"]).spawn();
    assert!(running.first_line().starts_with("http://127.0.0.1:"));
}
