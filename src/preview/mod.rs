//! Rendered messages, to look at: in the terminal, and as files with a contact sheet.

mod body;
mod card;
mod folder;
mod footer;
mod look;
mod preheader;
mod rows;
mod sheet;
mod store;
mod terminal;
mod told;

pub mod web;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use crate::message::Envelope;
use crate::message::mime::Draft;
use crate::render::Prepared;

pub use card::{not_shown, shown};
pub use look::Look;
pub use rows::Rows;
pub use sheet::{Sheet, SheetError};
pub use store::{Fault, Kept};
pub use terminal::{Browser, Page, Step};
pub use told::Told;

/// What the files of a message are called, without their endings.
fn file_name(prepared: &Prepared) -> String {
    format!("{:05}", prepared.recipient.row)
}

/// Writes `00001.eml`, `00001.html` and `00001.txt` for row 1 into `dir`, as they would go out at
/// `date`. Gives the path of the `.eml`.
fn write(dir: &Path, prepared: &Prepared, date: Timestamp) -> io::Result<PathBuf> {
    fs::create_dir_all(dir)?;
    let name = file_name(prepared);
    let message = &prepared.message;
    for (ending, body) in [("html", message.html.as_deref()), ("txt", message.text())] {
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
