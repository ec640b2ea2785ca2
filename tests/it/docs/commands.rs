//! The commands and programs of the documentation run.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use super::{blocks, copy, page, root};
use crate::support::fake_api::FakeApi;
use crate::support::gateway::Gateway;
use crate::support::run;
use crate::support::vendor::Vendor;
use crate::support::{client, has_program, has_requests, real_part};

/// A folder to run commands of the pages in. It has copies of the examples that post to the fake API, and scripts
/// `mailrun` and `cargo` that run the binary under test.
pub(super) struct Shell {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

/// A line that runs; killed on drop.
pub(super) struct Started {
    child: Option<Child>,
    line: String,
    expected: i32,
}

impl Shell {
    pub(super) fn new(api: &FakeApi) -> Self {
        let folder = TempDir::new().expect("a folder");
        let bin = folder.path().join("bin");
        fs::create_dir(&bin).expect("a folder");
        let posts_to_fake = format!(
            "sed 's|^url = .*|url = \"{}\"|' \"$2/campaign.toml\" >\"$2/new\" && mv \"$2/new\" \"$2/campaign.toml\"",
            api.url()
        );
        program(
            &bin.join("mailrun"),
            &format!(
                "'{}' \"$@\"\ncode=$?\nif [ \"$1\" = init ]; then {posts_to_fake}; fi\nexit $code",
                run::program()
            ),
        );
        program(
            &bin.join("cargo"),
            "case \"$*\" in\n'run -- '*) shift 2; exec mailrun \"$@\" ;;\n\
             'install --path .') exit 0 ;;\n*) exit 99 ;;\nesac",
        );
        copy(&root().join("examples"), &folder.path().join("examples"));
        for example in fs::read_dir(folder.path().join("examples")).expect("the examples") {
            let file = example.expect("an entry").path().join("campaign.toml");
            let text = fs::read_to_string(&file).expect("a campaign");
            assert!(text.contains("https://api.emaillabs.net.pl/api/"));
            fs::write(
                &file,
                text.replace("https://api.emaillabs.net.pl/api/", &api.url()),
            )
            .expect("the campaign can be written");
        }
        Self {
            folder,
            variables: Vec::new(),
        }
    }

    /// Runs a line, and asserts the exit code in its comment `# exit N`, or 0.
    pub(super) fn line(&mut self, page: &str, line: &str) {
        if let Some(variable) = line.strip_prefix("export ") {
            let (name, value) = variable.split_once('=').expect("a variable and its value");
            self.variables.push((name.to_owned(), value.to_owned()));
            return;
        }
        self.start(line).end(page);
    }

    pub(super) fn start(&self, line: &str) -> Started {
        let expected = line.split_once("# exit ").map_or(0, |(_, rest)| {
            let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
            digits
                .and_then(|digits| digits.parse().ok())
                .expect("a number")
        });
        let path = std::env::var("PATH").expect("a PATH");
        let child = Command::new("sh")
            .args(["-c", line])
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            .env(
                "PATH",
                format!("{}:{path}", self.folder.path().join("bin").display()),
            )
            .envs(self.variables.iter().cloned())
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a shell");
        Started {
            child: Some(child),
            line: line.to_owned(),
            expected,
        }
    }
}

impl Started {
    /// The first line of its standard output; without it if it ends.
    pub(super) fn first_line(&mut self) -> String {
        let mut line = String::new();
        let child = self.child.as_mut().expect("it runs");
        let output = child.stdout.as_mut().expect("a pipe");
        let mut byte = [0];
        while output.read(&mut byte).expect("a pipe") == 1 && byte != *b"\n" {
            line.push(byte[0].into());
        }
        line
    }

    /// Waits for the end, and asserts the exit code.
    pub(super) fn end(mut self, page: &str) {
        let child = self.child.take().expect("it runs");
        let output = child.wait_with_output().expect("a shell");
        assert_eq!(
            output.status.code(),
            Some(self.expected),
            "{page}: `{}`\n{}{}",
            self.line,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // With what it started. Fails if all have ended.
            let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
            let _ = child.wait();
        }
    }
}

fn program(path: &Path, script: &str) {
    fs::write(path, format!("#!/bin/sh\n{script}\n")).expect("a script");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("it can be run");
}

/// Runs every line of a page's `sh` blocks in one folder. Returns the number of lines.
fn run_page(name: &str, api: &FakeApi) -> usize {
    run_page_in(&mut Shell::new(api), name)
}

fn run_page_in(shell: &mut Shell, name: &str) -> usize {
    let mut lines = 0;
    for block in blocks(&page(name), "sh") {
        for line in block.lines().filter(|line| !line.trim().is_empty()) {
            shell.line(name, line);
            lines += 1;
        }
    }
    lines
}

#[test]
fn commands_in_the_readme_run() {
    let vendor = Vendor::delivering();
    let api = &vendor.api;
    assert!(run_page("README.md", api) >= 15);
    // Two messages of a test, and three of a new campaign.
    let sent = api.taken_addresses();
    assert_eq!(sent.len(), 5, "{sent:?}");
    assert_eq!(
        sent.iter()
            .filter(|to| *to == "you@yourname.example")
            .count(),
        2
    );
}

#[test]
fn commands_in_the_guide_run() {
    let vendor = Vendor::delivering();
    let api = &vendor.api;
    assert!(run_page("docs/guide.md", api) >= 20);
    // Three messages of a test, three of the first run, and three more with --again.
    assert_eq!(api.taken_addresses().len(), 9);
}

#[test]
fn commands_in_other_pages_run() {
    let api = FakeApi::taking_all();
    let pages = [
        "docs/campaign.md",
        "docs/check.md",
        "docs/results.md",
        "docs/gateway.md",
        "docs/preview.md",
        "docs/feedback.md",
        "docs/install.md",
        "docs/scheduled.md",
    ];
    let lines = pages.map(|name| run_page(name, &api));
    assert_eq!(lines, [0, 1, 3, 4, 6, 2, 3, 5]);
    assert_eq!(api.taken_addresses(), [""; 0], "all of them are local");
}

#[test]
fn commands_in_the_page_about_what_follows_run() {
    let vendor = Vendor::delivering();
    let mut shell = Shell::new(&vendor.api);
    for key in ["EMAILLABS_APP_KEY", "EMAILLABS_SECRET_KEY"] {
        shell.variables.push((key.to_owned(), "key".to_owned()));
    }
    assert_eq!(run_page_in(&mut shell, "docs/after-sending.md"), 20);
    // Those of the second campaign that are in the sample, and then the others.
    assert_eq!(vendor.api.taken_addresses().len(), 3 + 60);
}

#[test]
fn programs_in_the_page_for_clients_run() {
    let gateway = Gateway::start();
    let page = page("docs/clients.md");
    let for_gateway = |text: &str| text.replace("127.0.0.1:8925", &gateway.address().to_string());
    let is_installed = |program| match program {
        "python3" => real_part("Python's requests", has_requests()),
        program => real_part(program, has_program(program)),
    };
    let commands = blocks(&page, "text");
    let [start, curl, curl_v2] = &commands[..] else {
        panic!("the page starts the gateway, and calls curl for both APIs")
    };
    assert!(start.starts_with("mailrun gateway "));
    let mut programs = vec![
        ("curl", "sh", "-s", for_gateway(curl)),
        ("curl", "sh", "-s", for_gateway(curl_v2)),
    ];
    for (program, language, argument) in [
        ("php", "php", "--"),
        ("python3", "python", "-"),
        ("node", "js", "-"),
    ] {
        let [text] = &blocks(&page, language)[..] else {
            panic!("a program in {language}")
        };
        programs.push((program, program, argument, for_gateway(text)));
    }
    for (needs, program, argument, text) in programs {
        if is_installed(needs) {
            let sent = gateway.stored_messages().len();
            let wrote = client(program, &[argument], &text);
            assert!(wrote.contains("jan@example.com"), "{needs}: {wrote}");
            assert_eq!(gateway.stored_messages().len(), sent + 1, "{needs}");
        }
    }
}

#[test]
fn programs_in_the_page_about_the_gateway_send_by_smtp() {
    let gateway = Gateway::with_smtp("", &[]);
    let page = page("docs/gateway.md");
    let for_gateway = |text: &str| {
        let port = gateway.smtp().port().to_string();
        assert!(text.contains("1025"), "{text}");
        text.replace("1025", &port)
    };
    let commands = blocks(&page, "text");
    let curl = commands.iter().find(|text| text.starts_with("curl "));
    let curl = for_gateway(curl.expect("curl is called"));
    let [python] = &blocks(&page, "python")[..] else {
        panic!("a program in Python")
    };
    let folder = TempDir::new().expect("a folder");
    fs::write(folder.path().join("message.eml"), "Subject: S\r\n\r\n").expect("a file");
    if real_part("curl", has_program("curl")) {
        let curl = format!("cd '{}' && {curl}", folder.path().display());
        client("sh", &["-s"], &curl);
        assert_eq!(gateway.stored_messages()[0].0, "jan@example.com");
    }
    if real_part("python3", has_program("python3")) {
        let before = gateway.stored_messages().len();
        client("python3", &["-"], &for_gateway(python));
        assert_eq!(gateway.stored_messages().len(), before + 1);
    }
    let settings = blocks(&page, "toml");
    let settings = settings.iter().find(|text| text.starts_with("[smtp]"));
    let file = folder.path().join("gateway.toml");
    fs::write(&file, settings.expect("the settings")).expect("a file");
    let config = mailrun::gateway::config::Config::load(&file);
    assert!(config.is_ok(), "{config:?}");
}

#[test]
fn examples_exit_with_the_documented_code() {
    let api = FakeApi::taking_all();
    let mut examples = 0;
    for example in fs::read_dir(root().join("examples")).expect("the examples") {
        let name = example.expect("an entry").path().join("README.md");
        let text = fs::read_to_string(&name).expect("an example has a page");
        let code = text.split("exits with ").nth(1).expect("an exit code");
        let code = &code[..1];
        for line in blocks(&text, "sh") {
            let line = format!("{line} # exit {code}");
            Shell::new(&api).line(&name.display().to_string(), &line);
            examples += 1;
        }
    }
    assert_eq!(examples, 4);
}

#[test]
fn the_picture_shows_the_current_output() {
    if !real_part("python3", has_program("python3")) {
        return;
    }
    let drawn = Command::new("python3")
        .arg(root().join("tests/picture.py"))
        .arg(run::program())
        .output()
        .expect("python3 starts");
    let drawn = String::from_utf8(drawn.stdout).expect("an SVG is text");
    let shown = page("docs/send.svg");
    // The name of a run differs every time.
    let without_run = |svg: &str| {
        let lines = svg.lines().filter(|line| !line.contains("/runs/"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        without_run(&shown),
        without_run(&drawn),
        "redraw it: tests/picture.py target/debug/mailrun > docs/send.svg"
    );
}
