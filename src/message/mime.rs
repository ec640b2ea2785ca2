//! Turns API requests into MIME messages (RFC 5322, RFC 2045).

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

use super::content_id::{content_id, with_content_ids};
use super::header_value::header_value;
use super::transfer_encoding::{base64_lines, encoded_words, is_plain, percent_encoded, text_body};
use crate::address::{Address, AddressError, Mailbox};
use crate::api::{Copy, File, MAX_FILE_FIELD, MAX_NAME, Request};

/// Why a request cannot be turned into messages.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MimeError {
    #[error("Sender address is not valid: {0}")]
    Sender(AddressError),
    #[error("{field} is not valid: {error}")]
    Address {
        field: &'static str,
        error: AddressError,
    },
    /// Holds the attachment's index.
    #[error("files[{0}][content] is not valid base64")]
    Content(usize),
    /// The type does not follow RFC 2045 5.1. Holds the attachment's index.
    #[error("files[{0}][mime] is not a media type such as image/png")]
    MediaType(usize),
}

/// The messages of one request. The part they share is built once.
///
/// The request must have no [faults](Request::faults): that check keeps line breaks out of the
/// headers.
#[derive(Debug, Clone)]
pub struct Draft {
    pub(crate) from: Address,
    /// The envelope sender.
    pub(crate) return_path: Address,
    /// The addresses in `cc` and `bcc`.
    pub(crate) copies: Vec<Address>,
    account: String,
    tags: Vec<String>,
    /// The end of every message: the shared headers, an empty line and the body.
    pub(crate) shared_part: Vec<u8>,
}

impl Draft {
    /// Builds the shared part.
    ///
    /// # Errors
    /// If the sender, a copy or a reply address is invalid, or an attachment is. Recipients are not
    /// checked.
    pub fn new(request: &Request<'_>) -> Result<Self, MimeError> {
        let from = Address::parse(&request.from).map_err(MimeError::Sender)?;
        let return_path = match non_empty(&request.return_path) {
            Some(text) => address("return_path", text)?,
            None => from.clone(),
        };
        let cc = mailboxes("cc", &request.cc)?;
        let bcc = mailboxes("bcc", &request.bcc)?;
        let shared_part = shared_part(request, &from, &cc)?;
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
            shared_part,
        })
    }

    /// The message to one recipient. `message_id` has no angle brackets.
    pub fn message(&self, to: &Mailbox, message_id: &str, date: jiff::Timestamp) -> Vec<u8> {
        let mut out = self.first_headers(to, message_id, date);
        out.extend_from_slice(&self.shared_part);
        out
    }

    /// The same without `Date`.
    pub(crate) fn undated_message(&self, to: &Mailbox, message_id: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(256 + self.shared_part.len());
        header("Message-ID", &MessageId::new(message_id), &mut out);
        addresses("To", std::slice::from_ref(to), &mut out);
        out.extend_from_slice(&self.shared_part);
        out
    }

    /// The first headers of the message to one recipient. [`Draft::shared_part`] follows them.
    pub(crate) fn first_headers(
        &self,
        to: &Mailbox,
        message_id: &str,
        date: jiff::Timestamp,
    ) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        header("Message-ID", &MessageId::new(message_id), &mut out);
        header("Date", &Date::new(date.as_second()), &mut out);
        addresses("To", std::slice::from_ref(to), &mut out);
        out
    }

    /// Headers that record the envelope, the account and the tags of a stored message:
    /// `X-Mailrun-Envelope-From`, one `X-Mailrun-Envelope-To` for the recipient and for each `cc`
    /// and `bcc`, `X-Mailrun-Account`, and one `X-Mailrun-Tag` for each tag.
    pub(crate) fn envelope_headers(&self, to: &Mailbox) -> Vec<u8> {
        let to = std::iter::once(&to.address).chain(&self.copies);
        let to: Vec<_> = to.map(Address::to_ascii).collect();
        envelope_headers(&self.return_path.to_ascii(), &to, &self.account, &self.tags)
    }
}

/// As [`Draft::envelope_headers`], from the values of a stored message.
pub(crate) fn envelope_headers<'a>(
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

/// Whether all attachments have a media type that a message can have.
pub(crate) fn has_media_types(request: &Request<'_>) -> bool {
    let mut files = request.files.iter();
    files.all(|file| media_type(&file.mime).is_some())
}

fn address(field: &'static str, text: &str) -> Result<Address, MimeError> {
    Address::parse(text).map_err(|error| MimeError::Address { field, error })
}

/// One address, or any `Reply-To` header value: some clients post that.
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
    let list = parsed.as_ref().and_then(|message| message.reply_to());
    let list: Vec<_> = list.into_iter().flat_map(|list| list.iter()).collect();
    let is_empty = |addr: &&Addr<'_>| addr.address().is_none_or(str::is_empty);
    if list.is_empty() || list.iter().any(is_empty) {
        return Err(error);
    }
    let mailbox = |addr: &Addr<'_>| {
        Ok(Mailbox {
            name: addr.name().map(str::to_owned),
            address: address("reply_to", addr.address().unwrap_or_default())?,
        })
    };
    list.into_iter().map(mailbox).collect()
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

fn shared_part(
    request: &Request<'_>,
    from: &Address,
    cc: &[Mailbox],
) -> Result<Vec<u8>, MimeError> {
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
        header(name, &Raw::new(header_value(name, value)), &mut out);
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

/// Whether a display name fits into a line unencoded: a quoted name is never folded.
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

/// Builds `mixed(alternative(text, related(html, inline files)), attachments)`. A level with a
/// single part is left out.
fn body<'x>(request: &Request<'x>) -> Result<MimePart<'x>, MimeError> {
    let html = non_empty(&request.html);
    let mut inline = Vec::new();
    let mut attached = Vec::new();
    for (index, file) in request.files.iter().enumerate() {
        let part = file_part(index, file)?;
        // Without HTML, nothing can show an inline file.
        if file.inline && html.is_some() {
            inline.push(part)
        } else {
            attached.push(part)
        }
    }
    let html = html.map(|html| {
        let names = request.files.iter().filter(|file| file.inline);
        let names: Vec<_> = names.map(|file| &*file.name).collect();
        let html = with_content_ids(html, &names);
        multipart("related", text_part("html", &html), inline)
    });
    let text = non_empty(&request.text).map(|text| text_part("plain", text));
    let body = match (text, html) {
        (Some(text), Some(html)) => multipart("alternative", text, vec![html]),
        (Some(part), None) | (None, Some(part)) => part,
        (None, None) => text_part("plain", ""),
    };
    Ok(multipart("mixed", body, attached))
}

/// Boundaries begin with `=_`, which cannot occur in quoted-printable or base64.
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
    // Many mail clients decode `=?` in a quoted name. None does so in the syntax of RFC 2231.
    Raw::new(format!(
        "{kind}; filename*=utf-8''{}",
        percent_encoded(&file.name)
    ))
    .into()
}

/// Whether a text is a media type with well-formed parameters (RFC 2045 5.1) that a file can have.
pub(crate) fn is_media_type_of_file(text: &str) -> bool {
    let is_parameter = |text: &str| {
        let (name, value) = text.trim().split_once('=').unwrap_or_default();
        let quoted = value.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
        let is_value = quoted.is_some_and(|it| !it.contains(['"', '\\'])) || is_token(value);
        is_token(name) && is_value
    };
    text.len() <= MAX_FILE_FIELD
        && media_type(text).is_some_and(|it| it == text)
        && text.split(';').skip(1).all(is_parameter)
}

/// Whether a text is a token of a structured header (RFC 2045 5.1).
fn is_token(text: &str) -> bool {
    let special = |byte: u8| b"()<>@,;:\\\"/[]?=".contains(&byte);
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !special(byte))
}

/// The type of an attachment. `multipart` and `message` parts cannot be base64 (RFC 2045 6.4), so
/// they are sent as `application/octet-stream`.
fn media_type(mime: &str) -> Option<String> {
    let essence = mime.split(';').next().unwrap_or_default().trim();
    let (kind, subtype) = essence.split_once('/')?;
    if !is_token(kind)
        || !is_token(subtype)
        || !mime.bytes().all(|byte| matches!(byte, b' '..=b'~'))
    {
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

/// The value of an optional field; an empty one counts as missing.
pub(crate) fn non_empty<'a>(field: &'a Option<Cow<'_, str>>) -> Option<&'a str> {
    field.as_deref().filter(|value| !value.is_empty())
}
