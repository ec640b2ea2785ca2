//! Attachments: refused types, duplicates, empty files, and their total size.

use super::campaign_file;
use crate::check::context::{CampaignContext, MessageContext, RowContext};
use crate::check::family::Family;
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;
use crate::finding::Finding;
use crate::message::Message;

const RISKY: Rule = Rule::warning("attachment-risky")
    .finds("an attachment of a type that Gmail refuses")
    .why("Gmail refuses the whole message, and other providers are similarly strict.")
    .fix("Put the file on the web and link to it. A `.zip` does not help: Gmail looks inside.")
    .source("support.google.com/mail/answer/6590")
    .example("`path = \"setup.exe\"`");

const HEAVY: Rule = Rule::warning("attachment-heavy")
    .finds("attachments that add up to more than 10 MB when encoded")
    .why("Many servers refuse larger messages. Base64 makes every file a third larger.")
    .fix("Put the files on the web and link to them.")
    .source("Postfix `message_size_limit`: 10,240,000 bytes unless set")
    .example("three photographs of 3 MB: in base64 12 MB");

const TWICE: Rule = Rule::warning("attachment-twice")
    .finds("two attachments with the same content")
    .why("Every recipient downloads the same file twice.")
    .fix("Remove one of the two.")
    .source("SHA-256 of the files")
    .example("`terms.pdf` and a copy of it");

const EMPTY: Rule = Rule::warning("attachment-empty")
    .finds("an attachment without any content")
    .why("Recipients can't open it. Usually an export failed, or the path is wrong.")
    .fix("Replace the file, or remove the attachment.")
    .source("the length of the file")
    .example("`path = \"terms.pdf\"` with 0 bytes");

const RULES: &[Rule] = &[RISKY, HEAVY, TWICE, EMPTY];

pub(in crate::check) struct Attachments;

impl Family for Attachments {
    fn rules(&self) -> &'static [Rule] {
        RULES
    }

    fn message(&self, context: &MessageContext<'_>, sink: &mut FindingSink<'_>) {
        let shared = context.shared;
        if shared.engine.has_own_attachments() {
            return;
        }
        for (index, finding) in findings(context.message) {
            sink.add(in_campaign(shared, finding, index));
        }
    }

    fn row(&self, context: &RowContext<'_>, sink: &mut FindingSink<'_>) {
        if context.shared.engine.has_own_attachments() {
            let found = findings(context.message).into_iter();
            found.for_each(|(_, finding)| sink.add(finding));
        }
    }
}

/// The most bytes of base64 that every server accepts.
const MOST: usize = 10_000_000;

/// The findings about the attachments, each with the attachment's index.
fn findings(message: &Message) -> Vec<(usize, Finding)> {
    let files = &message.attachments.files;
    let mut found = Vec::new();
    for (index, file) in files.iter().enumerate() {
        if let Some(extension) = refused(&file.name) {
            found.push((index, risky(&extension)));
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

/// The extension of a file name in lower case, if Gmail refuses it.
fn refused(name: &str) -> Option<String> {
    let (_, extension) = name.rsplit_once('.')?;
    let extension = extension.to_ascii_lowercase();
    match extension.as_str() {
        "ade" | "adp" | "apk" | "appx" | "appxbundle" | "bat" | "cab" | "chm" | "cmd" | "com"
        | "cpl" | "diagcab" | "diagcfg" | "diagpkg" | "dll" | "dmg" | "ex" | "ex_" | "exe"
        | "hta" | "img" | "ins" | "iso" | "isp" | "jar" | "jnlp" | "js" | "jse" | "lib" | "lnk"
        | "mde" | "mjs" | "msc" | "msi" | "msix" | "msixbundle" | "msp" | "mst" | "nsh" | "pif"
        | "ps1" | "scr" | "sct" | "shb" | "sys" | "vb" | "vbe" | "vbs" | "vhd" | "vxd" | "wsc"
        | "wsf" | "wsh" | "xll" => Some(extension),
        _ => None,
    }
}

fn risky(extension: &str) -> Finding {
    RISKY
        .found(format!(
            "Gmail refuses messages with a .{extension} attachment"
        ))
        .help("put the file on the web and link to it; a .zip does not help")
}

fn empty() -> Finding {
    EMPTY
        .found("an attachment is empty")
        .help("replace the file, or remove the attachment")
}

fn twice() -> Finding {
    TWICE
        .found("the same content is attached twice")
        .help("remove one of the two")
}

fn heavy(bytes: usize) -> Finding {
    let size = bytes as f64 / 1e6;
    HEAVY
        .found(format!(
            "the attachments are {size:.1} MB when encoded, and many servers refuse more than 10 MB"
        ))
        .help("put the files on the web and link to them; the API itself accepts 15 MB")
}

fn in_campaign(shared: &CampaignContext<'_>, finding: Finding, index: usize) -> Finding {
    match shared.campaign.message.attachments.get(index) {
        Some(attachment) => campaign_file::at_text(shared, finding, &attachment.path),
        None => campaign_file::in_file(shared, finding),
    }
}
