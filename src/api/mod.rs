//! The mail API's contract: requests and answers, encoded and decoded, and its limits.
//!
//! Both sides of the wire use it: `transport` as the client, `gateway` as the server. There is no
//! I/O in here, and nothing else of ours but [`crate::address`].

mod answer;
mod blacklist;
mod decode;
mod emails;
pub mod form;
mod limits;
mod list;
mod request;
mod template;
mod violation;

use std::borrow::Cow;

pub use answer::{Answer, Data, Values};
pub use blacklist::{BlacklistEntry, BlacklistReason};
pub use decode::DecodeError;
pub use emails::{EMAILS, emails_in, emails_query};
pub use limits::{
    MAX_NAME, MAX_RECIPIENTS, MAX_SIZE, MAX_TAGS, check_header_name, is_reserved_header,
};
pub use list::{
    DEFAULT_LIMIT, ListError, ListQuery, MAX_LIMIT, Sort, after_second, decode_span, decode_time,
    encode_done, encode_list, encode_time,
};
pub use template::{ADD_TEMPLATE, SENDMAIL_TEMPLATES, Template, TemplateRequest, Vars, fill};
pub use violation::Violation;

/// Which of the API's endpoints is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// `POST sendmail`: `to[0]=a@x`; the server chooses the message IDs.
    Sendmail,
    /// `POST new_sendmail`: `to[a@x][message_id]=ID`; the sender chooses them.
    NewSendmail,
}

impl Dialect {
    /// The endpoint's path below the API's base URL.
    pub fn path(self) -> &'static str {
        match self {
            Self::Sendmail => "sendmail",
            Self::NewSendmail => "new_sendmail",
        }
    }
}

/// One request, as the fields of its form. Absent and empty mean the same on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request<'a> {
    /// The recipients; every one gets a message of its own.
    pub to: Vec<Recipient<'a>>,
    /// The SMTP account to send through, such as `1.acme.smtp`.
    pub smtp_account: Cow<'a, str>,
    /// The subject.
    pub subject: Cow<'a, str>,
    /// The HTML body.
    pub html: Option<Cow<'a, str>>,
    /// What stands for `html`, where the sender has it encoded already.
    pub encoded_html: Option<EncodedHtml<'a>>,
    /// The text body; beside `html` it is the alternative.
    pub text: Option<Cow<'a, str>>,
    /// The sender's address.
    pub from: Cow<'a, str>,
    /// The sender's display name.
    pub from_name: Option<Cow<'a, str>>,
    /// Extra headers, name and value.
    pub headers: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// The address of a copy. Several only with `multi_cc`.
    pub cc: Vec<Copy<'a>>,
    /// The address of a blind copy. Several only with `multi_bcc`.
    pub bcc: Vec<Copy<'a>>,
    /// The address for replies.
    pub reply_to: Option<Cow<'a, str>>,
    /// The tags.
    pub tags: Vec<Cow<'a, str>>,
    /// The attachments.
    pub files: Vec<File<'a>>,
    /// The envelope sender (`new_sendmail` alone).
    pub return_path: Option<Cow<'a, str>>,
}

/// An HTML body that was encoded before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EncodedHtml<'a> {
    /// Percent-encoded ([`form::encode_into`]).
    pub form: Cow<'a, [u8]>,
    /// The length of the HTML itself, in bytes.
    pub length: usize,
}

/// One of a request's recipients.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recipient<'a> {
    /// The address as it stands on the wire.
    pub address: Cow<'a, str>,
    /// The display name (`reciver_name`; `new_sendmail` alone).
    pub name: Option<Cow<'a, str>>,
    /// The message ID that the sender chose (`new_sendmail` alone), without angle brackets.
    pub message_id: Option<Cow<'a, str>>,
}

/// A copy's address and name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Copy<'a> {
    /// The address as it stands on the wire.
    pub address: Cow<'a, str>,
    /// The display name.
    pub name: Option<Cow<'a, str>>,
}

/// An attachment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct File<'a> {
    /// The file's name; an inline image is shown by `<img src="cid:NAME">`.
    pub name: Cow<'a, str>,
    /// The media type (RFC 2045).
    pub mime: Cow<'a, str>,
    /// The content in base64, perhaps with white space in it.
    pub content: Cow<'a, str>,
    /// Shown in the HTML, not listed as an attachment.
    pub inline: bool,
}
