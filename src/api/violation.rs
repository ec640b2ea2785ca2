//! What the API does not take, in words.

use std::borrow::Cow;
use std::fmt;

use super::form;
use super::limits::{MAX_HEADER_NAME, MAX_RECIPIENTS, MAX_SIZE};

/// Something in a request that the API does not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// A field that has to be there is not; its name.
    Missing(Cow<'static, str>),
    /// Neither `html` nor `text`.
    NoBody,
    /// A field with too many characters.
    TooLong {
        /// The field's name.
        field: &'static str,
        /// Its characters (Unicode scalar values).
        found: usize,
        /// The most it can have.
        most: usize,
    },
    /// A field with too many bytes for a line of a header.
    TooManyBytes {
        /// The field's name.
        field: String,
        /// Its bytes.
        found: usize,
        /// The most it can have.
        most: usize,
    },
    /// More recipients than one request can have; their number.
    TooManyRecipients(usize),
    /// A field that can have one address has several.
    TooManyCopies {
        /// The field's name.
        field: &'static str,
        /// The addresses in it.
        found: usize,
    },
    /// A message too large; its bytes, as [`Request::size`](super::Request::size) counts them.
    TooLarge(usize),
    /// More variables than PHP reads of one form; their number.
    TooManyVariables(usize),
    /// A field that goes into a header holds CR, LF or NUL.
    Character {
        /// The field's name.
        field: Cow<'static, str>,
        /// The first of them.
        character: char,
    },
    /// Not a header's name (RFC 5322 2.2), or none that the API can take; the name.
    HeaderName(String),
    /// A header that cannot be an extra one; its name.
    ReservedHeader(String),
    /// A header given twice, of which the API keeps one; its name.
    HeaderTwice(String),
    /// Not a message ID: printable ASCII without white space and angle brackets.
    MessageId {
        /// Whose message should have it.
        to: String,
        /// What it should be.
        id: String,
    },
    /// An address that the dialect cannot carry; the address.
    Uncarried(String),
    /// An address that is there twice, of which the dialect keeps one; the address.
    Twice(String),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(field) => write!(f, "the {field} is missing"),
            Self::NoBody => f.write_str("there is neither an html nor a text"),
            Self::TooLong { field, found, most } => {
                let verb = if *field == "tags" {
                    "are together"
                } else {
                    "is"
                };
                write!(
                    f,
                    "the {field} {verb} {found} characters long, the most is {most}"
                )
            }
            Self::TooManyBytes { field, found, most } => {
                write!(f, "the {field} is {found} bytes long, the most is {most}")
            }
            Self::TooManyRecipients(found) => {
                write!(
                    f,
                    "there are {found} recipients, the most is {MAX_RECIPIENTS}"
                )
            }
            Self::TooManyCopies { field, found } => {
                write!(f, "there are {found} addresses in {field}, the most is 1")
            }
            Self::TooLarge(found) => {
                write!(
                    f,
                    "the html, the text and the attachments in base64 are {found} bytes, \
                     the most is {MAX_SIZE}"
                )
            }
            Self::TooManyVariables(found) => {
                write!(
                    f,
                    "the form has {found} variables, the most is {}",
                    form::MAX_VARIABLES
                )
            }
            Self::Character {
                field,
                character: '\0',
            } => write!(f, "the {field} holds a NUL"),
            Self::Character { field, .. } => write!(f, "the {field} holds a line break"),
            Self::HeaderName(name) if name.len() > MAX_HEADER_NAME => write!(
                f,
                "{:?}… cannot be the name of a header: it is {} bytes long, the most is {MAX_HEADER_NAME}",
                name.chars().take(MAX_HEADER_NAME).collect::<String>(),
                name.len()
            ),
            Self::HeaderName(name) => write!(f, "{name:?} cannot be the name of a header"),
            Self::ReservedHeader(name) => write!(
                f,
                "the header {name} cannot be among the extra headers: the message has it already"
            ),
            Self::HeaderTwice(name) => write!(f, "the header {name} is there twice"),
            Self::MessageId { to, id } => write!(
                f,
                "the to[{to}][message_id] {id:?} cannot be a message ID: it must be printable ASCII \
                 without spaces and angle brackets"
            ),
            Self::Uncarried(address) => {
                write!(
                    f,
                    "the address {address:?} cannot be posted to new_sendmail"
                )
            }
            Self::Twice(address) => {
                write!(
                    f,
                    "the address {address} is there twice, which new_sendmail cannot carry"
                )
            }
        }
    }
}
