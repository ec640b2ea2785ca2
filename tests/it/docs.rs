//! The documentation is true: its commands run, its links lead somewhere, its keys and fields are the program's.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::fake_api::FakeApi;
use crate::support::gateway::Gateway;
use crate::support::run::{self, Run};
use crate::support::{client, has_program, has_requests, real_part};

const PAGES: [&str; 16] = [
    "README.md",
    "CHANGELOG.md",
    "docs/guide.md",
    "docs/preview.md",
    "docs/campaign.md",
    "docs/check.md",
    "docs/guarantees.md",
    "docs/performance.md",
    "docs/results.md",
    "docs/gateway.md",
    "docs/inbox.md",
    "docs/preview-web.md",
    "docs/relay.md",
    "docs/gateway-operations.md",
    "docs/clients.md",
    "docs/architecture.md",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The contents of a page's blocks in one language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(found) = line.strip_prefix("```") {
            let block: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
            if found == language {
                blocks.push(block.join("\n"));
            }
        }
    }
    blocks
}

/// The page without its blocks.
fn prose(page: &str) -> String {
    let mut inside = false;
    page.lines()
        .filter(|line| {
            let fence = line.starts_with("```");
            inside ^= fence;
            !inside && !fence
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// The first cells of the tables' rows below a heading, up to the next heading: what is in backquotes there.
fn first_cells(page: &str, heading: &str) -> BTreeSet<String> {
    let mut lines = page.lines();
    assert!(
        lines.any(|line| line == heading),
        "there is no heading {heading}"
    );
    lines
        .take_while(|line| !line.starts_with('#'))
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next())
        .flat_map(quoted)
        .collect()
}

/// What stands in backquotes.
fn quoted(text: &str) -> Vec<String> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// A folder in which the pages' commands can be run: copies of the examples that post to the fake API, and a `mailrun`
/// and a `cargo` that run the binary under test.
struct Shell {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

impl Shell {
    fn new(api: &FakeApi) -> Self {
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
            "case \"$*\" in\n'run --release -- '*) shift 3; exec mailrun \"$@\" ;;\n\
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

    /// Runs a line, and asserts the exit code that its comment `# exit N` says.
    fn line(&mut self, page: &str, line: &str) {
        if let Some(variable) = line.strip_prefix("export ") {
            let (name, value) = variable.split_once('=').expect("a variable and its value");
            self.variables.push((name.to_owned(), value.to_owned()));
            return;
        }
        let wanted = line.split_once("# exit ").map_or(0, |(_, rest)| {
            let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
            digits
                .and_then(|digits| digits.parse().ok())
                .expect("a number")
        });
        let path = std::env::var("PATH").expect("a PATH");
        let output = Command::new("sh")
            .args(["-c", line])
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            .env(
                "PATH",
                format!("{}:{path}", self.folder.path().join("bin").display()),
            )
            .envs(self.variables.iter().cloned())
            .stdin(std::process::Stdio::null())
            .output()
            .expect("a shell");
        assert_eq!(
            output.status.code(),
            Some(wanted),
            "{page}: `{line}`\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

fn program(path: &Path, script: &str) {
    fs::write(path, format!("#!/bin/sh\n{script}\n")).expect("a script");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("it can be run");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name");
        if name == "runs" {
            continue;
        }
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else {
            fs::copy(&path, to.join(name)).expect("a file can be copied");
        }
    }
}

/// Runs every line of a page's `sh` blocks, one after the other in one folder; says how many there were.
fn run_page(name: &str, api: &FakeApi) -> usize {
    let mut shell = Shell::new(api);
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
fn the_commands_of_the_readme_run() {
    let api = FakeApi::taking_all();
    assert!(run_page("README.md", &api) >= 15);
    // Two of a test, and the three of a new campaign.
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
fn the_commands_of_the_guide_run() {
    let api = FakeApi::taking_all();
    assert!(run_page("docs/guide.md", &api) >= 20);
    // Three of a test, three of the first run, and with --again three more.
    assert_eq!(api.taken_addresses().len(), 9);
}

#[test]
fn the_commands_of_the_other_pages_run() {
    let api = FakeApi::taking_all();
    let pages = [
        "docs/campaign.md",
        "docs/check.md",
        "docs/results.md",
        "docs/gateway.md",
        "docs/preview.md",
    ];
    let lines = pages.map(|name| run_page(name, &api));
    assert_eq!(lines, [0, 1, 3, 2, 6]);
    assert_eq!(api.taken_addresses(), [""; 0], "all of them are local");
}

/// Runs the commands and the programs of a page, which post to a gateway.
#[test]
fn the_programs_of_the_page_for_clients_run() {
    let gateway = Gateway::start();
    let page = page("docs/clients.md");
    let here = |text: &str| text.replace("http://127.0.0.1:8925/api/", &gateway.api());
    let found = |program| match program {
        "python3" => real_part("Python's requests", has_requests()),
        program => real_part(program, has_program(program)),
    };
    let commands = blocks(&page, "text");
    let [start, curl] = &commands[..] else {
        panic!("the page starts the gateway, and calls curl")
    };
    assert!(start.starts_with("mailrun gateway "));
    let mut programs = vec![("curl", "sh", "-s", here(curl))];
    for (program, language, argument) in [
        ("php", "php", "--"),
        ("python3", "python", "-"),
        ("node", "js", "-"),
    ] {
        let [text] = &blocks(&page, language)[..] else {
            panic!("a program in {language}")
        };
        programs.push((program, program, argument, here(text)));
    }
    for (needs, program, argument, text) in programs {
        if found(needs) {
            let sent = gateway.stored_messages().len();
            let wrote = client(program, &[argument], &text);
            assert!(wrote.contains("jan@example.com"), "{needs}: {wrote}");
            assert_eq!(gateway.stored_messages().len(), sent + 1, "{needs}");
        }
    }
}

#[test]
fn the_examples_exit_as_they_say() {
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
    assert_eq!(examples, 3);
}

#[test]
fn the_picture_shows_what_the_program_says() {
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
    // A run is called otherwise every time.
    let lasting = |svg: &str| {
        let lines = svg.lines().filter(|line| !line.contains("/runs/"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        lasting(&shown),
        lasting(&drawn),
        "draw it anew: tests/picture.py target/debug/mailrun > docs/send.svg"
    );
}

#[test]
fn links_lead_somewhere() {
    let mut links = 0;
    for name in PAGES {
        let text = prose(&page(name));
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            if target.starts_with("https://") {
                continue;
            }
            links += 1;
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let to = match file {
                "" => root().join(name),
                file => root()
                    .join(name)
                    .parent()
                    .expect("a page is in a folder")
                    .join(file),
            };
            assert!(to.is_file(), "{name} links to {target}, which is not there");
            if !anchor.is_empty() {
                let text = fs::read_to_string(&to).expect("a page");
                assert!(
                    prose(&text)
                        .lines()
                        .any(|line| line.starts_with('#') && slug(line) == anchor),
                    "{name} links to {target}, and there is no such heading"
                );
            }
        }
    }
    assert!(links >= 15, "{links} links");
}

/// The anchor that a heading gets where the pages are shown.
fn slug(heading: &str) -> String {
    heading
        .trim_start_matches('#')
        .trim()
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[test]
fn usage_is_as_the_program_says() {
    let usage = blocks(&page("README.md"), "text");
    let usage = usage.first().expect("the block with the usage");
    let written: Vec<_> = usage.lines().collect();
    let said: Vec<_> = commands()
        .iter()
        .map(|command| {
            let help = help(&[command]);
            let line = help.lines().find_map(|line| line.strip_prefix("Usage: "));
            line.expect("a line with the usage").to_owned()
        })
        .collect();
    assert_eq!(written, said);
}

#[test]
fn options_are_the_programs() {
    let mut known: BTreeSet<String> = commands()
        .iter()
        .flat_map(|command| options(&help(&[command])))
        .collect();
    // Those of cargo, and of the soak.
    known.extend(["--release", "--path", "--test", "--bench", "--kills"].map(str::to_owned));
    for name in PAGES {
        let text = page(name);
        let mut pieces = blocks(&text, "sh");
        pieces.extend(quoted(&prose(&text)));
        for piece in pieces {
            for option in options(&piece) {
                assert!(known.contains(&option), "{name}: {option} in `{piece}`");
            }
        }
    }
}

fn help(arguments: &[&str]) -> String {
    let (first, rest) = arguments.split_first().expect("an argument");
    let ran = Run::new(first).args(rest).arg("--help").run();
    ran.code(0);
    ran.stdout
}

fn commands() -> Vec<String> {
    let ran = Run::new("--help").run();
    let list = ran.stdout.split("Commands:\n").nth(1).expect("a list");
    list.lines()
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help")
        .map(str::to_owned)
        .collect()
}

/// The long options in a text.
fn options(text: &str) -> Vec<String> {
    text.split(|c: char| !(c.is_ascii_lowercase() || c == '-'))
        .filter(|word| word.starts_with("--") && word.len() > 2)
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_full_campaign_is_right() {
    let folder = TempDir::new().expect("a folder");
    let campaign = page("docs/campaign.md");
    let campaign = blocks(&campaign, "toml").into_iter().next();
    let put = |name: &str, content: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, content).expect("a file");
    };
    put("campaign.toml", &campaign.expect("the full example"));
    let words = "<p>{{ first_name }}, {{ issue }}, {{ site }}</p>".repeat(150);
    let logo = "<img src=\"cid:logo.png\" alt=\"Acme\" width=\"120\">";
    let head = "<html lang=\"en\"><head><title>Autumn</title></head>";
    let html = format!("{head}<body>{words}{logo}</body></html>");
    put("templates/newsletter.html", &html);
    put("templates/newsletter.txt", "{{ first_name }}");
    put("logo.png", "a picture");
    put("autumn.pdf", "a price list");
    put("unsubscribed.csv", "email\nnobody@mail.example\n");
    put(
        "recipients.csv",
        "email,first_name,agent,segment,token,price list\nada@mail.example,Ada,zoe@acme.example,home,7f,autumn.pdf\n",
    );
    let ran = Run::new("check").arg(folder.path()).arg("--strict").run();
    ran.code(0).stdout_has("1 row, 0 errors, 0 warnings");
}

#[test]
fn every_key_of_a_campaign_is_documented() {
    let text = page("docs/campaign.md");
    let example = blocks(&text, "toml").into_iter().next();
    let example = example.expect("the full example");
    let tables = [
        ("CampaignFile", "## Keys"),
        ("ApiTable", "### `[api]`"),
        ("MessageTemplate", "### `[message]`"),
        ("AttachmentTemplate", "### `[[message.attachments]]`"),
        ("RecipientsTable", "### `[recipients]`"),
        ("PaceTable", "### `[pace]`"),
        ("RetryTable", "### `[retry]`"),
        ("BreakerTable", "### `[breaker]`"),
        ("CheckTable", "### `[check]`"),
    ];
    let source = fs::read_to_string(root().join("src/campaign/file.rs")).expect("the source");
    for (table, heading) in tables {
        let keys = source
            .split(&format!("struct {table} {{"))
            .nth(1)
            .and_then(|rest| rest.split('}').next())
            .expect("the structure");
        let mut keys: BTreeSet<String> = keys
            .lines()
            .filter_map(|line| {
                let (_, field) = line.trim().strip_prefix("pub")?.split_once(' ')?;
                Some(field.split(':').next()?.to_owned())
            })
            .collect();
        if table == "CampaignFile" {
            // The others are tables, each with a heading of its own.
            keys.retain(|key| key == "name");
        }
        assert_eq!(
            first_cells(&text, heading),
            keys,
            "the keys below {heading}"
        );
        for key in &keys {
            let shown = |line: &str| {
                let line = line.trim_start_matches("# ");
                line.starts_with(&format!("{key} =")) || line.contains(&format!("[message.{key}]"))
            };
            assert!(example.lines().any(shown), "{key} is not in the example");
        }
    }
}

#[test]
fn the_columns_of_the_results_are_documented() {
    let run = local_run();
    let results = fs::read_to_string(run.path().join("run/results.csv")).expect("the results");
    let header = results.lines().next().expect("a header");
    let ours: BTreeSet<_> = header
        .split(',')
        .take_while(|name| !name.starts_with("input."))
        .map(str::to_owned)
        .collect();
    assert_eq!(
        first_cells(&page("docs/results.md"), "## results.csv"),
        ours
    );
}

#[test]
fn the_fields_of_the_json_are_documented() {
    let text = page("docs/results.md");
    let run = local_run();
    let status = Run::new("status").arg(run.path().join("run"));
    let status = status.args(["--format", "json"]).run();
    let status: serde_json::Value = serde_json::from_str(&status.stdout).expect("JSON");
    assert_eq!(
        first_cells(&text, "## `status --format json`"),
        keys(&status)
    );
    assert_eq!(first_cells(&text, "## Statuses"), keys(&status["counts"]));

    let check = Run::new("check").arg(run.path().join("newsletter"));
    let check = check.args(["--format", "json"]).run();
    let check: serde_json::Value = serde_json::from_str(&check.stdout).expect("JSON");
    let fields = keys(&check).into_iter().chain(keys(&check["findings"][0]));
    assert_eq!(
        first_cells(&text, "## `check --format json`"),
        fields.collect()
    );
}

fn keys(object: &serde_json::Value) -> BTreeSet<String> {
    let object = object.as_object().expect("an object");
    object.keys().cloned().collect()
}

/// A folder with a copy of the newsletter, and in `run` a local run of it.
fn local_run() -> TempDir {
    let folder = TempDir::new().expect("a folder");
    let campaign = folder.path().join("newsletter");
    copy(&root().join("examples/newsletter"), &campaign);
    let send = Run::new("send").arg(&campaign).arg("--local");
    send.arg("--run-dir")
        .arg(folder.path().join("run"))
        .run()
        .code(3);
    folder
}

/// What is said of running the gateway.
const OPERATIONS: &str = "docs/gateway-operations.md";

#[test]
fn the_limits_of_the_gateway_are_documented() {
    let page = page(OPERATIONS);
    let limits = blocks(&page, "toml");
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("gateway.toml");
    fs::write(&file, &limits[0]).expect("a file");
    let config = mailrun::gateway::config::Config::load(&file).expect("it can be read");
    assert_eq!(config, mailrun::gateway::config::Config::default());
    let table: toml::Table = limits[0].parse().expect("TOML");
    let keys = table["limits"].as_table().expect("a table").keys();
    assert_eq!(first_cells(&page, "## Limits"), keys.cloned().collect());
    let source = fs::read_to_string(root().join("src/gateway/config.rs")).expect("the source");
    let fields = source.split("struct LimitsFile {").nth(1);
    let fields = fields
        .and_then(|rest| rest.split('}').next())
        .expect("the structure");
    assert_eq!(
        fields.matches(':').count(),
        table["limits"].as_table().expect("a table").len()
    );
}

#[test]
fn the_metrics_and_the_log_of_the_gateway_are_documented() {
    let page = page(OPERATIONS);
    let mut gateway = Gateway::with("", &["--log-format", "json"]);
    gateway.post(&["a@example.com"]);
    let metrics = gateway.ask("GET /metrics", &[], "").body;
    let names = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "));
    let names = names.filter_map(|line| line.split(' ').next());
    let documented = first_cells(&page, "## Health and metrics");
    assert_eq!(documented, names.map(str::to_owned).collect());
    let log = gateway.stop().stderr;
    let line: serde_json::Value = log
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .find(|line: &serde_json::Value| line["fields"]["method"].is_string())
        .expect("a request in the log");
    let mut fields = keys(&line["fields"]);
    fields.remove("message");
    assert_eq!(first_cells(&page, "## The access log"), fields);
}

#[test]
fn the_faults_of_the_gateway_are_documented() {
    let cells = first_cells(&page(OPERATIONS), "## Inject faults");
    let (names, specs): (BTreeSet<_>, BTreeSet<_>) =
        cells.into_iter().partition(|cell| cell.ends_with('@'));
    for spec in &specs {
        let spec = spec
            .replace("=P%", "=5%")
            .replace("TIME", "1s")
            .replace("=N", "=1");
        let parsed = spec.parse::<mailrun::gateway::chaos::Spec>();
        assert!(parsed.is_ok(), "{spec}: {parsed:?}");
    }
    let source =
        fs::read_to_string(root().join("src/gateway/chaos/scripted.rs")).expect("the source");
    let table = source.split("const NAMES").nth(1);
    let table = table
        .and_then(|rest| rest.split("];").next())
        .expect("the names");
    let known = table.split('(').filter_map(|entry| {
        let name = entry.trim_start().strip_prefix('"')?;
        let name = name.split('"').next()?;
        (!name.contains(' ')).then(|| format!("{name}@"))
    });
    assert_eq!(names, known.collect());
    assert!(specs.len() >= 10);
}

#[test]
fn the_unit_for_systemd_is_right() {
    let unit = blocks(&page(OPERATIONS), "ini").remove(0);
    let mut section = "";
    let mut values = std::collections::BTreeMap::new();
    for line in unit
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        if let Some(name) = line.strip_prefix('[') {
            section = name.strip_suffix(']').expect("a section");
            assert!(["Unit", "Service", "Install"].contains(&section), "{line}");
            continue;
        }
        let (key, value) = line.split_once('=').expect("a key and a value");
        assert!(!section.is_empty(), "{line} is in no section");
        assert!(key.chars().all(char::is_alphanumeric), "{line}");
        assert_eq!(
            values.insert((section, key), value),
            None,
            "{key} is there twice"
        );
    }
    let start = values[&("Service", "ExecStart")];
    let mut words = start.split(' ');
    assert_eq!(words.next(), Some("/usr/local/bin/mailrun"));
    assert_eq!(words.next(), Some("gateway"));
    let known = options(&help(&["gateway"]));
    for option in words.filter(|word| word.starts_with("--")) {
        assert!(known.contains(&option.to_owned()), "{option}");
    }
    // Its state's folder is the one that it is told to keep everything in.
    let state = values[&("Service", "StateDirectory")];
    assert!(start.contains(&format!("--data /var/lib/{state} ")));
    if has_program("systemd-analyze") {
        let folder = TempDir::new().expect("a folder");
        let file = folder.path().join("mailrun-gateway.service");
        let here = unit.replace("/usr/local/bin/mailrun", &run::program());
        fs::write(&file, here).expect("a file");
        let verified = Command::new("systemd-analyze")
            .arg("verify")
            .arg(&file)
            .output();
        let verified = verified.expect("systemd-analyze starts");
        let said = String::from_utf8_lossy(&verified.stderr);
        assert!(verified.status.success() && said.is_empty(), "{said}");
    }
}

#[test]
fn codes_of_rows_are_the_programs() {
    let documented = first_cells(&page("docs/results.md"), "## Codes");
    let source = sources(&root().join("src"));
    for code in &documented {
        assert!(
            source.contains(&format!("\"{code}\"")),
            "{code} is not in the program"
        );
    }
    let run = local_run();
    // A row with a field too many has a line that is longer than the header.
    let mut results = csv::ReaderBuilder::new()
        .flexible(true)
        .from_path(run.path().join("run/results.csv"))
        .expect("the results");
    let mut left_out = 0;
    for row in results.records() {
        let row = row.expect("a row of the results");
        if &row[2] != "accepted" {
            assert!(documented.contains(&row[4]), "{}", &row[4]);
            left_out += 1;
        }
    }
    assert_eq!(left_out, 11);
}

fn sources(folder: &Path) -> String {
    let entries = fs::read_dir(folder).expect("a folder");
    entries
        .map(|entry| entry.expect("an entry").path())
        .map(|path| {
            if path.is_dir() {
                sources(&path)
            } else {
                fs::read_to_string(&path).unwrap_or_default()
            }
        })
        .collect()
}
