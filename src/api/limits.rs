//! What the API does not take, found before it is asked.

use std::borrow::Cow;
use std::collections::HashSet;

use super::decode::is_number;
use super::violation::Violation;
use super::{Copy, Dialect, File, Recipient, Request, form};

/// The longest subject, name of a sender, and name of a copy, in characters (the vendor's page).
pub const MAX_NAME: usize = 128;
/// The most characters of all tags together (the vendor's page).
pub const MAX_TAGS: usize = 128;
/// The most recipients of one request.
pub const MAX_RECIPIENTS: usize = 200;
/// The most bytes of `html`, `text` and the base64 of the attachments (the vendor's 15 MB).
pub const MAX_SIZE: usize = 15_000_000;

/// The longest name of an extra header: beside it there must be room in a line for a long word.
pub(super) const MAX_HEADER_NAME: usize = 90;
/// The most bytes of an attachment's name and of its type, which go into lines of headers that have at
/// most 998.
const MAX_FILE_FIELD: usize = 255;
/// The longest message ID, for the same reason.
const MAX_MESSAGE_ID: usize = 980;

/// The headers that come from a request's own fields or from the server.
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
/// What such headers begin with: the structure of the body, and the gateway's own notes.
const RESERVED_PREFIXES: [&str; 2] = ["Content-", "X-Mailrun-"];

impl Dialect {
    /// Whether a recipient's address can be posted. `new_sendmail` has it in a key, where PHP can
    /// read no bracket and no NUL, and where it must not look like a place in a list.
    pub fn can_carry(self, address: &str) -> bool {
        self == Self::Sendmail || is_key(address) && address.contains('@')
    }
}

/// Whether PHP reads a text in brackets as it was written.
fn is_key(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| matches!(c, '[' | ']') || c.is_control())
}

/// Whether a header cannot be among a request's extra headers, since the message has it anyway.
pub fn is_reserved_header(name: &str) -> bool {
    RESERVED
        .iter()
        .any(|reserved| reserved.eq_ignore_ascii_case(name))
        || RESERVED_PREFIXES.iter().any(|prefix| {
            name.get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        })
}

/// Whether a text can be the name of an extra header.
///
/// # Errors
/// Why it can't.
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
    /// Everything in the request that the API does not take, or that its dialect cannot carry there.
    /// Whether an address is one is not looked at: see [`Address`](crate::address::Address).
    pub fn violations(&self, dialect: Dialect) -> Vec<Violation> {
        let mut found = self.faults(dialect);
        self.check_carried(dialect, &mut found);
        found
    }

    /// What the API refuses a whole request for, as it has got there. For an address that is none it
    /// does not, nor for one that is there twice.
    pub fn faults(&self, dialect: Dialect) -> Vec<Violation> {
        let mut found = Vec::new();
        self.check_presence(&mut found);
        self.check_numbers(dialect, &mut found);
        self.check_lengths(&mut found);
        self.check_lines(&mut found);
        self.check_headers(&mut found);
        for recipient in &self.to {
            recipient.check(&mut found);
        }
        self.check_copies(dialect, &mut found);
        self.check_files(&mut found);
        found
    }

    fn check_presence(&self, found: &mut Vec<Violation>) {
        let fields = [
            ("to", self.to.is_empty()),
            ("smtp_account", self.smtp_account.is_empty()),
            ("subject", self.subject.is_empty()),
            ("from", self.from.is_empty()),
        ];
        let missing = fields.into_iter().filter(|(_, empty)| *empty);
        found.extend(missing.map(|(field, _)| Violation::Missing(field.into())));
        if self.html_length() == 0 && is_none(&self.text) {
            found.push(Violation::NoBody);
        }
    }

    fn check_numbers(&self, dialect: Dialect, found: &mut Vec<Violation>) {
        if self.to.len() > MAX_RECIPIENTS {
            found.push(Violation::TooManyRecipients(self.to.len()));
        }
        if self.size() > MAX_SIZE {
            found.push(Violation::TooLarge(self.size()));
        }
        let variables = self.variables(dialect);
        if variables > form::MAX_VARIABLES {
            found.push(Violation::TooManyVariables(variables));
        }
    }

    fn check_lengths(&self, found: &mut Vec<Violation>) {
        let mut check = |field, length, most| {
            if length > most {
                found.push(Violation::TooLong {
                    field,
                    found: length,
                    most,
                });
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

    fn check_lines(&self, found: &mut Vec<Violation>) {
        let texts = [
            ("smtp_account", Some(&self.smtp_account)),
            ("subject", Some(&self.subject)),
            ("from", Some(&self.from)),
            ("from_name", self.from_name.as_ref()),
            ("reply_to", self.reply_to.as_ref()),
            ("return_path", self.return_path.as_ref()),
        ];
        for (field, text) in texts {
            check_line(text.map_or("", |text| text), || field.into(), found);
        }
        for (index, tag) in self.tags.iter().enumerate() {
            check_line(tag, || format!("tags[{index}]").into(), found);
        }
    }

    fn check_headers(&self, found: &mut Vec<Violation>) {
        for (index, (name, value)) in self.headers.iter().enumerate() {
            found.extend(check_header_name(name).err());
            if self.headers[..index]
                .iter()
                .any(|(other, _)| other.eq_ignore_ascii_case(name))
            {
                found.push(Violation::HeaderTwice(name.to_string()));
            }
            check_line(value, || format!("header {name}").into(), found);
        }
    }

    fn check_carried(&self, dialect: Dialect, found: &mut Vec<Violation>) {
        let carried = |address: &&Cow<'_, str>| dialect.can_carry(address);
        let to = self.to.iter().map(|recipient| &recipient.address);
        let mut uncarried: Vec<_> = to.filter(|address| !carried(address)).collect();
        for copies in [&self.cc, &self.bcc] {
            let in_keys = copies.iter().filter(|_| copies.len() > 1);
            let addresses = in_keys.map(|copy| &copy.address);
            uncarried.extend(addresses.filter(|address| !is_key(address)));
        }
        let uncarried = uncarried.into_iter();
        found.extend(uncarried.map(|address| Violation::Uncarried(address.to_string())));
        if dialect == Dialect::NewSendmail && self.to.len() > 1 {
            let mut seen = HashSet::with_capacity(self.to.len());
            let twice = self
                .to
                .iter()
                .filter(|recipient| !seen.insert(&recipient.address));
            found.extend(twice.map(|recipient| Violation::Twice(recipient.address.to_string())));
        }
    }

    fn check_copies(&self, dialect: Dialect, found: &mut Vec<Violation>) {
        for (field, copies) in [("cc", &self.cc), ("bcc", &self.bcc)] {
            if copies.len() > 1 && dialect == Dialect::Sendmail {
                found.push(Violation::TooManyCopies {
                    field,
                    found: copies.len(),
                });
            }
            for copy in copies {
                copy.check(field, found);
            }
        }
    }

    fn check_files(&self, found: &mut Vec<Violation>) {
        for (index, file) in self.files.iter().enumerate() {
            file.check(index, found);
        }
    }
}

impl Recipient<'_> {
    fn check(&self, found: &mut Vec<Violation>) {
        let field = |name| format!("to[{}][{name}]", self.address);
        if let Some(name) = &self.name {
            check_line(name, || field("reciver_name").into(), found);
        }
        let id = self.message_id.as_deref().unwrap_or_default();
        if id.len() > MAX_MESSAGE_ID {
            found.push(Violation::TooManyBytes {
                field: field("message_id"),
                found: id.len(),
                most: MAX_MESSAGE_ID,
            });
        } else if self.message_id.is_some() && !is_message_id(id) {
            let (to, id) = (self.address.to_string(), id.to_owned());
            found.push(Violation::MessageId { to, id });
        }
    }
}

impl Copy<'_> {
    fn check(&self, field: &'static str, found: &mut Vec<Violation>) {
        check_line(&self.address, || field.into(), found);
        check_line(
            self.name.as_deref().unwrap_or(""),
            || format!("{field}_name").into(),
            found,
        );
    }
}

impl File<'_> {
    fn check(&self, index: usize, found: &mut Vec<Violation>) {
        for (field, text) in [("name", &self.name), ("mime", &self.mime)] {
            let name = || format!("files[{index}][{field}]");
            if text.is_empty() {
                found.push(Violation::Missing(name().into()));
            }
            if text.len() > MAX_FILE_FIELD {
                found.push(Violation::TooManyBytes {
                    field: name(),
                    found: text.len(),
                    most: MAX_FILE_FIELD,
                });
            }
            check_line(text, || name().into(), found);
        }
    }
}

fn is_none(text: &Option<Cow<'_, str>>) -> bool {
    text.as_deref().is_none_or(str::is_empty)
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

fn check_line(text: &str, field: impl FnOnce() -> Cow<'static, str>, found: &mut Vec<Violation>) {
    if let Some(byte) = text.bytes().find(|b| matches!(b, b'\r' | b'\n' | 0)) {
        found.push(Violation::Character {
            field: field(),
            character: byte.into(),
        });
    }
}
