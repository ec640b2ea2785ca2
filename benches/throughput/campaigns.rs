//! The campaigns that the benchmarks send.

use std::fs;
use std::io::Write;
use std::path::Path;

use tempfile::TempDir;

/// Some readers have no name.
const NAMES: [&str; 13] = [
    "Zofia",
    "Józef",
    "Anna",
    "Łukasz",
    "Maria",
    "Jan",
    "Ewa",
    "O'Neil",
    "Krzysztof",
    "Ada",
    "Bartłomiej",
    "Iga",
    "",
];
const CITIES: [&str; 7] = [
    "Kraków",
    "Warszawa",
    "Gdańsk",
    "Łódź",
    "Bielsko-Biała",
    "Kraków",
    "",
];
const SEGMENTS: [&str; 5] = ["home", "home", "cafe", "home", "office & co"];

fn of<'a>(names: &[&'a str], number: u64) -> &'a str {
    names[(number % names.len() as u64) as usize]
}

/// A campaign that can be changed before it is sent.
pub(crate) struct Campaign {
    dir: TempDir,
    table: toml::Table,
}

impl Campaign {
    /// The newsletter in `examples/` without its attachments: about 7 KB of HTML and 1 KB of text, both
    /// personal.
    pub(crate) fn newsletter(url: &str, rows: u64, concurrency: u32) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/newsletter");
        fs::create_dir(dir.path().join("templates")).expect("a folder");
        for entry in fs::read_dir(example.join("templates"))
            .expect("a folder")
            .flatten()
        {
            let target = dir.path().join("templates").join(entry.file_name());
            fs::copy(entry.path(), target).expect("a copy");
        }
        let toml = fs::read_to_string(example.join("campaign.toml")).expect("the example");
        let mut table: toml::Table = toml.parse().expect("the example is TOML");
        let off = "[off]\nimage-cid-missing = \"the logo is left out\"";
        let check: toml::Table = off.parse().expect("TOML");
        table.insert("check".to_owned(), check.into());
        let mut file = fs::File::create(dir.path().join("recipients.csv")).expect("a file");
        let mut csv = std::io::BufWriter::new(&mut file);
        csv.write_all(b"email,first_name,city,segment,points,token\n")
            .expect("a file");
        for row in 1..=rows {
            let points = row % 300;
            let name = of(&NAMES, row);
            let city = of(&CITIES, row / 3);
            let segment = of(&SEGMENTS, row / 7);
            writeln!(
                csv,
                "reader{row}@list.example,{name},{city},{segment},{points},{row:016x}"
            )
            .expect("a file");
        }
        drop(csv);
        Self { dir, table }
            .set("api", "url", url)
            .set("pace", "rate", Vec::<toml::Value>::new())
            .set("pace", "concurrency", i64::from(concurrency))
            .unset("message", "attachments")
            .unset("recipients", "suppress")
    }

    /// Adds an attachment of 200 KB that all rows share.
    pub(crate) fn attachment(self) -> Self {
        let noise = (0..200_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8);
        let path = self.dir.path().join("noise.bin");
        fs::write(path, noise.collect::<Vec<u8>>()).expect("a file");
        let attachment = toml::Table::from_iter([("path".to_owned(), "noise.bin".into())]);
        self.set("message", "attachments", vec![attachment])
    }

    /// Sends the same message to all, 200 recipients per request.
    pub(crate) fn same_for_all(self) -> Self {
        let html = "<!doctype html><html lang=\"en\"><head><title>News</title></head><body>";
        let html = format!(
            "{html}{}</body></html>",
            "<p>The same for all of you.</p>".repeat(150)
        );
        fs::write(self.dir.path().join("templates/same.html"), html).expect("a file");
        self.set("message", "html", "same.html")
            .set("message", "subject", "News")
            .unset("message", "text")
            .unset("message", "tags")
            .unset("message", "headers")
            .set("pace", "batch", 200)
    }

    pub(crate) fn dialect(self, dialect: &str) -> Self {
        self.set("api", "dialect", dialect)
    }

    /// Sends by SMTP, without TLS.
    pub(crate) fn smtp(self, url: &str) -> Self {
        self.smtp_as(url, "localhost")
    }

    /// The same, with this name for the server.
    pub(crate) fn smtp_as(mut self, url: &str, hello: &str) -> Self {
        self.table.remove("api");
        let smtp = [("url", url), ("tls", "none"), ("hello", hello)];
        let smtp = smtp.map(|(key, value)| (key.to_owned(), value.into()));
        let smtp = toml::Table::from_iter(smtp);
        self.table.insert("smtp".to_owned(), smtp.into());
        self.unset("message", "tags")
    }

    /// Changes the domain of the recipients.
    pub(crate) fn recipients_at(self, domain: &str) -> Self {
        let list = self.dir.path().join("recipients.csv");
        let csv = fs::read_to_string(&list).expect("the list");
        fs::write(&list, csv.replace("list.example", domain)).expect("a file");
        self
    }

    pub(crate) fn rate(self, rates: &[&str]) -> Self {
        let rates: Vec<toml::Value> = rates.iter().map(|rate| (*rate).into()).collect();
        self.set("pace", "rate", rates)
    }

    /// How long a worker may be silent. Each command names the ledger itself.
    pub(crate) fn lease(mut self, lease: &str) -> Self {
        let ledger = [("url", "postgres://localhost/none"), ("lease", lease)];
        let ledger = ledger.map(|(key, value)| (key.to_owned(), value.into()));
        let ledger = toml::Table::from_iter(ledger);
        self.table.insert("ledger".to_owned(), ledger.into());
        self
    }

    /// Writes `campaign.toml` and returns the folder.
    pub(crate) fn path(&self) -> &Path {
        fs::write(
            self.dir.path().join("campaign.toml"),
            self.table.to_string(),
        )
        .expect("a file");
        self.dir.path()
    }

    fn section(&mut self, name: &str) -> &mut toml::Table {
        let section = self.table.get_mut(name).and_then(toml::Value::as_table_mut);
        section.expect("a section")
    }

    fn set(mut self, section: &str, key: &str, value: impl Into<toml::Value>) -> Self {
        self.section(section).insert(key.to_owned(), value.into());
        self
    }

    fn unset(mut self, section: &str, key: &str) -> Self {
        self.section(section).remove(key);
        self
    }
}
