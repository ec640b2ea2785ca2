//! Shows rendered messages before they are sent: on the terminal, as files with a contact sheet, and
//! in the browser.

mod body;
mod contact_sheet;
mod finding_summary;
mod footer;
mod lazy_rows;
mod message_browser;
mod message_text;
mod message_view;
mod output_style;
mod preheader;
mod row_store;

pub(crate) mod web;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use crate::message::mime::Draft;
use crate::message::{Envelope, Message};
use crate::render::Prepared;

pub(crate) use contact_sheet::{ContactSheet, ContactSheetError};
pub(crate) use finding_summary::FindingSummary;
pub(crate) use lazy_rows::LazyRows;
pub(crate) use message_browser::{KeyAction, MessageBrowser};
pub(crate) use message_text::{message_text, no_message_text};
pub(crate) use message_view::RenderedRow;
pub(crate) use output_style::OutputStyle;
pub(crate) use row_store::StoredRow;

/// The name of a message's files, without the extension.
fn file_name(prepared: &Prepared) -> String {
    format!("{:05}", prepared.recipient.row)
}

/// Writes `00001.eml`, `00001.html` and `00001.txt` for row 1 into `dir`, dated `date`. Returns the
/// path of the `.eml`.
fn write(dir: &Path, prepared: &Prepared, date: Timestamp) -> io::Result<PathBuf> {
    fs::create_dir_all(dir)?;
    let name = file_name(prepared);
    let message = &prepared.message;
    for (extension, body) in [("html", message.html()), ("txt", message.text())] {
        if let Some(body) = body {
            fs::write(dir.join(format!("{name}.{extension}")), body)?;
        }
    }
    let eml = dir.join(format!("{name}.eml"));
    fs::write(&eml, mime(prepared, date)?)?;
    Ok(eml)
}

/// The message as MIME, as the gateway would store it.
fn mime(prepared: &Prepared, date: Timestamp) -> io::Result<Vec<u8>> {
    let recipient = &prepared.recipient;
    let envelope = Envelope {
        smtp_account: Arc::from("preview"),
        to: vec![recipient.clone()],
    };
    let draft = Draft::new(&prepared.message.whole_request(&envelope)).map_err(io::Error::other)?;
    let id = recipient.message_id.clone().unwrap_or_else(|| {
        let domain = prepared.message.from.address.ascii_domain();
        format!("preview.{}@{domain}", recipient.row)
    });
    Ok(draft.message(&recipient.mailbox, &id, date))
}

/// The inline image that `cid:ID` refers to, as a `data:` URL. `id` is percent-encoded.
fn inline_image(message: &Message, id: &str) -> Option<String> {
    let name = percent_encoding::percent_decode_str(id).decode_utf8_lossy();
    let mut files = message.attachments.files.iter();
    let file = files.find(|file| file.inline && file.name == name)?;
    let is_safe = |c: char| c.is_ascii_alphanumeric() || "/+.-".contains(c);
    if !file.mime.starts_with("image/") || !file.mime.chars().all(is_safe) {
        return None;
    }
    Some(format!("data:{};base64,{}", file.mime, file.base64))
}
