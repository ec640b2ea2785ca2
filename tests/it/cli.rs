//! The command line, which scripts depend on.

use crate::support::run::Run;

const COMMANDS: &[&str] = &[
    "init",
    "check",
    "preview",
    "send",
    "resume",
    "retry",
    "resolve",
    "status",
    "follow",
    "results",
    "suppress",
    "report",
    "ledger",
    "inbox",
    "completions",
];

#[test]
fn help_of_every_command() {
    let mut all = Run::new("--help").run().code(0).stdout.clone();
    for command in COMMANDS {
        let ran = Run::new(command).arg("--help").run();
        ran.code(0).stderr_is("");
        all.push_str(&format!("\n=== {command}\n{}", ran.stdout));
    }
    let ran = Run::new("ledger").args(["init", "--help"]).run();
    ran.code(0).stderr_is("");
    all.push_str(&format!("\n=== ledger init\n{}", ran.stdout));
    insta::assert_snapshot!(all);
}

#[test]
fn invalid_arguments_are_usage_errors() {
    let two = |args: &[&str]| {
        let (command, rest) = args.split_first().expect("a command");
        let ran = Run::new(command).args(rest).run();
        ran.code(2).stdout_is("").stderr_has("--help");
    };
    two(&["sned"]);
    two(&["send"]);
    two(&["send", ".", "--nope"]);
    two(&["send", ".", "--limit", "many"]);
    two(&["send", ".", "--except-sent", "--again"]);
    two(&["send", ".", "--test-to", "nobody"]);
    two(&["preview", ".", "--row", "1", "--email", "a@b.example"]);
    two(&["resolve", ".", "--how", "guess"]);
    two(&["resume", ".", "--rate", "fast"]);
    two(&["follow", ".", "--for", "soon"]);
    two(&["results", ".", "--delivery", "lost"]);
    two(&["report"]);
    two(&["report", ".", "--format", "pdf"]);
    two(&["check", ".", "--format", "xml"]);
    two(&["ledger"]);
}

#[test]
fn prints_its_version() {
    let version = format!("mailrun {}\n", env!("CARGO_PKG_VERSION"));
    Run::new("--version").run().code(0).stdout_is(&version);
}

#[test]
fn completions_include_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = Run::new("completions").arg(shell).run();
        ran.code(0);
        for command in COMMANDS {
            ran.stdout_has(command);
        }
    }
}
