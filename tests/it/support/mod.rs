//! What tests share: campaigns, runs of the binary, fake servers, terminals, browsers.
#![allow(unreachable_pub, reason = "nothing outside this binary sees it")]

use std::io::Write;
use std::process::{Command, Stdio};

pub mod browser;
pub mod campaign;
pub mod fake_api;
pub mod faults;
pub mod findings;
pub mod gateway;
pub mod hostile;
pub mod http;
pub mod inbox;
pub mod kill;
pub mod mail;
pub mod parallel;
pub mod postfix;
pub mod postgres;
pub mod power;
pub mod preview;
pub mod promises;
pub mod results;
pub mod run;
pub mod screen;
pub mod send;
pub mod shim;
pub mod smtp;
pub mod smtp_client;
pub mod snapshot;
pub mod vendor;

/// Returns `found`: whether the program or service `what`, which a test needs, is installed.
///
/// The test returns early when it is not, and this prints a line that says so. With
/// `MAILRUN_TESTS_REQUIRE_ALL` in the environment no test may be skipped, and it panics.
pub fn real_part(what: &str, found: bool) -> bool {
    if !found {
        assert!(
            std::env::var_os("MAILRUN_TESTS_REQUIRE_ALL").is_none(),
            "{what} is missing, and MAILRUN_TESTS_REQUIRE_ALL allows no test to be skipped"
        );
        eprintln!("SKIPPED: {what} is missing");
    }
    found
}

/// Whether a program of this name is on the `PATH`.
pub fn has_program(name: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()))
}

/// Whether Python has its `requests`.
pub fn has_requests() -> bool {
    python_with("requests") == Some("python3")
}

/// The Python that has a module: the first one on the `PATH`, or that of the system.
pub fn python_with(module: &str) -> Option<&'static str> {
    ["python3", "/usr/bin/python3"].into_iter().find(|python| {
        Command::new(python)
            .args(["-c", &format!("import {module}")])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    })
}

/// Runs a client with a script on its standard input, and returns what it prints.
pub fn client(program: &str, arguments: &[&str], script: &str) -> String {
    let mut child = Command::new(program)
        .args(arguments)
        .env("no_proxy", "*")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(script.as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{program}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}
