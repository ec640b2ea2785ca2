//! Finds what the API rejects in a request.

use std::borrow::Cow;
use std::collections::HashSet;

use super::decode::is_number;
use super::violation::{MAX_HEADER_NAME, MAX_RECIPIENTS, MAX_SIZE, Violation};
use super::{Copy, File, FormDialect, Recipient, Request, form};

/// The longest subject and display name, in characters (vendor's documentation).
pub const MAX_NAME: usize = 128;
/// The longest total of all tags, in characters (vendor's documentation).
pub const MAX_TAGS: usize = 128;
/// The longest name and type of an attachment, in bytes. They go into header lines of at most 998 bytes.
pub(crate) const MAX_FILE_FIELD: usize = 255;
/// The longest message ID, in bytes, for the same reason.
const MAX_MESSAGE_ID: usize = 980;
/// The longest `smtp_account`, in bytes. Every message of a request is stored with it.
const MAX_ACCOUNT: usize = 255;
/// The longest `reply_to`, in bytes: hundreds of addresses.
const MAX_REPLY_TO: usize = 20_000;

/// Headers that come from other fields of a request or from the server.
const RESERVED: [&str; 11] = [
    "From",
    "Sender",
    "To",
    "Cc",
    "Bcc",
    "Reply-To",
    "Subject",
    "Date",
    "Message-ID",
    "MIME-Version",
    "Return-Path",
];
/// The start of more such names: headers of the body's structure, and of the gateway.
const RESERVED_PREFIXES: [&str; 2] = ["Content-", "X-Mailrun-"];

impl FormDialect {
    /// Whether a recipient's address can be posted. `new_sendmail` puts it into a key, in which PHP can't read
    /// brackets and NUL, and which must not look like an index.
    fn supports(self, address: &str) -> bool {
        self == Self::Sendmail || is_key(address) && address.contains('@')
    }
}

/// Whether PHP reads a text in brackets unchanged.
fn is_key(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| matches!(c, '[' | ']') || c.is_control())
}

/// Whether a message has this header anyway, so that it can't be an extra header.
pub fn is_reserved_header(name: &str) -> bool {
    RESERVED
        .iter()
        .any(|reserved| reserved.eq_ignore_ascii_case(name))
        || RESERVED_PREFIXES.iter().any(|prefix| {
            name.get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        })
}

/// # Errors
/// Why a text can't be the name of an extra header.
pub fn check_header_name(name: &str) -> Result<(), Violation> {
    if !is_header_name(name) {
        return Err(Violation::HeaderName(name.to_owned()));
    }
    if is_reserved_header(name) {
        return Err(Violation::ReservedHeader(name.to_owned()));
    }
    Ok(())
}

impl Request<'_> {
    /// Everything that the API rejects, or that the dialect can't express. Addresses are not validated:
    /// [`Address`](crate::address::Address) does that.
    pub fn violations(&self, dialect: FormDialect) -> Vec<Violation> {
        let mut violations = self.faults(dialect);
        self.check_addresses(dialect, &mut violations);
        if dialect == FormDialect::Sendmail && self.return_path.is_some() {
            violations.push(Violation::Unsupported("return_path"));
        }
        self.check_reply_to(&mut violations);
        violations
    }

    /// Whether only one reply address is allowed. It is unknown how the API handles several.
    pub(super) fn check_reply_to(&self, violations: &mut Vec<Violation>) {
        let count = self
            .reply_to
            .as_deref()
            .unwrap_or_default()
            .split(',')
            .count();
        if count > 1 {
            let field = "reply_to";
            violations.push(Violation::TooManyCopies { field, count });
        }
    }

    /// Everything for which the API rejects a whole received request. It accepts one with an invalid or a
    /// repeated address.
    pub fn faults(&self, dialect: FormDialect) -> Vec<Violation> {
        let mut violations = Vec::new();
        self.check_account(&mut violations);
        violations.extend(self.common_faults());
        self.check_numbers(dialect, &mut violations);
        self.check_lengths(&mut violations);
        violations
    }

    /// Faults that every server rejects: missing fields, line breaks in headers, invalid headers and attachments.
    pub(crate) fn common_faults(&self) -> Vec<Violation> {
        let mut violations = Vec::new();
        self.check_presence(&mut violations);
        self.check_lines(&mut violations);
        self.check_headers(&mut violations);
        for recipient in &self.to {
            recipient.check(&mut violations);
        }
        for (field, copies) in [("cc", &self.cc), ("bcc", &self.bcc)] {
            for copy in copies {
                copy.check(field, &mut violations);
            }
        }
        let reply_to = self.reply_to.as_deref().unwrap_or_default();
        check_bytes("reply_to", reply_to, MAX_REPLY_TO, &mut violations);
        self.check_files(&mut violations);
        violations
    }

    /// Whether there is an SMTP account, which the API needs.
    pub(super) fn check_account(&self, violations: &mut Vec<Violation>) {
        if self.smtp_account.is_empty() {
            violations.push(Violation::Missing("smtp_account".into()));
        }
        check_bytes("smtp_account", &self.smtp_account, MAX_ACCOUNT, violations);
    }

    fn check_presence(&self, violations: &mut Vec<Violation>) {
        let fields = [
            ("to", self.to.is_empty()),
            ("subject", self.subject.is_empty()),
            ("from", self.from.is_empty()),
        ];
        let missing = fields.into_iter().filter(|(_, empty)| *empty);
        violations.extend(missing.map(|(field, _)| Violation::Missing(field.into())));
        if is_none(&self.html) && is_none(&self.text) {
            violations.push(Violation::NoBody);
        }
    }

    fn check_numbers(&self, dialect: FormDialect, violations: &mut Vec<Violation>) {
        if self.to.len() > MAX_RECIPIENTS {
            violations.push(Violation::TooManyRecipients(self.to.len()));
        }
        if self.size() > MAX_SIZE {
            violations.push(Violation::TooLarge(self.size()));
        }
        for (field, copies) in [("cc", &self.cc), ("bcc", &self.bcc)] {
            if copies.len() > 1 && dialect == FormDialect::Sendmail {
                violations.push(Violation::TooManyCopies {
                    field,
                    count: copies.len(),
                });
            }
        }
        let variables = self.variables(dialect);
        if variables > form::MAX_VARIABLES {
            violations.push(Violation::TooManyVariables(variables));
        }
    }

    fn check_lengths(&self, violations: &mut Vec<Violation>) {
        let mut check = |field, length, max| {
            if length > max {
                violations.push(Violation::TooLong { field, length, max });
            }
        };
        check("subject", length(&self.subject), MAX_NAME);
        check(
            "from_name",
            self.from_name.as_deref().map_or(0, length),
            MAX_NAME,
        );
        for (field, copies) in [("cc_name", &self.cc), ("bcc_name", &self.bcc)] {
            for copy in copies {
                check(field, copy.name.as_deref().map_or(0, length), MAX_NAME);
            }
        }
        check(
            "tags",
            self.tags.iter().map(|tag| length(tag)).sum(),
            MAX_TAGS,
        );
    }

    fn check_lines(&self, violations: &mut Vec<Violation>) {
        let texts = [
            ("smtp_account", Some(&self.smtp_account)),
            ("subject", Some(&self.subject)),
            ("from", Some(&self.from)),
            ("from_name", self.from_name.as_ref()),
            ("reply_to", self.reply_to.as_ref()),
            ("return_path", self.return_path.as_ref()),
        ];
        for (field, text) in texts {
            check_line(text.map_or("", |text| text), || field.into(), violations);
        }
        for (index, tag) in self.tags.iter().enumerate() {
            check_line(tag, || format!("tags[{index}]").into(), violations);
        }
    }

    fn check_headers(&self, violations: &mut Vec<Violation>) {
        let mut names = HashSet::with_capacity(self.headers.len());
        for (name, value) in &self.headers {
            violations.extend(check_header_name(name).err());
            if !names.insert(name.to_ascii_lowercase()) {
                violations.push(Violation::RepeatedHeader(name.to_string()));
            }
            check_line(value, || format!("header {name}").into(), violations);
        }
    }

    fn check_addresses(&self, dialect: FormDialect, violations: &mut Vec<Violation>) {
        let to = self.to.iter().map(|recipient| &recipient.address);
        let mut unsupported: Vec<_> = to.filter(|address| !dialect.supports(address)).collect();
        for copies in [&self.cc, &self.bcc] {
            let in_keys = copies.iter().filter(|_| copies.len() > 1);
            let addresses = in_keys.map(|copy| &copy.address);
            unsupported.extend(addresses.filter(|address| !is_key(address)));
        }
        let unsupported = unsupported.into_iter();
        violations
            .extend(unsupported.map(|address| Violation::UnsupportedAddress(address.to_string())));
        if dialect == FormDialect::NewSendmail && self.to.len() > 1 {
            let mut addresses = HashSet::with_capacity(self.to.len());
            let repeated = self
                .to
                .iter()
                .filter(|recipient| !addresses.insert(&recipient.address));
            violations.extend(
                repeated.map(|recipient| Violation::RepeatedAddress(recipient.address.to_string())),
            );
        }
    }

    fn check_files(&self, violations: &mut Vec<Violation>) {
        for (index, file) in self.files.iter().enumerate() {
            file.check(index, violations);
        }
    }
}

impl Recipient<'_> {
    fn check(&self, violations: &mut Vec<Violation>) {
        let field = |name| format!("to[{}][{name}]", self.address);
        if let Some(name) = &self.name {
            check_line(name, || field("reciver_name").into(), violations);
        }
        let id = self.message_id.as_deref().unwrap_or_default();
        if id.len() > MAX_MESSAGE_ID {
            violations.push(Violation::TooManyBytes {
                field: field("message_id"),
                length: id.len(),
                max: MAX_MESSAGE_ID,
            });
        } else if self.message_id.is_some() && !is_message_id(id) {
            let (to, id) = (self.address.to_string(), id.to_owned());
            violations.push(Violation::MessageId { to, id });
        }
    }
}

impl Copy<'_> {
    fn check(&self, field: &'static str, violations: &mut Vec<Violation>) {
        check_line(&self.address, || field.into(), violations);
        check_line(
            self.name.as_deref().unwrap_or(""),
            || format!("{field}_name").into(),
            violations,
        );
    }
}

impl File<'_> {
    fn check(&self, index: usize, violations: &mut Vec<Violation>) {
        for (field, text) in [("name", &self.name), ("mime", &self.mime)] {
            let name = || format!("files[{index}][{field}]");
            if text.is_empty() {
                violations.push(Violation::Missing(name().into()));
            }
            if text.len() > MAX_FILE_FIELD {
                violations.push(Violation::TooManyBytes {
                    field: name(),
                    length: text.len(),
                    max: MAX_FILE_FIELD,
                });
            }
            check_line(text, || name().into(), violations);
        }
    }
}

fn is_none(text: &Option<Cow<'_, str>>) -> bool {
    text.as_deref().is_none_or(str::is_empty)
}

fn check_bytes(field: &str, text: &str, max: usize, violations: &mut Vec<Violation>) {
    if text.len() > max {
        violations.push(Violation::TooManyBytes {
            field: field.to_owned(),
            length: text.len(),
            max,
        });
    }
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// Whether a text is a header's name (RFC 5322 2.2 `ftext`) and reaches the server as one.
fn is_header_name(name: &str) -> bool {
    let ftext = |byte: u8| matches!(byte, 33..=126) && byte != b':';
    name.len() <= MAX_HEADER_NAME && name.bytes().all(ftext) && is_key(name) && !is_number(name)
}

fn is_message_id(id: &str) -> bool {
    !id.is_empty()
        && id
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>'))
}

fn check_line(
    text: &str,
    field: impl FnOnce() -> Cow<'static, str>,
    violations: &mut Vec<Violation>,
) {
    if let Some(byte) = text.bytes().find(|b| matches!(b, b'\r' | b'\n' | 0)) {
        violations.push(Violation::Character {
            field: field(),
            character: byte.into(),
        });
    }
}
