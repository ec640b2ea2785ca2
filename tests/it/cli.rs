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
    "man",
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

#[test]
fn man_pages_are_of_every_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("new/man1");
    Run::new("man").arg(&dir).run().code(0).stdout_is("");
    let page = |name: &str| {
        let page = std::fs::read_to_string(dir.join(name));
        page.unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    for command in COMMANDS {
        let page = page(&format!("mailrun-{command}.1"));
        assert!(page.contains(&format!("mailrun\\-{command}")), "{page}");
    }
    let send = page("mailrun-send.1");
    assert!(send.contains("\\-\\-dry\\-run"), "{send}");
    page("mailrun.1");
    page("mailrun-suppress-add.1");
    assert!(!dir.join("mailrun-help.1").exists());
}

#[test]
fn man_pages_that_can_not_be_written_are_an_error() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let ran = Run::new("man").arg(file.path()).run();
    ran.code(1).stderr_has("can't write man pages");
}
