//! Reads the messages in an outbox with a parser that the program does not use.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mail_parser::{Address, Message, MessageParser, MimeHeaders};

/// A message, as far as tests look at it.
#[derive(Debug, Clone)]
pub struct Mail {
    /// The decoded `Subject`.
    pub subject: String,
    /// The mailboxes of `From`, as `Name <address>` or `address`.
    pub from: Vec<String>,
    /// The mailboxes of `To`.
    pub to: Vec<String>,
    /// The mailboxes of `Cc`.
    pub cc: Vec<String>,
    /// The mailboxes of `Reply-To`.
    pub reply_to: Vec<String>,
    /// `Message-ID` without its angle brackets.
    pub message_id: String,
    /// The plain text body, when the message has one.
    pub text: Option<String>,
    /// The HTML body, when the message has one.
    pub html: Option<String>,
    /// All other parts, in their order.
    pub attachments: Vec<Attachment>,
    /// Every header of the message by its lower-case name, raw and unfolded; of a repeated one all values.
    pub headers: BTreeMap<String, Vec<String>>,
}

/// A part of a message that is a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// The file name.
    pub name: String,
    /// The MIME type, such as `image/png`.
    pub mime: String,
    /// `Content-ID` without its angle brackets.
    pub content_id: Option<String>,
    /// Whether its disposition is `inline`.
    pub inline: bool,
    /// The decoded bytes.
    pub bytes: Vec<u8>,
}

/// The messages in the `new/` and `cur/` of a Maildir, by the name of the file.
pub fn outbox(maildir: impl AsRef<Path>) -> Vec<Mail> {
    let mut files: Vec<PathBuf> = ["new", "cur"]
        .iter()
        .filter_map(|folder| std::fs::read_dir(maildir.as_ref().join(folder)).ok())
        .flatten()
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
    files
        .iter()
        .map(|file| Mail::parse(&std::fs::read(file).expect("a message")))
        .collect()
}

impl Mail {
    /// Reads one message.
    pub fn parse(raw: &[u8]) -> Self {
        let message = MessageParser::default()
            .parse(raw)
            .expect("a message can be parsed");
        Self {
            subject: message.subject().unwrap_or_default().to_owned(),
            from: mailboxes(message.from()),
            to: mailboxes(message.to()),
            cc: mailboxes(message.cc()),
            reply_to: mailboxes(message.reply_to()),
            message_id: message.message_id().unwrap_or_default().to_owned(),
            text: body(&message, "plain"),
            html: body(&message, "html"),
            attachments: message.attachments().map(attachment).collect(),
            headers: headers(&message),
        }
    }

    /// The only value of a header.
    pub fn header(&self, name: &str) -> &str {
        match self
            .headers
            .get(&name.to_ascii_lowercase())
            .map(Vec::as_slice)
        {
            Some([value]) => value,
            other => panic!("{name} is not there once: {other:?}"),
        }
    }

    /// The attachment of this name.
    pub fn attachment(&self, name: &str) -> &Attachment {
        self.attachments
            .iter()
            .find(|attachment| attachment.name == name)
            .unwrap_or_else(|| panic!("no attachment {name} in {:?}", self.subject))
    }
}

fn mailboxes(header: Option<&Address<'_>>) -> Vec<String> {
    let shown = |addr: &mail_parser::Addr<'_>| match (addr.name(), addr.address()) {
        (Some(name), Some(address)) => format!("{name} <{address}>"),
        (_, address) => address.unwrap_or_default().to_owned(),
    };
    header
        .map(|header| header.iter().map(shown).collect())
        .unwrap_or_default()
}

/// The first body that really is `text/SUBTYPE`: the parser makes up one from the other.
fn body(message: &Message<'_>, subtype: &str) -> Option<String> {
    let bodies: Vec<_> = if subtype == "html" {
        message.html_bodies().collect()
    } else {
        message.text_bodies().collect()
    };
    bodies
        .into_iter()
        .find(|part| {
            part.content_type().map_or(subtype == "plain", |kind| {
                kind.ctype() == "text" && kind.subtype() == Some(subtype)
            })
        })
        .and_then(|part| part.text_contents())
        .map(str::to_owned)
}

fn attachment(part: &mail_parser::MessagePart<'_>) -> Attachment {
    let kind = part.content_type();
    Attachment {
        name: part.attachment_name().unwrap_or_default().to_owned(),
        mime: kind
            .map(|kind| format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or_default()))
            .unwrap_or_default(),
        content_id: part.content_id().map(str::to_owned),
        inline: part
            .content_disposition()
            .is_some_and(mail_parser::ContentType::is_inline),
        bytes: part.contents().to_vec(),
    }
}

fn headers(message: &Message<'_>) -> BTreeMap<String, Vec<String>> {
    let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in message.headers_raw() {
        let value = value.trim().replace("\r\n", "").replace('\n', "");
        headers
            .entry(name.to_ascii_lowercase())
            .or_default()
            .push(value);
    }
    headers
}
