//! Rendered messages, to look at: in the terminal, and as files.

pub mod web;

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use crate::gateway::mime::Draft;
use crate::message::{Envelope, Message};
use crate::render::Prepared;
use crate::report::{grouped, printable};

/// A message as the terminal shows it: its headers, its text, what goes with it. Nothing in it
/// controls the terminal.
pub fn terminal(prepared: &Prepared) -> String {
    let mut text = String::new();
    for (name, value) in headers(prepared) {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{name:>12}: {}", printable(&value).replace('\n', "␊"));
    }
    let body = prepared.message.text.as_deref().unwrap_or_default();
    let _ = write!(
        text,
        "\n{}\n\n{}",
        printable(body).trim_end(),
        footer(&prepared.message)
    );
    text
}

fn headers(prepared: &Prepared) -> Vec<(String, String)> {
    let message = &prepared.message;
    let mailbox = |mailbox: &crate::address::Mailbox| match &mailbox.name {
        Some(name) => format!("{name} <{}>", mailbox.address),
        None => mailbox.address.to_string(),
    };
    let mut headers = vec![
        ("row".to_owned(), prepared.recipient.row.to_string()),
        ("From".to_owned(), mailbox(&message.from)),
        ("To".to_owned(), mailbox(&prepared.recipient.mailbox)),
    ];
    headers.extend(message.cc.iter().map(|cc| ("Cc".to_owned(), mailbox(cc))));
    headers.extend(
        message
            .bcc
            .iter()
            .map(|bcc| ("Bcc".to_owned(), mailbox(bcc))),
    );
    headers.extend(
        message
            .reply_to
            .iter()
            .map(|to| ("Reply-To".to_owned(), to.to_string())),
    );
    headers.push(("Subject".to_owned(), message.subject.clone()));
    headers.extend(message.headers.iter().cloned());
    if !message.tags.is_empty() {
        headers.push(("tags".to_owned(), message.tags.join(", ")));
    }
    for file in &message.attachments.files {
        let kind = if file.inline { "inline" } else { "attachment" };
        headers.push((
            kind.to_owned(),
            format!(
                "{} ({}, {} bytes)",
                file.name,
                file.mime,
                grouped(file.size)
            ),
        ));
    }
    headers
}

fn footer(message: &Message) -> String {
    let size = |part: &Option<String>| part.as_ref().map_or(0, String::len) as u64;
    format!(
        "-- html {} bytes, text {} bytes, attachments {} bytes in base64",
        grouped(size(&message.html)),
        grouped(size(&message.text)),
        grouped(message.attachments.base64_len() as u64)
    )
}

/// Writes `00001.eml`, `00001.html` and `00001.txt` for row 1 into `dir`, as they would go out at
/// `date`. Gives the path of the `.eml`.
///
/// # Errors
/// When a file can't be written.
pub fn write(dir: &Path, prepared: &Prepared, date: Timestamp) -> io::Result<PathBuf> {
    fs::create_dir_all(dir)?;
    let name = format!("{:05}", prepared.recipient.row);
    let message = &prepared.message;
    for (ending, body) in [("html", &message.html), ("txt", &message.text)] {
        if let Some(body) = body {
            fs::write(dir.join(format!("{name}.{ending}")), body)?;
        }
    }
    let eml = dir.join(format!("{name}.eml"));
    fs::write(&eml, mime(prepared, date)?)?;
    Ok(eml)
}

/// The message as the gateway would keep it.
fn mime(prepared: &Prepared, date: Timestamp) -> io::Result<Vec<u8>> {
    let envelope = Envelope {
        smtp_account: Arc::from("preview"),
        to: vec![prepared.recipient.clone()],
    };
    let draft = Draft::new(&prepared.message.whole_request(&envelope)).map_err(io::Error::other)?;
    let preview_id = || {
        format!(
            "preview.{}@{}",
            prepared.recipient.row,
            prepared.message.from.address.ascii_domain()
        )
    };
    let id = prepared
        .recipient
        .message_id
        .clone()
        .unwrap_or_else(preview_id);
    Ok(draft.message(&prepared.recipient.mailbox, &id, date))
}
