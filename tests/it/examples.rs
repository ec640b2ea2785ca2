//! The example campaigns, sent to the gateway and read back.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::mail::{Mail, outbox};
use crate::support::results::Results;
use crate::support::run::Run;
use crate::support::{has_program, real_part};

/// An example campaign, sent from a copy.
struct Sent {
    folder: TempDir,
    run: PathBuf,
    results: Results,
    mails: Vec<Mail>,
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a file can be copied");
        }
    }
}

/// Sends a copy, and asserts what is true for every campaign: the results have each row once and in order,
/// and each accepted row has one message, to its address only.
#[track_caller]
fn send(example: &str, recipients: &str, column: &str, code: i32) -> Sent {
    let folder = TempDir::new().expect("a folder");
    copy(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join(example),
        folder.path(),
    );
    let ran = Run::new("send").arg(folder.path()).arg("--local").run();
    ran.code(code);
    let run = ran.run_dir();
    let results = Results::of(&run);
    let mails = outbox(run.join("outbox"));

    let emails: Vec<_> = results
        .rows
        .iter()
        .map(|row| row["email"].as_str())
        .collect();
    let written = column_of(&folder.path().join(recipients), column);
    assert_eq!(emails, written, "the rows of {example}");
    let mut to: Vec<_> = mails.iter().flat_map(|mail| mail.to.clone()).collect();
    let accepted = results
        .with_status("accepted")
        .map(|row| with_ascii_domain(&row["email"]));
    let mut accepted: Vec<_> = accepted.collect();
    assert!(!accepted.is_empty());
    to.sort_unstable();
    accepted.sort_unstable();
    assert_eq!(to, accepted, "the messages of {example}");
    Sent {
        folder,
        run,
        results,
        mails,
    }
}

/// The address with its domain as A-labels, as in headers (RFC 5322).
fn with_ascii_domain(address: &str) -> String {
    let (local, domain) = address.split_once('@').expect("an address");
    let domain = idna::domain_to_ascii(domain).expect("a domain");
    format!("{local}@{domain}")
}

/// A column of a CSV with commas or semicolons. Addresses are ASCII in any encoding.
fn column_of(file: &Path, column: &str) -> Vec<String> {
    let bytes = std::fs::read(file).expect("the recipients");
    let header = bytes.split(|byte| *byte == b'\n').next().expect("a header");
    let delimiter = if header.contains(&b';') { b';' } else { b',' };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .from_reader(bytes.as_slice());
    let header = reader.byte_headers().expect("a header").clone();
    let place = header
        .iter()
        .position(|name| name == column.as_bytes())
        .expect("the column");
    let cells = reader.byte_records().map(|row| {
        let row = row.expect("good CSV");
        String::from_utf8(row[place].to_vec()).expect("ASCII")
    });
    cells.filter(|cell| !cell.is_empty()).collect()
}

impl Sent {
    fn to(&self, address: &str) -> &Mail {
        self.mails
            .iter()
            .find(|mail| mail.to == [address])
            .expect("a message to the address")
    }

    fn file(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.folder.path().join(name)).expect("a file of the campaign")
    }
}

#[test]
fn the_newsletter_is_sent_except_for_its_invalid_rows() {
    let sent = send("examples/newsletter", "recipients.csv", "email", 3);
    assert_eq!(sent.results.row("piotr.maj@poczta")["status"], "invalid");
    assert_eq!(
        sent.results.row("krzysztof@studio-most.example")["status"],
        "skipped"
    );
    let mail = sent.to("zofia.nowak@poczta.example");
    assert_eq!(mail.subject, "Zofia, three coffees for November");
    assert_eq!(
        mail.from,
        ["Ember Roastery <letter@ember-roastery.example>"]
    );
    assert_eq!(mail.reply_to, ["hello@ember-roastery.example"]);
    let unsubscribe = "<https://ember-roastery.example/u/d016f1d7bb11e470>";
    assert_eq!(mail.header("list-unsubscribe"), unsubscribe);
    assert_eq!(
        mail.header("list-unsubscribe-post"),
        "List-Unsubscribe=One-Click"
    );
    assert_eq!(
        sent.to("bjorn.asberg@post.example").subject,
        "Björn, three coffees for November"
    );
    for mail in &sent.mails {
        let (html, text) = (mail.html.as_deref(), mail.text.as_deref());
        let (html, text) = (html.expect("HTML"), text.expect("a text"));
        for coffee in ["Ethiopia Sidama, Bensa", "Kenya Nyeri AA"] {
            assert!(
                html.contains(coffee) && text.contains(coffee),
                "{}",
                mail.to[0]
            );
        }
        assert!(html.contains("cid:logo.png"));
        assert_eq!(mail.attachments.len(), 2);
        let logo = mail.attachment("logo.png");
        assert_eq!(
            (logo.inline, logo.content_id.as_deref()),
            (true, Some("logo.png"))
        );
        assert!(logo.bytes == sent.file("logo.png"));
        assert!(mail.attachment("price-list.pdf").bytes == sent.file("price-list.pdf"));
    }
}

#[test]
fn the_announcement_is_sent_to_everyone() {
    let sent = send("examples/announcement", "clients.csv", "email", 0);
    assert_eq!(sent.results.count("accepted"), sent.results.rows.len());
    let first = &sent.mails[0];
    assert_eq!(first.subject, "We are moving on 1 December");
    assert!(
        first
            .html
            .as_deref()
            .is_some_and(|html| html.contains("Kuźnicza 24"))
    );
    assert!(
        first
            .text
            .as_deref()
            .is_some_and(|text| text.contains("Kuźnicza 24"))
    );
    for mail in &sent.mails {
        assert_eq!(
            (&mail.subject, &mail.html, &mail.text),
            (&first.subject, &first.html, &first.text)
        );
    }
}

#[test]
fn a_list_from_polish_excel_keeps_its_letters() {
    let sent = send("examples/polish-excel", "kursanci.csv", "adres e-mail", 0);
    assert_eq!(sent.results.count("accepted"), sent.results.rows.len());
    let mail = sent.to("lucja.gasior@skrzynka.example");
    assert_eq!(mail.subject, "Łucja, rata za listopad: 420,00 zł");
    assert_eq!(
        mail.from,
        ["Szkoła Językowa Żuraw <sekretariat@zuraw.example>"]
    );
    assert!(
        mail.text
            .as_deref()
            .is_some_and(|text| text.contains("hiszpański"))
    );
    assert!(
        mail.html
            .as_deref()
            .is_some_and(|html| html.contains("hiszpański"))
    );
    let row = sent.results.row("lucja.gasior@skrzynka.example");
    assert_eq!(row["nazwisko"], "Gąsior");
    assert_eq!(row["message_id"], mail.message_id);
}

#[test]
fn the_starter_is_sent_to_everyone() {
    let sent = send("templates/starter", "recipients.csv", "email", 0);
    let mail = sent.to("ada@mail.example");
    assert_eq!(mail.subject, "Ada, our letter for January");
    assert!(
        mail.html
            .as_deref()
            .is_some_and(|html| html.contains("Hello Ada"))
    );
    assert!(
        mail.text
            .as_deref()
            .is_some_and(|text| text.contains("Hello Ada"))
    );
}

const READ_BY_PYTHON: &str = r#"
import email, email.policy, hashlib, json, pathlib, sys
mails = {}
for file in pathlib.Path(sys.stdin.read(), "new").iterdir():
    mail = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    assert not mail.defects, (file, mail.defects)
    for part in mail.walk():
        assert not part.defects, (file, part.defects)
    body = lambda kind: mail.get_body((kind,)).get_content().replace("\r\n", "\n").rstrip()
    files = [part for part in mail.walk() if part.get_filename()]
    mails[mail["to"].addresses[0].addr_spec] = {
        "subject": mail["subject"],
        "html": body("html"),
        "text": body("plain"),
        "files": {part.get_filename(): hashlib.sha256(part.get_content()).hexdigest() for part in files},
    }
print(json.dumps(mails))
"#;

#[derive(Debug, PartialEq, serde::Deserialize)]
struct PythonMail {
    subject: String,
    html: String,
    text: String,
    files: BTreeMap<String, String>,
}

fn python(script: &str, input: &str) -> String {
    let mut child = Command::new("python3")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin
        .write_all(input.as_bytes())
        .expect("python3 reads its input");
    drop(stdin);
    let output = child.wait_with_output().expect("python3 ends");
    assert!(output.status.success(), "python3: {}", output.status);
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn another_parser_reads_the_same_messages() {
    if !real_part("python3", has_program("python3")) {
        return;
    }
    let body = |text: &Option<String>| {
        let text = text.as_deref().expect("a body").replace("\r\n", "\n");
        text.trim_end().to_owned()
    };
    for (example, recipients, column, code) in [
        ("examples/newsletter", "recipients.csv", "email", 3),
        ("examples/announcement", "clients.csv", "email", 0),
        ("examples/two-subjects", "readers.csv", "email", 0),
        ("examples/polish-excel", "kursanci.csv", "adres e-mail", 0),
    ] {
        let sent = send(example, recipients, column, code);
        let maildir = sent.run.join("outbox");
        let parsed = python(READ_BY_PYTHON, maildir.to_str().expect("UTF-8"));
        let parsed: BTreeMap<String, PythonMail> = serde_json::from_str(&parsed).expect("JSON");
        let expected: BTreeMap<String, PythonMail> = sent
            .mails
            .iter()
            .map(|mail| {
                let files = mail
                    .attachments
                    .iter()
                    .map(|file| (file.name.clone(), sha256(&sent.file(&file.name))));
                let mail_content = PythonMail {
                    subject: mail.subject.clone(),
                    html: body(&mail.html),
                    text: body(&mail.text),
                    files: files.collect(),
                };
                (mail.to[0].clone(), mail_content)
            })
            .collect();
        assert!(parsed == expected, "{example}\n{parsed:#?}\n{expected:#?}");
    }
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    let digest = sha2::Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
