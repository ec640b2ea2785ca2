//! The mail API's wire format: requests and responses, encoded and decoded, and the API's limits.
//!
//! `transport` uses it as the client, `gateway` as the server. This module does no I/O.

mod answer;
mod blacklist;
mod decode;
mod dialect;
mod emails;
pub mod form;
mod form_dialect;
mod limits;
mod list;
mod reply;
mod request;
mod template;
mod tracking;
mod v2;
mod violation;
mod webhook_item;

use std::borrow::Cow;

pub use answer::{Answer, Data, Values};
pub use blacklist::{
    BlacklistEntry, BlacklistOutcome, BlacklistReason, BlockOutcome, BlockRequest, BlockedAddress,
};
pub use decode::DecodeError;
pub use dialect::{Dialect, LoginHeader, Posted, WireFormat};
pub use emails::EMAILS;
pub(crate) use limits::MAX_FILE_FIELD;
pub use limits::{MAX_NAME, MAX_TAGS, check_header_name, is_reserved_header};
pub use list::{
    DEFAULT_LIMIT, ListError, ListQuery, MAX_LIMIT, Sort, after_second, decode_span, decode_time,
    encode_done, encode_list, encode_time,
};
pub use reply::HttpReply;
pub(crate) use reply::http_date;
pub use template::{ADD_TEMPLATE, SENDMAIL_TEMPLATES, Template, TemplateRequest, Vars, fill};
pub(crate) use tracking::message_id;
pub use tracking::{EventKind, TrackingEvent, TrackingList, TrackingOutcome, TrackingSpan};
pub use v2::{
    V2, V2Answer, V2DecodeError, V2Error, V2Request, V2Template, V2Vars, v2_domain, v2_domains,
    v2_external_ids, v2_faults, v2_ids,
};
pub use violation::{MAX_RECIPIENTS, MAX_SIZE, Violation};
pub(crate) use webhook_item::{WebhookItem, webhook_item, webhook_time};

/// Every dialect of the API.
pub(crate) const DIALECTS: [&dyn Dialect; 3] =
    [&FormDialect::Sendmail, &FormDialect::NewSendmail, &V2];

/// The dialect of this name in `campaign.toml`.
pub fn dialect(name: &str) -> Option<&'static dyn Dialect> {
    DIALECTS.into_iter().find(|dialect| dialect.name() == name)
}

/// The endpoints that take messages as forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FormDialect {
    /// `POST sendmail`: `to[0]=a@x`. The server chooses the message IDs.
    Sendmail,
    /// `POST new_sendmail`: `to[a@x][message_id]=ID`. The sender chooses them.
    NewSendmail,
}

impl FormDialect {
    /// The path below the API's base URL.
    pub fn path(self) -> &'static str {
        match self {
            Self::Sendmail => "sendmail",
            Self::NewSendmail => "new_sendmail",
        }
    }
}

/// The fields of a request's form. An absent field and an empty one mean the same on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request<'a> {
    /// Each of them gets a message of its own.
    pub to: Vec<Recipient<'a>>,
    /// Such as `1.acme.smtp`.
    pub smtp_account: Cow<'a, str>,
    pub subject: Cow<'a, str>,
    pub html: Option<Cow<'a, str>>,
    pub text: Option<Cow<'a, str>>,
    pub from: Cow<'a, str>,
    pub from_name: Option<Cow<'a, str>>,
    /// Names and values of extra headers.
    pub headers: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Several only with `multi_cc`.
    pub cc: Vec<Copy<'a>>,
    /// Several only with `multi_bcc`.
    pub bcc: Vec<Copy<'a>>,
    pub reply_to: Option<Cow<'a, str>>,
    pub tags: Vec<Cow<'a, str>>,
    pub files: Vec<File<'a>>,
    /// The envelope sender (`new_sendmail` only).
    pub return_path: Option<Cow<'a, str>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recipient<'a> {
    pub address: Cow<'a, str>,
    /// The display name (`reciver_name`; `new_sendmail` only).
    pub name: Option<Cow<'a, str>>,
    /// The message ID that the sender chose, without angle brackets (`new_sendmail` only).
    pub message_id: Option<Cow<'a, str>>,
}

/// The address and the display name of a copy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Copy<'a> {
    pub address: Cow<'a, str>,
    pub name: Option<Cow<'a, str>>,
}

/// An attachment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct File<'a> {
    /// `<img src="cid:NAME">` shows an inline image.
    pub name: Cow<'a, str>,
    /// The media type (RFC 2045).
    pub mime: Cow<'a, str>,
    /// In base64, possibly with white space.
    pub content: Cow<'a, str>,
    /// Whether the HTML shows the file, which is not listed as an attachment then.
    pub inline: bool,
}
