//! Requests of the API v2.1: `POST email`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use super::super::violation::{MAX_SIZE, Violation};
use super::super::{Copy, File, Recipient, Request};
use super::MAX_RECIPIENTS;

/// The length of a display name, in characters (other public clients): a name outside of it gets the whole request
/// refused.
pub(super) const NAME: (usize, usize) = (2, 64);
/// The length of a subject, in characters (vendor's documentation).
const SUBJECT: (usize, usize) = (2, 128);
/// The most characters of all tags of a received request. The vendor names no maximum.
const MAX_TAGS: usize = 1000;
/// What recipients, addresses and headers may take of the largest request, in bytes.
const RESERVE: usize = 200_000;

/// The body, except `attachments`, which stand last so that they can be encoded once for many requests.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    subject: &'a str,
    smtp_account: &'a str,
    from: Contact<'a>,
    to: Vec<To<'a>>,
    content: Content<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cc: Vec<Contact<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    bcc: Vec<Contact<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<Contact<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tags: &'a [Cow<'a, str>],
}

#[derive(Serialize)]
struct Contact<'a> {
    email: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct To<'a> {
    email: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Content<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    html: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Attachment<'a> {
    file_name: &'a str,
    file_mime: &'a str,
    file_content: &'a str,
    inline: bool,
}

/// Encodes everything but the attachments; the object stays open.
pub(super) fn encode(request: &Request<'_>) -> Vec<u8> {
    let body = Body {
        subject: &request.subject,
        smtp_account: &request.smtp_account,
        from: contact(&request.from, &request.from_name),
        to: request.to.iter().map(to).collect(),
        content: Content {
            html: non_empty(&request.html),
            text: non_empty(&request.text),
        },
        cc: request.cc.iter().map(copy).collect(),
        bcc: request.bcc.iter().map(copy).collect(),
        reply_to: non_empty(&request.reply_to).map(|email| Contact { email, name: None }),
        headers: (request
            .headers
            .iter()
            .map(|(name, value)| (&**name, &**value)))
        .collect(),
        tags: &request.tags,
    };
    let mut out = Vec::with_capacity(request.size() * 9 / 8 + 512);
    // Only a map with keys that are not text could fail.
    let _ = serde_json::to_writer(&mut out, &body);
    out.pop();
    out
}

/// Encodes the attachments, and closes the object.
pub(super) fn encode_files(files: &[File<'_>]) -> Vec<u8> {
    if files.is_empty() {
        return b"}".to_vec();
    }
    let files: Vec<_> = files
        .iter()
        .map(|file| Attachment {
            file_name: &file.name,
            file_mime: &file.mime,
            file_content: &file.content,
            inline: file.inline,
        })
        .collect();
    let mut out = b",\"attachments\":".to_vec();
    let _ = serde_json::to_writer(&mut out, &files);
    out.push(b'}');
    out
}

fn to<'a>(recipient: &'a Recipient<'_>) -> To<'a> {
    To {
        email: &recipient.address,
        name: name(&recipient.name),
        message_id: non_empty(&recipient.message_id),
    }
}

fn copy<'a>(copy: &'a Copy<'_>) -> Contact<'a> {
    contact(&copy.address, &copy.name)
}

fn contact<'a>(email: &'a str, named: &'a Option<Cow<'_, str>>) -> Contact<'a> {
    Contact {
        email,
        name: name(named),
    }
}

/// The API refuses a name of one character, so it is left out.
fn name<'a>(name: &'a Option<Cow<'_, str>>) -> Option<&'a str> {
    non_empty(name).filter(|name| name.chars().count() >= NAME.0)
}

fn non_empty<'a>(text: &'a Option<Cow<'_, str>>) -> Option<&'a str> {
    text.as_deref().filter(|text| !text.is_empty())
}

/// The display names, with their fields.
fn names<'a>(request: &'a Request<'_>) -> impl Iterator<Item = (&'static str, &'a str)> {
    std::iter::once(("from_name", &request.from_name))
        .chain(request.to.iter().map(|to| ("recipient's name", &to.name)))
        .chain(request.cc.iter().map(|copy| ("cc_name", &copy.name)))
        .chain(request.bcc.iter().map(|copy| ("bcc_name", &copy.name)))
        .map(|(field, name)| (field, name.as_deref().unwrap_or_default()))
}

/// Everything for which the API refuses a whole received request.
pub fn v2_faults(request: &Request<'_>) -> Vec<Violation> {
    let mut faults = violations(request);
    for (field, name) in names(request) {
        check_length(field, name, NAME, &mut faults);
    }
    // Every message of a request is stored with them.
    let length = request.tags.iter().map(|tag| tag.chars().count()).sum();
    if length > MAX_TAGS {
        faults.push(Violation::TooLong {
            field: "tags",
            length,
            max: MAX_TAGS,
        });
    }
    faults
}

pub(super) fn violations(request: &Request<'_>) -> Vec<Violation> {
    let mut violations = request.common_faults();
    request.check_account(&mut violations);
    if request.to.len() > MAX_RECIPIENTS {
        violations.push(Violation::TooManyRecipients(request.to.len()));
    }
    check_length("subject", &request.subject, SUBJECT, &mut violations);
    for (field, name) in names(request) {
        check_length(field, name, (0, NAME.1), &mut violations);
    }
    if request.return_path.is_some() {
        violations.push(Violation::Unsupported("return_path"));
    }
    let size = encoded_size(request);
    if size > MAX_SIZE - RESERVE {
        violations.push(Violation::TooLarge(size));
    }
    violations
}

pub(super) fn check_length(
    field: &'static str,
    text: &str,
    (min, max): (usize, usize),
    violations: &mut Vec<Violation>,
) {
    // Most texts have fewer bytes than the limit has characters.
    if text.len() >= 4 * min && text.len() <= max {
        return;
    }
    let length = text.chars().count();
    if length > max {
        violations.push(Violation::TooLong { field, length, max });
    } else if length < min && length > 0 {
        violations.push(Violation::TooShort { field, length, min });
    }
}

/// The bytes of the bodies and the attachments as JSON. An estimate from above, unless it comes near the limit.
fn encoded_size(request: &Request<'_>) -> usize {
    // Escaping doubles most special characters; control characters take six bytes.
    let estimate = 6 * request.size();
    if estimate <= MAX_SIZE - RESERVE {
        return estimate;
    }
    let json = |text: &Option<Cow<'_, str>>| {
        let text = serde_json::to_string(non_empty(text).unwrap_or_default());
        text.map_or(0, |json| json.len())
    };
    let files: usize = request.files.iter().map(|file| file.content.len()).sum();
    json(&request.html) + json(&request.text) + files
}
