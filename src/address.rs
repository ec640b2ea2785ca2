//! Addresses and mailboxes: parsed once, never a bare string after that.

use std::fmt;
use std::str::FromStr;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

/// The longest local part, in octets (RFC 5321 4.5.3.1.1).
const MAX_LOCAL: usize = 64;
/// The longest address, in octets: a path of 256 less its angle brackets (RFC 5321 4.5.3.1.3).
const MAX_ADDRESS: usize = 254;

/// An addr-spec (RFC 5322 3.4.1) that can be posted: a dot-atom, `@`, and a domain with a dot.
///
/// It is sent as it was written, but for a trailing dot of the domain, which is dropped. Two
/// addresses are the same when [`Address::normalized`] is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    sent: String,
    at: usize,
    ascii_domain: String,
}

/// Why a string is not an address that can be sent to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing, or white space alone.
    #[error("the address is empty")]
    Empty,
    /// No `@`, or nothing before or after it.
    #[error("not an address: it must look like name@example.com")]
    Shape,
    /// More than one address in one place.
    #[error("more than one address: a row is one recipient")]
    List,
    /// White space or a control character inside.
    #[error("the address holds {}", describe(*.0))]
    Character(char),
    /// A character that a local part may only have in quotes, or never.
    #[error("the part before the @ holds {}", describe(*.0))]
    Local(char),
    /// A dot first, last or doubled in the local part.
    #[error("the part before the @ starts or ends with a dot, or has two in a row")]
    LocalDots,
    /// A quoted local part (`"a b"@example.com`).
    #[error("a quoted part before the @ is not supported")]
    Quoted,
    /// A local part outside ASCII, which only servers with SMTPUTF8 (RFC 6531) take.
    #[error("the part before the @ is not ASCII (it holds {}), which needs SMTPUTF8", describe(*.0))]
    NeedsSmtpUtf8(char),
    /// The local part is too long; its length in octets.
    #[error("the part before the @ is {0} characters long, the most is {MAX_LOCAL}")]
    LocalTooLong(usize),
    /// The whole address is too long; its length in octets.
    #[error("the address is {0} characters long, the most is {MAX_ADDRESS}")]
    TooLong(usize),
    /// `[192.0.2.1]` in place of a domain.
    #[error("an IP address in place of a domain is not supported")]
    Literal,
    /// A domain without a dot.
    #[error("the domain “{0}” has no dot")]
    NoDot(String),
    /// A domain that IDNA (UTS 46, RFC 5891) does not allow.
    #[error("“{0}” is not a valid domain name")]
    Domain(String),
}

fn describe(c: char) -> String {
    match c {
        ' ' => "a space".to_owned(),
        '\t' => "a tab".to_owned(),
        '\r' | '\n' => "a line break".to_owned(),
        c if c.is_control() || c.is_whitespace() => format!("the character U+{:04X}", c as u32),
        c => format!("“{c}”"),
    }
}

/// RFC 5322 3.2.3 `atext`.
fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c)
}

impl Address {
    /// Parses one address; white space around it is dropped, none inside is allowed.
    ///
    /// # Errors
    /// What is wrong with it, for the first thing that is.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        if text.matches('@').count() > 1 && text.contains([',', ';']) && !text.starts_with('"') {
            return Err(AddressError::List);
        }
        if text.starts_with('"') {
            return Err(AddressError::Quoted);
        }
        let (local, domain) = text.split_once('@').ok_or(AddressError::Shape)?;
        if local.is_empty() || domain.is_empty() || domain.contains('@') {
            return Err(AddressError::Shape);
        }
        if let Some(c) = text.chars().find(|c| c.is_whitespace() || c.is_control()) {
            return Err(AddressError::Character(c));
        }
        check_local(local)?;
        let domain = domain.strip_suffix('.').unwrap_or(domain);
        let ascii_domain = ascii_domain(domain)?;
        let length = local.len() + 1 + ascii_domain.len();
        if length > MAX_ADDRESS {
            return Err(AddressError::TooLong(length));
        }
        Ok(Self {
            sent: format!("{local}@{domain}"),
            at: local.len(),
            ascii_domain,
        })
    }

    /// The address as it is sent.
    pub fn as_str(&self) -> &str {
        &self.sent
    }

    /// The part before the `@`, as written.
    pub fn local(&self) -> &str {
        &self.sent[..self.at]
    }

    /// The domain as lower-case A-labels.
    pub fn ascii_domain(&self) -> &str {
        &self.ascii_domain
    }

    /// The address in ASCII, as a header or an SMTP command has it: the local part as written.
    pub fn to_ascii(&self) -> String {
        format!("{}@{}", self.local(), self.ascii_domain)
    }

    /// What two spellings of one address have in common: lower case, the domain as A-labels.
    pub fn normalized(&self) -> String {
        format!(
            "{}@{}",
            self.local().to_ascii_lowercase(),
            self.ascii_domain
        )
    }
}

fn check_local(local: &str) -> Result<(), AddressError> {
    if let Some(c) = local.chars().find(|c| !c.is_ascii()) {
        return Err(AddressError::NeedsSmtpUtf8(c));
    }
    if let Some(c) = local.chars().find(|c| *c != '.' && !is_atext(*c)) {
        return Err(AddressError::Local(c));
    }
    if local.split('.').any(str::is_empty) {
        return Err(AddressError::LocalDots);
    }
    if local.len() > MAX_LOCAL {
        return Err(AddressError::LocalTooLong(local.len()));
    }
    Ok(())
}

fn ascii_domain(domain: &str) -> Result<String, AddressError> {
    if domain.starts_with('[') {
        return Err(AddressError::Literal);
    }
    let ascii = Uts46::new()
        .to_ascii(
            domain.as_bytes(),
            AsciiDenyList::STD3,
            Hyphens::Check,
            DnsLength::Verify,
        )
        .map_err(|_| AddressError::Domain(domain.to_owned()))?;
    if !ascii.contains('.') {
        return Err(AddressError::NoDot(domain.to_owned()));
    }
    Ok(ascii.into_owned())
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sent)
    }
}

/// An address with the display name that goes before it (RFC 5322 3.4 `mailbox`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// The display name, unquoted; never empty.
    pub name: Option<String>,
    /// The address.
    pub address: Address,
}

impl Mailbox {
    /// Parses `a@example.com`, `Name <a@example.com>` or `"Name" <a@example.com>`.
    ///
    /// # Errors
    /// What is wrong with the address.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        let Some((name, address)) = text.strip_suffix('>').and_then(|t| t.split_once('<')) else {
            return Ok(Self {
                name: None,
                address: Address::parse(text)?,
            });
        };
        if address.contains(['<', '>']) || name.contains(['<', '>', '@', ',', ';']) {
            return Err(AddressError::List);
        }
        if let Some(c) = name.chars().find(|c| c.is_control()) {
            return Err(AddressError::Character(c));
        }
        let name = name.trim();
        let name = name
            .strip_prefix('"')
            .and_then(|n| n.strip_suffix('"'))
            .unwrap_or(name)
            .trim();
        let name = (!name.is_empty()).then(|| name.to_owned());
        Ok(Self {
            name,
            address: Address::parse(address)?,
        })
    }
}
