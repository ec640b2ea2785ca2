//! A message as it is rendered, the envelope around it, and its attachments.

pub mod mime;
mod transfer_encoding;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::address::{Address, Mailbox};
use crate::api;

/// A message as one recipient gets it.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The sender.
    pub from: Mailbox,
    /// The subject.
    pub subject: String,
    /// The HTML body, unless something stands for it.
    pub html: Option<String>,
    /// What stands for the HTML body.
    pub encoded_html: Option<EncodedHtml>,
    /// The text body, shared with other messages that have the same.
    pub text: Option<Arc<String>>,
    /// Where replies go.
    pub reply_to: Option<Address>,
    /// Who gets a copy.
    pub cc: Option<Mailbox>,
    /// Who gets a blind copy.
    pub bcc: Option<Mailbox>,
    /// Extra headers.
    pub headers: Vec<(String, String)>,
    /// The tags.
    pub tags: Vec<String>,
    /// The attachments, shared with other messages.
    pub attachments: Arc<Attachments>,
}

/// An HTML body that is needed in no other form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedHtml {
    /// Percent-encoded, shared with other messages that have the same; empty where a message is only
    /// held against the limits.
    pub form: Arc<Vec<u8>>,
    /// The length of the HTML itself, in bytes.
    pub length: usize,
}

/// Whom a request is for: the rows that get the same message.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    /// The SMTP account to send through.
    pub smtp_account: Arc<str>,
    /// The recipients.
    pub to: Vec<Recipient>,
}

/// One row of an envelope.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipient {
    /// The row.
    pub row: u32,
    /// Its address, and the display name if the cell had one.
    pub mailbox: Mailbox,
    /// The message ID, where the sender chooses it.
    pub message_id: Option<String>,
}

impl Message {
    /// The text body.
    pub fn text(&self) -> Option<&str> {
        self.text.as_ref().map(|text| text.as_str())
    }

    /// The request that posts this message, without its attachments: those are encoded once and
    /// shared ([`Attachments::form`]).
    pub fn request<'a>(&'a self, envelope: &'a Envelope) -> api::Request<'a> {
        api::Request {
            to: envelope.to.iter().map(Recipient::as_api).collect(),
            smtp_account: Cow::Borrowed(&envelope.smtp_account),
            subject: Cow::Borrowed(&self.subject),
            html: self.html.as_deref().map(Cow::Borrowed),
            encoded_html: self.encoded_html.as_ref().map(EncodedHtml::as_api),
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
            reply_to: self
                .reply_to
                .as_ref()
                .map(|address| address.as_str().into()),
            tags: self.tags.iter().map(|tag| tag.as_str().into()).collect(),
            files: Vec::new(),
            return_path: None,
        }
    }

    /// The same request with its attachments in it.
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

impl EncodedHtml {
    fn as_api(&self) -> api::EncodedHtml<'_> {
        api::EncodedHtml {
            form: self.form.as_slice().into(),
            length: self.length,
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

/// A file that goes with a message.
#[derive(Debug, PartialEq)]
pub struct Attachment {
    /// The file's name, without folders.
    pub name: String,
    /// The media type, guessed from the name.
    pub mime: String,
    /// The content in base64.
    pub base64: String,
    /// The content's length in bytes.
    pub size: u64,
    /// The content's SHA-256, in hexadecimal.
    pub sha256: String,
    /// Shown in the HTML.
    pub inline: bool,
}

impl Attachment {
    /// Reads a file.
    ///
    /// # Errors
    /// What the file system says.
    pub fn read(path: &Path, inline: bool) -> std::io::Result<Self> {
        let content = std::fs::read(path)?;
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Ok(Self {
            mime: mime_guess::from_path(&name)
                .first_or_octet_stream()
                .to_string(),
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

/// The attachments of a message, and their part of a request's form, encoded once.
#[derive(Debug, Default, PartialEq)]
pub struct Attachments {
    /// The attachments, in the order of the campaign's file.
    pub files: Vec<Arc<Attachment>>,
    /// Their fields, percent-encoded: the end of the form.
    pub form: Bytes,
}

impl Attachments {
    /// Encodes the attachments.
    pub fn new(files: Vec<Arc<Attachment>>) -> Self {
        let mut form = Vec::new();
        for (index, file) in files.iter().enumerate() {
            file.as_api().encode_into(index, &mut form);
        }
        Self {
            files,
            form: form.into(),
        }
    }

    /// The length of the contents in base64: what counts against the limit of a message.
    pub fn base64_len(&self) -> usize {
        self.files.iter().map(|file| file.base64.len()).sum()
    }
}

/// Why a file can't be attached.
#[derive(Debug, thiserror::Error)]
pub enum PathError {
    /// It can't be opened.
    #[error("there is no file {}: {}", .0.display(), .1)]
    Missing(PathBuf, std::io::Error),
    /// It is a folder or a device.
    #[error("{} is not a file", .0.display())]
    NotAFile(PathBuf),
    /// It is somewhere else, perhaps by a link.
    #[error("{} is outside the campaign's folder", .0.display())]
    Outside(PathBuf),
}

/// The file at `path` inside `dir`, with all links followed.
///
/// # Errors
/// When there is none, or when it is not inside.
pub fn inside(dir: &Path, path: &Path) -> Result<PathBuf, PathError> {
    let missing = |error| PathError::Missing(path.to_owned(), error);
    let dir = dir.canonicalize().map_err(missing)?;
    let full = dir.join(path).canonicalize().map_err(missing)?;
    if !full.starts_with(&dir) {
        return Err(PathError::Outside(path.to_owned()));
    }
    if !full.is_file() {
        return Err(PathError::NotAFile(path.to_owned()));
    }
    Ok(full)
}
