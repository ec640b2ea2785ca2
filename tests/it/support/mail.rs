//! Parses the messages in an outbox.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mail_parser::{Address, Message, MessageParser, MimeHeaders};

/// The parts of a message that tests use.
#[derive(Debug, Clone)]
pub struct Mail {
    pub subject: String,
    /// As `Name <address>` or `address`, like the other mailboxes.
    pub from: Vec<String>,
    pub to: Vec<String>,
    pub cc: Vec<String>,
    pub reply_to: Vec<String>,
    /// Without angle brackets.
    pub message_id: String,
    /// With `\n` for line breaks, as in the templates.
    pub text: Option<String>,
    /// With `\n` for line breaks, as in the templates.
    pub html: Option<String>,
    /// All parts except the bodies.
    pub attachments: Vec<Attachment>,
    /// All values of each header, undecoded and unfolded, by lower-case name.
    pub headers: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    pub name: String,
    /// Such as `image/png`.
    pub mime: String,
    /// Without angle brackets.
    pub content_id: Option<String>,
    pub inline: bool,
    pub bytes: Vec<u8>,
}

/// The messages in a Maildir, in the order of the file names.
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

    /// The value of a header that must occur once.
    pub fn header(&self, name: &str) -> &str {
        match self
            .headers
            .get(&name.to_ascii_lowercase())
            .map(Vec::as_slice)
        {
            Some([value]) => value,
            other => panic!("{name} does not occur once: {other:?}"),
        }
    }

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

/// The first body of the type `text/SUBTYPE`. The parser derives a missing text body from the HTML, and
/// the other way round.
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
        .map(|text| text.replace("\r\n", "\n"))
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
