//! Builds campaigns in temporary folders.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::run::Run;

/// A valid campaign of three rows, for tests to change.
const CAMPAIGN: &str = r#"
name = "test"

[api]
url = "http://127.0.0.1:1/api/"
smtp_account = "1.test.smtp"

[message]
from = "news@sender.example"
from_name = "Sender"
subject = "Hello {{ first_name }}"
html = "newsletter.html"

[recipients]
file = "recipients.csv"

[pace]
rate = ["100000/s"]
concurrency = 8

[retry]
max_delay = "10ms"
"#;

const HTML: &str = "<!doctype html>\n<html lang=\"en\"><head><title>Hello</title></head>\
                    <body><p>Hello {{ first_name }}</p></body></html>\n";

/// HTML without findings.
pub const GOOD_HTML: &str = r#"<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Autumn news for {{ first_name }}</title></head>
<body style="background-color: #ffffff; color: #222222">
<div style="display:none">What the new season brings, in two minutes.</div>
<p>{% if first_name %}Hello {{ first_name }},{% else %}Hello,{% endif %}</p>
<p>The autumn letter is here, with three new coffees and the dates of the tastings.
All of it can be read on <a href="https://sender.example/autumn?who={{ token }}">our page about the autumn</a>.</p>
<p>The Sender team, Long Street 1, Anytown. <a href="https://sender.example/u/{{ token }}">Unsubscribe</a></p>
</body>
</html>
"#;

/// Recipients for [`GOOD_HTML`].
pub const GOOD_RECIPIENTS: &str = "email,first_name,token\nann@one.example,Ann,a1\n\
     bob@two.example,Bob,b2\ncleo@one.example,Cleo,c3\n";

const RECIPIENTS: &str =
    "email,first_name\nann@one.example,Ann\nbob@two.example,Bob\ncleo@one.example,Cleo\n";

/// A campaign folder; deleted on drop.
pub struct Campaign {
    folder: TempDir,
    toml: toml::Table,
}

impl Campaign {
    /// A campaign of three rows with an HTML template. Nothing listens at its API URL.
    pub fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let toml = CAMPAIGN.parse().expect("the campaign of the tests is TOML");
        Self { folder, toml }
            .write_toml()
            .recipients(RECIPIENTS)
            .template("newsletter.html", HTML)
    }

    /// A campaign without findings.
    pub fn good() -> Self {
        Self::new()
            .set(
                "message.subject",
                "The autumn letter is here{% if first_name %}, {{ first_name }}{% endif %}",
            )
            .set(
                "message.headers.List-Unsubscribe",
                "<https://sender.example/u/{{ token }}>",
            )
            .set(
                "message.headers.List-Unsubscribe-Post",
                "List-Unsubscribe=One-Click",
            )
            .recipients(GOOD_RECIPIENTS)
            .template("newsletter.html", GOOD_HTML)
    }

    /// Replaces a text in the HTML template.
    pub fn html_with(self, from: &str, to: &str) -> Self {
        let file = self.path().join("templates/newsletter.html");
        let html = std::fs::read_to_string(file).expect("the HTML");
        assert!(html.contains(from), "{from} is not in the HTML");
        self.template("newsletter.html", &html.replace(from, to))
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Replaces `campaign.toml`. The text need not be valid.
    pub fn toml(self, text: &str) -> Self {
        self.file("campaign.toml", text)
    }

    /// Sets one value of `campaign.toml` by its dotted path: `.set("pace.concurrency", 1)`.
    pub fn set(mut self, key: &str, value: impl Into<toml::Value>) -> Self {
        let (table, name) = self.table(key);
        table.insert(name, value.into());
        self.write_toml()
    }

    /// Suppresses the addresses on a list that mailrun keeps, and creates the list.
    pub fn kept_list(self, name: &str) -> Self {
        let campaign = self.set("recipients.suppress", vec![name]);
        let run = Run::new("suppress").args(["add", name, "--campaign"]);
        run.arg(campaign.path()).run().code(0);
        campaign
    }

    /// Removes a value from `campaign.toml` by its dotted path.
    pub fn unset(mut self, key: &str) -> Self {
        let (table, name) = self.table(key);
        table
            .remove(&name)
            .unwrap_or_else(|| panic!("campaign.toml has no {key} to remove"));
        self.write_toml()
    }

    /// Sets the API URL.
    pub fn api(self, url: &str) -> Self {
        self.set("api.url", url)
    }

    /// Writes `recipients.csv`.
    pub fn recipients(self, csv: impl AsRef<[u8]>) -> Self {
        self.file("recipients.csv", csv)
    }

    /// Writes `recipients.csv` with rows `r1@two.example`, `r2@three.example` and so on, over three domains.
    pub fn rows(self, count: usize) -> Self {
        let mut csv = String::from("email,first_name\n");
        for n in 1..=count {
            let domain = ["one", "two", "three"][n % 3];
            writeln!(csv, "r{n}@{domain}.example,Name {n}").expect("a string takes all");
        }
        self.recipients(csv)
    }

    pub fn template(self, name: &str, text: &str) -> Self {
        self.file(&format!("templates/{name}"), text)
    }

    /// Writes a file at a path relative to the campaign folder.
    pub fn file(self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("it is inside a folder")).expect("a folder");
        std::fs::write(&path, bytes).expect("the file can be written");
        self
    }

    /// The run folders in `runs/`, oldest first.
    pub fn runs(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.path().join("runs")) else {
            return Vec::new();
        };
        let mut runs: Vec<_> = entries
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.is_dir())
            .collect();
        runs.sort();
        runs
    }

    /// The folder of the only run.
    pub fn only_run(&self) -> PathBuf {
        let runs = self.runs();
        assert_eq!(runs.len(), 1, "the runs of the campaign: {runs:?}");
        runs[0].clone()
    }

    fn table(&mut self, key: &str) -> (&mut toml::Table, String) {
        let mut parts: Vec<&str> = key.split('.').collect();
        let name = parts
            .pop()
            .expect("split gives one part at least")
            .to_owned();
        let table = parts.into_iter().fold(&mut self.toml, |table, part| {
            table
                .entry(part)
                .or_insert_with(|| toml::Table::new().into())
                .as_table_mut()
                .expect("the path leads through tables")
        });
        (table, name)
    }

    fn write_toml(self) -> Self {
        let text = toml::to_string(&self.toml).expect("a table can be written");
        self.toml(&text)
    }
}
