//! Requests made into MIME messages.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_PAD_INDIFFERENT;
use mail_builder::headers::address::Address as AddressHeader;
use mail_builder::headers::content_type::ContentType;
use mail_builder::headers::date::Date;
use mail_builder::headers::message_id::MessageId;
use mail_builder::headers::raw::Raw;
use mail_builder::headers::{Header, HeaderType};
use mail_builder::mime::MimePart;
use mail_parser::{Addr, MessageParser};

use super::transfer_encoding::{base64_lines, encoded_words, is_plain, text_body};
use crate::address::{Address, AddressError, Mailbox};
use crate::api::{Copy, File, MAX_NAME, Request, form};

/// Why a request cannot be made into messages.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MimeError {
    /// The sender's address is none.
    #[error("Sender address is not valid: {0}")]
    Sender(AddressError),
    /// Another address is none.
    #[error("the {field} is not valid: {error}")]
    Address {
        /// The field's name.
        field: &'static str,
        /// What is wrong with it.
        error: AddressError,
    },
    /// An attachment's content is not base64; its place among the attachments.
    #[error("the files[{0}][content] is not base64")]
    Content(usize),
    /// An attachment's type is not one (RFC 2045 5.1); its place among the attachments.
    #[error("the files[{0}][mime] is not a media type, such as image/png")]
    MediaType(usize),
}

/// The messages of one request. What they have in common is built once.
///
/// A request must be without [faults](Request::faults): it is they that keep line breaks
/// out of the headers.
#[derive(Debug, Clone)]
pub struct Draft {
    from: Address,
    return_path: Address,
    copies: Vec<Address>,
    account: String,
    tags: Vec<String>,
    /// The common headers, an empty line and the body.
    common: Vec<u8>,
}

impl Draft {
    /// Builds what the messages have in common.
    ///
    /// # Errors
    /// A sender, a copy or a reply address that is none, or an attachment that cannot be one. The
    /// recipients are not looked at.
    pub fn new(request: &Request<'_>) -> Result<Self, MimeError> {
        let from = Address::parse(&request.from).map_err(MimeError::Sender)?;
        let return_path = match non_empty(&request.return_path) {
            Some(text) => address("return_path", text)?,
            None => from.clone(),
        };
        let cc = mailboxes("cc", &request.cc)?;
        let bcc = mailboxes("bcc", &request.bcc)?;
        let common = common(request, &from, &cc)?;
        let copies = cc
            .into_iter()
            .chain(bcc)
            .map(|mailbox| mailbox.address)
            .collect();
        let tags = request.tags.iter().map(ToString::to_string).collect();
        let account = request.smtp_account.to_string();
        Ok(Self {
            from,
            return_path,
            copies,
            account,
            tags,
            common,
        })
    }

    /// The sender's address.
    pub fn from(&self) -> &Address {
        &self.from
    }

    /// The message to one recipient. `message_id` goes without its angle brackets.
    pub fn message(&self, to: &Mailbox, message_id: &str, date: jiff::Timestamp) -> Vec<u8> {
        let mut out = self.head(to, message_id, date);
        out.extend_from_slice(&self.common);
        out
    }

    /// The first headers of the message to one recipient; [`Draft::common`] comes after them.
    pub fn head(&self, to: &Mailbox, message_id: &str, date: jiff::Timestamp) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        header("Message-ID", &MessageId::new(message_id), &mut out);
        header("Date", &Date::new(date.as_second()), &mut out);
        addresses("To", std::slice::from_ref(to), &mut out);
        out
    }

    /// What all messages end with: the common headers, an empty line and the body.
    pub fn common(&self) -> &[u8] {
        &self.common
    }

    /// The same, for whoever needs nothing else of it any more.
    pub fn into_common(self) -> Vec<u8> {
        self.common
    }

    /// The envelope's sender.
    pub fn return_path(&self) -> &Address {
        &self.return_path
    }

    /// Who gets a copy, blind ones too.
    pub fn copies(&self) -> &[Address] {
        &self.copies
    }

    /// What a message does not say of itself, as headers to go before it where it is kept:
    /// `X-Mailrun-Envelope-From`, an `X-Mailrun-Envelope-To` for the recipient and each copy, blind
    /// ones too, `X-Mailrun-Account`, and an `X-Mailrun-Tag` for each tag.
    pub fn trace(&self, to: &Mailbox) -> Vec<u8> {
        let to = std::iter::once(&to.address).chain(&self.copies);
        let to: Vec<_> = to.map(Address::to_ascii).collect();
        trace(&self.return_path.to_ascii(), &to, &self.account, &self.tags)
    }
}

/// The same, of what is known of a message that was kept.
pub(crate) fn trace<'a>(
    from: &str,
    to: impl IntoIterator<Item = &'a String>,
    account: &str,
    tags: &[String],
) -> Vec<u8> {
    let mut out = Vec::new();
    let mut put = |name, value: &str| header(name, &unstructured(value), &mut out);
    put("X-Mailrun-Envelope-From", from);
    for to in to {
        put("X-Mailrun-Envelope-To", to);
    }
    put("X-Mailrun-Account", account);
    for tag in tags {
        put("X-Mailrun-Tag", tag);
    }
    out
}

fn address(field: &'static str, text: &str) -> Result<Address, MimeError> {
    Address::parse(text).map_err(|error| MimeError::Address { field, error })
}

/// One address, or all that a `Reply-To` can hold: some clients post that header's value.
fn reply_to(text: &str) -> Result<Vec<Mailbox>, MimeError> {
    let error = match address("reply_to", text) {
        Ok(address) => {
            return Ok(vec![Mailbox {
                name: None,
                address,
            }]);
        }
        Err(error) => error,
    };
    let header = format!("Reply-To: {text}\r\n\r\n");
    let parsed = MessageParser::default().parse(&header);
    let found = parsed.as_ref().and_then(|message| message.reply_to());
    let found: Vec<_> = found.into_iter().flat_map(|found| found.iter()).collect();
    let has_none = |found: &&Addr<'_>| found.address().is_none_or(str::is_empty);
    if found.is_empty() || found.iter().any(has_none) {
        return Err(error);
    }
    let mailbox = |found: &Addr<'_>| {
        Ok(Mailbox {
            name: found.name().map(str::to_owned),
            address: address("reply_to", found.address().unwrap_or_default())?,
        })
    };
    found.into_iter().map(mailbox).collect()
}

fn mailboxes(field: &'static str, copies: &[Copy<'_>]) -> Result<Vec<Mailbox>, MimeError> {
    let mailbox = |copy: &Copy<'_>| {
        let name = non_empty(&copy.name).map(str::to_owned);
        Ok(Mailbox {
            name,
            address: address(field, &copy.address)?,
        })
    };
    copies.iter().map(mailbox).collect()
}

fn common(request: &Request<'_>, from: &Address, cc: &[Mailbox]) -> Result<Vec<u8>, MimeError> {
    let mut out = Vec::with_capacity(request.size() * 3 / 2 + 1024);
    let name = non_empty(&request.from_name).map(str::to_owned);
    addresses(
        "From",
        &[Mailbox {
            name,
            address: from.clone(),
        }],
        &mut out,
    );
    if !cc.is_empty() {
        addresses("Cc", cc, &mut out);
    }
    if let Some(text) = non_empty(&request.reply_to) {
        addresses("Reply-To", &reply_to(text)?, &mut out);
    }
    header("Subject", &unstructured(&request.subject), &mut out);
    for (name, value) in &request.headers {
        header(name, &unstructured(value), &mut out);
    }
    out.extend_from_slice(b"MIME-Version: 1.0\r\n");
    body(request)?.write_part(&mut out);
    Ok(out)
}

fn header(name: &str, value: &impl Header, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    value.write_header(out, name.len() + 2);
}

fn unstructured(text: &str) -> Raw<'_> {
    if is_plain(text) {
        Raw::new(text)
    } else {
        Raw::new(encoded_words(text))
    }
}

/// Whether a name can stand in a line as it is: in quotes it is not folded.
fn is_short(name: &str) -> bool {
    name.len() <= MAX_NAME && is_plain(name)
}

fn addresses(name: &str, mailboxes: &[Mailbox], out: &mut Vec<u8>) {
    if mailboxes
        .iter()
        .all(|mailbox| mailbox.name.as_deref().is_none_or(is_short))
    {
        let one = |mailbox: &Mailbox| {
            AddressHeader::new_address(mailbox.name.clone(), mailbox.address.to_ascii())
        };
        let list = mailboxes.iter().map(one).collect();
        return header(name, &AddressHeader::new_list(list), out);
    }
    let one = |mailbox: &Mailbox| {
        let words = mailbox
            .name
            .as_deref()
            .map(encoded_words)
            .unwrap_or_default();
        format!("{words} <{}>", mailbox.address.to_ascii())
    };
    let list = mailboxes.iter().map(one).collect::<Vec<_>>().join(", ");
    header(name, &Raw::new(list.trim_start()), out);
}

/// `mixed` of the text and the attachments; the text is an `alternative` of plain and HTML, the
/// HTML `related` to its inline files. A level with one part alone is left out.
fn body<'x>(request: &Request<'x>) -> Result<MimePart<'x>, MimeError> {
    let html = non_empty(&request.html);
    let mut inline = Vec::new();
    let mut attached = Vec::new();
    for (index, file) in request.files.iter().enumerate() {
        let part = file_part(index, file)?;
        // With no HTML there is nothing to show it in.
        if file.inline && html.is_some() {
            inline.push(part)
        } else {
            attached.push(part)
        }
    }
    let html = html.map(|html| multipart("related", text_part("html", html), inline));
    let text = non_empty(&request.text).map(|text| text_part("plain", text));
    let body = match (text, html) {
        (Some(text), Some(html)) => multipart("alternative", text, vec![html]),
        (Some(part), None) | (None, Some(part)) => part,
        (None, None) => text_part("plain", ""),
    };
    Ok(multipart("mixed", body, attached))
}

/// The boundaries begin with `=_`, which neither quoted-printable nor base64 can hold.
fn multipart<'x>(kind: &str, first: MimePart<'x>, others: Vec<MimePart<'x>>) -> MimePart<'x> {
    if others.is_empty() {
        return first;
    }
    let content_type =
        ContentType::new(format!("multipart/{kind}")).attribute("boundary", format!("=_{kind}"));
    let parts: Vec<_> = std::iter::once(first).chain(others).collect();
    MimePart::new(content_type, parts)
}

fn text_part<'x>(kind: &str, text: &str) -> MimePart<'x> {
    let (encoding, bytes) = text_body(text);
    let content_type = ContentType::new(format!("text/{kind}")).attribute("charset", "utf-8");
    MimePart::new(content_type, bytes).transfer_encoding(encoding)
}

fn file_part<'x>(index: usize, file: &File<'_>) -> Result<MimePart<'x>, MimeError> {
    let media_type = media_type(&file.mime).ok_or(MimeError::MediaType(index))?;
    let base64: String = file.content.split_ascii_whitespace().collect();
    let bytes = STANDARD_PAD_INDIFFERENT
        .decode(base64)
        .map_err(|_| MimeError::Content(index))?;
    let mut part = MimePart::new(ContentType::new(media_type), base64_lines(&bytes))
        .header("Content-Disposition", disposition(file))
        .transfer_encoding("base64");
    if file.inline {
        part = part.cid(content_id(&file.name));
    }
    Ok(part)
}

fn disposition<'x>(file: &File<'_>) -> HeaderType<'x> {
    let kind = if file.inline { "inline" } else { "attachment" };
    if !file.name.contains("=?") {
        return ContentType::new(kind)
            .attribute("filename", file.name.to_string())
            .into();
    }
    // In quotes many readers take it for an encoded word; as RFC 2231 has it, none does.
    Raw::new(format!(
        "{kind}; filename*=utf-8''{}",
        percent_encoded(&file.name)
    ))
    .into()
}

/// The type of an attachment. Of `multipart` and `message` the content cannot be base64 (RFC 2045
/// 6.4), so they are bytes like any others.
fn media_type(mime: &str) -> Option<String> {
    let token = |text: &str| {
        let special = |byte: u8| b"()<>@,;:\\\"/[]?=".contains(&byte);
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !special(byte))
    };
    let essence = mime.split(';').next().unwrap_or_default().trim();
    let (kind, subtype) = essence.split_once('/')?;
    if !token(kind) || !token(subtype) || !mime.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return None;
    }
    let composite = ["multipart", "message"]
        .iter()
        .any(|name| name.eq_ignore_ascii_case(kind));
    Some(if composite {
        "application/octet-stream".to_owned()
    } else {
        mime.trim().to_owned()
    })
}

/// What `<img src="cid:NAME">` refers to (RFC 2392): the file's name, percent-encoded like the URL
/// where an ID cannot have it as it is.
fn content_id(name: &str) -> String {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&'*+-./=?^_`{|}~@".contains(&byte);
    if name.bytes().all(fits) {
        return name.to_owned();
    }
    percent_encoded(name)
}

fn percent_encoded(text: &str) -> String {
    let mut encoded = Vec::new();
    form::encode_into(text.as_bytes(), &mut encoded);
    String::from_utf8_lossy(&encoded).into_owned()
}

/// The value of an optional field; an empty one counts as missing.
pub(crate) fn non_empty<'a>(field: &'a Option<Cow<'_, str>>) -> Option<&'a str> {
    field.as_deref().filter(|value| !value.is_empty())
}
