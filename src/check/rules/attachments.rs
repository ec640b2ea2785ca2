//! Attachments: those of risky types, those that are there twice, and all of them too heavy.

use super::super::facts::{Facts, RowSheet, Sheet};
use super::super::out::Out;
use super::super::rule::Rule;
use super::written;
use crate::finding::{Finding, Severity};
use crate::message::Message;

const RISKY: Rule = Rule {
    code: "attachment-risky",
    severity: Severity::Warning,
    finds: "an attachment of a type that Gmail refuses, with the whole message",
    source: "support.google.com/mail/answer/6590",
    example: "`path = \"setup.exe\"`",
};

const HEAVY: Rule = Rule {
    code: "attachment-heavy",
    severity: Severity::Warning,
    finds: "attachments of more than 10 MB as they are sent, which many servers refuse",
    source: "Postfix `message_size_limit`: 10,240,000 bytes unless set",
    example: "three photographs of 3 MB: in base64 12 MB",
};

const TWICE: Rule = Rule {
    code: "attachment-twice",
    severity: Severity::Warning,
    finds: "the same content attached twice",
    source: "SHA-256 of the files",
    example: "`terms.pdf` and a copy of it",
};

const EMPTY: Rule = Rule {
    code: "attachment-empty",
    severity: Severity::Warning,
    finds: "an attachment with nothing in it",
    source: "the length of the file",
    example: "`path = \"terms.pdf\"` with 0 bytes",
};

/// The rules.
pub(super) const RULES: &[Rule] = &[RISKY, HEAVY, TWICE, EMPTY];

/// The most bytes of base64 that every server takes.
const MOST: usize = 10_000_000;

/// The types that Gmail refuses, as its page has them, in their order.
const REFUSED: [&str; 54] = [
    "ade",
    "adp",
    "apk",
    "appx",
    "appxbundle",
    "bat",
    "cab",
    "chm",
    "cmd",
    "com",
    "cpl",
    "diagcab",
    "diagcfg",
    "diagpkg",
    "dll",
    "dmg",
    "ex",
    "ex_",
    "exe",
    "hta",
    "img",
    "ins",
    "iso",
    "isp",
    "jar",
    "jnlp",
    "js",
    "jse",
    "lib",
    "lnk",
    "mde",
    "mjs",
    "msc",
    "msi",
    "msix",
    "msixbundle",
    "msp",
    "mst",
    "nsh",
    "pif",
    "ps1",
    "scr",
    "sct",
    "shb",
    "sys",
    "vb",
    "vbe",
    "vbs",
    "vhd",
    "vxd",
    "wsc",
    "wsf",
    "wsh",
    "xll",
];

/// The attachments that are the same for all rows.
pub(super) fn sheet(sheet: &Sheet<'_>, out: &mut Out<'_>) {
    let facts = sheet.facts;
    if facts.engine.has_own_attachments() {
        return;
    }
    for (index, finding) in look(sheet.message) {
        out.add(in_campaign(facts, finding, index));
    }
}

/// The attachments that are a row's own.
pub(super) fn row(row: &RowSheet<'_>, out: &mut Out<'_>) {
    if row.facts.engine.has_own_attachments() {
        let found = look(row.message).into_iter();
        found.for_each(|(_, finding)| out.add(finding));
    }
}

/// What is wrong with the attachments, each with its place among them.
fn look(message: &Message) -> Vec<(usize, Finding)> {
    let files = &message.attachments.files;
    let mut found = Vec::new();
    for (index, file) in files.iter().enumerate() {
        if let Some(kind) = refused(&file.name) {
            found.push((index, risky(kind)));
        }
        if file.size == 0 {
            found.push((index, empty()));
        } else if files[..index]
            .iter()
            .any(|other| other.sha256 == file.sha256 && other.inline == file.inline)
        {
            found.push((index, twice()));
        }
    }
    let bytes = message.attachments.base64_len();
    if bytes > MOST {
        found.push((0, heavy(bytes)));
    }
    found
}

/// The type of a file's name, if Gmail refuses it.
fn refused(name: &str) -> Option<&'static str> {
    let (_, kind) = name.rsplit_once('.')?;
    REFUSED
        .into_iter()
        .find(|refused| kind.eq_ignore_ascii_case(refused))
}

fn risky(kind: &str) -> Finding {
    RISKY
        .found(format!(
            "Gmail refuses messages with an attachment of the type .{kind}"
        ))
        .help("put the file on the web and link to it; in a .zip it is refused as well")
}

fn empty() -> Finding {
    EMPTY
        .found("an attachment has nothing in it")
        .help("look at the file, or leave it out")
}

fn twice() -> Finding {
    TWICE
        .found("the same content is attached twice")
        .help("leave one of the two out")
}

fn heavy(bytes: usize) -> Finding {
    let size = bytes as f64 / 1e6;
    HEAVY
        .found(format!("the attachments are {size:.1} MB as they are sent, and many servers refuse more than 10"))
        .help("put the files on the web and link to them; the API itself takes 15 MB")
}

fn in_campaign(facts: &Facts<'_>, finding: Finding, index: usize) -> Finding {
    match facts.campaign.message.attachments.get(index) {
        Some(attachment) => written::at_text(facts, finding, &attachment.path),
        None => written::in_file(facts, finding),
    }
}
