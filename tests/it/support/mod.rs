//! The harness that every test of this binary shares.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "a toolbox: a tool may wait for the test that needs it, and nothing outside this binary sees it"
)]

use std::io::Write;
use std::process::{Command, Stdio};

pub mod browser;
pub mod campaign;
pub mod fake_api;
pub mod gateway;
pub mod http;
pub mod inbox;
pub mod kill;
pub mod mail;
pub mod parallel;
pub mod postfix;
pub mod power;
pub mod preview;
pub mod promises;
pub mod results;
pub mod run;
pub mod screen;
pub mod shim;
pub mod smtp;
pub mod snapshot;

/// Says whether the real thing called `what` can be tested with here, when `found` says that it is there.
///
/// A test that needs it returns when this is false, and leaves a line that says so. With
/// `MAILRUN_TESTS_REQUIRE_ALL` in the environment nothing may be left out, and it panics.
pub fn real_part(what: &str, found: bool) -> bool {
    if !found {
        assert!(
            std::env::var_os("MAILRUN_TESTS_REQUIRE_ALL").is_none(),
            "{what} is missing, and MAILRUN_TESTS_REQUIRE_ALL says that no test may be left out"
        );
        eprintln!("LEFT OUT: {what}");
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
    has_program("python3")
        && Command::new("python3")
            .args(["-c", "import requests"])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
}

/// Runs a program that posts or asks, and gives what it wrote.
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
