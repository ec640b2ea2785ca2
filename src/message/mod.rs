//! A rendered message, its attachments, and its envelope.

mod content_id;
mod header_value;
pub mod mime;
mod mime_format;
mod transfer_encoding;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use bytes::Bytes;
use sha2::{Digest, Sha256};

pub(crate) use content_id::is_content_id;
pub(crate) use mime_format::MimeFormat;

use crate::address::{Address, Mailbox};
use crate::api::{self, WireFormat};
use crate::file_name::{composed, on_disk};

/// A message as one recipient gets it. Bodies and attachments are shared with other messages that have the
/// same.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    pub from: Mailbox,
    pub subject: String,
    pub html: Option<Arc<String>>,
    pub text: Option<Arc<String>>,
    pub reply_to: Vec<Address>,
    /// The envelope sender, if it is not `from`.
    pub return_path: Option<Address>,
    pub cc: Vec<Mailbox>,
    pub bcc: Vec<Mailbox>,
    /// Names and values of extra headers.
    pub headers: Vec<(String, String)>,
    pub tags: Vec<String>,
    pub attachments: Arc<Attachments>,
}

/// The rows that get the same message in one request.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    /// The SMTP account that sends the message.
    pub smtp_account: Arc<str>,
    pub to: Vec<Recipient>,
}

/// A row in an envelope.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipient {
    /// The number of the row.
    pub row: u32,
    pub mailbox: Mailbox,
    /// The message ID, if the sender chooses it.
    pub message_id: Option<String>,
}

impl Message {
    pub fn html(&self) -> Option<&str> {
        self.html.as_ref().map(|html| html.as_str())
    }

    pub fn text(&self) -> Option<&str> {
        self.text.as_ref().map(|text| text.as_str())
    }

    /// The request that posts this message, without its attachments: [`Attachments::encoded`] has those encoded
    /// for all messages.
    pub fn request<'a>(&'a self, envelope: &'a Envelope) -> api::Request<'a> {
        api::Request {
            to: envelope.to.iter().map(Recipient::as_api).collect(),
            smtp_account: Cow::Borrowed(&envelope.smtp_account),
            subject: Cow::Borrowed(&self.subject),
            html: self.html().map(Cow::Borrowed),
            text: self.text().map(Cow::Borrowed),
            from: Cow::Borrowed(self.from.address.as_str()),
            from_name: self.from.name.as_deref().map(Cow::Borrowed),
            headers: self
                .headers
                .iter()
                .map(|(n, v)| (n.as_str().into(), v.as_str().into()))
                .collect(),
            cc: self.cc.iter().map(as_copy).collect(),
            bcc: self.bcc.iter().map(as_copy).collect(),
            reply_to: self.reply_addresses(),
            tags: self.tags.iter().map(|tag| tag.as_str().into()).collect(),
            files: Vec::new(),
            return_path: self
                .return_path
                .as_ref()
                .map(|address| address.as_str().into()),
        }
    }

    /// As in the header `Reply-To`.
    fn reply_addresses(&self) -> Option<Cow<'_, str>> {
        match self.reply_to.as_slice() {
            [] => None,
            [address] => Some(address.as_str().into()),
            several => {
                let addresses: Vec<&str> = several.iter().map(Address::as_str).collect();
                Some(addresses.join(", ").into())
            }
        }
    }

    /// Whether others get a copy of it.
    pub(crate) fn has_copies(&self) -> bool {
        !self.cc.is_empty() || !self.bcc.is_empty()
    }

    /// The request with the attachments in it.
    pub fn whole_request<'a>(&'a self, envelope: &'a Envelope) -> api::Request<'a> {
        api::Request {
            files: self
                .attachments
                .files
                .iter()
                .map(|file| file.as_api())
                .collect(),
            ..self.request(envelope)
        }
    }
}

impl Recipient {
    fn as_api(&self) -> api::Recipient<'_> {
        api::Recipient {
            address: self.mailbox.address.as_str().into(),
            name: self.mailbox.name.as_deref().map(Cow::Borrowed),
            message_id: self.message_id.as_deref().map(Cow::Borrowed),
        }
    }
}

fn as_copy(mailbox: &Mailbox) -> api::Copy<'_> {
    api::Copy {
        address: mailbox.address.as_str().into(),
        name: mailbox.name.as_deref().map(Cow::Borrowed),
    }
}

#[derive(Debug, PartialEq)]
pub struct Attachment {
    /// Without folders.
    pub name: String,
    /// The media type, from the campaign or guessed from the name.
    pub mime: String,
    /// The content.
    pub base64: String,
    /// Of the content, in bytes.
    pub size: u64,
    /// Of the content, in hexadecimal.
    pub sha256: String,
    /// Whether the HTML shows the file, which is not listed as an attachment then.
    pub inline: bool,
}

impl Attachment {
    /// # Errors
    /// If the file can't be read.
    pub fn read(path: &Path, inline: bool, media_type: Option<&str>) -> std::io::Result<Self> {
        let content = std::fs::read(path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = composed(&name).into_owned();
        Ok(Self {
            mime: match media_type {
                Some(media_type) => media_type.to_owned(),
                None => mime_guess::from_path(&name)
                    .first_or_octet_stream()
                    .to_string(),
            },
            base64: base64::engine::general_purpose::STANDARD.encode(&content),
            size: content.len() as u64,
            sha256: hex(&Sha256::digest(&content)),
            name,
            inline,
        })
    }

    fn as_api(&self) -> api::File<'_> {
        api::File {
            name: self.name.as_str().into(),
            mime: self.mime.as_str().into(),
            content: self.base64.as_str().into(),
            inline: self.inline,
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The attachments of a message.
#[derive(Debug, Default, PartialEq)]
pub struct Attachments {
    /// In the order of `campaign.toml`.
    pub files: Vec<Arc<Attachment>>,
    /// The end of a request's body.
    pub encoded: Bytes,
}

impl Attachments {
    pub fn new(files: Vec<Arc<Attachment>>, format: &dyn WireFormat) -> Self {
        let encoded = {
            let files: Vec<_> = files.iter().map(|file| file.as_api()).collect();
            format.encode_files(&files)
        };
        Self {
            files,
            encoded: encoded.into(),
        }
    }

    /// The length of all contents in base64, which counts against the limit of a message.
    pub fn base64_len(&self) -> usize {
        self.files.iter().map(|file| file.base64.len()).sum()
    }
}

/// Why a file can't be attached.
#[derive(Debug, thiserror::Error)]
pub enum PathError {
    #[error("can't open the file {}: {}", .0.display(), .1)]
    Missing(PathBuf, std::io::Error),
    /// A folder or a device.
    #[error("{} is not a file", .0.display())]
    NotAFile(PathBuf),
    /// Perhaps through a link.
    #[error("{} is outside the campaign's folder", .0.display())]
    Outside(PathBuf),
    /// The path, and the folder that its template names.
    #[error("{} is not in {}, the folder that the path in campaign.toml names", .0.display(), .1.display())]
    OtherFolder(PathBuf, PathBuf),
    /// A file that no row may choose.
    #[error("{} belongs to the campaign itself, and a row can't attach it", .0.display())]
    Protected(PathBuf),
    #[error("{} has {size} bytes; a message may have attachments of {max} bytes", path.display())]
    TooLarge { path: PathBuf, size: u64, max: u64 },
}

/// The largest file that fits into a message, in bytes: base64 takes 4 bytes for 3.
const MAX_FILE: u64 = api::MAX_SIZE as u64 / 4 * 3;

/// Checks the size of a file before it is read: encoding a huge one would take the machine's memory. `path` is
/// its path in messages.
///
/// # Errors
/// If the file is larger than a message may be, or can't be read.
pub fn check_size(file: &Path, path: &Path) -> Result<(), PathError> {
    let missing = |error| PathError::Missing(path.to_owned(), error);
    match file.metadata().map_err(missing)?.len() {
        size if size > MAX_FILE => Err(PathError::TooLarge {
            path: path.to_owned(),
            size,
            max: MAX_FILE,
        }),
        _ => Ok(()),
    }
}

/// Resolves the path of a file inside `dir`, following links. Its names may have another Unicode normalization.
///
/// # Errors
/// If there is no such file, or it is outside `dir`.
pub fn inside(dir: &Path, path: &Path) -> Result<PathBuf, PathError> {
    let full = resolve(dir, path)?;
    if !full.is_file() {
        return Err(PathError::NotAFile(path.to_owned()));
    }
    Ok(full)
}

/// Resolves the path of anything inside `dir`, following links.
///
/// # Errors
/// If there is no such path, or it is outside `dir`.
pub fn resolve(dir: &Path, path: &Path) -> Result<PathBuf, PathError> {
    let missing = |error| PathError::Missing(path.to_owned(), error);
    let dir = dir.canonicalize().map_err(missing)?;
    let full = on_disk(&dir, path).canonicalize().map_err(missing)?;
    if !full.starts_with(&dir) {
        return Err(PathError::Outside(path.to_owned()));
    }
    Ok(full)
}
