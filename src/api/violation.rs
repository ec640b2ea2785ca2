//! Describes what the API rejects.

use std::borrow::Cow;
use std::fmt;

use super::form;

pub const MAX_RECIPIENTS: usize = 200;
/// The largest total of `html`, `text` and the base64 of the attachments, in bytes (the vendor's 15 MB).
pub const MAX_SIZE: usize = 15_000_000;
/// The longest name of an extra header, in bytes. It leaves room for a long word on the same line.
pub(super) const MAX_HEADER_NAME: usize = 90;

/// Something in a request that the API rejects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// The name of a required field.
    Missing(Cow<'static, str>),
    /// Neither `html` nor `text`.
    NoBody,
    /// In characters (Unicode scalar values).
    TooLong {
        field: &'static str,
        length: usize,
        max: usize,
    },
    /// In characters (Unicode scalar values).
    TooShort {
        field: &'static str,
        length: usize,
        min: usize,
    },
    /// A field that the dialect does not have.
    Unsupported(&'static str),
    /// A field with too many bytes for a header line.
    TooManyBytes {
        field: String,
        length: usize,
        max: usize,
    },
    TooManyRecipients(usize),
    /// Several addresses in a field that can have one.
    TooManyCopies {
        field: &'static str,
        count: usize,
    },
    /// In bytes, as the dialect counts them.
    TooLarge(usize),
    /// More variables than PHP reads from one form.
    TooManyVariables(usize),
    /// CR, LF or NUL in a field that goes into a header.
    Character {
        field: Cow<'static, str>,
        character: char,
    },
    /// Not the name of a header (RFC 5322 2.2), or not one that the API can receive.
    HeaderName(String),
    /// A header that can't be an extra one.
    ReservedHeader(String),
    /// A repeated header: the API keeps one of the two.
    RepeatedHeader(String),
    /// Not printable ASCII without white space and angle brackets.
    MessageId {
        /// The recipient's address.
        to: String,
        id: String,
    },
    /// An address that the dialect can't express.
    UnsupportedAddress(String),
    /// A repeated address: the dialect keeps one of the two.
    RepeatedAddress(String),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(field) => write!(f, "the {field} is missing"),
            Self::NoBody => f.write_str("the message has neither html nor text"),
            Self::TooLong { field, length, max } => {
                let verb = if *field == "tags" { "have" } else { "has" };
                write!(
                    f,
                    "the {field} {verb} {length} characters; the maximum is {max}"
                )
            }
            Self::TooShort { field, length, min } => {
                let noun = if *length == 1 {
                    "character"
                } else {
                    "characters"
                };
                write!(f, "the {field} has {length} {noun}; the minimum is {min}")
            }
            Self::Unsupported(field) => {
                write!(
                    f,
                    "this way of sending has no {field}; remove it, or choose another one in campaign.toml"
                )
            }
            Self::TooManyBytes { field, length, max } => {
                write!(f, "the {field} has {length} bytes; the maximum is {max}")
            }
            Self::TooManyRecipients(count) => write!(
                f,
                "the request has {count} recipients; the maximum is {MAX_RECIPIENTS}"
            ),
            Self::TooManyCopies { field, count } => {
                write!(f, "the {field} has {count} addresses; the maximum is 1")
            }
            Self::TooLarge(size) => write!(
                f,
                "the html, the text and the attachments in base64 have {size} bytes; the maximum is {MAX_SIZE}"
            ),
            Self::TooManyVariables(count) => write!(
                f,
                "the form has {count} variables; the maximum is {}",
                form::MAX_VARIABLES
            ),
            Self::Character {
                field,
                character: '\0',
            } => write!(f, "the {field} contains a NUL"),
            Self::Character { field, .. } => write!(f, "the {field} contains a line break"),
            Self::HeaderName(name) if name.len() > MAX_HEADER_NAME => write!(
                f,
                "{:?}… is not a valid header name: it has {} bytes; the maximum is {MAX_HEADER_NAME}",
                name.chars().take(MAX_HEADER_NAME).collect::<String>(),
                name.len()
            ),
            Self::HeaderName(name) => write!(f, "{name:?} is not a valid header name"),
            Self::ReservedHeader(name) => write!(
                f,
                "the header {name} can't be an extra header: every message has it already"
            ),
            Self::RepeatedHeader(name) => write!(f, "the header {name} is repeated"),
            Self::MessageId { to, id } => write!(
                f,
                "the to[{to}][message_id] {id:?} is not a valid message ID: use printable ASCII without spaces \
                 and angle brackets"
            ),
            Self::UnsupportedAddress(address) => {
                write!(f, "the address {address:?} can't be posted to new_sendmail")
            }
            Self::RepeatedAddress(address) => write!(
                f,
                "the address {address} is repeated; new_sendmail can send to it only once"
            ),
        }
    }
}
