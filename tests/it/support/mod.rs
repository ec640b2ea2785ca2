//! The harness that every test of this binary shares.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "a toolbox: a tool may wait for the test that needs it, and nothing outside this binary sees it"
)]

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
pub mod promises;
pub mod results;
pub mod run;
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
