//! Reads one mail of the mailbox.

use std::borrow::Cow;

use jiff::Timestamp;
use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::{MessagePart, MimeHeaders, PartType};

use super::fields::Fields;
use super::report::RecipientReport;
use super::{arf, dsn, text_bounces};
use crate::html;
use crate::web::Mail;

/// Headers that name the address to which a mail was delivered.
const DELIVERED_TO: [&str; 9] = [
    "Delivered-To",
    "X-Original-To",
    "Envelope-To",
    "X-Envelope-To",
    "X-Delivered-To",
    "X-Rcpt-To",
    "Apparently-To",
    "To",
    "Received",
];

/// More message IDs than this are left out.
const MAX_IDS: usize = 100;

/// A mail of the mailbox.
#[derive(Debug)]
pub(super) enum BounceMail {
    /// A bounce or a complaint.
    Report(Report),
    /// An answer of a person or of a program, or anything else.
    Other,
    /// It is no mail, or its parts are damaged.
    Unreadable,
}

#[derive(Debug)]
pub(super) struct Report {
    /// Texts in which the return path of the message may be.
    pub(super) return_paths: Vec<String>,
    /// The IDs of the message that is reported.
    pub(super) message_ids: Vec<String>,
    /// At least one.
    pub(super) recipients: Vec<RecipientReport>,
    /// The date of the report.
    pub(super) at: Option<Timestamp>,
}

/// The parts of a mail that matter here.
#[derive(Default)]
struct Parts {
    delivery_status: Option<String>,
    feedback: Option<String>,
    is_disposition: bool,
    /// The headers of the messages that are returned.
    returned: Vec<Fields>,
}

pub(super) fn parse(raw: &[u8]) -> BounceMail {
    // A panic of the parser must not end the reading of the mailbox.
    html::catch_panic(|| parse_unguarded(raw)).unwrap_or(BounceMail::Unreadable)
}

fn parse_unguarded(raw: &[u8]) -> BounceMail {
    let Some(mail) = Mail::parse(raw) else {
        return BounceMail::Unreadable;
    };
    let message = mail.message();
    let headers = Fields::parse(&String::from_utf8_lossy(raw));
    let mut parts = Parts::default();
    for part in &message.parts {
        add_part(part, raw, &mut parts);
    }
    let mut return_paths = Vec::new();
    let mut message_ids = Vec::new();
    let mut recipients = Vec::new();
    if let Some(status) = &parts.delivery_status {
        return_paths.extend(dsn::return_paths(status));
        recipients = dsn::reports(status);
    } else if let Some(feedback) = &parts.feedback {
        return_paths.extend(arf::return_paths(feedback));
        match arf::report(feedback, &parts.returned) {
            Some(report) => recipients.push(report),
            None => return BounceMail::Other,
        }
    } else if parts.is_disposition {
        return BounceMail::Other;
    }
    if recipients.is_empty() {
        let text = mail.text().unwrap_or_default();
        match text_bounces::parse(&headers, text) {
            Some(bounce) => {
                parts.returned.push(bounce.returned);
                recipients = bounce.reports;
            }
            None if parts.delivery_status.is_some() => return BounceMail::Unreadable,
            None => return BounceMail::Other,
        }
    }
    for name in DELIVERED_TO {
        return_paths.extend(headers.all(name).map(str::to_owned));
    }
    for returned in &parts.returned {
        return_paths.extend(returned.all("Return-Path").map(str::to_owned));
        for id in returned.all("Message-ID") {
            message_ids.extend(ids_in(id));
        }
    }
    // Exchange names the message here, even if it does not return it.
    for name in ["In-Reply-To", "References"] {
        for id in headers.all(name) {
            message_ids.extend(ids_in(id));
        }
    }
    message_ids.dedup();
    // Every ID is looked up with every address of the report.
    message_ids.truncate(MAX_IDS);
    let at = message.date().map(mail_parser::DateTime::to_timestamp);
    BounceMail::Report(Report {
        return_paths,
        message_ids,
        recipients,
        at: at.and_then(|at| Timestamp::from_second(at).ok()),
    })
}

fn add_part(part: &MessagePart<'_>, raw: &[u8], parts: &mut Parts) {
    let Some(kind) = part.content_type() else {
        return;
    };
    let subtype = kind.subtype().unwrap_or_default().to_ascii_lowercase();
    let text = || String::from_utf8_lossy(&content(part, raw)).into_owned();
    match (kind.ctype().to_ascii_lowercase().as_str(), subtype.as_str()) {
        ("message", "delivery-status" | "global-delivery-status") => {
            parts.delivery_status.get_or_insert_with(text);
        }
        ("message", "feedback-report") => {
            parts.feedback.get_or_insert_with(text);
        }
        ("message", "disposition-notification" | "global-disposition-notification") => {
            parts.is_disposition = true;
        }
        ("message", "rfc822" | "global" | "global-headers")
        | ("text", "rfc822-headers" | "rfc822-header") => {
            parts.returned.push(Fields::parse(&text()));
        }
        _ => {}
    }
}

/// The decoded content of a part.
fn content<'a>(part: &'a MessagePart<'a>, raw: &'a [u8]) -> Cow<'a, [u8]> {
    if !matches!(part.body, PartType::Message(_)) {
        return part.contents().into();
    }
    let (start, end) = (part.offset_body as usize, part.offset_end as usize);
    let bytes = raw.get(start..end).unwrap_or_default();
    let encoding = part.content_transfer_encoding().unwrap_or_default();
    let decoded = match encoding.to_ascii_lowercase().as_str() {
        "base64" => base64_decode(bytes),
        "quoted-printable" => quoted_printable_decode(bytes),
        _ => None,
    };
    decoded.map_or(bytes.into(), Cow::from)
}

/// The message IDs in a field, without angle brackets and white space.
fn ids_in(value: &str) -> Vec<String> {
    let inside = value.split('<').skip(1);
    let inside = inside.filter_map(|rest| rest.split_once('>'));
    inside
        .map(|(id, _)| id.split_whitespace().collect::<String>())
        .filter(|id| !id.is_empty())
        .take(MAX_IDS)
        .collect()
}
