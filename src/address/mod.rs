//! Addresses and mailboxes: parsed once, never a bare string after that.

mod disposable;

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
    #[error("more than one address: give each a row of its own")]
    List,
    /// White space, a control character or an invisible character inside.
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
    /// A domain that IDNA (UTS 46, RFC 5891) does not allow, or whose last label is a number
    /// (RFC 3696 2).
    #[error("“{0}” is not a valid domain name")]
    Domain(String),
    /// A domain in characters that only look like its own, such as full-width letters: as it is
    /// written, and in the form that IDNA makes of it.
    #[error("the domain “{0}” must be written “{1}”")]
    DomainForm(String, String),
}

fn describe(c: char) -> String {
    match c {
        ' ' => "a space".to_owned(),
        '\t' => "a tab".to_owned(),
        '\r' | '\n' => "a line break".to_owned(),
        c if is_unseen(c) => format!("the invisible character U+{:04X}", c as u32),
        c => format!("“{c}”"),
    }
}

/// Control characters, white space, and the format characters that come along with pasted text.
fn is_unseen(c: char) -> bool {
    let format = matches!(c, '\u{ad}' | '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}');
    format || c.is_control() || c.is_whitespace()
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
        if text.starts_with('"') {
            return Err(AddressError::Quoted);
        }
        let parts = |c: char| matches!(c, ',' | ';' | '/' | '|') || c.is_whitespace();
        if text.matches('@').count() > 1 && text.contains(parts) {
            return Err(AddressError::List);
        }
        let (local, domain) = text.split_once('@').ok_or(AddressError::Shape)?;
        if local.is_empty() || domain.is_empty() || domain.contains('@') {
            return Err(AddressError::Shape);
        }
        if let Some(c) = text.chars().find(|c| is_unseen(*c)) {
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

    /// Whether its domain gives addresses to anybody for a while, as far as it is known.
    pub fn is_disposable(&self) -> bool {
        disposable::is_disposable(&self.ascii_domain)
    }

    /// The address in ASCII, as a header or an SMTP command has it: the local part as written.
    pub fn to_ascii(&self) -> String {
        format!("{}@{}", self.local(), self.ascii_domain)
    }

    /// The address with its domain as people write it: the local part as written.
    pub fn to_unicode(&self) -> String {
        let (domain, _) = idna::domain_to_unicode(&self.ascii_domain);
        format!("{}@{domain}", self.local())
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

impl Address {
    /// Whether that is what [`Address::normalized`] gives.
    pub(crate) fn is_normalized_as(&self, text: &str) -> bool {
        text.split_once('@').is_some_and(|(local, domain)| {
            let lower = self.local().bytes().map(|byte| byte.to_ascii_lowercase());
            domain == self.ascii_domain && local.bytes().eq(lower)
        })
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

/// The domain as lower-case A-labels, by UTS 46 without its transitional mapping: “ß” stays “ß”.
fn ascii_domain(domain: &str) -> Result<String, AddressError> {
    if domain.starts_with('[') {
        return Err(AddressError::Literal);
    }
    let invalid = || AddressError::Domain(domain.to_owned());
    let ascii = Uts46::new()
        .to_ascii(
            domain.as_bytes(),
            AsciiDenyList::STD3,
            Hyphens::Check,
            DnsLength::Verify,
        )
        .map_err(|_| invalid())?;
    if !domain.is_ascii() {
        check_form(domain, &ascii)?;
    }
    let (_, top) = ascii
        .rsplit_once('.')
        .ok_or_else(|| AddressError::NoDot(domain.to_owned()))?;
    if top.bytes().all(|b| b.is_ascii_digit()) {
        return Err(invalid());
    }
    Ok(ascii.into_owned())
}

/// Whether a domain is what its A-labels stand for, but for case: it is sent as it is written, so
/// it must not need any other mapping (RFC 5891 4.2.1).
fn check_form(domain: &str, ascii: &str) -> Result<(), AddressError> {
    let (unicode, _) =
        Uts46::new().to_unicode(ascii.as_bytes(), AsciiDenyList::STD3, Hyphens::Check);
    if domain.to_lowercase() == unicode {
        return Ok(());
    }
    Err(AddressError::DomainForm(
        domain.to_owned(),
        unicode.into_owned(),
    ))
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
    /// What is wrong with the address or the name.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        let Some((name, address)) = text.strip_suffix('>').and_then(|t| t.rsplit_once('<')) else {
            return Ok(Self {
                name: None,
                address: Address::parse(text)?,
            });
        };
        let name = display_name(name.trim())?;
        let address = Address::parse(address)?;
        Ok(Self {
            name: (!name.is_empty()).then_some(name),
            address,
        })
    }
}

/// A display name (RFC 5322 3.4): a quoted string may hold anything but control characters, other
/// text nothing that could be a part of an address or of a list.
fn display_name(name: &str) -> Result<String, AddressError> {
    if let Some(c) = name.chars().find(|c| c.is_control()) {
        return Err(AddressError::Character(c));
    }
    let quoted = name.len() > 1 && name.starts_with('"') && name.ends_with('"');
    let name = if quoted {
        unquoted(&name[1..name.len() - 1])
    } else {
        Some(name.to_owned())
    };
    name.filter(|name| quoted || !name.contains(['<', '>', '@', ',', ';']))
        .map(|name| name.trim().to_owned())
        .ok_or(AddressError::List)
}

/// What a quoted string (RFC 5322 3.2.4) holds; `None` when it ends before its last quote.
fn unquoted(quoted: &str) -> Option<String> {
    let mut text = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    while let Some(c) = characters.next() {
        match c {
            '"' => return None,
            '\\' => text.push(characters.next()?),
            c => text.push(c),
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text).expect(text)
    }

    fn fault(text: &str) -> AddressError {
        Address::parse(text).expect_err(text)
    }

    #[test]
    fn an_address_is_sent_as_written_but_for_what_is_around_it() {
        assert_eq!(
            address(" Jan.K@Example.COM.\u{a0}").as_str(),
            "Jan.K@Example.COM"
        );
        assert_eq!(address("jan@łódź.pl").as_str(), "jan@łódź.pl");
        assert_eq!(address("jan@Łódź.PL").to_ascii(), "jan@xn--d-uga0v4h.pl");
        assert_eq!(address("Jan@faß.de").ascii_domain(), "xn--fa-hia.de");
    }

    #[test]
    fn spellings_of_one_address_are_the_same() {
        for other in [
            "JAN@ŁÓDŹ.PL",
            "jan@xn--d-uga0v4h.pl",
            "Jan@XN--D-UGA0V4H.PL.",
        ] {
            assert_eq!(
                address(other).normalized(),
                address("jan@łódź.pl").normalized()
            );
        }
        assert_ne!(
            address("jan@fass.de").normalized(),
            address("jan@faß.de").normalized()
        );
    }

    #[test]
    fn a_domain_must_be_what_it_looks_like() {
        let full_width = ("ｅxample.com", "example.com");
        for (written, meant) in [
            full_width,
            ("example。com", "example.com"),
            ("ło\u{301}dź.pl", "łódź.pl"),
        ] {
            let expected = AddressError::DomainForm(written.into(), meant.into());
            assert_eq!(fault(&format!("jan@{written}")), expected);
        }
        assert_eq!(
            fault("jan@exam\u{ad}ple.com"),
            AddressError::Character('\u{ad}')
        );
        assert_eq!(
            fault("jan@example.com\u{200b}"),
            AddressError::Character('\u{200b}')
        );
        for invalid in [
            "192.0.2.1",
            "example.123",
            "a_b.pl",
            "-a.pl",
            "a..pl",
            "xn--a.pl",
        ] {
            assert_eq!(
                fault(&format!("jan@{invalid}")),
                AddressError::Domain(invalid.into())
            );
        }
    }

    #[test]
    fn lengths_are_those_of_rfc_5321() {
        let label = "a".repeat(61);
        let domain = format!("{label}.{label}.{label}");
        let local = "b".repeat(64);
        assert_eq!(
            address(&format!("{local}@{domain}.cc")).to_ascii().len(),
            253
        );
        assert_eq!(
            address(&format!("{local}@{domain}.ccc")).to_ascii().len(),
            254
        );
        assert_eq!(
            fault(&format!("{local}@{domain}.cccc")),
            AddressError::TooLong(255)
        );
        assert_eq!(
            fault(&format!("b{local}@{domain}")),
            AddressError::LocalTooLong(65)
        );
    }

    #[test]
    fn a_display_name_goes_before_the_address() {
        let name = |text: &str| Mailbox::parse(text).expect(text).name;
        assert_eq!(
            name("Jan Kowalski <jan@example.com>").as_deref(),
            Some("Jan Kowalski")
        );
        assert_eq!(
            name(r#""Kowalski, Jan \"K\"" <jan@example.com>"#).as_deref(),
            Some("Kowalski, Jan \"K\"")
        );
        assert_eq!(name("<jan@example.com>"), None);
        assert_eq!(name(r#""" <jan@example.com>"#), None);
        assert_eq!(name("jan@example.com"), None);
    }

    #[test]
    fn a_display_name_hides_no_second_address() {
        for list in [
            "ewa@example.com <jan@example.com>",
            "Kowalski, Jan <jan@example.com>",
            "Ewa <ewa@example.com>, Jan <jan@example.com>",
            r#""Ewa" <ewa@example.com>, "Jan" <jan@example.com>"#,
            "jan@example.com ewa@example.com",
        ] {
            assert_eq!(Mailbox::parse(list), Err(AddressError::List), "{list}");
        }
        assert_eq!(
            Mailbox::parse("Jan\r\nBcc: x <jan@example.com>"),
            Err(AddressError::Character('\r'))
        );
    }
}
